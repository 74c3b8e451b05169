"""The orderly end of a server: connections that wait are handed over or closed, the others may finish."""

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

SPARE_AGE = 1.0  # seconds after which a connection without a request is one that a browser has opened to have it


class Draining(Protocol):
    """What the end needs of a server."""

    connections: dict[socket.socket, Connection]
    idle: IdleConnections
    gate: Gate | None
    asgi: AsgiServer | None

    def step(self, patience: float | None = None) -> None:
        """Sleeps until there is something to do, at most so many seconds, and does it."""

    def expel(self, connection: Connection) -> None:
        """Closes a parked connection."""


def drain(server: Draining, grace: float) -> None:
    """Hands over or ends the connections that wait for a request, and gives the others the time to be answered.

    Args:
        grace: seconds for answers that are under way.
    """
    deadline = time.monotonic() + grace
    if server.asgi is not None:
        server.asgi.request_stop()
    hand_over(server)
    while server.connections and (left := deadline - time.monotonic()) > 0:
        for connection in _spare(server):
            _dismiss(server, connection)
        if server.connections:
            server.step(left)
            hand_over(server)


def hand_over(server: Draining) -> None:
    """Gives the connections away whose next request nobody has begun to answer."""
    if server.gate is None:
        return
    waiting = server.idle.of(Phase.NEW, Phase.READING, Phase.IDLE, Phase.HELD)
    for connection in waiting:
        server.idle.leave(connection)
        if connection.is_upgraded and server.asgi is not None:  # whose end is the loop's
            server.asgi.admit(connection)
            continue
        del server.connections[connection.socket]
    if waiting := [connection for connection in waiting if not connection.is_upgraded]:
        server.gate.take(waiting)


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
        connection.enter(Phase.ANSWERING)  # once is enough
