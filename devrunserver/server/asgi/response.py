"""What an ASGI application says in messages, as an answer on the wire: by the same rules as WSGI's.

Theory of operation
-------------------
``Response`` knows HTTP: which headers may go out, how the content is framed, what a range is. It sends by its
connection, and would wait there. Here it is given an ``Outbox`` in place of one, which waits for nothing and keeps
what is to be sent; whoever owns the outbox sends it on the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from devrunserver.server.connection import Connection
from devrunserver.server.protocol.headers import checked
from devrunserver.server.protocol.parser import Request, tokens
from devrunserver.server.request_body import Body
from devrunserver.server.response import Response

Headers = list[tuple[str, str]]


@dataclass
class FilePart:
    """A part of a file that is to be sent."""

    file: Any
    offset: int
    count: int


class Outbox:
    """Keeps what a response sends, in place of a connection."""

    def __init__(self, connection: Connection) -> None:
        self.address = connection.address
        self.begin_answer = connection.begin_answer
        self.file_part: FilePart | None = None
        self._blocks: list[bytes] = []

    def send(self, *blocks: bytes, more: bool = False) -> None:
        self._blocks += blocks

    def send_file(self, file: Any, offset: int, count: int) -> int:
        self.file_part = FilePart(file, offset, count)
        return count

    def take(self) -> bytes:
        """What is to be sent, which is then not here any more."""
        data = b"".join(self._blocks) if len(self._blocks) != 1 else self._blocks[0]
        self._blocks.clear()
        return data


class MessageResponse(Response):
    """The answer to one request, said piece by piece.

    Attributes:
        has_trailers: whether header fields follow the content.
        is_content_over: whether only they are still to come.
    """

    def __init__(
        self,
        outbox: Outbox,
        request: Request,
        body: Body | None,
        environ: dict[str, Any],
        is_last: Callable[[], bool],
    ) -> None:
        super().__init__(outbox, request, body, environ, is_last)  # type: ignore[arg-type]
        self.has_trailers = self.is_content_over = False

    @property
    def is_begun(self) -> bool:
        """Whether its head was sent."""
        return self._framing is not None

    @property
    def is_event_stream(self) -> bool:
        """Whether it has no end of its own: server-sent events."""
        return (self._headers.get("content-type") or "").startswith("text/event-stream")

    def start(self, status: object, headers: Iterable[tuple[object, object]], has_trailers: bool = False) -> None:
        """The status and the headers; they go out with the first content.

        Raises:
            ValueError, TypeError: they are none.
        """
        if not isinstance(status, int):
            raise TypeError(f"The status of an answer is a number, not {status!r}.")
        self.has_trailers = has_trailers
        self._start_response(f"{int(status)} {_phrase(status)}", [_as_text(*one) for one in headers])

    def add(self, data: object, more: bool) -> None:
        """The next block of content, and whether another follows.

        Raises:
            TypeError: it is none.
        """
        if isinstance(data, bytearray | memoryview):
            data = bytes(data)
        if not isinstance(data, bytes):
            raise TypeError(f"The content of an answer consists of bytes, not {type(data).__name__}.")
        if self.has_trailers:
            self.is_content_over, more = not more, True
            self.send_head()
        if self._framing is None and not more:
            self._begin([data], len(data))
        else:
            self._write(data)
        if not more:
            self._end()

    def add_trailers(self, headers: Iterable[tuple[object, object]], more: bool) -> None:
        """Header fields behind the content, for a client that takes them, and whether others follow.

        Raises:
            ValueError, TypeError: they are none.
        """
        fields = [checked(*_as_text(*one)) for one in headers]
        if self._framing is not None and "trailers" in tokens(self._request.get("te") or ""):
            self._framing.add_trailers(fields)
        if not more:
            self._end()

    def send_head(self) -> None:
        """Sends the head before there is any content."""
        if self._framing is None:
            self._begin([], None)

    def _speaks_for_us(self, name: object, value: object) -> bool:
        if self.has_trailers and isinstance(name, str) and name.lower() == "trailer":
            return False  # the application says what will follow
        return super()._speaks_for_us(name, value)

    def add_file(self, file: Any) -> None:
        """All of the content, which is in a file.

        Raises:
            ValueError: it is no file of the disk.
        """
        if not self._send_file(file):
            raise ValueError("This is no file that could be sent.")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _as_text(name: object, value: object) -> tuple[str, str]:
    """A header of ASGI as one of WSGI; what is none is refused there."""
    if not (isinstance(name, bytes) and isinstance(value, bytes)):
        raise TypeError(f"A header consists of bytes, not {type(name).__name__} and {type(value).__name__}.")
    return name.decode("latin-1"), value.decode("latin-1").strip(" \t")
