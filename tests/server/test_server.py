"""The HTTP server: connections that are kept, an orderly end, and every class that a project may serve with."""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import re
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref import simple_server

import pytest
from django.core.servers import basehttp

from devrunserver.server import ThreadedWSGIServer, WSGIRequestHandler, WSGIServer
from devrunserver.server.access_log import OWN_PATHS, AccessLog
from devrunserver.server.connection import Phase
from devrunserver.server.django import draining
from devrunserver.server.django import server as server_http
from devrunserver.server.django.server import Serving, run, server_class
from devrunserver.server.listener import BACKLOG, listen
from tests.live import wait_for

PATIENCE = 30.0  # seconds for a fact to come true
LONG = 60.0  # seconds; a test that waits for all of it has failed
SHORT = 0.05  # seconds


class App:
    """A WSGI application whose slow answers wait for a word."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.may_end = threading.Event()
        self.environ: dict[str, Any] = {}
        self.thread: threading.Thread | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.environ, self.thread = environ, threading.current_thread()
        if environ["PATH_INFO"] == "/stream":
            start_response("200 OK", [("Content-Type", "text/event-stream")])
            return self._stream()
        if environ["PATH_INFO"] == "/slow":
            self.began.set()
            self.may_end.wait(PATIENCE)
        body = environ["wsgi.input"].read() or b"hello"
        status = "404 Not Found" if environ["PATH_INFO"].endswith("nowhere") else "200 OK"
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    def _stream(self) -> Iterator[bytes]:
        yield b"data: 1\n\n"
        self.began.set()
        self.may_end.wait(PATIENCE)
        yield b"data: 2\n\n"


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *args: object) -> None:
        self.socket.close()

    def ask(self, path: str = "/", headers: str = "", method: str = "GET", version: str = "1.1") -> None:
        self.socket.sendall(f"{method} {path} HTTP/{version}\r\nHost: localhost\r\n{headers}\r\n".encode())

    def answer(self, method: str = "GET") -> http.client.HTTPResponse:
        """The head of the answer; ``read()`` brings the body."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return response

    def is_ended(self) -> bool:
        """Whether the server has ended the connection; waits for that or for data."""
        return self.socket.recv(1) == b""


