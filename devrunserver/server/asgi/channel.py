"""A connection on an asyncio loop: its bytes in and out, with nobody ever waiting but coroutines.

Theory of operation
-------------------
What comes is read as soon as it is there, up to BUFFER_LIMIT, and stays in the connection's ``buffer`` until whoever
owns the channel takes it; then reading goes on. So an application that does not read slows its client down. What goes
out is given to the system at once, as far as it takes it; the rest waits in ``_outgoing``, and ``drain`` for that.
All of it happens on the loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any, Protocol

from devrunserver.server.connection import HAS_SENDFILE, RECEIVE_SIZE, SEND_PATIENCE, ClientGone, Connection

logger = logging.getLogger("django.server")

BUFFER_LIMIT = 1 << 18  # bytes that are read ahead of the application; more than any head has
OUTGOING_LIMIT = 65_536  # bytes that may wait for the client while the application goes on


class Owner(Protocol):
    """Who is told what happens on a channel."""

    def on_data(self) -> None:
        """Something came; it is in the connection's buffer."""

    def on_end(self) -> None:
        """Nothing more comes: the client has closed its side, or the connection is broken."""


class Channel:
    """A connection on the loop.

    Attributes:
        owner: who is told what happens.
        is_ended: whether the client sends nothing more.
        is_broken: whether nothing can be sent any more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
        self.loop = loop
        self.connection = connection
        self.owner: Owner | None = None
        self.is_ended = False
        self.is_broken = False
        self._is_reading = False
        self._outgoing = bytearray()
        self._comes: asyncio.Future[None] | None = None  # until something comes
        self._taken: asyncio.Future[None] | None = None  # until the client takes something

    # What comes

    def read_on(self) -> None:
        """Reads what comes, from now on."""
        if not (self._is_reading or self.is_ended or len(self.connection.buffer) >= BUFFER_LIMIT):
            self._is_reading = True
            self.loop.add_reader(self.connection.socket, self._on_readable)

    def pause_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self.loop.remove_reader(self.connection.socket)

    def look(self) -> None:
        """Reads at once what has come, or that the end has, and tells the owner."""
        if not self.is_ended:
            self._on_readable()

    async def await_data(self, patience: float) -> None:
        """Waits until something has come, or the end has.

        Raises:
            TimeoutError: nothing came for so many seconds.
        """
        if self.is_ended:
            return
        self.read_on()
        self._comes = self.loop.create_future()
        try:
            async with asyncio.timeout(patience):
                await self._comes
        finally:
            self._comes = None

    def _on_readable(self) -> None:
        try:
            self._read()
        except Exception:
            # what has come would call us again at once, and for ever
            logger.exception("A fault of devrunserver's own has ended a connection. Please report it.")
            self._break()

    def _read(self) -> None:
        before = len(self.connection.buffer)
        try:
            is_open = self.connection.receive()
        except ClientGone:
            self._break()
            return
        if len(self.connection.buffer) >= BUFFER_LIMIT:
            self.pause_reading()
        if not is_open:
            self._end()
        elif len(self.connection.buffer) > before:
            self._tell_of_data()

    def _tell_of_data(self) -> None:
        if self._comes is not None and not self._comes.done():
            self._comes.set_result(None)
        if self.owner is not None:
            self.owner.on_data()

    def _end(self) -> None:
        if self.is_ended:
            return
        self.is_ended = True
        self.pause_reading()
        if self._comes is not None and not self._comes.done():
            self._comes.set_result(None)
        if self.owner is not None:
            self.owner.on_end()

    # What goes out

    @property
    def has_outgoing(self) -> bool:
        """Whether something waits for the client to take it."""
        return bool(self._outgoing)

    def write(self, data: bytes) -> None:
        """Sends it, or as much as the client takes now; what is left is sent when it takes more."""
        if self.is_broken or not data:
            return
        if not self._outgoing:
            sent = self._attempt_send(data)
            if sent == len(data):
                return
            data = data[sent:]
            if not self.is_broken:
                self.loop.add_writer(self.connection.socket, self._on_writable)
        if not self.is_broken:
            self._outgoing += data

    async def drain(self, limit: int = 0) -> None:
        """Waits until no more than so many bytes wait for the client to take them; at once where it is gone."""
        while len(self._outgoing) > limit and not self.is_broken:
            await self._await_taking()

    async def send_file(self, file: Any, offset: int, count: int) -> int:
        """Sends a part of a file, after what was written; returns how many bytes, fewer where it has become shorter."""
        await self.drain()
        end = offset + count
        while offset < end and not self.is_broken:
            sent = await self._send_of_file(file, offset, end - offset)
            if not sent:
                break
            offset += sent
        return count - (end - offset)

    def close(self) -> None:
        """Leaves the loop; the connection stays open."""
        self.pause_reading()
        if self._outgoing and not self.is_broken:
            self.loop.remove_writer(self.connection.socket)
        self.owner = None

    async def _send_of_file(self, file: Any, offset: int, count: int) -> int:
        if HAS_SENDFILE:
            try:
                return os.sendfile(self.connection.socket.fileno(), file.fileno(), offset, count)
            except (BlockingIOError, InterruptedError):
                self.loop.add_writer(self.connection.socket, self._on_writable)
                await self._await_taking()
                return await self._send_of_file(file, offset, count) if not self.is_broken else 0
            except OSError:
                self._break()
                return 0
        file.seek(offset)
        block = file.read(min(RECEIVE_SIZE, count))
        self.write(block)
        await self.drain()
        return len(block)

    def _attempt_send(self, data: bytes | bytearray) -> int:
        try:
            return self.connection.socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._break()
            return 0

    def _on_writable(self) -> None:
        if self._outgoing:
            sent = self._attempt_send(self._outgoing)
            if self.is_broken:
                return
            del self._outgoing[:sent]
        if not self._outgoing:
            self.loop.remove_writer(self.connection.socket)
        if self._taken is not None and not self._taken.done():
            self._taken.set_result(None)

    async def _await_taking(self) -> None:
        """Waits until the client takes something; who takes nothing for SEND_PATIENCE is gone."""
        if self._taken is None or self._taken.done():
            self._taken = self.loop.create_future()
        try:
            async with asyncio.timeout(SEND_PATIENCE):
                await asyncio.shield(self._taken)
        except TimeoutError:
            self._break()

    def _break(self) -> None:
        """The connection is of no use any more."""
        if self.is_broken:
            return
        self.is_broken = True
        self.pause_reading()
        self.loop.remove_writer(self.connection.socket)
        self._outgoing.clear()
        if self._taken is not None and not self._taken.done():
            self._taken.set_result(None)
        self._end()
