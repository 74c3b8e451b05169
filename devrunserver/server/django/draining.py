"""The orderly end of a server: connections that wait are handed over or closed, the others may finish.

Theory of operation
-------------------
Nobody shall be cut, and nobody shall wait for what has no end. So each connection has a deadline of its own. An answer
that is being computed has the server's ``patience``, from its request on: what was asked for just before a save is
answered, and what takes long anyway, as long polling does, delays the next worker by no more than the grace. One that
is being sent has the grace, from its first byte on: it is sent in no time, or it is a stream or a download. What a
thread or the loop is about to give back is waited for as long as for an answer.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from devrunserver.server.connection import ClientGone, Connection, Phase
from devrunserver.server.gate import Gate
from devrunserver.server.idle_connections import IdleConnections

if TYPE_CHECKING:
    from devrunserver.server.asgi.server import AsgiServer

UNFINISHED = (Phase.NEW, Phase.READING, Phase.IDLE, Phase.HELD)  # of which somebody is about to know more
SPARE_AGE = 1.0  # seconds after which a connection without a request is one that a browser has opened to have it


class Draining(Protocol):
    """What the end needs of a server."""

    connections: dict[socket.socket, Connection]
    idle: IdleConnections
    gate: Gate | None
    asgi: AsgiServer | None
    patience: float

    def step(self, patience: float | None = None) -> None:
        """Sleeps until there is something to do, at most so many seconds, and does it."""

    def expel(self, connection: Connection) -> None:
        """Closes a parked connection."""

    def end(self, connection: Connection) -> None:
        """Closes a connection. Safe from any thread."""


def drain(server: Draining, grace: float) -> None:
    """Hands over or ends the connections that wait for a request, and gives the others the time to be answered.

    Args:
        grace: seconds that anything that is under way has.
    """
    stopped = time.monotonic()
    if server.asgi is not None:
        server.asgi.request_stop()
    hand_over(server)
    while (left := _left(server, stopped, grace)) > 0:
        for connection in _spare(server):
            _dismiss(server, connection)
        if server.connections:
            server.step(min(left, grace))  # what begins to be sent meanwhile is not waited for as long
            hand_over(server)


def deadline(connection: Connection, stopped: float, grace: float, patience: float, is_parked: bool) -> float:
    """Until when (monotonic) a connection is waited for.

    Args:
        stopped: when the server was told to leave.
        grace: seconds that anything that is under way has.
        patience: seconds that an answer may take, from its request on.
        is_parked: whether nobody but the loop has to do with it.
    """
    if connection.phase is Phase.ANSWERING:
        return max(stopped + grace, min(connection.since, stopped) + patience)
    if connection.phase is Phase.SENDING:
        return min(max(connection.since, stopped), stopped + patience) + grace
    if connection.is_ours and not is_parked and connection.phase in UNFINISHED:
        return stopped + max(grace, patience)
    return stopped + grace


def _left(server: Draining, stopped: float, grace: float) -> float:
    """Seconds until nothing is waited for any more."""
    deadlines = (
        deadline(connection, stopped, grace, server.patience, connection in server.idle)
        for connection in list(server.connections.values())
    )
    return max(deadlines, default=0.0) - time.monotonic()


def hand_over(server: Draining) -> None:
    """Gives the connections away whose next request nobody has begun to answer."""
    if server.gate is None:
        return
    waiting = server.idle.of(*UNFINISHED)
    for connection in waiting:
        server.idle.leave(connection)
        if connection.is_upgraded and server.asgi is not None:  # whose end is the loop's
            server.asgi.admit(connection)
            continue
        del server.connections[connection.socket]
    if waiting := [connection for connection in waiting if not connection.is_upgraded]:
        server.gate.take(waiting)


def put_back(server: Draining, connection: Connection) -> None:
    """Parks a connection on which there is nothing to do for now, or closes it. Safe from any thread."""
    if connection.phase is Phase.CLOSED or not server.idle.arrive(connection):
        part_with(server, connection)


def part_with(server: Draining, connection: Connection) -> None:
    """Hands a connection over that cannot be parked any more, or closes it. Safe from any thread."""
    if server.gate is None or connection.is_upgraded or connection.phase not in UNFINISHED:
        server.end(connection)
    elif server.connections.pop(connection.socket, None) is not None:
        server.gate.take([connection])


def _spare(server: Draining) -> Iterator[Connection]:
    """The connections that nobody would miss."""
    for connection in list(server.connections.values()):
        if connection.phase is Phase.IDLE or (connection.phase is Phase.NEW and connection.is_overdue(SPARE_AGE)):
            yield connection


def _dismiss(server: Draining, connection: Connection) -> None:
    """Ends a spare connection, unless a request has come just now."""
    with contextlib.suppress(ClientGone):
        if connection.wait(0):
            return
    if connection in server.idle:
        server.expel(connection)
    elif not connection.is_ours:  # its thread waits for a request, and wakes
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_RD)
        connection.enter(Phase.SENDING)  # once is enough
