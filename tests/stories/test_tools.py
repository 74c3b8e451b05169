"""Stories of tools that ask a running server, as an end-to-end test or an editor does."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devrunserver.common.state_file import Running, find
from devrunserver.control.client import ask
from tests.live import REPOSITORY, Server, replace

TIMEOUT = 60.0  # seconds
MARKS = "shop/marks.py"


pytestmark = pytest.mark.usefixtures("runtime_directory")


def tell(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``python -m devrunserver`` in the project's directory."""
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    argv = [sys.executable, "-m", "devrunserver", *arguments]
    return subprocess.run(argv, cwd=project, env=environ, capture_output=True, text=True, timeout=2 * TIMEOUT)


def answer(project: Path, *arguments: str) -> dict[str, Any]:
    done = tell(project, *arguments, "--json")
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def running(project: Path) -> Running:
    (one,) = find(str(project))
    return one


@pytest.mark.measured
def test_a_tool_waits_asks_and_is_told(project: Path) -> None:
    with Server(project) as server:
        done = tell(project / "shop", "wait", "--timeout", str(TIMEOUT))  # also from a directory below
        assert (done.returncode, done.stdout) == (0, "Served.\n"), done.stderr
        state = answer(project, "status")
        assert state["ready"] and state["state"] == "ready" and state["worker_responds"]
        assert (state["url"], state["pid"]) == (f"http://127.0.0.1:{server.port}/", server.pid)
        assert server.get("/fail/?token=abc").status == 500
        request = answer(project, "requests")["requests"][-1]
        assert (request["method"], request["path"], request["status"]) == ("GET", "/fail/?token=********", 500)
        error = answer(project, "errors")["errors"][-1]
        assert (error["type"], error["at"], error["path"]) == ("RuntimeError", "request", "/fail/")
        assert error["file"].endswith("lab/views.py") and error["line"]
        (route,) = [one for one in answer(project, "routes")["routes"] if one["name"] == "lab:fail"]
        assert (route["route"], route["view"], route["file"]) == ("/fail/", "lab.views.fail", error["file"])
        assert tell(project, "reload").returncode == 0
        assert answer(project, "wait")["generation"] > state["generation"]
        assert answer(project, "requests")["requests"][-1] == request  # it is remembered
        second = subprocess.run(
            [sys.executable, "manage.py", "runserver", str(server.port)],
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "DJANGO_SETTINGS_MODULE": "bookshop.settings"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        assert second.returncode == 1
        assert "Error: That port is already in use." in second.stderr
        assert f"This project's server runs at {state['url']} as process {server.pid}" in second.stderr
    done = tell(project, "status")
    assert done.returncode == 3 and "No server of the project" in done.stderr


@pytest.mark.parametrize(
    "edits",
    [
        5,
        pytest.param(20, marks=pytest.mark.deep),
        pytest.param(200, marks=[pytest.mark.deep, pytest.mark.exhaustive, pytest.mark.timeout(1800)]),
    ],
)
def test_what_follows_wait_is_by_the_new_code(project: Path, edits: int) -> None:
    """Random edits, some of them broken."""
    choice, models = random.Random(edits), project / "shop/models.py"
    with Server(project) as server:
        server.wait_for_body("mark-0")
        for number in range(1, edits + 1):
            broken = choice.random() < 0.2
            in_model = choice.random() < 0.1
            mark = f'MARK = "mark-{number}"\n'
            replace(project / MARKS, f"{mark}raise ValueError('mark-{number}')\n" if broken else mark)
            if in_model:
                replace(models, f"{models.read_text()}\n# {number}\n")
            outcome = ask(running(project), "wait", patience=TIMEOUT, timeout=TIMEOUT)
            page = server.get("/version/", "Accept: text/plain\r\n")
            assert outcome["ok"] is not broken, (number, outcome)
            assert f"mark-{number}" in page.body and page.status == (500 if broken else 200), number
            if broken:
                assert outcome["error"]["message"] == f"mark-{number}"
                assert outcome["error"]["file"] == str(project / MARKS) and outcome["error"]["line"] == 2


def test_wait_does_not_wait_for_the_next_look_of_polling(project: Path) -> None:
    """Which is further away than the test is patient."""
    settings = project / "bookshop/settings.py"
    replace(settings, f"{settings.read_text()}\nDEVRUNSERVER = {{'POLL_INTERVAL': {10 * TIMEOUT}}}\n")
    with Server(project, "--watcher=polling") as server:
        server.wait_for_body("mark-0")
        replace(project / MARKS, 'MARK = "mark-1"\n')
        assert ask(running(project), "wait", patience=TIMEOUT, timeout=TIMEOUT)["ok"]
        assert "mark-1" in server.get().body


def test_broken_settings_and_a_stopped_worker_are_told(project: Path) -> None:
    with Server(project) as server:
        worker = server.worker_pid()
        os.kill(worker, signal.SIGSTOP)
        state = answer(project, "status")
        assert state["ready"] and not state["worker_responds"]
        os.kill(worker, signal.SIGCONT)
        server.edit("bookshop/settings.py", "DEBUG = ", "DEBUG = = ")
        done = tell(project, "wait")
        assert done.returncode == 1
        assert "SyntaxError" in done.stderr and "settings.py" in done.stderr
