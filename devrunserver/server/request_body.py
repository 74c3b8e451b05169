"""The body of a request, as ``wsgi.input``.

Theory of operation
-------------------
A body of known length is read from the connection when the application reads it, never beyond its end; "100 Continue"
is sent right before the first read that has to wait. Where the client ends or stalls before all has come, reading
raises an ``OSError``: an application must not take the part for the whole. ``failure`` keeps what to answer then.

A chunked body is decoded before the application is called, since WSGI applications ask for CONTENT_LENGTH; what is
large goes to a temporary file. How much that may be is bounded: nobody has said how much will come, and the disk is the
developer's. A body of known length is the application's to judge, which knows the length before it reads.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from http import HTTPStatus
from typing import IO, Any

from devrunserver.server.connection import RECEIVE_SIZE, ClientGone, Connection
from devrunserver.server.protocol.chunked import Decoder
from devrunserver.server.protocol.parser import FramingError

PATIENCE = 60.0  # seconds for anything of the body to come
SPOOL_MEMORY = 1 << 20  # bytes of a chunked body that are kept in memory
SPOOL_LIMIT = 1 << 30  # bytes of a chunked body at most: who sends without an end must not fill the disk
DRAIN_LIMIT = 1 << 18  # bytes of a body that are read to keep the connection, although nobody wants them
DRAIN_PATIENCE = 0.5  # seconds for any of them to come
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Incomplete(OSError):
    """The client has ended the body before its end, or stalls."""


class Body(io.RawIOBase):
    """A body of known length.

    Attributes:
        left: bytes that were not read.
        failure: how to answer a client that did not send all of it; None while all is well.
    """

    def __init__(self, connection: Connection, length: int, expects_continue: bool) -> None:
        self.left = length
        self.failure: HTTPStatus | None = None
        self._connection = connection
        self._expects_continue = expects_continue

    @property
    def is_awaited(self) -> bool:
        """Whether the client waits for our word before it sends the body."""
        return self._expects_continue

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        """As ``io.RawIOBase``.

        Raises:
            Incomplete: there will not be more, although there should.
        """
        if not self.left or not len(target):
            return 0
        data = self._take(min(len(target), self.left), PATIENCE)
        target[: len(data)] = data
        return len(data)

    def drain(self) -> bool:
        """Throws away what was not read, if that is soon done; whether nothing is left of it."""
        if self._expects_continue or self.failure or self.left > DRAIN_LIMIT:
            return not self.left
        try:
            while self.left:
                self._take(min(self.left, RECEIVE_SIZE), DRAIN_PATIENCE)
        except Incomplete:
            return False
        return True

    def _take(self, most: int, patience: float) -> bytes:
        if self.failure:
            raise Incomplete("The body did not come in full.")
        try:
            if self._expects_continue:
                self._expects_continue = False
                ask_for(self._connection)
            data = self._connection.take(most, patience)
        except TimeoutError:
            self.failure = HTTPStatus.REQUEST_TIMEOUT
            raise Incomplete(f"Nothing of the body came for {patience:g} s, {self.left} bytes are missing.") from None
        except ClientGone:
            data = b""
        if not data:
            self.failure = HTTPStatus.BAD_REQUEST
            raise Incomplete(f"The client ended the body {self.left} bytes before its end.")
        self.left -= len(data)
        return data


def ask_for(connection: Connection) -> None:
    """Says that the body is wanted, unless it comes already: RFC 9110, 10.1.1."""
    if not connection.buffer:
        connection.send(CONTINUE)


def spool(connection: Connection) -> tuple[IO[bytes], int]:
    """A chunked body, decoded, and its length in bytes.

    Raises:
        FramingError: it is none, did not come in full, or is more than can be kept.
        ClientGone: the connection is broken.
    """
    file = tempfile.SpooledTemporaryFile(SPOOL_MEMORY)  # noqa: SIM115 (the application reads it)
    try:
        length = _decode(connection, file)
        file.seek(0)
    except BaseException as error:
        with contextlib.suppress(OSError):  # of a full disk, once more
            file.close()
        if isinstance(error, OSError) and not isinstance(error, ClientGone):
            raise FramingError(HTTPStatus.INSUFFICIENT_STORAGE, f"The body cannot be kept: {error.strerror}") from error
        raise
    return file, length


def _decode(connection: Connection, file: IO[bytes]) -> int:
    decoder, length = Decoder(), 0
    while not decoder.is_complete:
        try:
            data = connection.take(RECEIVE_SIZE, PATIENCE)
        except TimeoutError:
            raise FramingError(HTTPStatus.REQUEST_TIMEOUT, "The body stalls") from None
        if not data:
            raise FramingError(HTTPStatus.BAD_REQUEST, "The client ended the body before its end")
        for block in decoder.feed(data):
            length += len(block)
            if length > SPOOL_LIMIT:
                raise FramingError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large")
            file.write(block)
    connection.buffer[:0] = decoder.rest
    return length