class Served:
    """A server in a thread of its own."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.thread = threading.Thread(target=server.serve_forever)

    @property
    def port(self) -> int:
        port: int = self.server.socket.getsockname()[1]
        return port

    def phases(self) -> list[Phase]:
        return [connection.phase for connection in list(self.server.connections.values())]

    def wait_for_phases(self, *phases: Phase) -> None:
        wait_for(lambda: self.phases() == list(phases), f"{phases}", PATIENCE)

    def is_ended(self, patience: float = PATIENCE) -> bool:
        """Whether the loop ends; waits for it."""
        self.thread.join(patience)
        return not self.thread.is_alive()


@pytest.fixture
def app() -> Iterator[App]:
    app = App()
    yield app
    app.may_end.set()


Serve = Callable[..., Served]


@pytest.fixture
def serve(app: App) -> Iterator[Serve]:
    """Starts a server; at the end of the test its loop, its threads and its descriptors have to be gone."""
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    started: list[Served] = []

    def start(server: type[Any] | Any = ThreadedWSGIServer, begin: bool = True) -> Served:
        if isinstance(server, type):
            server = server(("127.0.0.1", 0), WSGIRequestHandler)
        server.set_app(app)
        started.append(Served(server))
        if begin:
            started[-1].thread.start()
        return started[-1]

    yield start
    app.may_end.set()
    for served in started:
        served.server.shutdown()
        assert not served.thread.ident or served.is_ended()
        served.server.server_close()
    wait_for(lambda: set(threading.enumerate()) <= threads, "no thread is left", PATIENCE)
    assert open_descriptors() <= descriptors


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd")) if sys.platform == "linux" else set()


@pytest.fixture
def _long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_http, "GRACE", LONG)


@pytest.fixture
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_http, "GRACE", SHORT)


long_grace = pytest.mark.usefixtures("_long_grace")
short_grace = pytest.mark.usefixtures("_short_grace")


@pytest.mark.parametrize(
    ("server", "request_line", "headers", "kept"),
    [
        (ThreadedWSGIServer, ("GET", "/", "1.1"), "", True),
        (ThreadedWSGIServer, ("HEAD", "/", "1.1"), "", True),
        (ThreadedWSGIServer, ("GET", "/", "1.1"), "Connection: close\r\n", False),
        (ThreadedWSGIServer, ("GET", "/", "1.0"), "", False),
        (ThreadedWSGIServer, ("GET", "/", "1.0"), "Connection: keep-alive\r\n", True),
        (ThreadedWSGIServer, ("GET", "/stream", "1.1"), "", False),  # its length is not known
        (WSGIServer, ("GET", "/", "1.1"), "", False),  # it would keep others waiting
        (WSGIServer, ("GET", "/", "1.0"), "", False),
    ],
)
def test_which_connections_are_kept(
    serve: Serve, app: App, server: type[Any], request_line: tuple[str, str, str], headers: str, kept: bool
) -> None:
    method, path, version = request_line
    app.may_end.set()
    with Client(serve(server).port) as client:
        for _ in range(3 if kept else 1):
            client.ask(path, headers, method, version)
            answer = client.answer(method)
            body = answer.read()
            assert (answer.status, answer.version) == (200, 11)
            assert body == {"HEAD": b"", "GET": b"hello"}[method] or path == "/stream"
            if not kept and version == "1.1" and not headers:
                assert answer.getheader("Connection") == "close"
        if not kept:
            assert client.is_ended()


def test_a_body_is_read_and_what_is_left_of_it_is_no_request(serve: Serve, app: App) -> None:
    with Client(serve().port) as client:
        client.ask("/", "Content-Length: 4\r\n", "POST")
        client.socket.sendall(b"body")
        assert client.answer().read() == b"body"
        client.ask("/", "X-Plain: 1\r\nX_Spoofed: 1\r\n")
        assert client.answer().read() == b"hello"
    assert app.environ["HTTP_X_PLAIN"] == "1"
    assert "HTTP_X_SPOOFED" not in app.environ


def test_requests_that_came_together_are_answered_one_after_another(serve: Serve) -> None:
    with Client(serve().port) as client:
        client.socket.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3 + b"GET / HTTP/1.0\r\n\r\n")
        assert b"".join(iter(lambda: client.socket.recv(4096), b"")).count(b"\r\n\r\nhello") == 4


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", "414"),
        (b"nonsense\r\n\r\n", "400"),
        (b"\x16\x03\x01\x02\x00 a b c\r\n\r\n", "400"),  # the beginning of TLS
        (b"", ""),
        (b"GET / HT", ""),
    ],
)
def test_what_is_no_request_ends_its_connection_alone(serve: Serve, sent: bytes, status: str) -> None:
    served = serve()
    with Client(served.port) as client, Client(served.port) as other:
        client.socket.sendall(sent)
        client.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):  # what it has not read
            assert status.encode() in b"".join(iter(lambda: client.socket.recv(4096), b""))[:800]
        other.ask()
        assert other.answer().status == 200


# The end


@long_grace
def test_idle_connections_end_at_once(serve: Serve) -> None:
    served = serve()
    with Client(served.port) as one, Client(served.port) as two:
        for client in (one, two):
            client.ask()
            assert client.answer().read() == b"hello"
        served.wait_for_phases(Phase.IDLE, Phase.IDLE)
        served.server.stop()
        assert served.is_ended()
        assert one.is_ended() and two.is_ended()


@long_grace
@pytest.mark.parametrize("server", [WSGIServer, ThreadedWSGIServer])
@pytest.mark.parametrize("path", ["/slow", "/stream"])
def test_an_answer_under_way_is_finished(serve: Serve, app: App, server: type[Any], path: str) -> None:
    served = serve(server)
    with Client(served.port) as client:
        client.ask(path)
        assert app.began.wait(PATIENCE)
        served.server.stop()
        assert not served.is_ended(SHORT)
        app.may_end.set()
        answer = client.answer()
        assert answer.getheader("Connection") == "close"
        assert answer.read() in (b"hello", b"data: 1\n\ndata: 2\n\n")
        assert client.is_ended()
        assert served.is_ended()


@long_grace
def test_a_connection_without_a_request_may_send_its_first(serve: Serve) -> None:
    served = serve()
    with Client(served.port) as client:
        served.wait_for_phases(Phase.NEW)
        served.server.stop()
        assert not served.is_ended(SHORT)
        client.ask()
        answer = client.answer()
        assert (answer.read(), answer.getheader("Connection")) == (b"hello", "close")
        assert client.is_ended()
        assert served.is_ended()


@long_grace
def test_a_connection_that_a_browser_keeps_to_have_it_ends_at_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "SPARE_AGE", 0.0)
    served = serve()
    with Client(served.port) as client:
        served.wait_for_phases(Phase.NEW)
        served.server.stop()
        assert served.is_ended()
        assert client.is_ended()


@short_grace
@pytest.mark.parametrize("path", ["", "/slow", "/stream"])
def test_the_grace_is_bounded(serve: Serve, app: App, path: str) -> None:
    served = serve()
    with Client(served.port) as client:
        if path:
            client.ask(path)
            assert app.began.wait(PATIENCE)
        else:
            served.wait_for_phases(Phase.NEW)
        served.server.stop()
        assert served.is_ended()
        phase = {"": Phase.NEW, "/slow": Phase.ANSWERING, "/stream": Phase.SENDING}[path]
        assert served.phases() == [phase]  # the end of the process cuts it


@short_grace
@pytest.mark.parametrize("server", [WSGIServer, ThreadedWSGIServer])
def test_what_was_asked_for_just_before_is_answered(serve: Serve, app: App, server: type[Any]) -> None:
    served = serve(server)
    with Client(served.port) as client:
        client.ask("/slow")
        assert app.began.wait(PATIENCE)
        served.server.stop(LONG)
        assert not served.is_ended(4 * SHORT)
        app.may_end.set()
        assert client.answer().read() == b"hello"
        assert served.is_ended()


@short_grace
def test_the_user_who_quits_does_not_wait_for_it(serve: Serve, app: App) -> None:
    served = serve()
    with Client(served.port) as client:
        client.ask("/slow")
        assert app.began.wait(PATIENCE)
        served.server.stop(LONG)
        served.server.stop()
        assert served.is_ended()


@short_grace
def test_no_connection_is_accepted_after_stop(serve: Serve, app: App) -> None:
    listener = listen("127.0.0.1", 0, False)
    served = serve(adopting(listener.dup()))
    with Client(served.port) as busy, listener:
        busy.ask("/slow")
        assert app.began.wait(PATIENCE)
        served.server.stop()
        with Client(served.port) as late:
            late.ask()
            assert served.is_ended()
            successor = serve(adopting(listener.dup()))
            assert late.answer().read() == b"hello"
            late.ask()
            assert late.answer().read() == b"hello"
            assert successor.phases() != []


def test_shutdown_waits_for_the_end_of_the_loop(serve: Serve) -> None:
    served = serve()
    with Client(served.port) as client:
        client.ask()
        client.answer().read()
    served.server.shutdown()
    served.server.shutdown()  # again is harmless
    assert served.is_ended()


@pytest.mark.parametrize("end", ["stop", "shutdown"])
def test_it_may_end_before_it_begins(serve: Serve, end: str) -> None:
    served = serve(begin=False)
    getattr(served.server, end)()
    with Client(served.port) as client:
        client.ask()
        served.server.serve_forever()
        assert served.phases() == []


def test_the_loop_sleeps_until_there_is_something_to_do(serve: Serve) -> None:
    wakes = []

    class Counting(ThreadedWSGIServer):
        def service_actions(self) -> None:
            wakes.append(1)

    served = serve(Counting)
    for _ in range(3):
        with Client(served.port) as client:
            client.ask("/", "Connection: close\r\n")
            client.answer().read()
    served.server.shutdown()
    assert 3 <= len(wakes) <= 7  # two for each connection, where its request comes later; and the stop


# A listening socket that was there before


def adopting(listener: socket.socket, server: type[Any] = ThreadedWSGIServer) -> Any:
    adopter = server(("127.0.0.1", 0), WSGIRequestHandler, bind_and_activate=False)
    adopter.adopt(listener)
    return adopter


@pytest.mark.parametrize("server", [WSGIServer, ThreadedWSGIServer])
def test_connections_made_before_it_serves_are_answered(serve: Serve, app: App, server: type[Any]) -> None:
    listener = listen("127.0.0.1", 0, False)
    port = listener.getsockname()[1]
    clients = [Client(port) for _ in range(BACKLOG - 8)]  # more than Django's backlog
    try:
        for client in clients:
            client.ask("/", "Connection: close\r\n")
        served = serve(adopting(listener, server))
        for client in clients:
            assert client.answer().read() == b"hello"
    finally:
        for client in clients:
            client.socket.close()
    assert served.server.server_address == ("127.0.0.1", port)
    assert (served.server.server_port, app.environ["SERVER_PORT"]) == (port, str(port))


def test_what_it_binds_itself_has_the_same_backlog(serve: Serve) -> None:
    served = serve(begin=False)
    assert WSGIServer.request_queue_size == ThreadedWSGIServer.request_queue_size == BACKLOG
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(served.port)) for _ in range(BACKLOG - 8)]
        served.thread.start()
        for client in clients:
            client.ask("/", "Connection: close\r\n")
            assert client.answer().read() == b"hello"


# The classes that a project may serve with


class Ipv6Aware:
    """What Django asks of a ``server_cls``."""

    def __init__(self, *args: Any, ipv6: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class OfDjango(basehttp.WSGIServer):
    pass


class OfDjangosThreaded(basehttp.ThreadedWSGIServer):
    pass


class OfThreadingMixIn(socketserver.ThreadingMixIn, basehttp.WSGIServer):
    pass


class OfWsgiref(Ipv6Aware, simple_server.WSGIServer):
    pass


class OfThreadedWsgiref(Ipv6Aware, socketserver.ThreadingMixIn, simple_server.WSGIServer):
    pass


class OfOurs(WSGIServer):
    pass


SERVER_CLASSES = [
    WSGIServer, ThreadedWSGIServer, basehttp.WSGIServer, basehttp.ThreadedWSGIServer,
    OfDjango, OfDjangosThreaded, OfThreadingMixIn, OfWsgiref, OfThreadedWsgiref, OfOurs,
]  # fmt: skip


@long_grace
@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize("server_cls", SERVER_CLASSES)
def test_server_classes(serve: Serve, app: App, server_cls: type[Any], threaded: bool) -> None:
    cls = server_class(server_cls, threaded)
    assert issubclass(cls, server_cls) and issubclass(cls, Serving)
    assert server_class(cls, threaded) is cls
    served = serve(cls(("127.0.0.1", 0), WSGIRequestHandler, ipv6=False))
    has_threads = threaded or issubclass(server_cls, socketserver.ThreadingMixIn)
    with Client(served.port) as client:
        client.ask()
        assert client.answer().read() == b"hello"
        assert (app.thread is not served.thread) is has_threads
        assert app.thread is not None and app.thread.daemon is has_threads
        if has_threads:
            served.wait_for_phases(Phase.IDLE)
        served.server.stop()
        assert served.is_ended()
        assert client.is_ended()


class Wrapped(socket.socket):
    """What is no plain socket, such as one that speaks TLS."""


class Wrapping(ThreadedWSGIServer):
    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        return Wrapped(fileno=connection.detach()), address


@long_grace
def test_what_is_no_plain_socket_is_left_to_django(serve: Serve, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "SPARE_AGE", 0.0)
    monkeypatch.setenv("DEVRUNSERVER_SECRET", "1")
    served = serve(Wrapping)
    with Client(served.port) as client, Client(served.port) as silent:
        for _ in range(2):
            client.ask("/", "X_Spoofed: 1\r\n")
            assert client.answer().read() == b"hello"
        assert not {"HTTP_X_SPOOFED", "DEVRUNSERVER_SECRET"} & set(app.environ)
        served.server.stop()
        assert served.is_ended()
        assert client.is_ended() and silent.is_ended()


class OwnWays(ThreadedWSGIServer):
    """A server that does something around each connection."""

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        threading.current_thread().name = "own"
        super().process_request_thread(request, client_address)


def test_a_server_with_ways_of_its_own_is_left_to_django(serve: Serve, app: App) -> None:
    with Client(serve(OwnWays).port) as client:
        client.ask()
        assert client.answer().read() == b"hello"
        assert app.thread is not None and app.thread.name == "own"


class Hooked(WSGIRequestHandler):
    """What subclasses of Django's handler do."""

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), "hooked": (self.command, self.path, self.headers["x-asked"])}

    def address_string(self) -> str:
        return "client.example"


