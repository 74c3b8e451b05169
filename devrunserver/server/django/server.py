"""Django's development server, which can also adopt a listening socket and leave without cutting an answer short.

Theory of operation
-------------------
``Serving`` is a mix-in for any of Django's or the project's own server classes. Its loop sleeps until there is a
connection, something comes on a parked one, or ``stop()`` is called. A connection with something to read gets a *turn*
(``handler.py``): on a thread of its own, or with ``--nothreading`` on this one. Afterwards it is parked again, which
costs no thread, or ends. With ``--nothreading`` no turn ever waits for a request, so that a connection on which
nothing comes keeps nobody waiting.

Leaving has an order. First no connection is accepted any more: new ones wait in the kernel's backlog for the next
worker. Then the connections that wait for a request are handed over to it, while those that are being answered have
some time to finish (``draining.py``); they are handed over then, also by a thread that finishes when the loop has
ended: a client that was told to keep its connection may have sent its next request by then.

Where nobody takes them, those that wait are closed, and the answers of the others say ``Connection: close``. A
connection that was accepted just now and has not sent its first request gets the grace period too: it is about to.

Before each request somebody is asked, the *gate*, whether the code that would answer it is fresh. Where that is not
certain the connection is *held*: the gate finds out, and it gets another turn, or is handed over with the others.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import socket
import socketserver
import threading as threads
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.core.servers import basehttp
from django.db import connections as databases

from devrunserver.server import tunnel
from devrunserver.server.access_log import AccessLog
from devrunserver.server.connection import Connection, Phase
from devrunserver.server.django.draining import drain, hand_over, part_with, put_back
from devrunserver.server.django.handler import LINGER, TruncatedUploads, WSGIRequestHandler, takes_turns
from devrunserver.server.gate import Gate, Streams
from devrunserver.server.held_requests import HeldRequests
from devrunserver.server.idle_connections import IdleConnections
from devrunserver.server.listener import BACKLOG
from devrunserver.server.thread_pool import ThreadPool

if TYPE_CHECKING:
    from devrunserver.server.asgi.server import AsgiServer

FULL = (errno.EMFILE, errno.ENFILE)  # there are no descriptors left
GOING_AWAY = 1001  # by which WebSockets are closed when the user quits: RFC 6455, 7.4.1
RETRY = 0.1  # seconds until it is tried again
TLS_REMEDY = " Start it with --https to have both."  # where it is the command that serves
GRACE = 0.25  # seconds for answers that are under way when the server stops
SHUTDOWN_PATIENCE = 1.0  # seconds for an application by ASGI to put itself in order at a reload
QUIT_PATIENCE = 0.4  # seconds for an application by ASGI to put itself in order when the user quits
ANSWERED = (Phase.ANSWERING, Phase.SENDING)
UNREAD = (Phase.NEW, Phase.READING, Phase.IDLE)  # a connection whose next request nobody has begun to answer


if TYPE_CHECKING:  # what the mix-in needs of the class that it is mixed into
    Server = socketserver.TCPServer
else:
    Server = object


class Serving(Server):
    """Mix-in for a ``socketserver.TCPServer``: a loop without polling, and an orderly end.

    Attributes:
        connections: all that are open, by their sockets.
        idle: those that wait, and the loop's sleep.
        log: which requests are logged, and how.
        tls_remedy: what is told in addition to who speaks TLS to a server that does not.
        gate: who knows whether we are fresh, if anybody does.
        on_answer: called with what is to be remembered of each request, if anybody wants to.
        streams: who takes the connections that are to stay open, if anybody does.
        patience: seconds that answers may take, from their request on, although the server leaves.
        has_been_asked: whether a client has sent anything.
        asgi: serves the application, where that is one by ASGI.
        on_failure: called where that cannot start, to serve an error in its place.
    """

    stopping = False
    patience = 0.0
    has_been_asked = False
    log = AccessLog()
    tls_remedy = ""
    gate: Gate | None = None
    asgi: AsgiServer | None = None
    on_failure: Callable[[Exception], object] | None = None
    on_answer: Callable[[dict[str, Any]], None] | None = None
    streams: Streams | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.connections: dict[socket.socket, Connection] = {}
        self.idle = IdleConnections()
        self._pool = ThreadPool(functools.partial(end_databases, self))
        self._held = HeldRequests(self.idle, self._resume)
        self._ended = threads.Event()
        self._ended.set()
        try:
            super().__init__(*args, **kwargs)
        except BaseException:
            self.idle.close()
            raise

    @functools.cached_property
    def is_threaded(self) -> bool:
        return isinstance(self, socketserver.ThreadingMixIn)

    @property
    def is_answering(self) -> bool:
        """Whether a request is being answered. Safe from any thread."""
        return any(connection.phase in ANSWERED for connection in list(self.connections.values()))

    @property
    def linger(self) -> float:
        """Seconds that a turn waits for the next request: none where others want the thread, or would meet it."""
        return LINGER if self.is_threaded and not self.stopping and not self._pool.is_crowded else 0.0

    def adopt(self, listener: socket.socket, name: str = "") -> None:
        """Serves on a socket that listens already, in place of the one that the constructor made.

        Args:
            name: of this machine; to look it up may take a while.
        """
        self.socket.close()
        self.socket = listener
        host, port, *_ = self.server_address = tunnel.public_address(listener)
        self.server_name = name or socket.getfqdn(host)
        self.server_port = port
        if hasattr(self, "setup_environ"):
            self.setup_environ()

    # The loop

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serves until ``stop()`` or ``shutdown()``; then lets what is under way end. Never polls."""
        self._ended.clear()
        self._gives_turns = gives_turns(type(self), self.RequestHandlerClass)
        self.socket.setblocking(False)  # a client may be gone between the selector's word and ours
        try:
            self.idle.listen(self.socket)
            while not self.stopping:
                self.step()
                self.service_actions()
            self.idle.stop_listening()
            drain(self, GRACE)
        finally:
            self.idle.stop_listening()
            self._ended.set()

    def stop(self, patience: float = 0.0) -> None:
        """Makes ``serve_forever`` return soon. Safe from any thread.

        Args:
            patience: seconds that answers may take, from their request on, where that is more than they have anyway.
        """
        self.patience = patience
        self.stopping = True
        self.idle.wake()

    def may_answer(self, connection: Connection) -> bool:
        """Whether what we would answer with is fresh. Safe from any thread."""
        if self.gate is None or connection.is_cleared:
            return True
        return not self.stopping and self.gate.is_fresh()

    def release(self) -> None:
        """The gate says that we were fresh when it was asked. Safe from any thread."""
        self._held.release()

    def take_over(self, sock: socket.socket, received: bytes) -> None:
        """Serves a connection that another worker has handed over. Safe from any thread.

        Args:
            received: what was received of its next request.
        """
        try:
            connection = Connection(sock, *tunnel.origin(sock, sock.getpeername()))
        except OSError:  # the client is gone
            sock.close()
            return
        connection.prepare()
        connection.buffer += received
        connection.enter(Phase.HELD if received else Phase.IDLE)
        self.connections[sock] = connection
        # also where a class of the project's serves those that it accepts: it could not be given what was received
        if not takes_turns(self.RequestHandlerClass):
            self.end(connection)
        else:
            put_back(self, connection)

    def shutdown(self) -> None:
        """As ``socketserver``'s: stops, and waits until the loop has ended."""
        self.stop()
        self._ended.wait()

    def server_close(self) -> None:
        if self.asgi is not None:
            self.asgi.request_stop(GOING_AWAY)
            self.asgi.close(SHUTDOWN_PATIENCE if self.stopping else QUIT_PATIENCE)
        super().server_close()
        hand_over(self)
        for connection in self.idle.close():
            part_with(self, connection)
        self._pool.close()

    def step(self, patience: float | None = None) -> None:
        """Sleeps until there is something to do, and does it."""
        for due in (self._pool.urge(), self.asgi.urge() if self.asgi is not None else None):
            if due is not None:
                patience = due if patience is None else min(due, patience)
        is_full = not (self.stopping or self.idle.is_listening)
        if is_full:
            patience = RETRY if patience is None else min(RETRY, patience)
        calls, ready = self.idle.wait(patience)
        if is_full and not self.stopping:
            self.idle.listen(self.socket)
        if calls and not self.stopping:
            self._handle_request_noblock()
        for connection in ready:
            if connection.phase is Phase.CLOSING:
                if not connection.discard():
                    self.expel(connection)
            else:
                self._resume(connection)
        if not self.stopping and self.gate is not None:
            self._held.look_after(self.gate)
        for connection in self.idle.expired():
            if connection.phase is Phase.HELD:
                connection.is_cleared = connection.has_waited = True
            if connection.phase in (Phase.READING, Phase.HELD):
                self._resume(connection)  # its turn tells the client
            else:
                self.expel(connection)

    # Connections

    def _handle_request_noblock(self) -> None:
        """Accepts a connection. Those that are ours get a turn as soon as something comes."""
        try:
            request, peer = self.get_request()
        except OSError as error:
            if error.errno in FULL:  # the connection stays where it is, and would wake us again at once
                self.idle.stop_listening()
            return
        try:
            client_address, scheme = tunnel.origin(request, peer)
        except OSError:  # nobody whom we know
            request.close()
            return
        connection = self.connections[request] = Connection(request, client_address, scheme)
        try:
            if not self.verify_request(request, client_address):
                self.shutdown_request(request)
            elif type(request) is not socket.socket or not self._gives_turns:
                self.has_been_asked = True  # as far as we know
                request.setblocking(True)  # on BSD and macOS it has inherited the listener's mode
                self.process_request(request, client_address)
            else:
                connection.prepare()
                if connection.wait(0):
                    self._give_turn(connection)
                else:
                    self.idle.park(connection)
        except Exception:
            self.handle_error(request, client_address)
            self.shutdown_request(request)

    def _resume(self, connection: Connection) -> None:
        """Gives a parked connection its turn."""
        self.idle.leave(connection)
        self._give_turn(connection)

    def _give_turn(self, connection: Connection) -> None:
        self.has_been_asked = True
        if self.asgi is not None and self.asgi.wants(connection):
            self.asgi.admit(connection)
        elif self.is_threaded:
            self._pool.run(functools.partial(self._take_turn, connection))
        else:
            self._take_turn(connection)

    def _take_turn(self, connection: Connection) -> None:
        try:
            # of LiveServerTestCase, whose tests share their database connections with us
            for alias, database in (getattr(self, "connections_override", None) or {}).items():
                databases[alias] = database
            self.finish_request(connection.socket, connection.address)
        except Exception:
            self.handle_error(connection.socket, connection.address)
            connection.enter(Phase.CLOSED)
        except BaseException:  # Ctrl-C, with --nothreading
            self.end(connection)
            raise
        if connection.phase is Phase.GIVEN_AWAY and self.streams is not None:
            del self.connections[connection.socket]
            self.streams.take(connection.socket)
            return
        if connection.phase is Phase.CLOSING:
            connection.end_sending()
        is_for_loop = self.asgi is not None and connection.buffer and not self.stopping
        if self.asgi is not None and is_for_loop and connection.phase in UNREAD and self.asgi.wants(connection):
            self.asgi.admit(connection)
        else:
            put_back(self, connection)

    def expel(self, connection: Connection) -> None:
        """Closes a parked connection."""
        self.idle.leave(connection)
        self.end(connection)

    def end(self, connection: Connection) -> None:
        """Closes a connection. Safe from any thread."""
        connection.enter(Phase.CLOSED)
        self.shutdown_request(connection.socket)

    def shutdown_request(self, request: Any) -> None:
        self.connections.pop(request, None)
        if self.stopping:
            self.idle.wake()
        super().shutdown_request(request)


