"""How an application by ASGI is served."""

from __future__ import annotations

from dataclasses import dataclass


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
