"""What a worker does for its server: looks whether it is fresh, and hands connections over."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from devrunserver.browser.starting_page import starting_page
from devrunserver.common import handoff, link
from devrunserver.common.freshness import Look
from devrunserver.common.handoff import Handed
from devrunserver.common.messages import FreshAsked
from devrunserver.server.connection import Connection


class RequestGate:
    """Implements ``server.gate.Gate``.

    Args:
        to_supervisor: the worker's link.
    """

    def __init__(self, to_supervisor: link.Link) -> None:
        self._link = to_supervisor
        self._look: Look | None = None

    def look_with(self, page: int | None, events: int | None) -> None:
        """The supervisor has sent what is needed to look."""
        self._look = Look(page, events)

    def close(self) -> None:
        """In a process that the project forks: it is no worker, and must not keep what the supervisor shares open."""
        if self._look is not None:
            self._look.close()

    def is_fresh(self) -> bool:
        """Whether nothing has changed that might concern us; False until it can be known."""
        return self._look is not None and self._look.is_fresh()

    def ask(self) -> None:
        with suppress(link.LinkClosed):  # then all is over
            self._link.send(FreshAsked())

    def take(self, connections: Sequence[Connection]) -> None:
        with suppress(link.LinkClosed):  # then all is over
            handoff.send(self._link, handed(connections))
        for one in connections:
            one.socket.close()

    overdue = staticmethod(starting_page)


def handed(connections: Sequence[Connection]) -> list[Handed]:
    """The connections of a server, to be handed over."""
    return [Handed(one.socket, bytes(one.buffer)) for one in connections]
