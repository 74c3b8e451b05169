"""What a database in a file answers to one statement: asked anew, on a connection of our own that cannot write.

So two processes can tell whether they would read the same, without comparing whole files: a database changes with each
request that writes, and what a start has read in it hardly ever does.
"""

from __future__ import annotations

import time
import zlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

MOST_ROWS = 10_000
PATIENCE = 0.2  # seconds for one answer
STEPS = 10_000  # of SQLite's machine between two looks at the clock
# Beginnings of what SQLite says where there is no answer: another error is one, which a start gets too
NO_ANSWER = (
    *("attempt to write", "database is locked", "database table is locked", "interrupted", "no such function"),
    *("no such collation", "no such module", "unable to open", "disk I/O", "unrecognized token"),
)


class DatabaseAnswers:
    """Asks databases, each on one connection: to open it takes longer than most answers, as it reads the schema."""

    def __init__(self) -> None:
        self._connections: dict[str, sqlite3.Connection] = {}

    def to(self, path: str, statement: str) -> int | None:
        """A checksum of the answer; None where there is none that both would get.

        Args:
            path: of the database.
            statement: with its parameters in it.
        """
        try:
            import sqlite3  # here, as most processes never ask
        except ImportError:
            return None
        try:
            connection = self._connections.get(path)
            if connection is None:
                connection = sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", uri=True, timeout=0)
                self._connections[path] = connection
                connection.text_factory = lambda raw: (raw,)  # whatever it is; and told from bytes
            deadline = time.monotonic() + PATIENCE
            connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
            with closing(connection.execute(statement)) as cursor:
                rows = cursor.fetchmany(MOST_ROWS + 1)
        except sqlite3.OperationalError as error:
            return None if str(error).startswith(NO_ANSWER) else zlib.crc32(str(error).encode())
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError):
            return None
        return None if len(rows) > MOST_ROWS else zlib.crc32(repr(rows).encode())

    def close(self) -> None:
        """Closes the connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()


def answer_to(path: str, statement: str) -> int | None:
    """As ``DatabaseAnswers.to``, of one statement."""
    with closing(DatabaseAnswers()) as answers:
        return answers.to(path, statement)
