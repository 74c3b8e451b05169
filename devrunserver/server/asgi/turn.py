"""One connection on the loop: its requests, one after another, as a handler's turn is on a thread.

Theory of operation
-------------------
``_advance`` is the one place where a request's first bytes are read, by the same rules as ``WSGIRequestHandler._next``:
before any of them is used it looks whether we may answer; if not, the connection is held, with what was received in its
buffer. One exchange at a time owns the channel: a request, or for the rest of the connection's life a WebSocket.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from dataclasses import dataclass
from http import HTTPStatus
from importlib.util import find_spec
from typing import TYPE_CHECKING

from devrunserver.server.access_log import Recorder
from devrunserver.server.asgi.channel import Channel
from devrunserver.server.asgi.http import HttpExchange
from devrunserver.server.asgi.injection import with_tag
from devrunserver.server.asgi.scope import http_scope, is_websocket
from devrunserver.server.connection import ClientGone, Connection, Phase
from devrunserver.server.idle_connections import LIMITS
from devrunserver.server.protocol.parser import FramingError, Request, take_head

if TYPE_CHECKING:
    from devrunserver.server.asgi.server import AsgiServer
    from devrunserver.server.asgi.websocket_turn import WebSocketTurn

LEARN_PATIENCE = 0.5  # seconds for an application that was not in time to end by itself
NOT_INSTALLED = 'WebSockets need the package websockets: python -m pip install "devrunserver[asgi]"'


@dataclass(frozen=True)
class Options:
    """How an application is served.

    Attributes:
        is_threaded: whether requests are answered side by side.
        http_timeout: seconds for an answer to begin; None: any time.
        handshake_timeout: seconds for the application to accept a WebSocket.
        message_limit: bytes of a message of a WebSocket; None: any number.
        frame_limit: bytes of a frame of a WebSocket; None: any number.
    """

    is_threaded: bool = True
    http_timeout: float | None = None
    handshake_timeout: float = 5.0
    message_limit: int | None = 1 << 20
    frame_limit: int | None = None


class Turn:
    """The time during which a connection is on the loop.

    Attributes:
        connection: whose.
        channel: its bytes.
    """

    def __init__(self, server: AsgiServer, connection: Connection) -> None:
        self.connection = connection
        self.channel = Channel(server.loop, connection)
        self._server = server
        self._began = 0.0
        self._exchange: HttpExchange | None = None
        self._websocket: WebSocketTurn | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._queries: Recorder | None = None  # of the present request, where they are recorded

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a request, or the rest of one."""
        return self.connection.phase in (Phase.NEW, Phase.READING, Phase.IDLE) and not self._has_come

    @property
    def has_begun(self) -> bool:
        """Whether the present request is being answered for so long that the answer has begun."""
        return self._exchange is not None and self._exchange.response.is_begun

    @property
    def _has_come(self) -> bool:
        """Whether a request waits until it may be begun."""
        server = self._server
        return bool(self.connection.buffer) and (not server.lifespan.is_ready or server.pace.is_waiting(self))

    def begin(self) -> None:
        """Reads what has come."""
        self.channel.owner = self
        if self.connection.buffer:
            self.on_data()
        else:
            self.channel.look()
        if self.channel.owner is self:
            self.channel.read_on()
            self._server.expect()

    def go_on(self) -> None:
        """A connection comes back that was held as a WebSocket."""
        if self._websocket is not None:
            self._websocket.go_on()

    def request_stop(self, code: int) -> None:
        """The server leaves; WebSockets are closed by this code."""
        if self._websocket is not None:
            self._websocket.request_stop(code)
        elif self._exchange is not None:
            if self._exchange.response.is_event_stream and self._exchange.response.is_begun:
                self._exchange.cut()
        else:
            self._server.leave(self)

    def cut(self) -> None:
        """The server does not wait any longer."""
        if self._exchange is not None:
            self._exchange.cut()
        elif self._websocket is not None:
            self._websocket.cut()
        else:
            self._server.leave(self)

    # The channel tells, between two requests

    def on_data(self) -> None:
        if self.channel.owner is self:
            self._advance()
        if self.channel.owner is not self:
            return
        if self.channel.is_ended and not self._has_come:
            self._leave(Phase.CLOSED)
        else:
            self.channel.read_on()
            self._server.expect()

    def on_end(self) -> None:
        if self.channel.is_broken:
            self._leave(Phase.CLOSED)
        else:
            self.on_data()  # requests that came before it are still to be answered

    def _advance(self) -> None:
        """Reads the next request, if it has come."""
        connection = self.connection
        if not connection.buffer:
            return
        if not self._server.wants(connection):
            self._server.leave(self, for_thread=True)
            return
        if not self._server.lifespan.is_ready:
            return
        if not self._server.pace.may_begin(self):
            return
        if not self._server.host.may_answer(connection):
            self._leave(Phase.HELD)
            return
        try:
            request = take_head(connection.buffer)
            if request is None:
                connection.enter(Phase.READING)
                # what is still to come may be sent after another save
                connection.is_cleared = False
                if connection.is_overdue(LIMITS[Phase.READING]):
                    line = bytes(connection.buffer.partition(b"\r\n")[0])
                    raise FramingError(HTTPStatus.REQUEST_TIMEOUT, "The request does not come to its end", line)
                return
        except FramingError as error:
            self._refuse(error)
            return
        connection.is_cleared = False
        self._answer(request)

    def _refuse(self, error: FramingError) -> None:
        """Answers what is no request; nothing that follows it can be trusted."""
        with contextlib.suppress(ClientGone):
            self._server.host.refuse(self.connection, error)
        self._leave(Phase.CLOSING)

    # Requests

    def _answer(self, request: Request) -> None:
        self._began = time.perf_counter()
        if is_websocket(request):
            self._open(request)
            return
        self.connection.enter(Phase.ANSWERING)
        exchange = self._exchange = HttpExchange(
            self.channel, request, self._on_answered, lambda: self._server.host.is_last
        )
        self.channel.owner = exchange
        self.channel.read_on()
        self._server.pace.begin(self)
        self._task = self._server.run(functools.partial(self._run, exchange), is_eager=True)
        if exchange.is_over:
            return
        self.channel.loop.call_soon(exchange.look)
        if (patience := self._server.options.http_timeout) is not None:
            self._timer = self.channel.loop.call_later(patience, self._time_out)

    def _open(self, request: Request) -> None:
        """Begins a WebSocket, which has the connection from now on."""
        if not _has_websockets():
            error = FramingError(HTTPStatus.NOT_IMPLEMENTED, NOT_INSTALLED, request.line.encode("latin-1"))
            self._refuse(error)
            return
        from devrunserver.server.asgi.websocket_turn import WebSocketTurn  # its package may be missing

        self._websocket = WebSocketTurn(self._server, self.channel, request, self._leave)
        self._websocket.begin()

    async def _run(self, exchange: HttpExchange) -> None:
        server = self._server
        self._queries = server.host.record_queries()
        scope = http_scope(exchange.request, server.host.endpoints(self.connection), server.lifespan.state)
        application = server.application
        if (tag := server.host.tag_for(self.connection, exchange.request)) is not None:
            application = with_tag(application, tag)
        async with server.pace.one_at_a_time or contextlib.nullcontext():
            await exchange.run(application, scope)

    def _time_out(self) -> None:
        if self._exchange is not None and self._task is not None and not self._exchange.response.is_begun:
            self._exchange.time_out()
            # Django ends its own tasks when it learns that the client is gone, and leaves them behind when cancelled
            self.channel.loop.call_later(LEARN_PATIENCE, self._task.cancel)

    def _on_answered(self, exchange: HttpExchange) -> None:
        response = exchange.response
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        queries, self._queries = self._queries, None
        if response.code and not response.is_gone:
            code, sent = response.code, response.sent
            self._server.host.log_request(self.connection, exchange.request, code, sent, self._began, queries)
        self.channel.owner = self._exchange = None
        self._server.pace.end(self)
        if response.broken or self.channel.is_broken:
            self._leave(Phase.CLOSED)
        elif exchange.body.is_complete and not self.channel.has_outgoing:
            self._settle(response.close)
        else:
            self._server.run(functools.partial(self._let_end, exchange))

    async def _let_end(self, exchange: HttpExchange) -> None:
        """Waits until the client has taken the answer, and has sent the rest of what nobody wanted."""
        await self.channel.drain()
        if self.channel.is_broken:
            self._leave(Phase.CLOSED)
        elif not await exchange.body.discard():
            self._leave(Phase.CLOSING)
        else:
            self._settle(exchange.response.close)

    def _settle(self, is_last: bool) -> None:
        """What becomes of the connection after an answer."""
        if is_last:
            # to close it while something is unread would reset it: RFC 9112, 9.6
            self._leave(Phase.CLOSING if self.connection.has_unread() else Phase.CLOSED)
            return
        self.connection.enter(Phase.IDLE)
        if self.connection.buffer and not self._server.host.is_stopping:
            self.channel.owner = self
            self.channel.loop.call_soon(self.on_data)  # not at once: there may be thousands
        elif self.channel.is_ended:
            self._leave(Phase.CLOSED)
        elif self._server.host.is_stopping:
            self._server.leave(self)
        if self.is_waiting and self.connection in self._server.turns:
            self.channel.owner = self
            self.channel.read_on()
            self._server.expect()

    def _leave(self, phase: Phase) -> None:
        self.connection.enter(phase)
        self._server.leave(self)


@functools.cache
def _has_websockets() -> bool:
    return find_spec("websockets") is not None
