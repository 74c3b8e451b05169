"""WebSockets by RFC 6455: a table of frames by raw sockets, and what an application can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("websockets")

from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import ClientConnection, connect

from devrunserver.server import ThreadedWSGIServer, WSGIRequestHandler
from devrunserver.server.asgi import websocket_turn
from devrunserver.server.asgi.server import AsgiServer
from devrunserver.server.asgi.turn import Options
from devrunserver.server.django.asgi_host import AsgiHandler, not_found
from tests.live import wait_for
from tests.server.asgi.conftest import RunAsgi
from tests.server.asgi.frames import HANDSHAKES, LIMIT, TABLE, Row, frame, handshake
from tests.server.asgi.sockets import Frames, Sockets, play, shake_hands
from tests.server.conftest import Running, messages
from tests.server.wire import PATIENCE

ROWS = {f"{group} {number}": row for group, rows in TABLE.items() for number, row in enumerate(rows)}


@pytest.fixture(scope="module")
def echo() -> Iterator[Running]:
    """One server for the whole table."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    application = Sockets()
    handler = AsgiHandler(AsgiServer(application, (), Options(message_limit=LIMIT)), not_found)
    server.set_app(handler.others)
    running = Running(server, application)  # type: ignore[arg-type]
    handler.begin(server)
    running.thread.start()
    yield running
    server.shutdown()
    running.thread.join(PATIENCE)
    server.server_close()


@pytest.fixture
def sockets() -> Sockets:
    return Sockets()


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_table(echo: Running, row: Row) -> None:
    with echo.wire() as wire:
        play(wire, row)


@pytest.mark.parametrize(("sent", "status"), HANDSHAKES)
def test_handshakes(echo: Running, sent: str, status: int) -> None:
    with echo.wire() as wire:
        if status == 101:
            shake_hands(wire, sent)
            wire.send(frame(1, b"hello"))
            assert Frames(wire).next() == (1, b"hello")
        else:
            wire.send(sent)
            answer = wire.answer()
            assert answer.status == status
            assert answer["Sec-WebSocket-Version"] == ("13" if status == 426 else None)


def client(running: Running, path: str = "/", **options: Any) -> ClientConnection:
    connect_to: Callable[..., ClientConnection] = connect
    return connect_to(f"ws://127.0.0.1:{running.port}{path}", open_timeout=PATIENCE, close_timeout=PATIENCE, **options)


def test_the_scope(run_asgi: RunAsgi, sockets: Sockets) -> None:
    running = run_asgi(sockets)
    headers = {"Cookie": "a=b", "X_Posing": "1"}
    with client(running, "/echo?q=%20", subprotocols=["a", "b"], additional_headers=headers) as one:
        assert one.subprotocol is None
    (scope,) = sockets.scopes
    assert scope["path"] == "/echo"
    assert scope["raw_path"] == b"/echo"
    assert scope["query_string"] == b"q=%20"
    assert scope["scheme"] == "ws"
    assert scope["subprotocols"] == ["a", "b"]
    assert scope["client"][0] == "127.0.0.1"
    assert (b"cookie", b"a=b") in scope["headers"]
    assert not any(name.startswith(b"x_") for name, _ in scope["headers"])


def test_a_subprotocol_headers_and_a_long_reason(run_asgi: RunAsgi, sockets: Sockets) -> None:
    with client(run_asgi(sockets), "/protocol", subprotocols=["a", "b"]) as one:
        assert one.subprotocol == "b"
        assert one.response is not None
        assert one.response.headers["X-Extra"] == "1"
        assert one.response.headers["Connection"] == "Upgrade"
        with pytest.raises(ConnectionClosed) as end:
            one.recv(PATIENCE)
    assert end.value.rcvd is not None
    assert (end.value.rcvd.code, end.value.rcvd.reason) == (4000, "r" * 123)


@pytest.mark.parametrize(("path", "code"), [("/crash", 1011), ("/return", 1000)])
def test_an_application_that_ends(run_asgi: RunAsgi, sockets: Sockets, path: str, code: int) -> None:
    with client(run_asgi(sockets), path) as one, pytest.raises(ConnectionClosed) as end:
        one.recv(PATIENCE)
    assert end.value.rcvd is not None
    assert end.value.rcvd.code == code


def test_a_denial_by_http(run_asgi: RunAsgi, sockets: Sockets) -> None:
    with run_asgi(sockets).wire() as wire:
        wire.send(handshake(path="/denial"))
        answer = wire.answer()
    assert (answer.status, answer.body, answer["x-why"]) == (418, b"short and stout", "tea")


def test_compression(run_asgi: RunAsgi, sockets: Sockets) -> None:
    running = run_asgi(sockets)
    for no_context in (True, False):
        factory = ClientPerMessageDeflateFactory(
            server_no_context_takeover=no_context, client_no_context_takeover=no_context
        )
        with client(running, compression=None, extensions=[factory]) as one:
            assert len(one.protocol.extensions) == 1
            for text in ("", "a", "b" * 50_000, "b" * 50_000, "κόσμε" * 1_000):
                one.send(text)
                assert one.recv(PATIENCE) == text


