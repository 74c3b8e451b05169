"""What an application is told about a connection, as a pure function of the request."""

from __future__ import annotations

import pytest

from devrunserver.server.asgi.scope import Endpoints, decoded, http_scope, is_websocket, websocket_scope
from devrunserver.server.protocol.parser import parse_head
from tests.server.asgi.frames import KEY, UPGRADE, VERSION, handshake

ENDS = Endpoints(("127.0.0.1", 5), ("localhost", 8_000))
SECURE = Endpoints(None, ("localhost", 8_000), "https")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (UPGRADE + KEY + VERSION, True),
        (UPGRADE + VERSION, True),  # wrong, and to be told so
        (UPGRADE, False),  # a request like any other: RFC 9110, 7.8
        ("Upgrade: websocket\r\n" + KEY, False),
        ("Connection: Upgrade\r\n" + KEY, False),
        ("Upgrade: h2c\r\nConnection: Upgrade\r\n" + KEY, False),
        ("", False),
    ],
)
def test_is_websocket(fields: str, expected: bool) -> None:
    head = handshake(fields).removesuffix("\r\n").encode()
    assert is_websocket(parse_head(head)) is expected
    assert not is_websocket(parse_head(head.replace(b"GET", b"POST")))


@pytest.mark.parametrize(
    ("raw", "path"),
    [(b"/", "/"), (b"/a%20b", "/a b"), (b"/%C3%A9", "/é"), (b"/\xc3\xa9", "/é"), (b"/%", "/%"), (b"/%FF", "/\ufffd")],
)
def test_paths(raw: bytes, path: str) -> None:
    assert decoded(raw) == path


def test_schemes() -> None:
    request = parse_head(
        b"GET /a?b HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Protocol: one, two\r\nsec-websocket-protocol:x\r\n"
    )
    assert http_scope(request, ENDS, {})["scheme"] == "http"
    assert http_scope(request, SECURE, {})["scheme"] == "https"
    assert http_scope(request, SECURE, {})["client"] is None
    assert websocket_scope(request, ENDS, {})["scheme"] == "ws"
    assert websocket_scope(request, SECURE, {})["scheme"] == "wss"
    assert websocket_scope(request, ENDS, {})["subprotocols"] == ["one", "two", "x"]


def test_the_state_is_a_copy_of_its_top() -> None:
    shared: list[str] = []
    state = {"shared": shared}
    scope = http_scope(parse_head(b"GET / HTTP/1.1\r\nHost: a\r\n"), ENDS, state)
    scope["state"]["own"] = 1
    assert state == {"shared": shared}
    assert scope["state"]["shared"] is shared
