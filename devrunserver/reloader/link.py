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
import json
import selectors
import socket
import threading
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]

RECEIVE_SIZE = 65536  # bytes asked of the kernel at a time
SEND_TIMEOUT = 2.0  # seconds; a process that does not read for so long counts as gone


class LinkClosed(Exception):
    """The process at the other end is gone, or does not read any more."""


class Link:
    """One end of a connection that carries messages. Sending is safe from any thread; receiving is one thread's."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(SEND_TIMEOUT)
        self._socket = sock
        self._received = b""
        self._sending = threading.Lock()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, kind: str, **data: Any) -> None:
        """Sends one message.

        Raises:
            LinkClosed: the other end is gone.
        """
        line = json.dumps({"kind": kind, **data}).encode() + b"\n"
        try:
            with self._sending:
                self._socket.sendall(line)
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
            data = self._socket.recv(RECEIVE_SIZE)
        except TimeoutError:
            return []
        except OSError as error:
            raise LinkClosed from error
        if not data:
            raise LinkClosed
        *lines, self._received = (self._received + data).split(b"\n")
        try:
            return [json.loads(line) for line in lines]
        except ValueError as error:  # the other end was cut off within a line
            raise LinkClosed from error

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

    def close(self) -> None:
        self._socket.close()


def pair() -> tuple[Link, socket.socket]:
    """A new link: the supervisor's end, and the socket to hand to the worker."""
    ours, theirs = socket.socketpair()
    return Link(ours), theirs
