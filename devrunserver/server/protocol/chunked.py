"""The chunked transfer coding, decoded: RFC 9112, 7.1. Strict and pure, as the parser of heads.

Theory of operation
-------------------
``Decoder.feed`` takes what has come and gives back the data in it. Between two calls it keeps at most one unfinished
line, which is bounded; data is never kept. Chunk extensions and trailer fields are checked and dropped: nobody asks for
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from http import HTTPStatus

from devrunserver.server.protocol.parser import MAX_FIELDS, FramingError, parse_fields

MAX_SIZE_LINE = 4_096  # bytes of a line with a size and its extensions
SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t -~\x80-\xff]*)?")
CRLF = b"\r\n"


class Expected(Enum):
    """What comes next."""

    SIZE = "the line with the size of a chunk"
    DATA = "data of a chunk"
    DATA_END = "the line end after the data"
    TRAILER = "a trailer field, or the empty line that ends the body"
    NOTHING = "the body is complete"


# How long a line may be, in bytes
BOUNDS = {Expected.SIZE: MAX_SIZE_LINE, Expected.DATA_END: 0, Expected.TRAILER: MAX_FIELDS}


class Decoder:
    """Decodes one body.

    Attributes:
        rest: what came after the body, once it is complete.
    """

    def __init__(self) -> None:
        self.rest = b""
        self._expected = Expected.SIZE
        self._pending = bytearray()
        self._left = 0  # bytes of the current chunk that have not come
        self._trailer = 0  # bytes of it that have come

    @property
    def is_complete(self) -> bool:
        return self._expected is Expected.NOTHING

    def feed(self, data: bytes | bytearray) -> Iterator[bytes]:
        """The data of the body in what has come.

        Raises:
            FramingError: this is no chunked body.
        """
        self._pending += data
        while self._expected is not Expected.NOTHING:
            if self._expected is Expected.DATA:
                if not self._pending:
                    return
                block = bytes(self._pending[: self._left])
                del self._pending[: len(block)]
                self._left -= len(block)
                if not self._left:
                    self._expected = Expected.DATA_END
                yield block
            else:
                line = self._take_line()
                if line is None:
                    return
                self._read(line)
        self.rest, self._pending = bytes(self._pending), bytearray()

    def _take_line(self) -> bytes | None:
        end = self._pending.find(CRLF)
        line = bytes(self._pending if end < 0 else self._pending[:end])
        length = len(line.removesuffix(b"\r") if end < 0 else line)
        if self._expected is Expected.TRAILER and self._trailer + length > MAX_FIELDS:
            raise FramingError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The trailer fields are too large")
        if length > BOUNDS[self._expected] or b"\n" in line:
            raise FramingError(HTTPStatus.BAD_REQUEST, "Bad chunk")
        if end < 0:
            return None
        del self._pending[: end + len(CRLF)]
        return line

    def _read(self, line: bytes) -> None:
        if self._expected is Expected.DATA_END:
            self._expected = Expected.SIZE
        elif self._expected is Expected.SIZE:
            match = SIZE.fullmatch(line)
            if match is None:
                raise FramingError(HTTPStatus.BAD_REQUEST, "Bad chunk size")
            self._left = int(match[1], 16)
            self._expected = Expected.DATA if self._left else Expected.TRAILER
        elif line:
            self._trailer += len(line)
            parse_fields(line + CRLF)
        else:
            self._expected = Expected.NOTHING
