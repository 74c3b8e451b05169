"""Answers as people see them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devrunserver import control
from devrunserver.control import command_line
from devrunserver.control.client import NoServer, Target
from devrunserver.control.command_line import COMMANDS, NO_SERVER, lines, main

ERROR = {
    "time": 0,
    "at": "request",
    "path": "/a/",
    "type": "ValueError",
    "message": "no\nmore",
    "file": "a.py",
    "line": 3,
}
STATUS = {
    "url": "http://127.0.0.1:8000/",
    "state": "ready",
    "state_seconds": 3.21,
    "generation": 2,
    "pid": 1,
    "worker": 2,
    "project": "/srv/shop",
    "log": None,
    "last_reload": {"path": "a.py", "seconds": 0.123, "resumed_at": "shop.views"},
    "error": None,
}
REQUEST = {"time": 0, "status": 200, "ms": 12.3, "method": "GET", "path": "/"}


@pytest.mark.parametrize(
    ("command", "answer", "expected"),
    [
        ("wait", {"ok": True, "generation": 3}, ["Served."]),
        ("wait", {"ok": False, "error": ERROR}, ["ValueError: no", "  a.py:3"]),
        ("wait", {"ok": False, "error": {"message": "It is not served in time."}}, ["It is not served in time."]),
        ("reload", {"ok": True}, []),
        ("reload", {"error": "There is no such command"}, ["There is no such command"]),
        (
            "status",
            STATUS,
            [
                "http://127.0.0.1:8000/ is ready for 3.2 s",
                "  process 1, worker 2, project /srv/shop",
                "  last reload: a.py in 0.12 s (resumed at shop.views)",
            ],
        ),
        (
            "status",
            {**STATUS, "state": "broken", "worker": None, "log": "/tmp/log", "last_reload": None, "error": ERROR},
            [
                "http://127.0.0.1:8000/ is broken for 3.2 s",
                "  process 1, worker none, project /srv/shop",
                "  log /tmp/log",
                "  ValueError: no",
                "    a.py:3",
            ],
        ),
        (
            "routes",
            {"routes": [{"route": "/", "view": "shop.views.a", "file": "/a.py", "line": 2, "name": None}]},
            ["/  shop.views.a  /a.py:2"],
        ),
        ("errors", {"errors": []}, []),
    ],
)
def test_lines(command: str, answer: dict[str, Any], expected: list[str]) -> None:
    assert list(lines(command, answer)) == expected


def test_requests_and_errors_have_their_time() -> None:
    (line,) = lines("requests", {"requests": [{**REQUEST, "queries": {"count": 3, "ms": 1.2}}]})
    assert line.endswith(" 200 12 ms 3 queries 1 ms GET /")
    first, *rest = lines("errors", {"errors": [ERROR]})
    assert first.endswith(" request /a/") and rest == ["  ValueError: no", "    a.py:3"]
    message = {"time": 0, "page": "/a/", "kind": "error", "text": "x is not defined", "source": "/s/a.js", "line": 3}
    first, *rest = lines("errors", {"errors": [], "browser": [message]})
    assert first.endswith(" browser /a/") and rest == ["  error: x is not defined (/s/a.js:3)"]


def test_a_stuck_worker_is_told_below() -> None:
    assert "does not respond" in next(iter(lines("errors", {"errors": [], "worker_responds": False})))


def test_the_commands_have_one_list() -> None:
    assert tuple(COMMANDS) == control.COMMANDS


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("arguments", [["status"], ["routes", "--port", "80"], ["wait", "--timeout", "0"]])
def test_no_server(nobody: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == NO_SERVER
    told = capsys.readouterr()
    assert told.out == "" and f"No server of the project in {nobody} runs" in told.err
    assert main([*arguments, "--json"]) == NO_SERVER
    assert "No server" in json.loads(capsys.readouterr().err)["error"]


def test_a_target_names_the_other_servers(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from devrunserver.common.state_file import Running
    from devrunserver.control import client

    running = [Running(2, str(nobody), "http://[::1]:8001/"), Running(1, str(nobody), "http://127.0.0.1:8000/")]
    monkeypatch.setattr(client, "running_servers", lambda: running)
    assert Target(str(nobody)).find().pid == 2
    assert Target(str(nobody), 8000).find().pid == 1
    with pytest.raises(NoServer, match=r"on port 80\. There are: http://\[::1\]:8001/ "):
        Target(str(nobody), 80).find()


@pytest.mark.parametrize(
    ("answer", "status"), [({"ok": True, "generation": 1}, 0), ({"ok": False, "error": ERROR}, command_line.FAILED)]
)
def test_the_status_of_wait(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], status: int) -> None:
    monkeypatch.setattr(Target, "find", lambda self: None)
    monkeypatch.setattr(command_line, "ask", lambda *args, **kwargs: answer)
    assert main(["wait"]) == status


def test_a_busy_worker_is_asked_for_its_routes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from devrunserver.common.state_file import Running
    from devrunserver.control import client

    busy, told = {"routes": [], "worker_responds": False}, {"routes": [{"route": "/"}], "worker_responds": False}
    answers = [busy, busy, told]
    monkeypatch.setattr(client, "ask", lambda *args, **kwargs: answers.pop(0))
    assert client.ask_routes(Running(1, "/", "")) == told
    monkeypatch.setattr(client, "ROUTES_PATIENCE", 0.0)
    answers[:] = [busy]
    assert client.ask_routes(Running(1, "/", "")) == busy
