"""The time from the handshake of a WebSocket to its end, on the loop: who looks after it.

Theory of operation
-------------------
The code has to be fresh for what comes on a WebSocket as for a request. Where it may not be, the connection is parked
as one that is held, and comes back by ``go_on``; meanwhile nothing is read. It cannot be handed over to another worker:
its bytes mean something to this process alone. So when the server leaves it is closed by a code that says that the
service restarts, without an answer to what was kept.

With ``--nothreading`` a message is like a request: from when the application gets it until it asks for the next one
nothing else is begun. An application that never asks again is not waited for any longer than ALONE_LIMIT.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from devrunserver.server.asgi.channel import Channel
from devrunserver.server.asgi.http import Message, Receive, Send
from devrunserver.server.asgi.scope import Scope, websocket_scope
from devrunserver.server.asgi.websocket import Limits, WebSocket
from devrunserver.server.connection import Connection, Phase
from devrunserver.server.protocol.parser import Request

if TYPE_CHECKING:
    from devrunserver.server.asgi.server import AsgiServer

ALONE_LIMIT = 10.0  # seconds
STOP_PATIENCE = 0.05  # seconds for the client to answer that we leave
TRY_AGAIN_LATER = 1013  # https://www.iana.org/assignments/websocket
CONNECT = "CONNECT"


class WebSocketTurn:
    """Looks after one WebSocket.

    Args:
        leave: gives the connection back, in the phase that it is then in.
    """

    def __init__(
        self, server: AsgiServer, channel: Channel, request: Request, leave: Callable[[Phase], object]
    ) -> None:
        self._server = server
        self._channel = channel
        self._request = request
        self._leave = leave
        self._is_held = False  # until it is known whether the code is fresh
        self._is_over = False  # it ended meanwhile
        self._alone: asyncio.TimerHandle | None = None  # while nothing else is begun
        self._stop_code = 0  # by which it is closed, once the server leaves
        options = server.options
        limits = Limits(options.handshake_timeout, options.message_limit, options.frame_limit)
        self._websocket = WebSocket(channel, request, self, limits)

    @property
    def _connection(self) -> Connection:
        return self._channel.connection

    def begin(self) -> None:
        """Calls the application."""
        self._connection.is_upgraded = True
        self._connection.enter(Phase.OPEN)
        self._channel.owner = self._websocket
        self._channel.read_on()
        self._server.run(self._run, is_consumer=True)

    async def _run(self) -> None:
        server = self._server
        scope = websocket_scope(self._request, server.host.endpoints(self._connection), server.lifespan.state)
        try:
            await self._websocket.run(self._one_at_a_time if server.pace.one_at_a_time else server.application, scope)
        finally:
            self._let_others()

    async def _one_at_a_time(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, each of whose messages is alone."""
        lock = self._server.pace.one_at_a_time
        assert lock is not None

        async def receive_alone() -> Message:
            self._let_others()
            message = await receive()
            await lock.acquire()
            self._alone = self._channel.loop.call_later(ALONE_LIMIT, self._let_others)
            return message

        await self._server.application(scope, receive_alone, send)

    def _let_others(self) -> None:
        """Something else may be begun."""
        alone, self._alone = self._alone, None
        if alone is not None:
            alone.cancel()
            lock = self._server.pace.one_at_a_time
            assert lock is not None
            lock.release()

    def go_on(self) -> None:
        """It was held, and it is known by now that the code is fresh, or was not for too long."""
        if not self._is_held:
            return
        self._is_held = False
        self._connection.enter(Phase.OPEN)
        if self._is_over:
            self.on_over()
        elif self._connection.has_waited:
            self._websocket.close(TRY_AGAIN_LATER, "Try again later")
        else:
            self._websocket.on_data()
        self._connection.is_cleared = self._connection.has_waited = False

    def request_stop(self, code: int) -> None:
        """The server leaves."""
        self._stop_code = code
        if self._websocket.is_accepted:  # or else as soon as it is: nobody is refused
            self._websocket.close(code, "The server restarts", STOP_PATIENCE)

    def cut(self) -> None:
        """The server does not wait any longer."""
        self._websocket.finish()

    # The WebSocket tells

    def may_answer(self) -> bool:
        """Whether what has come may be used."""
        host = self._server.host
        if host.is_stopping or self._is_held:
            return False
        if not host.may_answer(self._connection):
            self._is_held = True
            self._connection.enter(Phase.HELD)
            host.give_back(self._connection)
            return False
        return True

    def on_log(self, action: str) -> None:
        """Logs what has become of it."""
        self._server.host.log_websocket(self._connection, self._request, action)
        if self._stop_code and action == CONNECT:
            self._channel.loop.call_soon(self.request_stop, self._stop_code)

    def on_over(self) -> None:
        """Nothing more is sent or taken."""
        self._channel.owner = None
        if self._is_held:
            self._is_over = True
        elif self._channel.has_outgoing and not self._server.host.is_stopping:
            self._server.run(self._let_end)
        else:
            self._give_back()

    async def _let_end(self) -> None:
        """Waits until the client has taken what was sent."""
        await self._channel.drain()
        self._give_back()

    def _give_back(self) -> None:
        self._leave(Phase.CLOSED if self._channel.is_ended else Phase.CLOSING)
