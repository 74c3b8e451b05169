"""One WebSocket: RFC 6455 by ``websockets``' sans-IO protocol, on a channel; to the application by ASGI.

Theory of operation
-------------------
The parser of heads has read the handshake; what of it concerns the protocol is given to ``ServerProtocol`` once more.
The application decides whether it is accepted. From then on what comes is given to the protocol, which gives back
frames; frames make messages; messages wait for the application, no more than QUEUE_LIMIT of them, while the client is
slowed down by not being read.

Before anything that came is used, somebody is asked whether the code is fresh, as before a request. Where it is not,
what came is kept, and the WebSocket waits: either it goes on, or it is closed by a code that says that the service
restarts (1012), and nothing of what was kept has been answered by old code.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any, Protocol

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State

from devrunserver.server.asgi.channel import OUTGOING_LIMIT, Channel
from devrunserver.server.asgi.handshake import deny, new_protocol, shake_hands
from devrunserver.server.asgi.heartbeat import Heartbeat, is_needed
from devrunserver.server.asgi.http import Application, Message
from devrunserver.server.asgi.response import MessageResponse, Outbox
from devrunserver.server.asgi.scope import Scope
from devrunserver.server.protocol.headers import NAME, VALUE
from devrunserver.server.protocol.parser import Request
from devrunserver.server.response import SERVER_ERROR

QUEUE_LIMIT = 16  # messages that wait for the application
CLOSE_PATIENCE = 5.0  # seconds for the client to answer that we close
REASON_LIMIT = 123  # bytes of the reason of a close: RFC 6455, 5.5
OURS = {"connection", "upgrade", "date", "sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-protocol"}


@dataclass(frozen=True)
class Limits:
    """What a WebSocket may take.

    Attributes:
        handshake: seconds for the application to accept or close.
        message: bytes of a message; None: any number.
        frame: bytes of a frame; None: any number.
    """

    handshake: float = 5.0
    message: int | None = 1 << 20
    frame: int | None = None


class Stage(Enum):
    """How far a WebSocket has come."""

    OFFERED = "the application has not decided"
    DENIED = "the application answers by HTTP"
    OPEN = "messages go in both directions"
    CLOSING = "one side has said the end"
    OVER = "nothing is sent or taken any more"


class Watcher(Protocol):
    """Who looks after a WebSocket."""

    def may_answer(self) -> bool:
        """Whether the code is fresh; where it is not, ``go_on`` is called once it is known to be."""

    def on_log(self, action: str) -> None:
        """CONNECT, DISCONNECT or REJECT."""

    def on_over(self) -> None:
        """It is over, and the connection with it. Called once."""


class WebSocket:
    """One WebSocket on a channel.

    Attributes:
        stage: how far it has come.
        response: the answer by HTTP, where the application denies it.
    """

    def __init__(self, channel: Channel, request: Request, watcher: Watcher, limits: Limits) -> None:
        self.channel = channel
        self.request = request
        self.stage = Stage.OFFERED
        self._watcher = watcher
        self._limits = limits
        self._protocol = new_protocol(limits.message, limits.frame)
        self._outbox = Outbox(channel.connection)
        self.response = MessageResponse(self._outbox, request, None, {"wsgi.errors": sys.stderr}, lambda: True)
        self._handshake = shake_hands(self._protocol, request)
        self._inbox = Inbox()
        self._timer: asyncio.TimerHandle | None = None  # of the handshake or the close
        self._heartbeat = Heartbeat(channel.loop, self._ping, self._on_silence)

    @property
    def is_over(self) -> bool:
        return self.stage is Stage.OVER

    @property
    def is_accepted(self) -> bool:
        """Whether the application has decided, and has not denied it."""
        return self.stage not in (Stage.OFFERED, Stage.DENIED)

    async def run(self, application: Application, scope: Scope) -> None:
        """Calls the application. Raises nothing."""
        if self._handshake.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self.stage = Stage.DENIED
            deny(self._handshake, self.request, self.response)
            self.channel.write(self._outbox.take())
            self.finish()
            return
        self._inbox.put({"type": "websocket.connect"})
        self._timer = self.channel.loop.call_later(self._limits.handshake, self._time_out)
        code = CloseCode.NORMAL_CLOSURE
        try:
            await application(scope, self._inbox_message, self.send)
        except asyncio.CancelledError:
            code = CloseCode.SERVICE_RESTART
        except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as error:
            code = CloseCode.INTERNAL_ERROR
            if not (isinstance(error, OSError) and self.stage is Stage.OVER):
                traceback.print_exception(error, file=sys.stderr)
        if self.stage is Stage.OFFERED:
            self._deny(*SERVER_ERROR)
        elif self.stage is Stage.DENIED:
            self.finish()
        else:
            self.close(code)

    def close(self, code: int, reason: str = "", patience: float = CLOSE_PATIENCE) -> None:
        """Says the end; the connection is over when the client has answered, or after so many seconds.

        Before it was accepted this denies it.
        """
        if self.stage is Stage.OFFERED:
            self._deny(HTTPStatus.FORBIDDEN, "The WebSocket was not accepted.")
        elif self.stage is Stage.OPEN:
            self._protocol.send_close(code, _cut(reason))
            self.stage = Stage.CLOSING
            self._flush()
            self.channel.read_on()  # the client's answer
            self._inbox.put({"type": "websocket.disconnect", "code": code, "reason": reason})
            self._set_timer(patience, self.finish)

    # The channel tells

    def on_data(self) -> None:
        buffer = self.channel.connection.buffer
        if self.stage in (Stage.OFFERED, Stage.DENIED, Stage.OVER) or not buffer:
            return  # nothing may come before we have accepted, so it is kept
        if self.stage is Stage.OPEN and not self._watcher.may_answer():
            self.channel.pause_reading()
            return
        data = bytes(buffer)
        buffer.clear()
        self._protocol.receive_data(data)
        self._take_frames()
        if self._inbox.is_full:
            self.channel.pause_reading()
        elif not self.is_over:
            self.channel.read_on()

    def on_end(self) -> None:
        if self.stage in (Stage.OFFERED, Stage.DENIED):
            self._inbox.put({"type": "websocket.disconnect", "code": CloseCode.ABNORMAL_CLOSURE, "reason": ""})
            self.finish()
        elif self.stage is not Stage.OVER:
            self._protocol.receive_eof()
            self._take_frames()
            self.finish()

    # The application's

    async def _inbox_message(self) -> Message:
        message = await self._inbox.get()
        if self.stage is Stage.OPEN and not self._inbox.is_full:
            self.on_data()  # what was read ahead
            if not self.channel.connection.buffer:
                self.channel.read_on()
        return message

    async def send(self, message: Message) -> None:
        """As ASGI says; to a client that is gone it does nothing.

        Raises:
            RuntimeError: this message is not to be sent now.
        """
        kind = message["type"]
        if self.stage in (Stage.CLOSING, Stage.OVER):
            await asyncio.sleep(0)  # who sends in a loop must not keep the others from running
        elif self.stage is Stage.OPEN:
            if kind == "websocket.send":
                self._send_data(message)
                await self.channel.drain(OUTGOING_LIMIT)
            elif kind == "websocket.close":
                self.close(message.get("code") or CloseCode.NORMAL_CLOSURE, message.get("reason") or "")
            else:
                raise RuntimeError(f"{kind!r} was sent to an open WebSocket.")
        elif kind == "websocket.accept" and self.stage is Stage.OFFERED:
            self._accept(message.get("subprotocol"), message.get("headers", ()))
        elif kind == "websocket.close" and self.stage is Stage.OFFERED:
            self.close(CloseCode.NORMAL_CLOSURE)
        elif kind == "websocket.http.response.start" and self.stage is Stage.OFFERED:
            self.stage = Stage.DENIED
            self.response.start(message["status"], message.get("headers", ()))
        elif kind == "websocket.http.response.body" and self.stage is Stage.DENIED:
            more = message.get("more_body", False)
            self.response.add(message.get("body", b""), more)
            self.channel.write(self._outbox.take())
            await self.channel.drain(OUTGOING_LIMIT if more else 0)
            if not more:
                self.finish()
        else:
            raise RuntimeError(f"{kind!r} was sent, which cannot come now.")

    def _accept(self, subprotocol: str | None, headers: Any) -> None:
        for name, value in headers:
            name, value = name.decode("latin-1"), value.decode("latin-1")
            if not (NAME.fullmatch(name) and VALUE.fullmatch(value)):
                raise ValueError(f"{name!r}: {value!r} is no header.")
            if name.lower() not in OURS:
                self._handshake.headers[name] = value
        if subprotocol:
            if not NAME.fullmatch(subprotocol):
                raise ValueError(f"{subprotocol!r} is no subprotocol.")
            self._handshake.headers["Sec-WebSocket-Protocol"] = subprotocol
        self._protocol.send_response(self._handshake)
        self._flush()
        self.stage = Stage.OPEN
        self._watcher.on_log("CONNECT")
        if self._timer is not None:
            self._timer.cancel()
        if is_needed(self.channel.connection.address):
            self._heartbeat.begin()
        self.channel.read_on()
        self.on_data()

    def _send_data(self, message: Message) -> None:
        text, data = message.get("text"), message.get("bytes")
        if (text is None) == (data is None):
            raise ValueError("A message has either text or bytes.")
        if data is None:
            self._protocol.send_text(str(text).encode())
        else:
            self._protocol.send_binary(data)
        self._flush()

    # The protocol's

    def _take_frames(self) -> None:
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame):
                self._take_frame(frame)
        self._flush()
        if self.stage is Stage.OPEN and self._protocol.state is not State.OPEN:
            self.stage = Stage.CLOSING
            close = self._protocol.close_rcvd or self._protocol.close_sent
            code, reason = (close.code, close.reason) if close is not None else (CloseCode.ABNORMAL_CLOSURE, "")
            self._inbox.put({"type": "websocket.disconnect", "code": int(code), "reason": reason})
        if self._protocol.eof_sent and self.stage is Stage.CLOSING:
            self.finish()

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self._heartbeat.on_pong(bytes(frame.data))
        elif self.stage is Stage.OPEN and frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            try:
                self._inbox.add(frame)
            except UnicodeDecodeError as error:
                self._protocol.fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            self.channel.write(data)  # the empty one, which means the end, is nothing

    # Time

    def _set_timer(self, delay: float, function: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.channel.loop.call_later(delay, function)

    def _time_out(self) -> None:
        """The application has not decided."""
        if self.stage is Stage.OFFERED:
            self._inbox.put({"type": "websocket.disconnect", "code": CloseCode.ABNORMAL_CLOSURE, "reason": ""})
            self._deny(HTTPStatus.SERVICE_UNAVAILABLE, "The application did not accept the WebSocket in time.")

    def _ping(self, data: bytes) -> None:
        self._protocol.send_ping(data)
        self._flush()

    def _on_silence(self) -> None:
        if self.stage is Stage.OPEN:
            self._protocol.fail(CloseCode.INTERNAL_ERROR, "The client did not answer a ping in time")
            self._take_frames()

    # The end

    def _deny(self, status: HTTPStatus, text: str) -> None:
        self.stage = Stage.DENIED
        self.response.refuse(status, text)
        self.channel.write(self._outbox.take())
        self.finish()

    def finish(self) -> None:
        """Ends it, also in the middle. Again is harmless."""
        if self.stage is Stage.OVER:
            return
        was_open, self.stage = self.stage is not Stage.DENIED and self.stage is not Stage.OFFERED, Stage.OVER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._heartbeat.end()
        self._watcher.on_log("DISCONNECT" if was_open else "REJECT")
        self._watcher.on_over()


class Inbox:
    """What waits for the application: whole messages, made of frames."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._parts: list[bytes] = []
        self._is_text = False

    @property
    def is_full(self) -> bool:
        return len(self._messages) >= QUEUE_LIMIT

    def add(self, frame: Frame) -> None:
        """A frame of data, which may end a message.

        Raises:
            UnicodeDecodeError: its text is none.
        """
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
            self._parts.clear()
        self._parts.append(bytes(frame.data))
        if frame.fin:
            data = b"".join(self._parts) if len(self._parts) > 1 else self._parts[0]
            self._parts.clear()
            content = {"text": data.decode()} if self._is_text else {"bytes": data}
            self.put({"type": "websocket.receive", **content})

    def put(self, message: Message) -> None:
        self._messages.append(message)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def get(self) -> Message:
        """The next message; the last one, that it is over, again and again."""
        while not self._messages:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        if len(self._messages) == 1 and self._messages[0]["type"] == "websocket.disconnect":
            return self._messages[0]
        return self._messages.popleft()


def _cut(reason: str) -> str:
    """As much of a reason as may be sent."""
    return reason.encode()[:REASON_LIMIT].decode(errors="ignore")
