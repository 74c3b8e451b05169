"""What a database in a file answers to one statement, and which tables that uses: asked on a connection of our own
that cannot write.

So two processes can tell whether they would read the same, without comparing whole files: a database changes with each
request that writes, and what a start has read in it hardly ever does.
"""

from __future__ import annotations

import time
import zlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3

MOST_ROWS = 10_000
PATIENCE = 0.2  # seconds for one answer
LOCKED = 0.02  # seconds to wait for another process that writes; whoever asks may be the one that does
STEPS = 10_000  # of SQLite's machine between two looks at the clock
# Beginnings of what SQLite says where there is no answer: another error is one, which a start gets too
NO_ANSWER = (
    *("attempt to write", "database is locked", "database table is locked", "interrupted", "no such function"),
    *("no such collation", "no such module", "unable to open", "disk I/O", "unrecognized token"),
)


# What a statement may do that is told by tables, as the authorizer of SQLite calls it; the former change the table
CHANGES = ("SQLITE_INSERT", "SQLITE_UPDATE", "SQLITE_DELETE")
USES = ("SQLITE_READ", "SQLITE_SELECT", "SQLITE_FUNCTION", "SQLITE_RECURSIVE")
MAIN = "main"  # what SQLite calls the database of the file


class Tables(NamedTuple):
    """Those that a statement reads, and those that it may change, by triggers and foreign keys, too."""

    read: frozenset[str]
    changed: frozenset[str]


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
            connection = self._connection(path)
            deadline = time.monotonic() + PATIENCE
            connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
            with closing(connection.execute(statement)) as cursor:
                rows = cursor.fetchmany(MOST_ROWS + 1)
        except sqlite3.OperationalError as error:
            return None if str(error).startswith(NO_ANSWER) else zlib.crc32(str(error).encode())
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError):
            return None
        return None if len(rows) > MOST_ROWS else zlib.crc32(repr(rows).encode())

    def tables(self, path: str, statement: str) -> Tables | None:
        """Which tables a statement would use; None where that is not known. It is compiled, and not executed."""
        try:
            import sqlite3
        except ImportError:
            return None
        changes, uses = ({getattr(sqlite3, name) for name in names} for names in (CHANGES, USES))
        read, changed = set(), set()
        is_known = True

        def on_use(action: int, name: str | None, _: str | None, database: str | None, trigger: str | None) -> int:
            nonlocal is_known
            is_known = is_known and action in changes | uses and database in (MAIN, None)
            if name and action in changes:
                changed.add(name)
            elif name and action == sqlite3.SQLITE_READ:
                read.add(name)
            return sqlite3.SQLITE_OK

        connection = None
        try:
            connection = self._connection(path)
            connection.set_authorizer(on_use)
            connection.execute(f"EXPLAIN {statement}").close()
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError):
            return None
        finally:
            if connection is not None:
                connection.set_authorizer(None)
        return Tables(frozenset(read), frozenset(changed)) if is_known else None

    def _connection(self, path: str) -> sqlite3.Connection:
        import sqlite3

        connection = self._connections.get(path)
        if connection is None:
            address = f"{Path(path).as_uri()}?mode=ro"
            connection = sqlite3.connect(address, uri=True, timeout=LOCKED, check_same_thread=False)
            self._connections[path] = connection
            connection.text_factory = lambda raw: (raw,)  # whatever it is; and told from bytes
            connection.execute("PRAGMA foreign_keys = ON").close()  # what they would change is told, too
        return connection

    def close(self) -> None:
        """Closes the connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()


def answer_to(path: str, statement: str) -> int | None:
    """As ``DatabaseAnswers.to``, of one statement."""
    with closing(DatabaseAnswers()) as answers:
        return answers.to(path, statement)
