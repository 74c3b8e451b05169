"""What a start reads in databases that are files.

Theory of operation
-------------------
A fresh start gets the same answers for as long as the database gives them. So each statement that is executed on a
connection of SQLite's is a fact, with a checksum of its answer, which is asked for right before the project asks. What
cannot be asked twice relies on the whole file. What fails, such as a question for a table that is not there, is never
executed, and so the version of the schema is a fact in any case. A statement that may write is none of that: what a
start has written was not there when it began.

A connection that is open must not be forked over: the lender closes those that Django opens again when it wants one,
and ``fork_safety.py`` asks by descriptors whether any is left.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, TypeGuard

from devrunserver.common import file_state
from devrunserver.common.database_answers import answer_to
from devrunserver.common.facts import Fact, Queried, Read

if TYPE_CHECKING:
    import sqlite3

DJANGOS = "django.db.backends.sqlite3.base"  # whose connections are followed, so that what they read is known exactly
LOGS = ("", "-wal")  # a database, and what was written last
SCHEMA = "PRAGMA schema_version"
MOST = 300  # statements that are facts; where there are more, the whole file is one
# Statements that neither read nor write, or say how this connection is to work
HARMLESS = re.compile(
    r"\s*(--|BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|PRAGMA\s+(\w+\.)?(foreign_keys|journal_mode|synchronous"
    r"|cache_size|mmap_size|temp_store|busy_timeout|journal_size_limit|wal_autocheckpoint|legacy_alter_table"
    r"|defer_foreign_keys|case_sensitive_like)\b)",
    re.I,
)
DESCRIBING = r"PRAGMA\s+(\w+\.)?((table|index|foreign_key)_x?(info|list)|schema_version\s*$)"
TRANSACTION = re.compile(r"\s*(BEGIN|SAVEPOINT)\b", re.I)
READING = re.compile(rf"\s*(SELECT|VALUES|EXPLAIN|{DESCRIBING})\b", re.I)
MAY_READ = re.compile(r"\s*(SELECT|VALUES|EXPLAIN|WITH|PRAGMA)\b", re.I)  # and if it writes it is refused where we ask


def is_sqlite(connection: Any) -> TypeGuard[sqlite3.Connection]:
    """Whether a connection that Django has made is one to SQLite."""
    sqlite3 = sys.modules.get("sqlite3")  # not imported: most projects do without
    return sqlite3 is not None and isinstance(connection, sqlite3.Connection)


class DatabaseReads:
    """Records them, as facts.

    Args:
        note: takes a fact.
        forbid: is told why there are no checkpoints any more.
        looking_away: in which what we do ourselves is not taken for the project's doing.
        before_transaction: called when one is about to begin.
    """

    def __init__(
        self,
        note: Callable[[Fact], None],
        forbid: Callable[[str], None],
        looking_away: Callable[[], AbstractContextManager[None]],
        before_transaction: Callable[[], object] = lambda: None,
    ) -> None:
        self._files: dict[str, str] = {}  # by path, who opened it last
        self._note = note
        self._forbid = forbid
        self._looking_away = looking_away
        self._before_transaction = before_transaction
        self._is_over = False
        self._followed: list[tuple[str, sqlite3.Connection]] = []  # with the file
        self._known: set[tuple[str, str]] = set()  # statements, by path
        self._relied_on: set[str] = set()  # whole files

    def on_open(self, name: object, by: str, module: str) -> None:
        """A database is about to be opened.

        Args:
            by: who does it, for the user.
            module: whose code it is.
        """
        path = _path_of(name)
        if path is None:
            self._forbid(f"it opened a database ({by})")
            return
        self._files[path] = by
        if module != DJANGOS:
            self._rely_on_file(path)

    def follow(self, connection: sqlite3.Connection) -> None:
        """Each statement of this connection counts from now on."""
        files = [row[2] for row in connection.execute("PRAGMA database_list") if row[2]]
        if files:
            path = os.path.realpath(files[0])
            self._on_statement(path, SCHEMA)
            connection.set_trace_callback(lambda statement: self._on_statement(path, statement))
            self._followed.append((path, connection))

    def open_now(self, descriptors: Iterable[tuple[int, str]]) -> str:
        """Why there is no checkpoint while a database is open; empty if none is.

        Args:
            descriptors: those of this process, and what each leads to.
        """
        by = next((self._files[target] for _, target in descriptors if target in self._files), None)
        return "" if by is None else f"a database is open ({by})"

    def open_connections(self) -> Iterator[tuple[str, sqlite3.Connection]]:
        """Those that are followed, and not closed; of each the file."""
        for path, connection in self._followed:
            with suppress(Exception):  # it is closed
                _ = connection.total_changes
                yield path, connection

    def stop(self) -> None:
        """Nothing counts any more. May be called while a statement is about to be executed."""
        self._is_over = True

    def end(self) -> None:
        """Nothing counts any more."""
        self.stop()
        for _, connection in self._followed:
            with suppress(Exception):  # it may be closed
                connection.set_trace_callback(None)
        self._followed.clear()

    def _on_statement(self, path: str, statement: str) -> None:
        """A statement is about to be executed."""
        if self._is_over:
            return
        try:
            if TRANSACTION.match(statement):
                self._before_transaction()
            if (path, statement) not in self._known and not HARMLESS.match(statement):
                self._known.add((path, statement))
                answer = self._answer_to(path, statement)
                if answer is not None:
                    self._note(Queried(path, statement, answer))
                elif READING.match(statement):
                    self._rely_on_file(path)
                else:
                    self._forbid(f"it wrote to a database ({self._files.get(path, path)})")
        except Exception as fault:  # it would be lost here
            self._forbid(f"what it read in a database is not known ({fault!r})")

    def _answer_to(self, path: str, statement: str) -> int | None:
        if path in self._relied_on or len(self._known) > MOST or not MAY_READ.match(statement):
            return None
        with self._looking_away():
            return answer_to(path, statement)

    def _rely_on_file(self, path: str) -> None:
        """What is read in it is as the whole file is now; what is changed later shows in that too."""
        for log in LOGS if path not in self._relied_on else ():
            self._note(Read(path + log, file_state.state_of(path + log)))
        self._relied_on.add(path)


def _path_of(name: object) -> str | None:
    """The file of a database; None where it is not known which that is."""
    if not isinstance(name, str | bytes | os.PathLike):
        return None
    path = os.fsdecode(name)
    return None if not path or path.startswith("file:") else os.path.realpath(path)