def end_databases(server: Any) -> None:
    """Closes the database connections of a thread that ends."""
    for alias in getattr(server, "connections_override", None) or {}:
        with contextlib.suppress(AttributeError):
            del databases[alias]  # not ours to close
    databases.close_all()


def gives_turns(server_cls: Any, handler_cls: Any) -> bool:
    """Whether plain connections are ours: no class of the project's replaces how they are served."""
    starts = {socketserver.BaseServer.process_request, socketserver.ThreadingMixIn.process_request}
    threads = {
        None,
        socketserver.ThreadingMixIn.process_request_thread,
        basehttp.ThreadedWSGIServer.process_request_thread,
    }
    return (
        server_cls.process_request in starts
        and getattr(server_cls, "process_request_thread", None) in threads
        and takes_turns(handler_cls)
    )


class WSGIServer(Serving, basehttp.WSGIServer):
    """One request at a time, on the thread that serves."""

    request_queue_size = BACKLOG


class ThreadedWSGIServer(basehttp.ThreadedWSGIServer, WSGIServer):
    """A thread for each connection on which something happens."""

    _close_connections: Callable[[], None]  # Django's

    def close_request(self, request: Any) -> None:
        """Closes a connection; those to databases persist, if they should, for the next one that its thread serves."""
        if self.connections_override:  # they are borrowed
            self._close_connections()
        super(basehttp.ThreadedWSGIServer, self).close_request(request)


