"""One connection: its bytes, its deadlines, and what it is doing.

Theory of operation
-------------------
The socket never blocks: whoever wants to wait says for how long. What was received and not yet used is ``buffer``; a
connection whose buffer is empty and whose phase is NEW or IDLE has all that the client sent in the kernel, so that it
could be given to another process and nothing would be lost. At any moment one thread alone uses a connection, so there
is no lock: the serving loop while it is parked, else the thread that answers.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from enum import Enum
from typing import Any

RECEIVE_SIZE = 65_536  # bytes at a time
JOIN_LIMIT = 65_536  # bytes; up to here one copy costs less than another system call
SEND_PATIENCE = 60.0  # seconds for a client to take anything at all of what is sent
MORE = getattr(socket, "MSG_MORE", 0)  # Linux: do not send a packet yet
HAS_SENDFILE = hasattr(os, "sendfile")


class Phase(Enum):
    """What a connection is doing."""

    NEW = "accepted, its first request has not come"
    READING = "a part of a request has come"
    HELD = "a request has come, and it is not known whether the code that would answer it is fresh"
    ANSWERING = "a request is being answered"
    SENDING = "the answer has begun to be sent"
    OPEN = "a WebSocket, which has no end of its own"
    IDLE = "kept alive, between two requests"
    CLOSING = "answered for the last time; what the client still sends is thrown away"
    GIVEN_AWAY = "a stream, whose head is sent; somebody else goes on with it"
    CLOSED = "of no use any more"


class ClientGone(ConnectionResetError):
    """The client has closed the connection, or does not take what it asked for."""


class Connection:
    """An accepted socket.

    Args:
        address: of the client.
        scheme: "https" where TLS is spoken before us.

    Attributes:
        buffer: received, and not yet used.
        phase: what it is doing.
        since: the moment (monotonic) when the phase began.
        is_ours: whether we serve it, and not a handler that has its own ways.
        is_cleared: whether its next request may be answered without another look.
        has_waited: whether its next request was held for too long.
        is_upgraded: whether it is no HTTP any more, so that no other process can take it over.
    """

    def __init__(self, sock: socket.socket, address: Any, scheme: str = "http") -> None:
        self.socket = sock
        self.address = address
        self.scheme = scheme
        self.buffer = bytearray()
        self.phase = Phase.NEW
        self.since = time.monotonic()
        self.is_ours = False
        self.is_cleared = self.has_waited = self.is_upgraded = False

    def prepare(self) -> None:
        """Makes it one that never blocks, and sends small answers at once (no Nagle's algorithm: RFC 896)."""
        self.is_ours = True
        self.socket.setblocking(False)
        with contextlib.suppress(OSError):  # a socket of another family, or one whose client is gone
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def enter(self, phase: Phase) -> None:
        if phase is not self.phase:
            self.phase, self.since = phase, time.monotonic()

    def begin_answer(self) -> None:
        """The answer to a request is about to be sent."""
        if self.phase is Phase.ANSWERING:  # and neither a WebSocket nor a refusal
            self.enter(Phase.SENDING)

    def is_overdue(self, limit: float) -> bool:
        """Whether it is in its phase for longer than so many seconds."""
        return time.monotonic() - self.since >= limit

    def wait(self, patience: float) -> bool:
        """Whether there is something to read, or the end, within so many seconds."""
        return _wait(self.socket, patience, writing=False)

    def has_unread(self) -> bool:
        """Whether the client has sent more than was used so far."""
        if self.buffer:
            return True
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except OSError:  # nothing, or the connection is broken
            return False

    def peek(self, most: int) -> bytes:
        """What has come, without taking it; nothing where nothing has, or the connection is broken."""
        try:
            return self.socket.recv(most, socket.MSG_PEEK)
        except OSError:
            return b""

    def receive(self) -> bool:
        """Adds to the buffer what has come; False at the end. Only after ``wait`` has said so.

        Raises:
            ClientGone: the connection is broken.
        """
        try:
            data = self.socket.recv(RECEIVE_SIZE)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError as error:
            raise ClientGone from error
        self.buffer += data
        return bool(data)

    def take(self, most: int, patience: float) -> bytes:
        """The next bytes, at least one; none at the end.

        Raises:
            ClientGone: the connection is broken.
            TimeoutError: nothing came for so many seconds.
        """
        if not self.buffer:
            if not self.wait(patience):
                raise TimeoutError
            self.receive()
        data = bytes(self.buffer[:most])
        del self.buffer[:most]
        return data

    def send(self, *blocks: bytes, more: bool = False) -> None:
        """Sends all of it; in one call to the system as far as it takes it.

        Args:
            more: whether something follows at once.

        Raises:
            ClientGone: the connection is broken, or the client has taken nothing for SEND_PATIENCE.
        """
        if sum(map(len, blocks)) <= JOIN_LIMIT or not hasattr(self.socket, "sendmsg"):
            blocks = (b"".join(blocks),)
        left = [memoryview(block) for block in blocks if block]
        while left:
            sent = self._attempt_send(left, MORE if more else 0)
            while left and sent >= len(left[0]):
                sent -= len(left.pop(0))
            if sent:
                left[0] = left[0][sent:]

    def send_file(self, file: Any, offset: int, count: int) -> int:
        """Sends a part of a file; returns how many bytes, fewer where the file has become shorter.

        Raises:
            ClientGone: as ``send``.
        """
        end = offset + count
        while offset < end:
            if HAS_SENDFILE:
                sent = self._attempt_sendfile(file.fileno(), offset, end - offset)
            else:
                file.seek(offset)
                block = file.read(min(RECEIVE_SIZE, end - offset))
                self.send(block)
                sent = len(block)
            if not sent:
                break
            offset += sent
        return count - (end - offset)

    def end_sending(self) -> None:
        """Tells the client that nothing more comes."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def discard(self) -> bool:
        """Throws away what has come; False at the end."""
        self.buffer.clear()
        try:
            return bool(self.socket.recv(RECEIVE_SIZE))
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False

    def _attempt_send(self, blocks: list[memoryview], flags: int) -> int:
        try:
            if len(blocks) == 1:
                return self.socket.send(blocks[0], flags)
            return self.socket.sendmsg(blocks, (), flags)
        except (BlockingIOError, InterruptedError):
            self._await_taking()
            return 0
        except OSError as error:
            raise ClientGone from error

    def _attempt_sendfile(self, descriptor: int, offset: int, count: int) -> int:
        while True:
            try:
                return os.sendfile(self.socket.fileno(), descriptor, offset, count)
            except (BlockingIOError, InterruptedError):
                self._await_taking()
            except OSError as error:
                raise ClientGone from error

    def _await_taking(self) -> None:
        if not _wait(self.socket, SEND_PATIENCE, writing=True):
            raise ClientGone("it takes nothing")


if hasattr(select, "poll"):
    MILLISECONDS = 1000

    def _wait(sock: socket.socket, patience: float, writing: bool) -> bool:
        poll = select.poll()
        try:
            poll.register(sock, select.POLLOUT if writing else select.POLLIN)
        except ValueError:  # it was closed
            raise ClientGone from None
        return bool(poll.poll(patience * MILLISECONDS))

else:  # Windows, where select() takes any descriptor

    def _wait(sock: socket.socket, patience: float, writing: bool) -> bool:
        try:
            ready = select.select([] if writing else [sock], [sock] if writing else [], [], patience)
        except (OSError, ValueError):
            raise ClientGone from None
        return any(ready)
