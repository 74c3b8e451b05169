"""What a WebSocket keeps for the application: whole messages, made of frames."""

from __future__ import annotations

import asyncio
from collections import deque

from websockets.frames import Frame, Opcode

from devrunserver.server.asgi.http import Message

QUEUE_LIMIT = 16  # messages that wait for the application


class Inbox:
    """Messages for one application, in their order."""

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
