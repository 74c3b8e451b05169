"""Django's development server, which can also adopt a listening socket and leave without cutting an answer short.

Theory of operation
-------------------
``Serving`` is a mix-in for any of Django's or the project's own server classes. It replaces the loop of
``socketserver``, which wakes twice a second to look at a flag, by one that sleeps until there is a connection
or ``stop()`` is called.

Leaving has an order. First no connection is accepted any more: new ones wait in the kernel's backlog for the next
worker. Then the connections that wait for a request are closed for reading, which ends their thread at once, while
those that are being answered have the grace period to finish; their answers say ``Connection: close``. A connection
that was accepted just now and has not sent its first request gets that time too: it is about to. ``Connections``
knows which is which.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any
from wsgiref.headers import Headers

from django.core.servers import basehttp

from devrunserver.server.listener import BACKLOG

GRACE = 0.25  # seconds for answers that are under way when the server stops
SPARE_AGE = 1.0  # seconds after which a connection without a request is one that a browser has opened to have it
MAX_REQUEST_LINE = 65536  # bytes, as wsgiref's


class Phase(Enum):
    """What a connection is doing."""

    NEW = "accepted, its first request has not come"
    ANSWERING = "a request has begun to arrive and is not answered yet"
    IDLE = "kept alive, between two requests"


class Connections:
    """The open connections and their phases."""

    def __init__(self) -> None:
        self._phases: dict[socket.socket, tuple[Phase, float]] = {}  # and since when, in seconds
        self._changed = threading.Condition()

    def enter(self, connection: socket.socket, phase: Phase) -> None:
        with self._changed:
            self._phases[connection] = phase, time.monotonic()
            self._changed.notify_all()

    def leave(self, connection: socket.socket) -> None:
        with self._changed:
            self._phases.pop(connection, None)
            self._changed.notify_all()

    def end(self) -> None:
        """Ends the connections that wait for a request, and gives the others the time to be answered."""
        deadline = time.monotonic() + GRACE
        ended: set[socket.socket] = set()
        with self._changed:
            while self._phases and (left := deadline - time.monotonic()) > 0:
                spare = {one for one, (phase, since) in self._phases.items() if _is_spare(phase, since)}
                for connection in spare - ended:
                    ended.add(connection)
                    if not _has_request(connection):  # on BSD and macOS it would be lost
                        with contextlib.suppress(OSError):
                            connection.shutdown(socket.SHUT_RD)
                # Its thread wakes and leaves; or it has read a request just now, which is answered
                self._changed.wait(left)


def _has_request(connection: socket.socket) -> bool:
    """Whether there is something to read, or the end of it, that the connection's thread has not woken for yet."""
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            return bool(selector.select(0))
    except (OSError, ValueError):  # it is closed
        return True


def _is_spare(phase: Phase, since: float) -> bool:
    """Whether nobody would miss a connection."""
    return phase is Phase.IDLE or (phase is Phase.NEW and time.monotonic() - since > SPARE_AGE)


class Serving:
    """Mix-in for a ``socketserver.TCPServer``: a loop without polling, and an orderly end."""

    stopping = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.connections = Connections()
        self._woken, self._waker = socket.socketpair()
        self._ended = threading.Event()
        self._ended.set()
        try:
            super().__init__(*args, **kwargs)
        except BaseException:
            self._close_wakers()
            raise

    def adopt(self: Any, listener: socket.socket) -> None:
        """Serves on a socket that listens already, in place of the one that the constructor made."""
        self.socket.close()
        self.socket = listener
        self.server_address = listener.getsockname()
        host, port = self.server_address[:2]
        self.server_name = socket.getfqdn(host)
        self.server_port = port
        if hasattr(self, "setup_environ"):
            self.setup_environ()

    def serve_forever(self: Any, poll_interval: float = 0.5) -> None:
        """Accepts connections until ``stop()`` or ``shutdown()``; then ends the open ones. Never polls."""
        self._ended.clear()
        self.socket.setblocking(False)  # a client may be gone between the selector's word and ours
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self.socket, selectors.EVENT_READ)
                selector.register(self._woken, selectors.EVENT_READ)
                while not self.stopping:
                    ready = [key.fileobj for key, _ in selector.select()]
                    if not self.stopping and self.socket in ready:
                        self._handle_request_noblock()
                    self.service_actions()
            self.connections.end()
        finally:
            self._ended.set()

    def stop(self) -> None:
        """Makes ``serve_forever`` return soon. Safe from any thread."""
        self.stopping = True
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def shutdown(self) -> None:
        """As ``socketserver``'s: stops, and waits until the loop has ended."""
        self.stop()
        self._ended.wait()

    def server_close(self: Any) -> None:
        super().server_close()  # type: ignore[misc]
        self._close_wakers()

    def get_request(self: Any) -> tuple[socket.socket, Any]:
        # not in process_request(), which ThreadingMixIn has for itself
        connection, client_address = super().get_request()  # type: ignore[misc]
        connection.setblocking(True)  # on BSD and macOS it has inherited the listener's mode
        self.connections.enter(connection, Phase.NEW)
        return connection, client_address

    def shutdown_request(self: Any, request: Any) -> None:
        self.connections.leave(request)
        super().shutdown_request(request)  # type: ignore[misc]

    def _close_wakers(self) -> None:
        self._woken.close()
        self._waker.close()


