"""As much of a MySQL server as the tests need: it speaks its protocol, and SQLite answers.

Source of the protocol: https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html
"""

from __future__ import annotations

import re
import socket
import sqlite3
import struct
from collections.abc import Iterator
from typing import BinaryIO

from tests.database_server import DatabaseServer

VERSION = "8.4.0"
CAPABILITIES = 0x0008_A209  # long passwords, a database, the protocol of 4.1, transactions, plugins that authenticate
CHARACTERS, BINARY = 45, 63  # numbers of character sets: utf8mb4, none
AUTOCOMMIT = 2  # the status of a connection
QUERY, LEAVE = 3, 1  # commands; of others each is well
NUMBER, TEXT = 8, 253  # numbers of types
NO_TABLE, ANY_ERROR, SHUTTING_DOWN = (1146, b"42S02"), (1105, b"HY000"), (1053, b"08S01")
NULL = b"\xfb"
PLUGIN = b"mysql_native_password\0"
# What SQLite knows nothing of, and what it answers
OWN: dict[str, tuple[object, ...] | None] = {
    r"\s*(SET|COMMIT|ROLLBACK)\b": None,
    r".*@@sql_mode": (VERSION, "STRICT_TRANS_TABLES", "InnoDB", 0, 0, 1),
    r"SELECT DATABASE\(\)": ("shop", VERSION),
}


class MySqlServer(DatabaseServer):
    """A server of MySQL's, to be reached by PyMySQL."""

    engine = "django.db.backends.mysql"

    def converse(self, connection: socket.socket, told: BinaryIO) -> None:
        if not self.is_up:
            connection.sendall(_packet(0, _error(SHUTTING_DOWN, "Server shutdown in progress")))
            return
        connection.sendall(_packet(0, _greeting()))
        _received(told)  # who it is
        connection.sendall(_packet(2, _done()))
        while (body := _received(told)) and body[0] != LEAVE:
            connection.sendall(b"".join(_packet(number, one) for number, one in enumerate(self._answer(body), 1)))

    def _answer(self, body: bytes) -> Iterator[bytes]:
        if body[0] != QUERY:
            yield _done()
            return
        statement = body[1:].decode()
        self.asked.append(statement)
        own = next((one for pattern, one in OWN.items() if re.match(pattern, statement, re.I | re.S)), ())
        try:
            rows = self.execute(statement) if own == () else [own] if own else []
        except sqlite3.Error as error:
            yield _error(NO_TABLE if "no such table" in str(error) else ANY_ERROR, str(error))
            return
        if re.match(r"\s*(SELECT|WITH|VALUES|SHOW)\b", statement, re.I):
            yield from _told(rows)
        else:
            yield _done()


def _greeting() -> bytes:
    low, high = struct.pack("<I", CAPABILITIES)[:2], struct.pack("<I", CAPABILITIES)[2:]
    status = bytes([CHARACTERS]) + struct.pack("<H", AUTOCOMMIT)
    salt = b"12345678", b"901234567890\0"
    return (
        b"\x0a" + VERSION.encode() + b"\0" + struct.pack("<I", 1)
        + salt[0] + b"\0" + low + status + high + bytes([21]) + bytes(10) + salt[1] + PLUGIN
    )  # fmt: skip


def _told(rows: list[tuple[object, ...]]) -> Iterator[bytes]:
    """A description of rows, and these."""
    first = rows[0] if rows else ("",)
    end = b"\xfe" + struct.pack("<HH", 0, AUTOCOMMIT)
    yield bytes([len(first)])
    for number, value in enumerate(first):
        characters, of_type = (BINARY, NUMBER) if isinstance(value, int) else (CHARACTERS, TEXT)
        names = (b"def", b"shop", b"", b"", f"column{number}".encode(), b"")
        yield b"".join(map(_text, names)) + struct.pack("<BHIBHBH", 12, characters, 255, of_type, 0, 0, 0)
    yield end
    for row in rows:
        yield b"".join(NULL if value is None else _text(str(value).encode()) for value in row)
    yield end


def _text(value: bytes) -> bytes:
    assert len(value) < 0xFB, "as much as is needed"
    return bytes([len(value)]) + value


def _done() -> bytes:
    return struct.pack("<BBBHH", 0, 0, 0, AUTOCOMMIT, 0)


def _error(code: tuple[int, bytes], text: str) -> bytes:
    number, state = code
    return b"\xff" + struct.pack("<H", number) + b"#" + state + text.encode()


def _packet(number: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes([number % 256]) + body


def _received(told: BinaryIO) -> bytes:
    head = told.read(4)
    return told.read(int.from_bytes(head[:3], "little")) if len(head) == 4 else b""