@pytest.mark.parametrize("base", [Hooked, type("Own", (Hooked,), {"handle": lambda self: Hooked.handle(self)})])
def test_hooks_of_handlers(serve: Serve, app: App, base: type[Any]) -> None:
    served = serve(ThreadedWSGIServer(("127.0.0.1", 0), base))
    with Client(served.port) as client:
        client.ask("/a?b", "X-Asked: yes\r\n")
        assert client.answer().read() == b"hello"
        assert app.environ["hooked"] == ("GET", "/a?b", "yes")
        if base is Hooked:  # Python 3.13 has dropped it
            assert app.environ["REMOTE_HOST"] == "client.example"


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(self.rfile.readline())


def test_a_server_of_something_else(app: App) -> None:
    server = server_class(socketserver.TCPServer, threading=True)(("127.0.0.1", 0), Echo)
    served = Served(server)
    served.thread.start()
    with Client(served.port) as client:
        client.socket.sendall(b"hello\n")
        assert client.socket.recv(6) == b"hello\n"
        assert client.is_ended()
    server.shutdown()
    assert served.is_ended()
    server.server_close()


@pytest.mark.parametrize("with_listener", [False, True])
@pytest.mark.parametrize("server_cls", [WSGIServer, OfDjango, OfWsgiref])
def test_run(app: App, server_cls: type[Any], with_listener: bool) -> None:
    listener = listen("127.0.0.1", 0, False) if with_listener else None
    bound: list[int] = []
    servers: list[Any] = []
    thread = threading.Thread(
        target=run,
        args=(("127.0.0.1", 0), app),
        kwargs={
            "threading": True,
            "on_bind": bound.append,
            "on_serve": servers.append,
            "server_cls": server_cls,
            "listener": listener,
        },
    )
    thread.start()
    wait_for(lambda: servers, "the server serves", PATIENCE)
    with Client(bound[0]) as client:
        client.ask()
        assert client.answer().read() == b"hello"
    servers[0].stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert servers[0].socket.fileno() == -1
    with pytest.raises(ConnectionRefusedError):
        Client(bound[0])


