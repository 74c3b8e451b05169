"""The process that is left behind right before a worker serves."""

from __future__ import annotations

import socket
import subprocess
import sys
import warnings
from textwrap import dedent
from types import SimpleNamespace
from typing import Any, cast

import pytest

from devrunserver.checkpoints.checkpoint import Checkpoints
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.common.import_record import ImportRecord
from devrunserver.worker import state_reporting
from devrunserver.worker.identity import Identity
from tests.worker.played import Exits, exits

__all__ = ["exits"]


def test_it_has_the_state_of_the_worker(exits: Exits, monkeypatch: pytest.MonkeyPatch) -> None:
    """The filters of warnings too: what we do to fork is no part of it, and would look like an order that shows."""
    told: list[list[Any]] = []
    monkeypatch.setattr(state_reporting, "_report", lambda *args: told.append(list(warnings.filters)))
    forks = SimpleNamespace(sibling=lambda: True)
    ours, theirs = socket.socketpair()
    identity = cast(Identity, SimpleNamespace(state_link=theirs))
    with ours, theirs, pytest.raises(SystemExit):
        state_reporting.leave_reporter(
            identity,
            cast(Checkpoints, SimpleNamespace(forks=forks)),
            lambda file: True,
            ReadRecorder(lambda directory: True),
            lambda: ImportRecord([], [], [], {}, {}),
        )
    assert told == [list(warnings.filters)]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_nobody_goes_on_before_it_has_released_what_is_open() -> None:
    """A port that the project has bound is the next worker's once this one has ended."""
    code = """
        import os, socket
        from types import SimpleNamespace
        from devrunserver.worker import state_reporting

        class Played:
            def __init__(self, state_link):
                self.state_link = state_link
            become = lambda self, role: None
            leave = lambda self: None
            def close_state_link(self):
                self.state_link.close()

        ours, theirs = socket.socketpair()
        bound = socket.create_server(("127.0.0.1", 0))
        address = bound.getsockname()
        identity = Played(theirs)
        checkpoints = SimpleNamespace(forks=SimpleNamespace(sibling=lambda: os.fork() == 0))
        state_reporting.leave_reporter(identity, checkpoints, lambda file: True, None, lambda: None)
        bound.close()
        socket.create_server(address).close()
        print(bool(ours.recv(1000)))  # it lives, and would hold it
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["True"], done.stderr
