"""Connections that this process has made while it starts, or has tried to.

Theory of operation
-------------------
The audit event of ``connect`` comes before the attempt, so whoever tries is taken to have been answered. Only the
caller of ``connect`` learns that an attempt has failed; so ``socket.socket`` gets a ``connect`` of ours around
Python's, which withdraws what has failed. Where somebody has put another class there (gevent), or the attempt goes on
without its caller, it counts as a connection.
"""

from __future__ import annotations

import errno
import functools
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

UNDER_WAY = (errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK, errno.EINTR)  # it may still be made
WAYS = ("connect", "connect_ex")
OURS = "_devrunserver"  # marks a method of ours


class Connections:
    """Attempts to connect of which nobody has said that they failed."""

    def __init__(self) -> None:
        self._attempts: dict[int, str] = {}  # by the socket's id, who made it

    @property
    def made_by(self) -> str:
        """Who has made the first; empty if there is none."""
        return next(iter(self._attempts.values()), "")

    def on_attempt(self, sock: Any, by: str) -> None:
        self._attempts[id(sock)] = by

    def withdraw(self, sock: object) -> None:
        """Somebody else looks after what was learnt by this socket."""
        self._attempts.pop(id(sock), None)

    def follow(self) -> None:
        """From now on ``socket.socket`` tells us of attempts that fail."""
        for way in WAYS:
            if way not in vars(socket.socket):
                setattr(socket.socket, way, self._following(getattr(socket.socket, way)))

    def _following(self, connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
        @functools.wraps(connect)
        def attempt(sock: socket.socket, address: Any) -> Any:
            try:
                result = connect(sock, address)
            except OSError as error:
                self._on_failure(sock, error.errno)
                raise
            if result:  # of ``connect_ex``
                self._on_failure(sock, result)
            return result

        attempt.__dict__[OURS] = True
        return attempt

    def _on_failure(self, sock: socket.socket, error: int | None) -> None:
        if error not in UNDER_WAY:
            self._attempts.pop(id(sock), None)


def unfollow() -> None:
    """Gives ``socket.socket`` back what it had."""
    for way in WAYS:
        if OURS in getattr(vars(socket.socket).get(way), "__dict__", {}):
            delattr(socket.socket, way)


def beyond_ours(frame: FrameType) -> FrameType | None:
    """The frame that called ``connect``."""
    return frame.f_back if frame.f_globals.get("__name__") == __name__ else frame
