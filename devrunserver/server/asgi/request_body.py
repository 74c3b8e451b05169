"""The body of a request, as it comes and when the application asks for it.

Theory of operation
-------------------
Unlike a WSGI application, which asks for CONTENT_LENGTH, one by ASGI takes blocks of any body; so a chunked one is
decoded on the way, and neither memory nor disk holds it. What the application does not ask for stays with the client,
but for what a channel reads ahead.
"""

from __future__ import annotations

import sys
from http import HTTPStatus

from devrunserver.server.asgi.channel import Channel
from devrunserver.server.connection import RECEIVE_SIZE
from devrunserver.server.protocol.chunked import Decoder
from devrunserver.server.protocol.parser import FramingError, Request
from devrunserver.server.request_body import CONTINUE, DRAIN_LIMIT, DRAIN_PATIENCE, PATIENCE, SPOOL_LIMIT, Body


class StreamedBody(Body):
    """A body that is read on a loop.

    Attributes:
        is_complete: whether all of it was read.
    """

    def __init__(self, channel: Channel, request: Request) -> None:
        is_chunked = request.length is None
        super().__init__(channel.connection, request.length or 0, request.expects_continue)
        self._channel = channel
        self._decoder = Decoder() if is_chunked else None
        self._decoded = 0  # bytes of a chunked body
        if is_chunked:
            self.left = sys.maxsize  # nobody knows how much
        self.is_complete = self.left == 0

    async def next_block(self) -> bytes:
        """What comes next of it; empty at its end, and where it has failed: ``failure`` tells."""
        data = b""
        try:
            while not (data or self.is_complete or self.failure):
                data = self._take_buffered()
                if not (data or self.is_complete):
                    await self._await_more(PATIENCE)
        except FramingError as error:
            self.failure = error.status
        return data

    async def discard(self) -> bool:
        """Throws away what was not read, if that is soon done; whether nothing is left of it."""
        if self.is_complete:
            return True
        if self._expects_continue or self.failure or (self.left > DRAIN_LIMIT and self._decoder is None):
            return False
        discarded = 0
        try:
            while not self.is_complete and not self.failure and discarded <= DRAIN_LIMIT:
                data = self._take_buffered()
                discarded += len(data)
                if not (data or self.is_complete):
                    await self._await_more(DRAIN_PATIENCE)
        except FramingError:
            return False
        return self.is_complete

    async def _await_more(self, patience: float) -> None:
        if self._channel.is_ended:
            self.failure = HTTPStatus.BAD_REQUEST
            return
        if self._expects_continue:
            self._expects_continue = False
            self._channel.write(CONTINUE)
        try:
            await self._channel.await_data(patience)
        except TimeoutError:
            self.failure = HTTPStatus.REQUEST_TIMEOUT

    def _take_buffered(self) -> bytes:
        """What has come of it.

        Raises:
            FramingError: this is no chunked body, or too much of it.
        """
        buffer = self._channel.connection.buffer
        if self._decoder is None:
            data = bytes(buffer[: min(self.left, RECEIVE_SIZE)])
            del buffer[: len(data)]
            self.left -= len(data)
            self.is_complete = not self.left
        else:
            data = b"".join(self._decoder.feed(buffer))
            buffer[:] = self._decoder.rest
            self._decoded += len(data)
            if self._decoded > SPOOL_LIMIT:
                raise FramingError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large")
            if self._decoder.is_complete:
                self.is_complete, self.left = True, 0
        if data or self.is_complete:
            self._expects_continue = False  # it comes without our word
        return data
