"""A server of Django's as what connections on a loop come from, and go back to."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from typing import Any
from wsgiref.types import StartResponse

from devrunserver.common import faults
from devrunserver.server.access_log import Recorder
from devrunserver.server.asgi.scope import Endpoints
from devrunserver.server.asgi.server import AsgiServer
from devrunserver.server.connection import Connection, Phase
from devrunserver.server.django.draining import put_back
from devrunserver.server.django.handler import escaped
from devrunserver.server.django.request_context import lend_threads
from devrunserver.server.injection import Tag
from devrunserver.server.protocol.parser import FramingError, Request

NOT_FOUND = b"Not found.\n"

logger = logging.getLogger("django.server")


class AsgiHandler:
    """What a command serves by ASGI, in place of a WSGI application.

    Attributes:
        server: serves the application.
        others: the WSGI application for what is not the ASGI application's: static files, our own pages.
    """

    def __init__(self, server: AsgiServer, others: Any) -> None:
        self.server = server
        self.others = others

    def begin(self, server: Any) -> None:
        """Has a ``Serving`` serve it: from now on there are a loop and its thread."""
        server.asgi = self.server
        with faults.contained("lending threads to requests"):
            lend_threads(server._pool)
        self.server.start(AsgiHost(server, server.get_app()))  # as it is now, with what was put around it


class AsgiHost:
    """Implements ``server.asgi.server.Host`` by a ``Serving``."""

    def __init__(self, server: Any, others: Any) -> None:
        self._server = server
        self._others = others

    @property
    def is_stopping(self) -> bool:
        return bool(self._server.stopping)

    @property
    def is_last(self) -> bool:
        return bool(self._server.stopping and self._server.gate is None)

    @property
    def is_replaced(self) -> bool:
        return self._server.get_app() is not self._others

    def fail(self, error: Exception) -> None:
        if self._server.on_failure is not None:
            self._server.on_failure(error)
        else:
            self._server.stop()

    def may_answer(self, connection: Connection) -> bool:
        return bool(self._server.may_answer(connection))

    def give_back(self, connection: Connection) -> None:
        if connection.phase is Phase.CLOSING:
            connection.end_sending()
        put_back(self._server, connection)

    def give_turn(self, connection: Connection) -> None:
        self._server._pool.run(functools.partial(self._server._take_turn, connection))
        self._server.idle.wake()  # its loop gives work to threads

    def refuse(self, connection: Connection, error: FramingError) -> None:
        self._handler(connection).refuse(connection, error)

    def record_queries(self) -> Recorder | None:
        queries = self._server.log.queries
        return queries.begin() if queries is not None else None

    def log_request(
        self, connection: Connection, request: Request, code: int, sent: int, began: float, queries: Recorder | None
    ) -> None:
        handler = self._handler(connection)
        handler.command, handler.path, handler.requestline = request.method, request.target, request.line
        handler._head, handler._began, handler._queries = request, began, queries
        handler.tell(code, sent)

    def log_websocket(self, connection: Connection, request: Request, action: str) -> None:
        if self._server.log.is_wanted(request.target, ""):
            path, _, _ = request.target.partition("?")
            client = ":".join(map(str, tuple(connection.address)[:2]))
            when = time.strftime("%d/%b/%Y %H:%M:%S")
            logger.info("WebSocket %s %s [%s]", action, escaped(path), client, extra={"server_time": when})

    def endpoints(self, connection: Connection) -> Endpoints:
        address = connection.address
        client = (str(address[0]), int(address[1])) if isinstance(address, tuple) and len(address) > 1 else None
        return Endpoints(client, (self._server.server_name, self._server.server_port), connection.scheme)

    def tag_for(self, connection: Connection, request: Request) -> Tag | None:
        make = getattr(self._others, "tag_for", None)
        if make is None or connection.is_upgraded:
            return None
        environ = {"REQUEST_METHOD": request.method}
        for name, value in request.fields:
            if "_" not in name:
                environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        tag: Tag | None = None
        with contextlib.suppress(Exception):  # of ours: the answer goes out as it is
            tag = make(environ)
        return tag

    def _handler(self, connection: Connection) -> Any:
        """A handler that has no turn: it knows how to log, and to refuse."""
        cls = self._server.RequestHandlerClass
        handler = cls.__new__(cls)
        handler.request, handler.client_address, handler.server = connection.socket, connection.address, self._server
        return handler


def not_found(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    """The WSGI application where there is nothing but the ASGI application."""
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", str(len(NOT_FOUND)))])
    return [NOT_FOUND]
