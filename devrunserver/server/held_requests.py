"""The requests that are held until it is known whether the code that would answer them is fresh."""

from __future__ import annotations

from collections.abc import Callable

from devrunserver.server.connection import Connection, Phase
from devrunserver.server.gate import Gate
from devrunserver.server.idle_connections import IdleConnections


class HeldRequests:
    """Asks the gate for the connections that are held, one question at a time.

    Args:
        idle: where they wait.
        resume: gives one of them its turn.
    """

    def __init__(self, idle: IdleConnections, resume: Callable[[Connection], None]) -> None:
        self._idle = idle
        self._resume = resume
        self._asked_for: list[Connection] = []
        self._is_released = False

    def release(self) -> None:
        """The gate says that we were fresh when it was asked. Safe from any thread."""
        self._is_released = True
        self._idle.wake()

    def look_after(self, gate: Gate) -> None:
        """Gives held connections their turn, once the gate says so, and asks for those that came since."""
        if self._is_released:
            self._is_released = False
            asked_for, self._asked_for = self._asked_for, []
            for connection in asked_for:
                if connection in self._idle and connection.phase is Phase.HELD:
                    connection.is_cleared = True
                    self._resume(connection)
        if not self._asked_for and (held := self._idle.of(Phase.HELD)):
            self._asked_for = held
            gate.ask()
