"""Raw connections, and answers read from them as a strict client would."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

PATIENCE = 30.0  # seconds; only a failing test waits so long
SIZE = 65_536


class NoAnswer(Exception):
    """What came is no answer, or less than one."""


@dataclass
class Answer:
    """One answer.

    Attributes:
        complete: whether its end came as it was announced.
    """

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    complete: bool = True
    interim: list[int] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def __getitem__(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) < 2, f"{name} is said {len(values)} times"
        return values[0] if values else None


class Wire:
    """A connection to a server on this machine."""

    def __init__(self, port: int, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self._pending = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.socket.close()

    def send(self, data: bytes | str) -> None:
        with contextlib.suppress(ConnectionError):  # refused before it was sent to the end
            self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def end_sending(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def is_ended(self) -> bool:
        """Whether the server has ended the connection, and nothing else came; waits for either."""
        try:
            return not self._pending and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def put_back(self, data: bytes) -> None:
        """What was read, to be read again."""
        self._pending = data + self._pending

    def interim(self) -> int:
        """The status of the next head, which is to be an interim one."""
        return self._head().status

    def answers(self, *methods: str) -> list[Answer]:
        return [self.answer(method) for method in methods]

    def answer(self, method: str = "GET") -> Answer:
        """The next answer.

        Raises:
            NoAnswer: there is none.
        """
        interim: list[int] = []
        while True:
            answer = self._head()
            if answer.status >= 200:
                break
            interim.append(answer.status)
        answer.interim = interim
        if method != "HEAD" and answer.status not in (204, 304):
            self._read_body(answer)
        return answer

    def _head(self) -> Answer:
        first, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, reason = first.split(" ", 2)
        assert version in ("HTTP/1.1", "HTTP/1.0"), first
        headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon and name and not set(name) & set(" \t\r\n"), line
            headers.append((name, value.strip(" \t")))
        return Answer(int(status), reason, headers)

    def _read_body(self, answer: Answer) -> None:
        length = answer["Content-Length"]
        try:
            if answer["Transfer-Encoding"] == "chunked":
                assert length is None
                for chunk in self._chunks():
                    answer.body += chunk
            elif length is not None:
                answer.body = self._exactly(int(length))
            else:
                answer.body = self.rest()
        except NoAnswer as error:
            answer.complete = False
            answer.body += error.args[0]

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._until(b"\r\n"), 16):
            yield self._exactly(size)
            assert self._exactly(2) == b"\r\n"
        assert self._exactly(2) == b"\r\n"

    def _until(self, end: bytes) -> bytes:
        while end not in self._pending:
            self._more()
        found, _, self._pending = self._pending.partition(end)
        return found

    def _exactly(self, count: int) -> bytes:
        while len(self._pending) < count:
            self._more()
        found, self._pending = self._pending[:count], self._pending[count:]
        return found

    def rest(self) -> bytes:
        """Everything until the end."""
        try:
            while True:
                self._more()
        except NoAnswer as error:
            return bytes(error.args[0])

    def _more(self) -> None:
        try:
            data = self.socket.recv(SIZE)
        except ConnectionResetError:
            data = b""
        if not data:
            found, self._pending = self._pending, b""
            raise NoAnswer(found)
        self._pending += data
