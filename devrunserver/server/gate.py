"""What a server asks before it answers; a worker implements it (``devrunserver/worker/request_gate.py``)."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from typing import Any, Protocol
from wsgiref.types import StartResponse

from devrunserver.server.connection import Connection


class Streams(Protocol):
    """Takes connections that stay open after the head of their answer, on which somebody else sends from then on."""

    def claims(self, environ: dict[str, Any]) -> bytes:
        """The head to send, where a request is one for a stream; empty where not. Safe from any thread."""

    def take(self, sock: socket.socket) -> None:
        """Gives the connection away; closes it here."""


class Gate(Protocol):
    """Knows whether the code that would answer is fresh, and takes the connections that a server leaves behind."""

    def is_fresh(self) -> bool:
        """Whether nothing has changed that might concern us. Asked before each request, from any thread."""

    def ask(self) -> None:
        """Finds out whether we are; if so, ``Serving.release`` is called then."""

    def take(self, connections: Sequence[Connection]) -> None:
        """Hands connections over to the next worker. Their sockets are closed here."""

    def overdue(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """The WSGI application that answers requests which had to wait for too long."""
