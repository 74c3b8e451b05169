"""What the tests' database servers have in common: they speak a protocol, and SQLite answers."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import struct
import threading
from typing import BinaryIO, Self

PATIENCE = 30.0  # seconds


class DatabaseServer:
    """Listens on a port of its own; each connection sees the same tables."""

    engine = ""  # of Django

    def __init__(self) -> None:
        self.asked: list[str] = []  # statements, in their order
        self.is_up = True
        self._tables = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def settings(self) -> dict[str, object]:
        """Of Django, for this database."""
        port = self._listener.getsockname()[1]
        place = {"HOST": "127.0.0.1", "PORT": port, "NAME": "shop", "USER": "shop", "PASSWORD": ""}
        return {"ENGINE": self.engine, **place}

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """What somebody does to the tables."""
        with self._lock:
            return self._tables.execute(statement).fetchall()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *args: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        self._tables.close()

    def converse(self, connection: socket.socket, told: BinaryIO) -> None:
        """Serves one connection until its end.

        Args:
            told: what comes there.
        """
        raise NotImplementedError

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the end
            while True:
                connection, _ = self._listener.accept()
                self._open.add(connection)
                self._threads.append(threading.Thread(target=self._serve, args=[connection]))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as told, contextlib.suppress(OSError, struct.error):
            self.converse(connection, told)
        self._open.discard(connection)
