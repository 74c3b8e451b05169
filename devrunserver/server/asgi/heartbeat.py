"""Whether the client of a WebSocket is still there: asked by pings, where the kernel would not tell."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from typing import Any

PING_INTERVAL = 20.0  # seconds between two questions
PING_PATIENCE = 20.0  # seconds for the answer
PING_SIZE = 4  # bytes
LOOPBACK = ("127.", "::1", "::ffff:127.")


class Heartbeat:
    """Pings a client.

    Args:
        ping: sends one.
        on_silence: called where none was answered in time.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, ping: Callable[[bytes], object], on_silence: Callable[[], object]
    ) -> None:
        self._loop = loop
        self._send = ping
        self._on_silence = on_silence
        self._unanswered = b""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self._timer = self._loop.call_later(PING_INTERVAL, self._ping)

    def on_pong(self, data: bytes) -> None:
        """The client has answered."""
        if data == self._unanswered:
            self._unanswered = b""

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ping(self) -> None:
        self._unanswered = base64.b16encode(os.urandom(PING_SIZE // 2))
        self._send(self._unanswered)
        self._timer = self._loop.call_later(PING_PATIENCE, self._look)

    def _look(self) -> None:
        if self._unanswered:
            self._on_silence()
        else:
            self.begin()


def is_needed(address: Any) -> bool:
    """Whether a client is on another machine; one on this machine cannot vanish without the kernel's word."""
    return isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK)
