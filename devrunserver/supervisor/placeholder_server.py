"""Answers in place of a worker that takes long to start: whoever waits is asked to come again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from devrunserver.browser.starting_page import starting_page, telling
from devrunserver.common.handoff import HELD_PATIENCE, Handed
from devrunserver.server import tunnel

if TYPE_CHECKING:
    from devrunserver.server.connection import Connection
    from devrunserver.server.django.server import ThreadedWSGIServer

CLOSE_PATIENCE = 1.0  # seconds for the thread to end


class PlaceholderServer:
    """A server on a thread of the supervisor's. It opens when nobody has answered for ``patience`` seconds.

    Args:
        listener: the supervisor's listening socket.
        tell: how far the start is, in one line.
    """

    patience = HELD_PATIENCE

    def __init__(self, listener: socket.socket, tell: Callable[[], str] = lambda: "") -> None:
        self._page = telling(tell)
        self._listener = listener
        self._server: ThreadedWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._left: list[Handed] = []

    def open(self, waiting: Sequence[Handed]) -> None:
        """Starts to answer, on these connections first."""
        from devrunserver.server import ThreadedWSGIServer, WSGIRequestHandler  # here, as few starts take so long
        from devrunserver.server.access_log import AccessLog

        address = tunnel.public_address(self._listener)[:2]
        serving = self._server = ThreadedWSGIServer(address, WSGIRequestHandler, bind_and_activate=False)
        serving.adopt(self._listener.dup(), name="localhost")
        serving.log = AccessLog(ignored=("/",))  # no request of the project's
        serving.set_app(self._page)
        serving.gate = self
        for one in waiting:
            serving.take_over(*one)
        self._thread = threading.Thread(target=serving.serve_forever, name="devrunserver-placeholder", daemon=True)
        self._thread.start()

    def close(self) -> list[Handed]:
        """Stops; returns the connections on which the next request is awaited. Again is harmless."""
        if self._thread is not None and self._server is not None:
            try:
                self._server.stop()
                self._thread.join(CLOSE_PATIENCE)
            finally:  # or else it would go on answering in the worker's place
                self._server.server_close()
                self._thread = None
        left, self._left = self._left, []
        return left

    # As the gate of its server

    def is_fresh(self) -> bool:
        return True

    def ask(self) -> None:
        if self._server is not None:
            self._server.release()

    def take(self, connections: Sequence[Connection]) -> None:
        from devrunserver.worker.request_gate import handed

        self._left += handed(connections)

    overdue = staticmethod(starting_page)
