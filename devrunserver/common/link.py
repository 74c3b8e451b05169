"""The link: the connection between one process and the supervisor.

Theory of operation
-------------------
A link is one end of a socket pair. Messages (``messages.py``) are JSON objects, one a line. The process at either end
learns of the other's death by end-of-file: no message says "I am leaving", because a process that is killed cannot
send one.

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
from collections.abc import Iterator
from typing import Any

from devrunserver.common import messages, trace
from devrunserver.common.messages import Carries, Message
from devrunserver.common.role import Role

RECEIVE_SIZE = 65536  # bytes asked of the kernel at a time
MAX_DESCRIPTORS = 64  # that come with one message
SEND_TIMEOUT = 2.0  # seconds; a process that does not read for so long counts as gone


class LinkClosed(Exception):
    """The process at the other end is gone, or does not read any more."""


class Link:
    """One end of a connection that carries messages. Sending is safe from any thread; receiving is one thread's.

    Args:
        role: of this process.
        peer: the role of the process at the other end.
    """

    def __init__(self, sock: socket.socket, role: Role, peer: Role) -> None:
        sock.settimeout(SEND_TIMEOUT)
        self.role = role
        self.peer = peer
        self.peer_pid = 0  # where sockets are sent to it, on Windows
        self._socket = sock
        self._received = b""
        self._descriptors: deque[int] = deque()  # that have come before their message
        self._sending = threading.Lock()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: Message) -> None:
        """Sends one message, and what it carries (which stays open here).

        Raises:
            LinkClosed: the other end is gone.
            MessageError: it is no message of this process to that one.
        """
        messages.check_route(type(message), self.role, self.peer)
        trace.note(self.role, "to", self.peer, message)
        try:
            with self._sending:
                _send(self._socket, message, self.peer_pid)
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
            MessageError: what has come is no message of that process to this one.
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
            came = [json.loads(line) for line in lines]
        except ValueError as error:  # the other end was cut off within a line
            raise LinkClosed from error
        return [self._restore(data) for data in came]

    def _restore(self, data: dict[str, Any]) -> Message:
        kind = messages.kind_of(data)
        messages.check_route(kind, self.peer, self.role)
        try:
            brought = {
                name: _take(carries, data.get(name, 0), self._descriptors)
                for name, carries in messages.carried(kind).items()
            }
        except IndexError as error:  # they did not come
            raise LinkClosed from error
        message = messages.load(data, brought)
        trace.note(self.role, "from", self.peer, message)
        return message

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


Announced = int | list[str]  # in a message: how many descriptors a field brings, or what makes a duplicate of each


def _carried(message: Message) -> dict[str, list[Any]]:
    """By field, the sockets and descriptors that a message carries."""
    found = {}
    for name, carries in messages.carried(type(message)).items():
        value = getattr(message, name)
        found[name] = list(value) if carries is Carries.SOCKETS else [] if value is None else [value]
    return found


def _as_field(carries: Carries, values: list[Any]) -> Any:
    return values if carries is Carries.SOCKETS else next(iter(values), None)


if sys.platform == "win32":  # what duplicates a socket in another process is text

    def _send(sock: socket.socket, message: Message, peer_pid: int) -> None:
        shared = {
            name: [b64encode(one.share(peer_pid)).decode() for one in values]
            for name, values in _carried(message).items()
        }
        sock.sendall(json.dumps(messages.dump(message) | shared).encode() + b"\n")

    def _receive(sock: socket.socket, descriptors: deque[int]) -> bytes:
        return sock.recv(RECEIVE_SIZE)

    def _take(carries: Carries, announced: Announced, descriptors: deque[int]) -> Any:
        texts = announced if isinstance(announced, list) else []
        return _as_field(carries, [socket.fromshare(b64decode(one)) for one in texts])

else:  # descriptors travel beside the bytes, in the order of the fields

    def _send(sock: socket.socket, message: Message, peer_pid: int) -> None:
        carried = _carried(message)
        counts = {name: len(values) for name, values in carried.items()}
        line = json.dumps(messages.dump(message) | counts).encode() + b"\n"
        descriptors = [one if isinstance(one, int) else one.fileno() for values in carried.values() for one in values]
        if descriptors:
            line = line[socket.send_fds(sock, [line], descriptors) :]
        if line:  # or else nothing would be sent, to one who may have read all and closed its end
            sock.sendall(line)

    def _receive(sock: socket.socket, descriptors: deque[int]) -> bytes:
        data, received, flags, _ = socket.recv_fds(sock, RECEIVE_SIZE, MAX_DESCRIPTORS)
        for descriptor in received:
            os.set_inheritable(descriptor, False)
            descriptors.append(descriptor)
        if flags & socket.MSG_CTRUNC:  # some are lost, and which of them nobody can tell
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return data

    def _take(carries: Carries, announced: Announced, descriptors: deque[int]) -> Any:
        count = announced if isinstance(announced, int) else 0
        taken: list[Any] = [descriptors.popleft() for _ in range(count)]
        if carries is not Carries.FILE:
            taken = [socket.socket(fileno=one) for one in taken]
        return _as_field(carries, taken)


def pair(peer: Role) -> tuple[Link, socket.socket]:
    """A new link: the supervisor's end, and the socket to hand to a process of that role."""
    ours, theirs = socket.socketpair()
    return Link(ours, Role.SUPERVISOR, peer), theirs
