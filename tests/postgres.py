"""As much of a PostgreSQL server as the tests need: it speaks its protocol, and SQLite answers.

Source of the protocol: https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import re
import socket
import sqlite3
import struct
from collections.abc import Iterator
from typing import BinaryIO

from tests.database_server import DatabaseServer

ENCRYPTION = (80877103, 80877104)  # requests for TLS and GSSAPI: we have neither
PARAMETERS = {
    "server_version": "17.0",
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "standard_conforming_strings": "on",
    "integer_datetimes": "on",
}
INTEGER, TEXT = 20, 25  # numbers of types
OWN = re.compile(r"pg_database|pg_type|set_config|^\s*SET\b", re.I)  # what SQLite knows nothing of
NO_TABLE, ANY_ERROR = "42P01", "XX000"
SIMPLE_QUERY, IDLE = b"Q", b"I"


class PostgresServer(DatabaseServer):
    """A server of PostgreSQL's."""

    engine = "django.db.backends.postgresql"

    def converse(self, connection: socket.socket, told: BinaryIO) -> None:
        while (head := struct.unpack("!ii", told.read(8)))[1] in ENCRYPTION:
            connection.sendall(b"N")
        told.read(head[0] - 8)  # who it is
        connection.sendall(b"".join(self._greeting()))
        while told.read(1) == SIMPLE_QUERY:  # no other is understood
            length = struct.unpack("!i", told.read(4))[0]
            statement = told.read(length - 4).rstrip(b"\0").decode()
            self.asked.append(statement)
            connection.sendall(b"".join(self._answer(statement)) + _message(b"Z", IDLE))

    def _greeting(self) -> Iterator[bytes]:
        if not self.is_up:
            yield _error("57P03", "the database system is shutting down", b"FATAL")
            return
        yield _message(b"R", struct.pack("!i", 0))
        for name, value in PARAMETERS.items():
            yield _message(b"S", f"{name}\0{value}\0".encode())
        yield _message(b"K", struct.pack("!ii", 1, 1))
        yield _message(b"Z", IDLE)

    def _answer(self, statement: str) -> Iterator[bytes]:
        rows: list[tuple[object, ...]] = [("1",)] if OWN.search(statement) else []
        if not rows:
            try:
                rows = self.execute(statement)
            except sqlite3.Error as error:
                yield _error(NO_TABLE if "no such table" in str(error) else ANY_ERROR, str(error))
                return
        if re.match(r"\s*(SELECT|WITH|VALUES|SHOW)\b", statement, re.I):
            yield from _told(rows)
        yield _message(b"C", f"SELECT {len(rows)}\0".encode())


def _told(rows: list[tuple[object, ...]]) -> Iterator[bytes]:
    """A description of rows, and these."""
    first = rows[0] if rows else ("",)
    described = struct.pack("!h", len(first))
    for number, value in enumerate(first):
        of_type = INTEGER if isinstance(value, int) else TEXT
        described += f"column{number}\0".encode() + struct.pack("!ihihih", 0, 0, of_type, -1, -1, 0)
    yield _message(b"T", described)
    for row in rows:
        values = [None if value is None else str(value).encode() for value in row]
        yield _message(
            b"D",
            struct.pack("!h", len(values))
            + b"".join(struct.pack("!i", -1) if one is None else struct.pack("!i", len(one)) + one for one in values),
        )


def _error(code: str, text: str, severity: bytes = b"ERROR") -> bytes:
    return _message(b"E", b"S" + severity + b"\0C" + code.encode() + b"\0M" + text.encode() + b"\0\0")


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body
