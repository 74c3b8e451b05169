"""Load on a server, from one thread: as much as one core can make, with every answer's time."""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

PATIENCE = 30.0  # seconds for an answer
SIZE = 262_144  # bytes to receive at a time


@dataclass
class Result:
    """What was seen: seconds of each answer, seconds of all, and the headers by path."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    heads: dict[str, bytes] = field(default_factory=dict)
    statuses: set[int] = field(default_factory=set)

    @property
    def rate(self) -> float:
        """Requests in a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Client:
    """One connection, made anew where the server does not keep it."""

    def __init__(self, port: int, keep_alive: bool, context: ssl.SSLContext | None = None) -> None:
        self._port, self._keep_alive, self._context = port, keep_alive, context
        self.socket: socket.socket | None = None
        self._data = bytearray()
        self.path = ""
        self._asked = 0.0
        self.is_kept = True

    def ask(self, path: str, fields: str) -> None:
        self.path, self._asked = path, time.perf_counter()
        self._data.clear()
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                self.socket = self._context.wrap_socket(self.socket, server_hostname="localhost")
        connection = "" if self._keep_alive else "Connection: close\r\n"
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{connection}{fields}\r\n".encode())

    def receive(self, result: Result) -> bool:
        """Whether the answer is complete."""
        assert self.socket is not None
        data = self.socket.recv(SIZE)
        while isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():  # no selector tells of these
            data += self.socket.recv(SIZE)
        self._data += data
        head, end, _ = self._data.partition(b"\r\n\r\n")
        lower = bytes(head).lower()
        if not end or not self._is_complete(lower, len(head) + 4, ended=not data):
            assert data, f"{self.path}: the connection was closed early"
            return False
        result.latencies.append(time.perf_counter() - self._asked)
        result.heads[self.path] = bytes(head)
        result.statuses.add(int(head[9:12]))
        self.is_kept = self._keep_alive and bool(data) and b"\r\nconnection: close" not in lower
        return True

    def _is_complete(self, head: bytes, content: int, ended: bool) -> bool:
        if b"\r\ncontent-length: " in head:
            length = int(head.partition(b"\r\ncontent-length: ")[2].split(b"\r\n")[0])
            return len(self._data) >= content + length
        if head[9:12] == b"304":
            return True
        return self._data.endswith(b"\r\n0\r\n\r\n") if b"\r\ntransfer-encoding: chunked" in head else ended

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def load(
    port: int,
    paths: Iterable[str],
    connections: int,
    keep_alive: bool = True,
    fields: Callable[[str], str] = lambda path: "",
    context: ssl.SSLContext | None = None,
) -> Result:
    """Asks for each path once, on so many connections at a time, each with one request under way."""
    result, waiting = Result(), deque(paths)
    clients = [Client(port, keep_alive, context) for _ in range(min(connections, len(waiting)))]
    began = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for client in clients:
            _start(client, waiting, fields, selector)
        while selector.get_map():
            ready = selector.select(PATIENCE)
            assert ready, "no answer"
            for key, _ in ready:
                client = key.data
                if client.receive(result):
                    _go_on(client, waiting, fields, selector)
    result.seconds = time.perf_counter() - began
    for client in clients:
        client.close()
    return result


def _start(client: Client, waiting: deque[str], fields: Callable[[str], str], selector: selectors.BaseSelector) -> None:
    path = waiting.popleft()
    client.ask(path, fields(path))
    assert client.socket is not None
    if client.socket.fileno() not in selector.get_map():
        selector.register(client.socket, selectors.EVENT_READ, client)


def _go_on(client: Client, waiting: deque[str], fields: Callable[[str], str], selector: selectors.BaseSelector) -> None:
    assert client.socket is not None
    if not client.is_kept or not waiting:
        selector.unregister(client.socket)
    if not client.is_kept:
        client.close()
    if waiting:
        _start(client, waiting, fields, selector)
