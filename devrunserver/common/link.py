"""The link: the connection between one process and the supervisor.

Theory of operation
-------------------
A link is one end of a socket pair. Messages are JSON objects, one a line, each with a ``kind``. The
process at either end learns of the other's death by end-of-file: no message says "I am leaving", because
a process that is killed cannot send one.

The worker gets its end as an inherited descriptor whose number is in the environment. It takes the
variable out of the environment and marks the descriptor close-on-exec before any other code of the project
runs, so that programs which the project starts neither see nor hold it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import socket
import sys
import threading
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

Message = dict[str, Any]

RECEIVE_SIZE = 65536  # bytes asked of the kernel at a time
MAX_DESCRIPTORS = 64  # that come with one message
SEND_TIMEOUT = 2.0  # seconds; a process that does not read for so long counts as gone


class LinkClosed(Exception):
    """The process at the other end is gone, or does not read any more."""


class Link:
    """One end of a connection that carries messages. Sending is safe from any thread; receiving is one thread's."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(SEND_TIMEOUT)
        self.peer = 0  # pid of the process at the other end, where sockets are sent to it
        self._socket = sock
        self._received = b""
        self._descriptors: deque[int] = deque()  # that have come before their message
        self._sending = threading.Lock()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(
        self, kind: str, sockets: Sequence[socket.socket] = (), descriptors: Sequence[int] = (), **data: Any
    ) -> None:
        """Sends one message, and sockets along with it (which stay open here).

        Args:
            descriptors: of other files, where the system can send them.

        Raises:
            LinkClosed: the other end is gone.
        """
        message = {"kind": kind, **data}
        try:
            with self._sending:
                _send(self._socket, message, sockets, descriptors, self.peer)
        except OSError as error:
            with contextlib.suppress(OSError):  # half a line may be on its way: nothing may follow it
                self._socket.shutdown(socket.SHUT_RDWR)
            raise LinkClosed from error

    def is_readable(self) -> bool:
        """Whether ``receive`` would return at once."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return bool(selector.select(0))

    def receive(self) -> list[Message]:
        """The messages in what can be read now; call it when the link is readable.

        Raises:
            LinkClosed: the other end is gone.
        """
        try:
            data = _receive(self._socket, self._descriptors)
        except TimeoutError:
            return []
        except OSError as error:
            raise LinkClosed from error
        if not data:
            raise LinkClosed
        *lines, self._received = (self._received + data).split(b"\n")
        try:
            messages = [json.loads(line) for line in lines]
        except ValueError as error:  # the other end was cut off within a line
            raise LinkClosed from error
        try:
            for message in messages:
                if message.get("sockets"):
                    message["sockets"] = _take(message["sockets"], self._descriptors)
                if message.get("descriptors"):
                    message["descriptors"] = [self._descriptors.popleft() for _ in range(message["descriptors"])]
        except IndexError as error:  # they did not come
            raise LinkClosed from error
        return messages

    def messages(self) -> Iterator[Message]:
        """Every message until the other end is gone. Blocks: for a thread that does nothing else."""
        while True:
            self._wait_readable()
            try:
                yield from self.receive()
            except LinkClosed:
                return

    def _wait_readable(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.select()

    def be_patient(self) -> None:
        """From now on sending waits for as long as the other end lives: for a process with nothing else to do."""
        self._socket.settimeout(None)

    def close(self) -> None:
        self._socket.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())


Announced = int | list[str]  # in a message: how many sockets come with it, or what makes a duplicate of each

if sys.platform == "win32":  # what duplicates a socket in another process is text

    def _send(
        sock: socket.socket, message: Message, sockets: Sequence[socket.socket], descriptors: Sequence[int], peer: int
    ) -> None:
        shared = [b64encode(one.share(peer)).decode() for one in sockets]
        sock.sendall(json.dumps({**message, "sockets": shared} if sockets else message).encode() + b"\n")

    def _receive(sock: socket.socket, descriptors: deque[int]) -> bytes:
        return sock.recv(RECEIVE_SIZE)

    def _take(announced: Announced, descriptors: deque[int]) -> list[socket.socket]:
        assert isinstance(announced, list)
        return [socket.fromshare(b64decode(one)) for one in announced]

else:  # descriptors travel beside the bytes

    def _send(
        sock: socket.socket, message: Message, sockets: Sequence[socket.socket], descriptors: Sequence[int], peer: int
    ) -> None:
        counts = {"sockets": len(sockets), "descriptors": len(descriptors)}
        line = json.dumps(message | {key: count for key, count in counts.items() if count}).encode() + b"\n"
        if sockets or descriptors:
            line = line[socket.send_fds(sock, [line], [*(one.fileno() for one in sockets), *descriptors]) :]
        sock.sendall(line)

    def _receive(sock: socket.socket, descriptors: deque[int]) -> bytes:
        data, received, flags, _ = socket.recv_fds(sock, RECEIVE_SIZE, MAX_DESCRIPTORS)
        for descriptor in received:
            os.set_inheritable(descriptor, False)
            descriptors.append(descriptor)
        if flags & socket.MSG_CTRUNC:  # some are lost, and which of them nobody can tell
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return data

    def _take(announced: Announced, descriptors: deque[int]) -> list[socket.socket]:
        assert isinstance(announced, int)
        return [socket.socket(fileno=descriptors.popleft()) for _ in range(announced)]


def pair() -> tuple[Link, socket.socket]:
    """A new link: the supervisor's end, and the socket to hand to the worker."""
    ours, theirs = socket.socketpair()
    return Link(ours), theirs
