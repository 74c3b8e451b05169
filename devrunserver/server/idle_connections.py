"""The connections on which nothing is to be done until something comes: they cost no thread.

Theory of operation
-------------------
One selector, which only the serving loop touches, waits for the listening socket, for the parked connections and for
``wake``. Other threads leave connections in ``_arriving`` and wake it. Each parked connection has a deadline; they are
kept in a heap, in which entries of connections that have left meanwhile stay until their time comes. Of those that
are held nothing is expected, so only their deadline counts.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator

from devrunserver.common.handoff import HELD_PATIENCE
from devrunserver.server.connection import Connection, Phase

# Seconds that a connection may stay in a phase
LIMITS = {
    Phase.NEW: 60.0,
    Phase.READING: 60.0,  # for the whole head of a request
    Phase.HELD: HELD_PATIENCE,
    Phase.IDLE: 60.0,
    Phase.CLOSING: 2.0,  # to take the answer before the connection is reset: RFC 9112, 9.6
}
WAKE_SIZE = 4096  # bytes


class IdleConnections:
    """All parked connections."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._arriving: deque[Connection] = deque()
        self._lock = threading.Lock()  # of what arrives
        self._closed = False
        self._parked: dict[Connection, float] = {}  # and until when
        self._deadlines: list[tuple[float, int, Connection]] = []
        self._number = itertools.count()  # so that no two connections are ever compared
        self._listener: socket.socket | None = None

    def __len__(self) -> int:
        return len(self._parked)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._parked

    def wake(self) -> None:
        """Makes ``wait`` return soon. Safe from any thread and from a signal handler."""
        with contextlib.suppress(OSError):  # full, so that it wakes anyway; or closed
            self._waker.send(b"\0")

    def arrive(self, connection: Connection) -> bool:
        """Parks a connection; False where there is no parking any more. Safe from any thread."""
        with self._lock:
            if self._closed:
                return False
            self._arriving.append(connection)
        self.wake()
        return True

    def park(self, connection: Connection) -> None:
        """Parks a connection; from the thread that waits."""
        deadline = connection.since + LIMITS[connection.phase]
        if connection.phase is not Phase.HELD:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._parked[connection] = deadline
        heapq.heappush(self._deadlines, (deadline, next(self._number), connection))

    def leave(self, connection: Connection) -> None:
        """Takes a connection out."""
        del self._parked[connection]
        if connection.phase is not Phase.HELD:
            self._selector.unregister(connection.socket)

    def of(self, *phases: Phase) -> list[Connection]:
        """The connections in these phases; for the thread that waits."""
        self._admit()
        return [connection for connection in self._parked if connection.phase in phases]

    def listen(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)

    @property
    def is_listening(self) -> bool:
        return self._listener is not None

    def stop_listening(self) -> None:
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener = None

    def wait(self, patience: float | None = None) -> tuple[bool, list[Connection]]:
        """Sleeps until there is something to do, at most so many seconds.

        Returns:
            Whether there is a connection to accept, and the parked ones on which something has come.
        """
        self._admit()
        calls, ready = False, []
        for key, _ in self._selector.select(self._bounded(patience)):
            if key.data is not None:
                ready.append(key.data)
            elif key.fileobj is self._woken:
                with contextlib.suppress(OSError):
                    self._woken.recv(WAKE_SIZE)
            else:
                calls = True
        self._admit()
        return calls, ready

    def expired(self) -> Iterator[Connection]:
        """The connections whose time is over."""
        now = time.monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, _, connection = heapq.heappop(self._deadlines)
            if self._parked.get(connection) == deadline:
                yield connection

    def close(self) -> list[Connection]:
        """Ends it; returns the connections that were parked. Again is harmless."""
        with self._lock:
            self._closed = True
            left = [*self._parked, *self._arriving]
            self._arriving.clear()
        self._parked.clear()
        self._selector.close()
        self._woken.close()
        self._waker.close()
        return left

    def _admit(self) -> None:
        while self._arriving:
            self.park(self._arriving.popleft())

    def _bounded(self, patience: float | None) -> float | None:
        if not self._parked or not self._deadlines:
            return patience
        left = max(0.0, self._deadlines[0][0] - time.monotonic())
        return left if patience is None else min(left, patience)
