"""Bodies as an application asks for them block by block, with a socket pair in place of a client."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

import pytest

from devrunserver.server.asgi import request_body
from devrunserver.server.asgi.channel import Channel
from devrunserver.server.asgi.request_body import StreamedBody
from devrunserver.server.connection import Connection
from devrunserver.server.protocol.parser import Request, take_head
from devrunserver.server.request_body import CONTINUE, DRAIN_LIMIT

LENGTH = "Content-Length: {}"
CHUNKED = "Transfer-Encoding: chunked"
EXPECT = "\r\nExpect: 100-continue"


def request(fields: str) -> Request:
    found = take_head(bytearray(f"POST / HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n".encode()))
    assert found is not None
    return found


def play(fields: str, story: Callable[[StreamedBody, socket.socket], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        ours, client = socket.socketpair()
        with ours, client:
            connection = Connection(ours, ("127.0.0.1", 1))
            connection.prepare()
            channel = Channel(asyncio.get_running_loop(), connection)
            async with asyncio.timeout(30):
                await story(StreamedBody(channel, request(fields)), client)
            channel.close()

    asyncio.run(run())


async def read(body: StreamedBody) -> bytes:
    """All of it."""
    data = b""
    while block := await body.next_block():
        data += block
    return data


@pytest.mark.parametrize(
    ("fields", "sent", "expected"),
    [
        (LENGTH.format(5), b"12345", b"12345"),
        (LENGTH.format(0), b"", b""),
        (LENGTH.format(5), b"12345GET / HTTP/1.1\r\n", b"12345"),
        (CHUNKED, b"2\r\n12\r\n3\r\n345\r\n0\r\n\r\n", b"12345"),
        (CHUNKED, b"0\r\n\r\nGET", b""),
    ],
)
def test_a_body_is_read_to_its_end(fields: str, sent: bytes, expected: bytes) -> None:
    async def story(body: StreamedBody, client: socket.socket) -> None:
        client.sendall(sent)
        assert await read(body) == expected
        assert body.is_complete and not body.failure
        assert await body.discard()

    play(fields, story)


@pytest.mark.parametrize(
    ("fields", "sent", "status"),
    [
        (LENGTH.format(5), b"123", HTTPStatus.BAD_REQUEST),  # the client has ended before
        (CHUNKED, b"2\r\n12\r\n", HTTPStatus.BAD_REQUEST),
        (CHUNKED, b"x\r\n12\r\n", HTTPStatus.BAD_REQUEST),
    ],
)
def test_a_body_that_fails(fields: str, sent: bytes, status: HTTPStatus) -> None:
    async def story(body: StreamedBody, client: socket.socket) -> None:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        await read(body)
        assert body.failure == status and not body.is_complete
        assert not await body.discard()

    play(fields, story)


def test_a_client_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "PATIENCE", 0.0)

    async def story(body: StreamedBody, client: socket.socket) -> None:
        assert await body.next_block() == b""
        assert body.failure == HTTPStatus.REQUEST_TIMEOUT

    play(LENGTH.format(5), story)


def test_a_chunked_body_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "SPOOL_LIMIT", 3)

    async def story(body: StreamedBody, client: socket.socket) -> None:
        client.sendall(b"4\r\n1234\r\n")
        assert await body.next_block() == b""
        assert body.failure == HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    play(CHUNKED, story)


@pytest.mark.parametrize("fields", [LENGTH.format(2), CHUNKED])
def test_who_expects_a_word_gets_it_once_the_body_is_asked_for(fields: str) -> None:
    async def story(body: StreamedBody, client: socket.socket) -> None:
        asked = asyncio.create_task(body.next_block())
        received = b""
        client.setblocking(False)
        while not received.endswith(CONTINUE):
            received += await asyncio.get_running_loop().sock_recv(client, 100)
        client.sendall(b"12" if "Length" in fields else b"2\r\n12\r\n0\r\n\r\n")
        assert await asked == b"12"
        assert received == CONTINUE

    play(fields + EXPECT, story)


@pytest.mark.parametrize(
    ("fields", "sent", "is_discarded"),
    [
        (LENGTH.format(3), b"123", True),
        (CHUNKED, b"1\r\n1\r\n0\r\n\r\n", True),
        (CHUNKED, b"x\r\n", False),
        (LENGTH.format(DRAIN_LIMIT + 1), b"", False),  # not soon done
        (LENGTH.format(3) + EXPECT, b"", False),  # the client has not been told to send it
    ],
)
def test_what_nobody_reads_is_thrown_away_where_that_is_soon_done(fields: str, sent: bytes, is_discarded: bool) -> None:
    async def story(body: StreamedBody, client: socket.socket) -> None:
        client.sendall(sent)
        assert await body.discard() is is_discarded

    play(fields, story)
