"""Faults of our own in a running server: does the port answer, does the next save show, is anything left behind?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live import REPOSITORY, Asker, Server, descriptors, get, wait_for

# In every process, before anything else: a method that raises an exception
SABOTAGE = """
from devrunserver.supervisor.{module} import {kind} as kind

original, count = kind.{method}, 0

def sabotaged(*args):
    global count
    count += 1
    if count in {times}:
        raise KeyError("on purpose")
    return original(*args)

kind.{method} = sabotaged
"""


def start(project: Path, module: str, kind: str, method: str, times: str) -> Server:
    """A server of which one method fails at these calls."""
    directory = project.parent / "sabotage"
    directory.mkdir()
    text = SABOTAGE.format(module=module, kind=kind, method=method, times=times)
    (directory / "sitecustomize.py").write_text(text)
    return Server(project, environ={"PYTHONPATH": f"{directory}:{REPOSITORY}"})


def edit(server: Server, number: int) -> None:
    server.edit("shop/marks.py", f"mark-{number}", f"mark-{number + 1}")


def test_a_fault_in_the_loop(project: Path) -> None:
    """The server goes on in safe mode: nobody is refused, and the next saves show."""
    with start(project, "change_review", "ChangeReview", "ask", "[1]") as server:
        server.wait_for_body("mark-0")
        before = len(descriptors(server.pid))
        with Asker(server.port) as asker:
            edit(server, 0)
            server.wait_for_body("mark-1")
            server.wait_for_log("goes on in safe mode")
            edit(server, 1)
            server.wait_for_body("mark-2")
        wait_for(lambda: len(server.family()) == 2, "supervisor and worker are all that is left")
        wait_for(lambda: len(descriptors(server.pid)) <= before, "no descriptor is left behind")
        assert set(asker.counts) <= {"200", "503"}, asker.counts
        assert server.log.count("\nKeyError: 'on purpose'\n") == 1, "the traceback is told once"
        assert "started afresh" in server.log and "resumed" not in server.log


def test_a_second_fault(project: Path) -> None:
    """It ends with a clear message."""
    with start(project, "change_review", "ChangeReview", "ask", "range(1, 100)") as server:
        server.wait_for_body("mark-0")
        edit(server, 0)
        # one save may be two questions, and then it ends at the first
        wait_for(
            lambda: "mark-1" in server.get().body or "The server ends" in server.log, "the next worker, or the end"
        )
        edit(server, 1)
        assert server.wait_for_end() == 1
        assert "the second within a minute. The server ends." in server.log
        assert get(server.port).error == "refused"


@pytest.mark.parametrize(
    ("module", "kind", "method", "part"),
    [
        ("preparation.manager", "Preparation", "step", "preparing reloads"),
        ("console", "Console", "reloaded", "telling of reloads"),
    ],
)
def test_a_fault_in_what_is_optional(project: Path, module: str, kind: str, method: str, part: str) -> None:
    with start(project, module, kind, method, "range(2, 100)") as server:
        server.wait_for_body("mark-0")
        for number in range(3):
            edit(server, number)
            server.wait_for_body(f"mark-{number + 1}")
        server.wait_for_log(f"{part} is off until you start the server again")
        assert "safe mode" not in server.log