def server_class(server_cls: type[Any], threading: bool) -> type[Any]:
    """The class to serve with: the command's ``server_cls``, threaded or not, and with our loop."""
    bases: list[type[Any]] = [server_cls]
    if threading and not issubclass(server_cls, socketserver.ThreadingMixIn):
        bases.insert(0, _threaded_base(server_cls))
    if not issubclass(server_cls, Serving) and not issubclass(bases[0], Serving):
        bases.insert(0, Serving)
    if len(bases) == 1 and getattr(server_cls, "daemon_threads", True):
        return server_cls
    return type("WSGIServer", tuple(bases), {"daemon_threads": True})


def _threaded_base(server_cls: type[Any]) -> type[Any]:
    if issubclass(server_cls, WSGIServer):
        return ThreadedWSGIServer
    return basehttp.ThreadedWSGIServer if issubclass(server_cls, basehttp.WSGIServer) else socketserver.ThreadingMixIn


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
    log: AccessLog | None = None,
) -> None:
    """Serves until stopped. As ``django.core.servers.basehttp.run``, with what is ours in addition.

    Args:
        listener: serve on this socket instead of binding to ``address``.
        on_serve: called with the server right before it accepts connections.
        log: which requests are logged, and how; all of them in Django's format by default.

    Raises:
        OSError: the address cannot be bound to.
    """
    cls = server_class(server_cls, threading)
    if listener is None:
        server = cls(address, WSGIRequestHandler, ipv6=ipv6)
    else:
        server = cls(address, WSGIRequestHandler, ipv6=ipv6, bind_and_activate=False)
        server.adopt(listener)
    server.tls_remedy = TLS_REMEDY
    if log is not None:
        server.log = log
    quiet = TruncatedUploads()
    try:
        logging.getLogger("django.request").addFilter(quiet)
        if on_bind is not None:
            on_bind(getattr(server, "server_port", address[1]))
        if hasattr(wsgi_handler, "begin"):
            server.set_app(wsgi_handler.others)
        else:
            server.set_app(wsgi_handler)
        if on_serve is not None:
            on_serve(server)
        if hasattr(wsgi_handler, "begin"):  # not before there are no more checkpoints
            wsgi_handler.begin(server)
        server.serve_forever()
        if server.asgi is not None and server.on_failure is None and (failure := server.asgi.lifespan.failure):
            raise failure
    finally:
        logging.getLogger("django.request").removeFilter(quiet)
        server.server_close()
