"""The server of a worker, as its supervisor's messages reach it; there is none while the project starts."""

from __future__ import annotations

import threading
import time
from typing import Any

from devrunserver.common import faults, handoff
from devrunserver.common.messages import Connections, Fresh, FreshnessShared
from devrunserver.server.django.server import Serving
from devrunserver.worker import mcp_endpoint
from devrunserver.worker.channel import Channel
from devrunserver.worker.live_pages import LivePages
from devrunserver.worker.request_gate import RequestGate

ANSWER_PATIENCE = 1.5  # seconds that an answer may take, from its request on, before a reload cuts it
ANSWERS_INTERVAL = 0.002  # seconds between two looks whether answers have ended


class ServerHandle:
    """Opens the gate of a server and passes on what is said about requests that wait.

    Args:
        channel: to the supervisor.
        pages: serves open pages.
        leaving: set when this process is to leave.
    """

    def __init__(self, channel: Channel, pages: LivePages, leaving: threading.Event) -> None:
        self._channel = channel
        self.pages = pages
        self._leaving = leaving
        self._server: Serving | None = None
        self._gate: RequestGate | None = None

    def open(self, server: Any, is_project: bool = True) -> None:
        """The server is about to accept connections.

        Args:
            is_project: whether it serves the project, and not an error.
        """
        self._server = server
        if handoff.capacity():  # or else the server ends its connections in its own way
            self._gate = server.gate = RequestGate(self._channel.link)
        mcp_endpoint.add_to(server)
        self.pages.serve(server, self._channel.link, inserts=is_project)  # outermost: it is asked for tags

    @property
    def has_been_asked(self) -> bool:
        """Whether a client has sent anything, or could not."""
        return self._server is None or self._server.has_been_asked

    def let_answers_end(self, patience: float) -> None:
        """Waits, for so many seconds at most, until nothing is being answered."""
        deadline = time.monotonic() + patience
        while self._server is not None and self._server.is_answering and time.monotonic() < deadline:
            if self._leaving.wait(ANSWERS_INTERVAL):
                return

    def replace_application(self, application: Any) -> None:
        """Serves an error from now on."""
        server: Any = self._server
        server.set_app(application)
        mcp_endpoint.add_to(server)
        self.pages.serve(server, self._channel.link, inserts=False)

    def stop(self, is_reload: bool) -> bool:
        """Has the server leave; whether there is one.

        Args:
            is_reload: whether another worker follows, so that the user waits for no more than that.
        """
        if self._server is None:
            return False
        self._server.stop(ANSWER_PATIENCE if is_reload else 0.0)
        return True

    def close_gate(self) -> None:
        """In a process that the project forks, which must not keep what the supervisor shares open."""
        if self._gate is not None:
            self._gate.close()

    # What the supervisor says

    def on_freshness_shared(self, message: FreshnessShared) -> None:
        if self._gate is not None:
            with faults.contained("the look whether code is fresh"):  # then the supervisor is asked for each request
                self._gate.look_with(message.page, message.events)

    def on_fresh(self, message: Fresh) -> None:
        if self._server is not None:
            self._server.release()

    def on_connections(self, message: Connections) -> None:
        for one in handoff.from_message(message):
            if self._server is not None:
                self._server.take_over(*one)
            else:
                one.socket.close()