@pytest.mark.parametrize("server_cls", [WSGIServer, OfDjango])
def test_an_address_that_cannot_be_bound_leaves_nothing(app: App, server_cls: type[Any]) -> None:
    with listen("127.0.0.1", 0, False) as taken:
        descriptors = open_descriptors()
        with pytest.raises(OSError, match="in use"):
            run(taken.getsockname(), app, server_cls=server_cls)
        assert open_descriptors() <= descriptors


# What is logged


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What ``django.server`` logs, which does not propagate."""
    kept: list[logging.LogRecord] = []
    logger = logging.getLogger("django.server")
    handler: Any = logging.Handler()
    handler.emit = kept.append
    logger.addHandler(handler)
    yield kept
    logger.removeHandler(handler)


def test_requests_are_logged_as_by_django_and_our_own_are_not(serve: Serve, records: list[logging.LogRecord]) -> None:
    with Client(serve().port) as client:
        for path in ("/", f"{OWN_PATHS}script.js", "/last"):
            client.ask(path)
            client.answer().read()
        wait_for(lambda: len(records) == 2, "two records", PATIENCE)
    assert [record.getMessage() for record in records] == [f'"GET {path} HTTP/1.1" 200 5' for path in ("/", "/last")]
    for record in records:
        assert record.status_code == 200  # type: ignore[attr-defined]
        assert isinstance(record.request, socket.socket)  # type: ignore[attr-defined]
        assert record.server_time  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (AccessLog(), ["/", "/static/a", "/health/", "/static/nowhere"]),
        (AccessLog(ignored=("/health", "/static/")), ["/"]),
        (AccessLog(quiet=("/static/",)), ["/", "/health/", "/static/nowhere"]),
    ],
)
def test_what_is_not_to_be_logged(
    serve: Serve, app: App, records: list[logging.LogRecord], log: AccessLog, expected: list[str]
) -> None:
    served = serve()
    served.server.log = log
    with Client(served.port) as client:
        for path in ("/", "/static/a", "/health/", "/static/nowhere"):
            client.ask(path)
            client.answer().read()
        served.wait_for_phases(Phase.IDLE)
    assert [record.getMessage().split()[1] for record in records] == expected


def test_the_duration_is_logged(serve: Serve, records: list[logging.LogRecord]) -> None:
    served = serve()
    served.server.log = AccessLog(duration=True)
    with Client(served.port) as client:
        client.ask()
        client.answer().read()
        wait_for(lambda: records, "the record", PATIENCE)
    assert re.fullmatch(r'"GET / HTTP/1.1" 200 5 \d+ ms', records[0].getMessage())
    assert records[0].status_code == 200  # type: ignore[attr-defined]


def test_tls_is_answered_by_a_hint(serve: Serve, records: list[logging.LogRecord]) -> None:
    with Client(serve().port) as client:
        client.socket.sendall(b"\x16\x03\x01\x02\x00 a b c\r\n\r\n")
        wait_for(lambda: any("over HTTPS" in record.getMessage() for record in records), "the hint", PATIENCE)


def test_a_client_that_is_gone_is_one_line(serve: Serve, records: list[logging.LogRecord]) -> None:
    served = serve()
    with Client(served.port) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # its end is a reset
        client.ask()
        client.answer().read()
        served.wait_for_phases(Phase.IDLE)
    wait_for(lambda: [one for one in records if "Broken pipe" in one.getMessage()], "the line", PATIENCE)
    served.wait_for_phases()


class Inheriting(socket.socket):
    """A listening socket as on macOS and BSD: what it accepts inherits its mode."""

    def accept(self) -> tuple[socket.socket, Any]:
        connection, address = super().accept()
        os.set_blocking(connection.fileno(), self.gettimeout() != 0)
        return connection, address


def test_an_accepted_socket_blocks_whatever_the_system_lets_it_inherit() -> None:
    listening = listen("127.0.0.1", 0, False)
    listening = Inheriting(fileno=listening.detach())
    server = ThreadedWSGIServer(("", 0), WSGIRequestHandler, bind_and_activate=False)
    server.adopt(listening)
    server.set_app(App())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with Client(listening.getsockname()[1]) as client:
            wait_for(lambda: server.connections, "the connection is accepted")
            client.ask()
            assert client.answer().read() == b"hello"
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


def test_a_threaded_class_built_on_ours_does_not_wait_for_its_threads() -> None:
    class Threaded(socketserver.ThreadingMixIn, WSGIServer):
        pass

    assert server_class(Threaded, True).daemon_threads
