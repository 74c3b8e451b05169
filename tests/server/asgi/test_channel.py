"""A channel on a loop, with a socket pair in place of a client."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from devrunserver.server.asgi import channel as server_channel
from devrunserver.server.asgi.channel import BUFFER_LIMIT, Channel
from devrunserver.server.connection import Connection

MEGABYTE = 1 << 20


class Owner:
    """Notes what it is told."""

    def __init__(self, fails: bool = False) -> None:
        self.told: list[str] = []
        self._fails = fails

    def on_data(self) -> None:
        self.told.append("data")
        if self._fails:
            raise RuntimeError("ours")

    def on_end(self) -> None:
        self.told.append("end")


def play(story: Callable[[Channel, socket.socket, Owner], Coroutine[Any, Any, None]], fails: bool = False) -> None:
    async def run() -> None:
        ours, client = socket.socketpair()
        with ours, client:
            client.setblocking(False)
            connection = Connection(ours, ("127.0.0.1", 1))
            connection.prepare()
            channel, owner = Channel(asyncio.get_running_loop(), connection), Owner(fails)
            channel.owner = owner
            async with asyncio.timeout(10):
                await story(channel, client, owner)
            channel.close()

    asyncio.run(run())


async def until(fact: Callable[[], object]) -> None:
    while not fact():
        await asyncio.sleep(0)


def test_what_comes() -> None:
    async def story(channel: Channel, client: socket.socket, owner: Owner) -> None:
        client.send(b"one")
        channel.look()
        assert bytes(channel.connection.buffer) == b"one"
        channel.look()
        assert owner.told == ["data"]
        channel.read_on()
        client.send(b"two")
        client.shutdown(socket.SHUT_WR)
        await until(lambda: channel.is_ended)
        assert bytes(channel.connection.buffer) == b"onetwo"
        assert owner.told == ["data", "data", "end"]
        assert not channel.is_broken
        await channel.await_data(patience=0)  # it returns at once: nothing comes any more

    play(story)


def test_what_nobody_takes_stays_with_the_client() -> None:
    async def story(channel: Channel, client: socket.socket, owner: Owner) -> None:
        loop = asyncio.get_running_loop()
        sending = asyncio.ensure_future(loop.sock_sendall(client, b"x" * (4 * MEGABYTE)))
        channel.read_on()
        await until(lambda: len(channel.connection.buffer) >= BUFFER_LIMIT)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(channel.connection.buffer) < 2 * BUFFER_LIMIT
        received = 0
        while received < 4 * MEGABYTE:
            received += len(channel.connection.buffer)
            channel.connection.buffer.clear()
            channel.read_on()
            await asyncio.sleep(0)
        await sending

    play(story)


def test_who_waits_for_data() -> None:
    async def story(channel: Channel, client: socket.socket, owner: Owner) -> None:
        with pytest.raises(TimeoutError):
            await channel.await_data(patience=0.01)
        waiting = asyncio.ensure_future(channel.await_data(patience=10))
        await asyncio.sleep(0)
        client.send(b"x")
        await waiting
        assert bytes(channel.connection.buffer) == b"x"

    play(story)


def test_what_goes_out_in_order(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"c" * MEGABYTE)

    async def story(channel: Channel, client: socket.socket, owner: Owner) -> None:
        channel.write(b"a" * MEGABYTE)
        channel.write(b"b" * 10)
        assert channel.has_outgoing
        received = bytearray()

        async def take() -> None:
            while len(received) < 2 * MEGABYTE + 10:
                received.extend(await asyncio.get_running_loop().sock_recv(client, 65_536))

        taking = asyncio.ensure_future(take())
        with file.open("rb", buffering=0) as source:
            assert await channel.send_file(source, 0, 2 * MEGABYTE) == MEGABYTE  # it is shorter than that
        await taking
        assert bytes(received) == b"a" * MEGABYTE + b"b" * 10 + b"c" * MEGABYTE
        assert not channel.has_outgoing

    play(story)


def test_who_takes_nothing_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_channel, "SEND_PATIENCE", 0.05)

    async def story(channel: Channel, client: socket.socket, owner: Owner) -> None:
        channel.write(b"a" * (8 * MEGABYTE))
        await channel.drain()
        assert channel.is_broken
        assert owner.told == ["end"]
        channel.write(b"more")  # does nothing
        await channel.drain()

    play(story)


def test_a_client_that_is_gone() -> None:
    async def story(channel: Channel, client: socket.socket, owner: Owner) -> None:
        client.close()
        while not channel.is_broken:
            channel.write(b"a" * MEGABYTE)
            await asyncio.sleep(0)
        assert owner.told == ["end"]

    play(story)


def test_a_fault_of_ours_ends_the_connection_and_not_more(caplog: pytest.LogCaptureFixture) -> None:
    async def story(channel: Channel, client: socket.socket, owner: Owner) -> None:
        channel.read_on()
        client.send(b"x")
        await until(lambda: channel.is_broken)
        assert owner.told == ["data", "end"]

    play(story, fails=True)
