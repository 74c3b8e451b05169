"""The socket on which tools ask the supervisor: who may connect, and lines of JSON in both directions.

Theory of operation
-------------------
A client connects, sends one line of JSON, gets one line back, and the connection ends. Nothing here blocks: what is
sent is written as far as the client takes it. Each client has a deadline, its line a limit, and there are only so many
of them at a time, so that neither garbage nor silence costs the loop anything. The socket is a Unix socket in a
directory of the user's own; where there are none it is on loopback, and a token from the state file has to be shown.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from devrunserver.common.state_file import OWNER_ONLY, VERSION

BACKLOG = 16
MOST_CLIENTS = 64  # at a time; more wait in the backlog's place and are refused
LONGEST_LINE = 16_384  # bytes of a question
PATIENCE = 5.0  # seconds for a question to come, and for an answer to be taken
RECEIVE_SIZE = 4096  # bytes at a time
CREDENTIALS = struct.Struct("3i")  # of SO_PEERCRED, see unix(7): pid, uid, gid

Question = dict[str, Any]


class Registry(Protocol):
    """Where it is said what is to be called when a socket is ready."""

    def register(self, fileobj: socket.socket, events: int, data: Callable[[], Any]) -> object: ...
    def unregister(self, fileobj: socket.socket) -> object: ...


class Client:
    """One connection, and after its line has come one question."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.due: float | None = time.monotonic() + PATIENCE  # by when it ends; None: who was asked decides
        self.received = b""
        self.unsent = b""
        self.question: Question | None = None


class ControlServer:
    """Accepts clients and reads their questions.

    Args:
        listener: the listening socket.
        token: what a question has to show; empty where the file system says who may connect.
        on_question: called with each question; ``answer`` is called then, now or later.
    """

    def __init__(self, listener: socket.socket, token: str, on_question: Callable[[Client, Question], None]) -> None:
        self._listener = listener
        self._token = token
        self._on_question = on_question
        self._registry: Registry | None = None
        self._clients: dict[socket.socket, Client] = {}

    def open(self, registry: Registry) -> None:
        """Begins to accept."""
        self._registry = registry
        self._listener.setblocking(False)
        registry.register(self._listener, selectors.EVENT_READ, self._on_connect)

    @property
    def due(self) -> float | None:
        """When a client's time is over, as a moment of the monotonic clock."""
        return min((one.due for one in self._clients.values() if one.due is not None), default=None)

    def step(self, now: float) -> None:
        """Ends the clients whose time is over."""
        for client in [one for one in self._clients.values() if one.due is not None and one.due <= now]:
            self._end(client)

    def answer(self, client: Client, data: Mapping[str, Any]) -> None:
        """Sends the answer to a client's question; nothing where it is gone."""
        if client.socket not in self._clients:
            return
        client.unsent = json.dumps({"version": VERSION, **data}).encode() + b"\n"
        client.due = time.monotonic() + PATIENCE
        self._send(client)
        if client.unsent and self._registry is not None:
            self._registry.unregister(client.socket)
            self._registry.register(client.socket, selectors.EVENT_WRITE, lambda: self._send(client))

    def is_waiting(self, client: Client) -> bool:
        """Whether a client is there still."""
        return client.socket in self._clients

    def close(self) -> None:
        """Ends all. Again is harmless."""
        for client in list(self._clients.values()):
            self._end(client)
        if self._registry is not None:
            with suppress(KeyError, ValueError):
                self._registry.unregister(self._listener)
        self._listener.close()

    def _on_connect(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # it is gone again, or there are no descriptors left
            return
        if len(self._clients) >= MOST_CLIENTS or not is_allowed(sock) or self._registry is None:
            sock.close()
            return
        sock.setblocking(False)
        client = self._clients[sock] = Client(sock)
        self._registry.register(sock, selectors.EVENT_READ, lambda: self._on_readable(client))

    def _on_readable(self, client: Client) -> None:
        try:
            data = client.socket.recv(RECEIVE_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data or client.question is not None:  # it is gone, or says more than one line
            self._end(client)
            return
        client.received += data
        line, newline, rest = client.received.partition(b"\n")
        if len(line) > LONGEST_LINE:
            self._end(client)
            return
        if not newline:
            return
        question = read_question(line) if newline and not rest else None
        if question is None:
            self.answer(client, {"error": "A question is one line of JSON, an object with a command."})
        elif self._token and not secrets.compare_digest(str(question.get("token", "")), self._token):
            self.answer(client, {"error": "The token is wrong."})
        else:
            client.question, client.due = question, None
            self._on_question(client, question)

    def _send(self, client: Client) -> None:
        try:
            sent = client.socket.send(client.unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._end(client)
            return
        client.unsent = client.unsent[sent:]
        if not client.unsent:
            self._end(client)

    def _end(self, client: Client) -> None:
        if self._clients.pop(client.socket, None) is None:
            return
        if self._registry is not None:
            with suppress(KeyError, ValueError):
                self._registry.unregister(client.socket)
        client.socket.close()


def read_question(line: bytes) -> Question | None:
    """The question of a line; None where it is none."""
    try:
        question = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_question = isinstance(question, dict) and isinstance(question.get("command"), str)
    return question if is_question else None


def listen_locally(path: Path) -> tuple[socket.socket, str]:
    """A socket that only this user can connect to, and the token that has to be shown there, if any.

    Args:
        path: where the socket is, if there are Unix sockets.

    Raises:
        OSError: the path is too long, or cannot be made.
    """
    if not hasattr(socket, "AF_UNIX"):
        return socket.create_server(("127.0.0.1", 0), backlog=BACKLOG), secrets.token_hex()
    listener = socket.socket(socket.AF_UNIX)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        os.chmod(path, OWNER_ONLY)  # before anybody can connect
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener, ""


def is_allowed(sock: socket.socket) -> bool:
    """Whether the process at the other end is this user's, or root's; where the system does not tell, it is."""
    if not hasattr(socket, "SO_PEERCRED") or sock.family != socket.AF_UNIX:
        return True
    try:
        _, user, _ = CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    except OSError:
        return False
    return user in (0, os.getuid())