class WSGIServer(Serving, basehttp.WSGIServer):
    """One request at a time, on the thread that serves."""

    request_queue_size = BACKLOG


class ThreadedWSGIServer(basehttp.ThreadedWSGIServer, WSGIServer):
    """A thread per connection."""


class ServerHandler(basehttp.ServerHandler):
    """One answer; the last on its connection once the server stops."""

    request_handler: basehttp.WSGIRequestHandler
    headers: Headers

    def cleanup_headers(self) -> None:
        if getattr(self.request_handler.server, "stopping", False):
            self.headers["Connection"] = "close"
        super().cleanup_headers()


OWN_PATHS = "/__devrunserver__/"  # asked for by our own pages, and nothing that the user wants to see in the log


class WSGIRequestHandler(basehttp.WSGIRequestHandler):
    """The requests of one connection, one after another."""

    server: Any
    request: Any
    connection: Any
    rfile: Any

    def log_message(self, format: str, *args: Any) -> None:
        if not getattr(self, "path", "").startswith(OWN_PATHS):
            super().log_message(format, *args)

    def handle(self) -> None:
        self.close_connection = True
        self.handle_one_request()
        while not self.close_connection:
            with self._phase(Phase.IDLE):
                self._await_request()
            self.handle_one_request()
        with contextlib.suppress(AttributeError, OSError):
            self.connection.shutdown(socket.SHUT_WR)

    def handle_one_request(self) -> None:
        """As Django's, with our ``ServerHandler``."""
        self.raw_requestline = self.rfile.readline(MAX_REQUEST_LINE + 1)
        with self._phase(Phase.ANSWERING):
            if len(self.raw_requestline) > MAX_REQUEST_LINE:
                self.requestline = self.request_version = self.command = ""
                self.send_error(414)
                return
            if not self.parse_request():  # it has answered with the error
                return
            handler = ServerHandler(self.rfile, self.wfile, self.get_stderr(), self.get_environ())
            handler.request_handler = self  # for logging, and for closing the connection
            handler.run(self.server.get_app())

    def _await_request(self) -> None:
        """Blocks until there is something to read, which is not consumed."""
        with contextlib.suppress(AttributeError):  # a stream without a buffer
            self.rfile.peek(1)

    @contextlib.contextmanager
    def _phase(self, phase: Phase) -> Iterator[None]:
        connections: Connections | None = getattr(self.server, "connections", None)
        if connections is not None:
            connections.enter(self.request, phase)
        yield
        if connections is not None and phase is Phase.IDLE:
            connections.enter(self.request, Phase.ANSWERING)


def server_class(server_cls: type[Any], threading: bool) -> type[Any]:
    """The class to serve with: the command's ``server_cls``, threaded or not, and with our loop."""
    bases: list[type[Any]] = [server_cls]
    if threading and not issubclass(server_cls, socketserver.ThreadingMixIn):
        threaded = basehttp.ThreadedWSGIServer if issubclass(server_cls, basehttp.WSGIServer) else None
        bases.insert(0, threaded or socketserver.ThreadingMixIn)
    if not issubclass(server_cls, Serving):
        bases.insert(0, Serving)
    if len(bases) == 1 and getattr(server_cls, "daemon_threads", True):
        return server_cls
    return type("WSGIServer", tuple(bases), {"daemon_threads": True})


def run(
    address: tuple[str, int],
    wsgi_handler: Any,
    *,
    ipv6: bool = False,
    threading: bool = False,
    on_bind: Callable[[int], Any] | None = None,
    server_cls: type[Any] = WSGIServer,
    listener: socket.socket | None = None,
    on_serve: Callable[[Any], Any] | None = None,
) -> None:
    """Serves until stopped. As ``django.core.servers.basehttp.run``, with what is ours in addition.

    Args:
        listener: serve on this socket instead of binding to ``address``.
        on_serve: called with the server right before it accepts connections.

    Raises:
        OSError: the address cannot be bound to.
    """
    cls = server_class(server_cls, threading)
    if listener is None:
        server = cls(address, WSGIRequestHandler, ipv6=ipv6)
    else:
        server = cls(address, WSGIRequestHandler, ipv6=ipv6, bind_and_activate=False)
        server.adopt(listener)
    try:
        if on_bind is not None:
            on_bind(getattr(server, "server_port", address[1]))
        server.set_app(wsgi_handler)
        if on_serve is not None:
            on_serve(server)
        server.serve_forever()
    finally:
        server.server_close()
