"""The process that is left behind right before a worker serves."""

from __future__ import annotations

import socket
import warnings
from types import SimpleNamespace
from typing import Any, cast

import pytest

from devrunserver.checkpoints.checkpoint import Checkpoints
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
            lambda: ImportRecord([], [], [], {}, {}),
        )
    assert told == [list(warnings.filters)]
