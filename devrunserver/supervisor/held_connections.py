"""Connections that no worker holds: they wait for the next one, and after a while the placeholder server answers.

Theory of operation
-------------------
A worker that leaves hands its idle connections over, and those whose request it has not begun to answer. They wait
here. If no worker answers for long, they go to the placeholder server, which also accepts new ones, and come back when
a worker serves. The placeholder server is optional: without it everybody waits for the worker.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from devrunserver.common import handoff
from devrunserver.common.handoff import Handed
from devrunserver.common.link import Link
from devrunserver.supervisor.optional_parts import OptionalParts, Part


class PlaceholderServer(Protocol):
    """Answers on the listening socket that the project is still starting."""

    @property
    def patience(self) -> float:
        """Seconds in which nobody answers, until it should."""

    def open(self, waiting: list[Handed]) -> None:
        """Starts to answer, on these connections first.

        Raises:
            OSError: there are no descriptors left.
        """

    def close(self) -> list[Handed]:
        """Stops; returns the connections on which the next request is awaited. Again is harmless."""


class HeldConnections:
    """The connections, and who answers on them. Times are seconds of the supervisor's clock."""

    def __init__(self, placeholder: PlaceholderServer, optional: OptionalParts) -> None:
        self.due: float | None = None  # when the placeholder opens; None: it is open, or a worker answers
        self._waiting: list[Handed] = []
        self._is_open = False  # the placeholder
        self._placeholder = placeholder
        self._optional = optional

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, connections: Iterable[Handed]) -> None:
        """A worker hands these over."""
        self._waiting += connections

    def on_nobody_answers(self, now: float) -> None:
        """From now on there is no worker that answers."""
        if not self._is_open:
            self.due = now + self._placeholder.patience

    def on_worker_answers(self) -> None:
        """From now on there is one."""
        self.due = None
        self._close_placeholder()

    def step(self, now: float) -> None:
        """Does what is due."""
        if self.due is not None and now >= self.due:
            self.due = None
            self._optional.call(Part.PLACEHOLDER, self._open_placeholder)

    def hand_to(self, link: Link) -> None:
        """Hands all to a worker. What cannot be sent waits for the next one.

        Raises:
            LinkClosed: the worker is gone.
        """
        self._forget_closed()
        if not self._waiting:
            return
        try:
            handoff.send(link, self._waiting)
        finally:
            self._forget_closed()

    def close(self) -> None:
        """Nobody will answer them any more."""
        try:
            self._close_placeholder()
        finally:
            for one in self._waiting:
                one.socket.close()
            self._waiting.clear()

    def _open_placeholder(self) -> None:
        with suppress(OSError):  # then they go on waiting here
            self._placeholder.open(list(self._waiting))
            self._waiting.clear()
            self._is_open = True

    def _close_placeholder(self) -> None:
        self._is_open = False
        with self._optional.contain(Part.PLACEHOLDER):
            self._waiting += self._placeholder.close()

    def _forget_closed(self) -> None:
        self._waiting = [one for one in self._waiting if one.socket.fileno() >= 0]
