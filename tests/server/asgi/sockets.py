"""What the table of WebSockets is played against, and how: for tests of our server, and to compare with others."""

from __future__ import annotations

import asyncio
import struct
import threading
from typing import Any

from tests.server.asgi.frames import ACCEPT, CLOSE, Row, close, handshake
from tests.server.wire import PATIENCE, Wire


class Sockets:
    """An application that echoes, or does what the path says. Knows how each of its WebSockets ended."""

    def __init__(self) -> None:
        self.ends: list[tuple[int, str]] = []
        self.scopes: list[Any] = []
        self.cancelled = threading.Event()
        self.may_go_on = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.ends.append((0, "http"))
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})
            return
        if scope["type"] != "websocket":
            raise ValueError(scope["type"])
        self.scopes.append(scope)
        assert (await receive())["type"] == "websocket.connect"
        await getattr(self, f"do_{scope['path'].strip('/') or 'echo'}")(scope, receive, send)

    async def do_echo(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            content = {key: value for key, value in message.items() if key != "type" and value is not None}
            await send({"type": "websocket.send", **content})
        self.ends.append((message["code"], message["reason"]))

    async def do_protocol(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"x-extra", b"1"), (b"connection", b"close")]
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][-1], "headers": headers})
        await send({"type": "websocket.close", "code": 4000, "reason": "r" * 200})

    async def do_deny(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    async def do_denial(self, scope: Any, receive: Any, send: Any) -> None:
        assert "websocket.http.response" in scope["extensions"]
        await send({"type": "websocket.http.response.start", "status": 418, "headers": [(b"x-why", b"tea")]})
        await send({"type": "websocket.http.response.body", "body": b"short ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"and stout"})

    async def do_fail(self, scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("before it was accepted")

    async def do_leave(self, scope: Any, receive: Any, send: Any) -> None:
        """Neither accepts nor closes."""

    async def do_crash(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise RuntimeError("after it was accepted")

    async def do_return(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    async def do_flood(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        for number in range(200):
            await send({"type": "websocket.send", "bytes": bytes([number]) * 50_000})

    async def do_stay(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def do_tidy(self, scope: Any, receive: Any, send: Any) -> None:
        """Has something to do at the end."""
        await send({"type": "websocket.accept"})
        message = await receive()
        await asyncio.sleep(0.05)
        self.ends.append((message["code"], "tidied up"))

    async def do_slow(self, scope: Any, receive: Any, send: Any) -> None:
        """Takes its time for a message, and says when that is over."""
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": "begun"})
            while not self.may_go_on.is_set():
                await asyncio.sleep(0.01)
            self.ends.append((0, "done"))

    async def do_undecided(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        self.ends.append((message["code"], message["reason"]))


class Frames:
    """What a server sends on a WebSocket, frame by frame."""

    def __init__(self, wire: Wire) -> None:
        self._socket = wire.socket
        self._pending = b""

    def next(self) -> tuple[int, bytes]:
        first, length = self._take(2)
        assert first & 0xF0 == 0x80, "the only frame of a message, without an extension"
        assert length < 128, "a server does not mask"
        if length == 126:
            (length,) = struct.unpack("!H", self._take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._take(8))
        return first & 0x0F, self._take(length)

    def is_ended(self) -> bool:
        return not self._pending and not self._socket.recv(1)

    def _take(self, count: int) -> bytes:
        while len(self._pending) < count:
            data = self._socket.recv(65_536)
            assert data, "it ended"
            self._pending += data
        taken, self._pending = self._pending[:count], self._pending[count:]
        return taken


def shake_hands(wire: Wire, sent: str) -> None:
    """Opens a WebSocket."""
    wire.send(sent)
    head = wire._until(b"\r\n\r\n").decode()
    assert head.startswith("HTTP/1.1 101 "), head
    assert f"sec-websocket-accept: {ACCEPT.lower()}" in head.lower(), head


def play(wire: Wire, row: Row) -> None:
    """Sends what the row says on a WebSocket of its own, and looks at what comes back.

    Raises:
        AssertionError: it is something else.
    """
    shake_hands(wire, handshake())
    frames = Frames(wire)
    wire.send(row.sent)
    for answer in row.answers:
        assert frames.next() == answer
    if row.code is None:
        wire.send(close(1000))
    opcode, payload = frames.next()
    assert opcode == CLOSE
    assert (struct.unpack("!H", payload[:2])[0] if payload else 1005) == (row.code or 1000)
    assert frames.is_ended()