def test_what_is_large_only_when_it_is_inflated(run_asgi: RunAsgi, sockets: Sockets) -> None:
    with client(run_asgi(sockets, message_limit=LIMIT)) as one:
        one.send("a" * (LIMIT * 50))
        with pytest.raises(ConnectionClosed) as end:
            one.recv(PATIENCE)
    assert end.value.rcvd is not None
    assert end.value.rcvd.code == 1009


def test_a_client_that_reads_slowly(run_asgi: RunAsgi, sockets: Sockets) -> None:
    with run_asgi(sockets).wire(receive_buffer=4_096) as wire:
        wire.send(handshake(path="/flood"))
        wire._until(b"\r\n\r\n")
        frames = Frames(wire)
        frames._pending, wire._pending = wire._pending, b""
        for number in range(200):
            assert frames.next() == (2, bytes([number]) * 50_000)
        assert frames.next()[0] == 8


def test_a_client_that_vanishes(run_asgi: RunAsgi, sockets: Sockets) -> None:
    running = run_asgi(sockets)
    with running.wire() as wire:
        wire.send(handshake())
        wire._until(b"\r\n\r\n")
    wait_for(lambda: sockets.ends, "the application was told", PATIENCE)
    assert sockets.ends == [(1006, "")]
    wait_for(lambda: not running.server.connections, "nothing is left", PATIENCE)


def test_what_the_client_says_at_the_end(run_asgi: RunAsgi, sockets: Sockets) -> None:
    with client(run_asgi(sockets)) as one:
        one.close(3001, "enough")
    wait_for(lambda: sockets.ends, "the application was told", PATIENCE)
    assert sockets.ends == [(3001, "enough")]


def test_an_application_that_does_not_decide(run_asgi: RunAsgi, sockets: Sockets) -> None:
    with run_asgi(sockets, handshake_timeout=0.05).wire() as wire:
        wire.send(handshake(path="/undecided"))
        assert wire.answer().status == 503
    wait_for(lambda: sockets.ends, "the application was told", PATIENCE)


def test_the_end_of_the_server(run_asgi: RunAsgi, sockets: Sockets) -> None:
    """Clients are told by 1012, so that they come again, and the application as well."""
    running = run_asgi(sockets)
    with client(running) as one, client(running, "/stay") as other:
        one.send("a")
        assert one.recv(PATIENCE) == "a"
        running.server.shutdown()
        for each in (one, other):
            with pytest.raises(ConnectionClosed) as end:
                each.recv(PATIENCE)
            assert end.value.rcvd is not None
            assert end.value.rcvd.code == 1012
        wait_for(lambda: sockets.ends, "the application was told", PATIENCE)
        assert sockets.ends == [(1012, "The server restarts")]
        running.server.server_close()
    assert sockets.cancelled.wait(PATIENCE)


def test_who_has_something_to_do_at_the_end(run_asgi: RunAsgi, sockets: Sockets) -> None:
    running = run_asgi(sockets)
    with client(running, "/tidy"):
        running.server.shutdown()
        running.server.server_close()
        assert sockets.ends == [(1012, "tidied up")]


def test_the_log(run_asgi: RunAsgi, sockets: Sockets, records: Any) -> None:
    running = run_asgi(sockets)
    with client(running, "/echo?secret=1"):
        pass
    with running.wire() as wire:
        wire.send(handshake(path="/deny"))
        wire.answer()

    def said() -> list[str]:
        """Without what an earlier test's client may say late."""
        lines = [line.partition(" [127.0.0.1:")[0] for line in messages(records)]
        return [line for line in lines if line.endswith(("/echo", "/deny"))]

    wait_for(lambda: len(said()) == 3, "three lines", PATIENCE)
    assert said() == ["WebSocket CONNECT /echo", "WebSocket DISCONNECT /echo", "WebSocket REJECT /deny"]


def test_one_at_a_time(run_asgi: RunAsgi, sockets: Sockets) -> None:
    """A message is like a request: what comes meanwhile waits, another message too."""
    running = run_asgi(sockets, is_threaded=False)
    with client(running, "/slow") as one, client(running) as other, running.wire() as wire:
        one.send("a")
        assert one.recv(PATIENCE) == "begun"
        wire.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        other.send("b")
        with pytest.raises(TimeoutError):
            other.recv(0.1)
        assert sockets.ends == []
        sockets.may_go_on.set()
        assert wire.answer().body == b"hello"
        assert other.recv(PATIENCE) == "b"
        assert [said for _, said in sockets.ends] == ["done", "http"]


def test_who_never_asks_again_is_not_waited_for(
    run_asgi: RunAsgi, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_turn, "ALONE_LIMIT", 0.05)
    running = run_asgi(sockets, is_threaded=False)
    with client(running, "/stay"), running.wire() as wire:
        wire.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert wire.answer().body == b"hello"
