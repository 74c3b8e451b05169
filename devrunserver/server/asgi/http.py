"""One HTTP request, and what the application answers: https://asgi.readthedocs.io/en/latest/specs/www.html.

Theory of operation
-------------------
The application runs as a task of its own, in a context of its own: what it sets in context variables ends with it. The
exchange is over when the answer is, although the application may have more to do; what it then receives is the end.

The head waits for the first content, so that small answers are one packet; where the application waits before it has
any, the head goes out alone, for it may be a stream whose client wants to know that it is there.

A client that has closed its side when the application was called, or right after that, may still read: it gets its
answer. One that does so later has gone away, and the application is told; what it sends nevertheless goes out until the
system says that nobody is there.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Protocol

from devrunserver.server.asgi.channel import OUTGOING_LIMIT, Channel
from devrunserver.server.asgi.request_body import StreamedBody
from devrunserver.server.asgi.response import MessageResponse, Outbox
from devrunserver.server.asgi.scope import Scope
from devrunserver.server.protocol.parser import Request
from devrunserver.server.response import SERVER_ERROR, logger

Message = dict[str, Any]
Receive = Callable[[], Coroutine[Any, Any, Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]
Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

NOT_IN_TIME = (HTTPStatus.SERVICE_UNAVAILABLE, "The application did not answer in time.")
HALF_CLOSE_PATIENCE = 0.1  # seconds until a client that has closed its side is taken for one that is gone
IGNORED_LIMIT = 10_000  # messages that are sent to a client that is gone, until the application is told by an error
DISCONNECT: Message = {"type": "http.disconnect"}
CONDITIONAL = ("range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


class OnAnswered(Protocol):
    """Called once, when the answer is over."""

    def __call__(self, exchange: HttpExchange) -> None: ...


class HttpExchange:
    """One request on a channel.

    Attributes:
        response: the answer.
        body: of the request.
        is_over: whether the answer is, for better or worse.
    """

    def __init__(
        self, channel: Channel, request: Request, on_answered: OnAnswered, is_last: Callable[[], bool]
    ) -> None:
        self.channel = channel
        self.request = request
        self.body = StreamedBody(channel, request)
        self._outbox = Outbox(channel.connection)
        self.response = MessageResponse(self._outbox, request, self.body, _environ(request), is_last)
        self.is_over = False
        self._on_answered = on_answered
        self._is_half_closed = channel.is_ended
        self._is_gone = False  # the client
        self._has_started = False
        self._has_received_all = False
        self._ends: asyncio.Event = asyncio.Event()
        self._ignored = 0  # messages after the client was gone

    async def run(self, application: Application, scope: Scope) -> None:
        """Calls the application. Raises nothing."""
        try:
            await application(scope, self.receive, self.send)
            if not self.is_over:
                self._end_unanswered()
        except asyncio.CancelledError:
            self.cut()
        except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as error:
            if not (self._is_gone and isinstance(error, OSError)):
                traceback.print_exception(error, file=sys.stderr)
            if not self.is_over:
                self._end_unanswered()
        finally:
            if not self.is_over:
                self._finish()

    def cut(self) -> None:
        """Ends it in the middle: the server does not wait for it any longer."""
        if not self.is_over:
            self.response.broken = self.response.close = True
            self._finish()

    def time_out(self) -> None:
        """Answers in place of an application that takes too long."""
        if not self.is_over and not self._has_started:
            self._refuse(*NOT_IN_TIME)
            self._finish()

    def look(self) -> None:
        """Finds out whether the client has closed its side already; then it waits for the answer nevertheless."""
        if not (self.is_over or self.channel.connection.buffer):
            self._is_half_closed = True
            self.channel.look()
            self._is_half_closed = self.channel.is_ended

    # The channel tells

    def on_data(self) -> None:
        """The next request may wait: it is read when this one is over."""

    def on_end(self) -> None:
        # while a body comes, it is the body that has failed; where more waits, another answer is awaited
        awaits = self._is_half_closed or not self.body.is_complete or self.channel.connection.buffer
        if self.channel.is_broken:
            self._is_gone = self.response.is_gone = True
            self._ends.set()
        elif not awaits:
            self.channel.loop.call_later(HALF_CLOSE_PATIENCE, self._ends.set)

    # The application's

    async def receive(self) -> Message:
        """As ASGI says."""
        if not (self._has_received_all or self.body.failure or self.is_over):
            block = await self.body.next_block()
            if not self.body.failure:
                self._has_received_all = self.body.is_complete
                return {"type": "http.request", "body": block, "more_body": not self.body.is_complete}
        if self.body.failure or self.is_over or self._ends.is_set():
            return DISCONNECT
        self.channel.read_on()
        await self._ends.wait()
        return DISCONNECT

    async def send(self, message: Message) -> None:
        """As ASGI says; to a client that is gone it does nothing.

        Raises:
            RuntimeError: this message is not to be sent now.
            OSError: the client is long gone.
        """
        kind = message["type"]
        if self._is_gone or (self.is_over and self.response.broken):
            await self._ignore()
        elif self.is_over:
            raise RuntimeError(f"The answer is over, and {kind!r} was sent.")
        elif kind == "http.response.start" and not self._has_started:
            self.response.start(message["status"], message.get("headers", ()), message.get("trailers", False))
            self._has_started = True
            self.channel.loop.call_soon(self._send_head)
        elif kind == "http.response.body" and self._has_started and not self.response.is_content_over:
            more = message.get("more_body", False)
            self.response.add(message.get("body", b""), more)
            await self._send_on(more or self.response.has_trailers)
        elif kind == "http.response.trailers" and self.response.is_content_over:
            more = message.get("more_trailers", False)
            self.response.add_trailers(message["headers"], more)
            await self._send_on(more)
        elif kind == "http.response.pathsend" and self._has_started and not self.response.is_begun:
            await self._send_path(message["path"])
        else:
            raise RuntimeError(f"{kind!r} was sent, which cannot come now.")

    async def _send_on(self, more: bool) -> None:
        """Sends what the answer has become by now, which is all of it or not."""
        self.channel.write(self._outbox.take())
        await self.channel.drain(OUTGOING_LIMIT if more else 0)
        if not more:
            self._finish()

    async def _ignore(self) -> None:
        self._ignored += 1
        if self._ignored > IGNORED_LIMIT:
            raise ConnectionResetError("The client is gone.")
        await asyncio.sleep(0)  # who sends in a loop must not keep the others from running

    async def _send_path(self, path: str) -> None:
        with open(path, "rb", buffering=0) as file:
            self.response.add_file(file)
            self.channel.write(self._outbox.take())
            if (part := self._outbox.file_part) is not None:
                await self.channel.send_file(part.file, part.offset, part.count)
            else:
                await self.channel.drain()
        self._finish()

    def _send_head(self) -> None:
        if not (self.is_over or self._is_gone or self.response.is_begun):
            self.response.send_head()
            self.channel.write(self._outbox.take())

    # The end

    def _end_unanswered(self) -> None:
        """The application has ended, and the answer not."""
        is_left = self._ends.is_set() and not self.body.failure  # by the client, as far as the application knows
        if is_left or self.response.is_begun:
            self.response.broken = self.response.close = True
        if is_left:
            self.response.is_gone = True
        elif self.response.is_begun:
            logger.warning('The answer to "%s" was not ended; the connection was closed.', self.request.line)
        elif self.body.failure:
            self._refuse(self.body.failure, "The body of the request did not come in full.")
        else:
            self._refuse(*SERVER_ERROR)

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self.response.refuse(status, text)
        self.channel.write(self._outbox.take())

    def _finish(self) -> None:
        self.is_over = True
        if self.channel.is_broken:
            self.response.is_gone = self.response.broken = True
        self._on_answered(self)
        self._ends.set()


def _environ(request: Request) -> dict[str, Any]:
    """What of WSGI's environment is asked for where a file is sent."""
    environ: dict[str, Any] = {"REQUEST_METHOD": request.method, "wsgi.errors": sys.stderr}
    for name, value in request.fields:
        if name.lower() in CONDITIONAL:
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return environ
