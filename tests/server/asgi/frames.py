"""The table of WebSockets: what a client sends after the handshake, and what has to come back. Source: RFC 6455.

The server behind it echoes each message. A row's frames are bytes as they go over the wire, masked as a client has to.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = bytes.fromhex("37fa213d")  # RFC 6455, 5.7
LIMIT = 100_000  # bytes of a message that the server takes


class Row(NamedTuple):
    """One line.

    Attributes:
        sent: by the client.
        answers: opcode and payload of the frames that come back.
        code: by which the server closes; None: it does not, and is closed by the client with 1000.
    """

    sent: bytes
    answers: tuple[tuple[int, bytes], ...] = ()
    code: int | None = None


def frame(opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """A frame: RFC 6455, 5.2."""
    first = (fin << 7) | (rsv << 4) | opcode
    length = len(payload)
    bit = 0x80 if masked else 0
    if length < 126:
        head = struct.pack("!BB", first, bit | length)
    elif length < 65_536:
        head = struct.pack("!BBH", first, bit | 126, length)
    else:
        head = struct.pack("!BBQ", first, bit | 127, length)
    if not masked:
        return head + payload
    key = (MASK * (length // 4 + 1))[:length]
    return head + MASK + (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")


def fragments(opcode: int, *parts: bytes) -> bytes:
    """One message in several frames."""
    last = len(parts) - 1
    return b"".join(frame(opcode if i == 0 else CONT, part, fin=i == last) for i, part in enumerate(parts))


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


def _messages() -> Iterator[Row]:
    for size in (0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 4_095, 4_096, 65_535, 65_536, LIMIT):
        for opcode, payload in ((TEXT, b"*" * size), (BINARY, bytes(i % 256 for i in range(size)))):
            yield Row(frame(opcode, payload), ((opcode, payload),))
    for text in ("é", "\u20ac", "\U0001f40d", "\0", "a\r\nb", "κόσμε", "\ufffe", "\uffff", "\U0010ffff"):
        yield Row(frame(TEXT, text.encode()), ((TEXT, text.encode()),))
    for count in (2, 10, 17, 40):  # more than wait for an application that is slow
        parts = [f"message {number}".encode() for number in range(count)]
        yield Row(b"".join(frame(TEXT, part) for part in parts), tuple((TEXT, part) for part in parts))


def _fragmented() -> Iterator[Row]:
    for opcode in (TEXT, BINARY):
        for parts in ((b"a", b"b"), (b"", b""), (b"", b"", b"c"), (b"a", b""), (b"x" * 70_000, b"y"), (b"a",) * 100):
            yield Row(fragments(opcode, *parts), ((opcode, b"".join(parts)),))
    word = "κόσμε".encode()
    for cut in range(1, len(word)):  # also in the middle of a character
        yield Row(fragments(TEXT, word[:cut], word[cut:]), ((TEXT, word),))
    ping = frame(PING, b"between")
    between = frame(TEXT, b"a", fin=False) + ping + frame(CONT, b"b")
    yield Row(between, ((PONG, b"between"), (TEXT, b"ab")))
    yield Row(frame(TEXT, b"a", fin=False) + frame(PONG) + frame(CONT, b"b"), ((TEXT, b"ab"),))


def _control() -> Iterator[Row]:
    for size in (0, 1, 124, 125):
        yield Row(frame(PING, b"p" * size), ((PONG, b"p" * size),))
        yield Row(frame(PONG, b"p" * size))  # that nobody asked for
    yield Row(b"".join(frame(PING, bytes([i])) for i in range(10)), tuple((PONG, bytes([i])) for i in range(10)))
    for opcode in (CLOSE, PING, PONG):
        for size in (126, 65_536):
            yield Row(frame(opcode, b"p" * size), code=1002)
        yield Row(frame(opcode, b"\x03\xe8", fin=False), code=1002)


def _closes() -> Iterator[Row]:
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
        yield Row(close(code), code=code)
        yield Row(close(code, "Grüße".encode()), code=code)
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535):
        yield Row(close(code), code=1002)
    yield Row(frame(CLOSE), code=1005)
    yield Row(frame(CLOSE, b"\x03"), code=1002)
    yield Row(close(1000, b"r" * 123), code=1000)
    yield Row(close(1000, b"\xff"), code=1007)
    yield Row(frame(PING, b"a") + close(1000), ((PONG, b"a"),), 1000)
    yield Row(close(1000) + frame(TEXT, b"after the end"), code=1000)
    yield Row(frame(TEXT, b"a", fin=False) + close(1000), code=1002)  # in the middle of a message


def _wrong() -> Iterator[Row]:
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield Row(frame(opcode, b"a"), code=1002)
        yield Row(frame(PING, b"a") + frame(opcode), ((PONG, b"a"),), 1002)
    for rsv in range(1, 8):  # without an extension that gives them a meaning
        yield Row(frame(TEXT, b"a", rsv=rsv), code=1002)
        yield Row(frame(PING, b"a", rsv=rsv), code=1002)
    for opcode in (TEXT, BINARY, PING, CLOSE):
        yield Row(frame(opcode, b"", masked=False), code=1002)
    yield Row(frame(CONT, b"a"), code=1002)
    yield Row(frame(CONT, b"a", fin=False), code=1002)
    for opcode in (TEXT, BINARY):
        yield Row(frame(TEXT, b"a", fin=False) + frame(opcode, b"b"), code=1002)
    yield Row(fragments(TEXT, b"a", b"b") + frame(CONT, b"c"), code=1002)
    for text in (
        b"\xff", b"\x80", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xce", b"a\xe2\x82",
        b"\xc1\xbf", b"\xf8\x88\x80\x80\x80",
    ):  # fmt: skip
        yield Row(frame(TEXT, text), code=1007)
        yield Row(fragments(TEXT, b"good ", text), code=1007)
        yield Row(frame(BINARY, text), ((BINARY, text),))


def _large() -> Iterator[Row]:
    for opcode in (TEXT, BINARY):
        yield Row(frame(opcode, b"x" * (LIMIT + 1)), code=1009)
        yield Row(fragments(opcode, b"x" * LIMIT, b"x"), code=1009)
        yield Row(fragments(opcode, *[b"x" * 1_000] * 101), code=1009)
    yield Row(struct.pack("!BBQ", 0x82, 0xFF, 1 << 62) + MASK, code=1009)
    yield Row(struct.pack("!BBQ", 0x82, 0xFF, 1 << 63) + MASK, code=1009)


TABLE: dict[str, list[Row]] = {
    "messages": list(_messages()),
    "fragmented": list(_fragmented()),
    "control": list(_control()),
    "closes": list(_closes()),
    "wrong": list(_wrong()),
    "large": list(_large()),
}

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
VERSION = "Sec-WebSocket-Version: 13\r\n"


def handshake(fields: str = UPGRADE + KEY + VERSION, path: str = "/", version: str = "1.1") -> str:
    return f"GET {path} HTTP/{version}\r\nHost: a\r\n{fields}\r\n"


# Handshakes, and the status that has to come back
HANDSHAKES: list[tuple[str, int]] = [
    (handshake(), 101),
    (handshake("upgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n" + KEY + VERSION), 101),
    (handshake("Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n" + KEY + VERSION), 101),
    (handshake(UPGRADE + KEY + VERSION + "Origin: http://elsewhere.example\r\n"), 101),  # it is the project's to judge
    (handshake(UPGRADE + KEY + VERSION + "Sec-WebSocket-Extensions: unknown; a=1\r\n"), 101),
    (handshake(UPGRADE + KEY + VERSION + f"Cookie: {'c' * 20_000}\r\n"), 101),
    (handshake(UPGRADE + VERSION), 400),  # no key
    (handshake(UPGRADE + KEY + KEY + VERSION), 400),
    (handshake(UPGRADE + "Sec-WebSocket-Key: c2hvcnQ=\r\n" + VERSION), 400),
    (handshake(UPGRADE + "Sec-WebSocket-Key: ????????????????????????\r\n" + VERSION), 400),
    (handshake(UPGRADE + KEY), 426),  # no version
    (handshake(UPGRADE + KEY + "Sec-WebSocket-Version: 8\r\n"), 426),
    (handshake(UPGRADE + KEY + "Sec-WebSocket-Version: 14\r\n"), 426),
    (handshake(UPGRADE + KEY + VERSION + "Sec-WebSocket-Protocol: ,\r\n"), 400),
    (handshake("Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n" + KEY + VERSION), 426),
    (handshake(version="1.0"), 505),
    (handshake(path="/deny"), 403),
    (handshake(path="/denial"), 418),
    (handshake(path="/fail"), 500),
    (handshake(path="/leave"), 500),
]
