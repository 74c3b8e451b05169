"""What a worker is told by its environment arrives, and nothing of it stays there."""

from __future__ import annotations

import math

import pytest

from devrunserver.common import environment
from devrunserver.common.environment import WorkerStart

STARTS = [
    WorkerStart(),
    WorkerStart(spawned=1764333137.25, makes_checkpoints=True),
    WorkerStart(edited=("/a.py", "/gr\u00f6\u00dfe b.py")),
    WorkerStart(is_rerun=True),
    WorkerStart(progress=7),
    WorkerStart(servers_change=True),
    WorkerStart(outputs=(9, 10)),
    WorkerStart(report="it ended by signal 9\nagain"),
]


@pytest.mark.parametrize("start", STARTS)
def test_what_is_written_is_read(start: WorkerStart) -> None:
    environ = {"PATH": "/bin", **environment.write(start, 5)}
    assert environment.is_worker(environ)
    assert environment.serves(environ)
    assert environment.read(environ) == start
    assert environment.take(environ) == (5, start)
    assert environ == {"PATH": "/bin", "RUN_MAIN": "true"}
    assert environment.take(environ) == (None, WorkerStart())
    assert not environment.is_worker(environ)


@pytest.mark.parametrize("link", ["", "junk", "-1", "1.5"])
def test_junk_is_no_link(link: str) -> None:
    """As left over from a process that is gone."""
    environ = {environment.LINK: link, environment.SPAWNED: "yesterday"}
    assert environment.take(environ) == (None, WorkerStart(spawned=math.inf))
    assert environ == {}


def test_checkpoints_can_be_forbidden() -> None:
    environ = environment.write(WorkerStart(makes_checkpoints=True), 5)
    environment.forbid_checkpoints(environ)
    assert environment.read(environ) == environment.read(environment.write(WorkerStart(), 5))
