"""Until when a connection is waited for, when the server leaves."""

from __future__ import annotations

import socket

import pytest

from devrunserver.server.connection import Connection, Phase
from devrunserver.server.django.draining import deadline

STOPPED = 100.0  # seconds of the clock
GRACE = 0.25
PATIENCE = 2.0


@pytest.mark.parametrize(
    ("phase", "since", "is_parked", "expected"),
    [
        (Phase.ANSWERING, 100.0, False, 102.0),
        (Phase.ANSWERING, 99.5, False, 101.5),
        (Phase.ANSWERING, 98.1, False, 100.25),  # it takes long anyway
        (Phase.ANSWERING, 50.0, False, 100.25),
        (Phase.ANSWERING, 100.1, False, 102.0),  # it was cleared before
        (Phase.SENDING, 99.9, False, 100.25),
        (Phase.SENDING, 50.0, False, 100.25),  # a stream
        (Phase.SENDING, 101.0, False, 101.25),
        (Phase.SENDING, 107.0, False, 102.25),
        (Phase.OPEN, 50.0, False, 100.25),
        (Phase.CLOSING, 99.9, True, 100.25),
        (Phase.NEW, 99.9, True, 100.25),  # nobody takes it over
        (Phase.NEW, 99.9, False, 102.0),
        (Phase.READING, 50.0, False, 102.0),
        (Phase.IDLE, 50.0, False, 102.0),
    ],
)
def test_deadlines(phase: Phase, since: float, is_parked: bool, expected: float) -> None:
    with socket.socket() as sock:
        connection = Connection(sock, None)
        connection.phase, connection.since, connection.is_ours = phase, since, True
        assert deadline(connection, STOPPED, GRACE, PATIENCE, is_parked) == pytest.approx(expected)
        at_most = STOPPED + GRACE
        assert deadline(connection, STOPPED, GRACE, 0.0, is_parked) == pytest.approx(at_most)  # the user quits


def test_what_others_serve_in_their_own_way_has_the_grace() -> None:
    with socket.socket() as sock:
        assert deadline(Connection(sock, None), STOPPED, GRACE, PATIENCE, is_parked=False) == STOPPED + GRACE
