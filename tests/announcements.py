"""What a stream of an open page is told."""

from __future__ import annotations

import json
import socket
from typing import Any


class Announcements:
    """Reads them from a socket, one after the other."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._received = b""

    def next(self) -> Any:
        """The next announcement; None at the end."""
        while True:
            event, mark, rest = self._received.partition(b"\n\n")
            if mark:
                self._received = rest
                if event.startswith(b"data: "):
                    return json.loads(event.removeprefix(b"data: "))
            elif data := self._socket.recv(65536):
                self._received += data
            else:
                return None
