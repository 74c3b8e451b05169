"""What a start reads in databases that are files.

Theory of operation
-------------------
A fresh start gets the same answers for as long as the database gives them. So each statement that is executed on a
connection of SQLite's is a fact, with a checksum of its answer, which is asked for right before the project asks; where
there are many, what is in the tables that they read. What cannot be asked twice relies on the whole file. What fails,
such as a question for a table that is not there, is never executed, and so the version of the schema is a fact in any
case.

Some projects write at each start what is there already. What a table held before a start has changed it is a fact, too;
and as long as it holds something else there is no checkpoint. Once it holds the same again, a fresh start would leave
it just so. What is read in such a table follows from that, and is no fact of its own: it may be what was there only
meanwhile.

A connection that is open must not be forked over: the lender closes those that Django opens again when it wants one,
and ``fork_safety.py`` asks by descriptors whether any is left.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, suppress
from typing import TYPE_CHECKING, Any, TypeGuard

from devrunserver.common import file_state
from devrunserver.common.database_answers import USES, DatabaseAnswers
from devrunserver.common.facts import Fact, Queried, Read

if TYPE_CHECKING:
    import sqlite3

DJANGOS = "django.db.backends.sqlite3.base"  # whose connections are followed, so that what they read is known exactly
LOGS = ("", "-wal")  # a database, and what was written last
SCHEMA = "PRAGMA schema_version"
MOST = 100  # statements that are facts; where there are more, the tables are that they read
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
BY_TABLES = re.compile(r"\s*(SELECT|VALUES|WITH|INSERT|REPLACE|UPDATE|DELETE)\b", re.I)
# What a statement may do that neither uses tables nor writes, as the authorizer of SQLite calls it
WITHOUT_TABLES = ("SQLITE_PRAGMA", "SQLITE_TRANSACTION", "SQLITE_SAVEPOINT")
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
        on_change: called when tables are about to be changed, which may hold the same afterwards. None: that is
            forbidden.
    """

    def __init__(
        self,
        note: Callable[[Fact], None],
        forbid: Callable[[str], None],
        looking_away: Callable[[], AbstractContextManager[None]],
        before_transaction: Callable[[], object] = lambda: None,
        on_change: Callable[[], object] | None = None,
    ) -> None:
        self._files: dict[str, str] = {}  # by path, who opened it last
        self._note = note
        self._forbid = forbid
        self._looking_away = looking_away
        self._before_transaction = before_transaction
        self._on_change = on_change
        self._answers = DatabaseAnswers()
        self._is_over = False
        self._followed: list[tuple[str, sqlite3.Connection]] = []  # with the file
        self._known: set[tuple[str, str]] = set()  # statements, by path
        self._relied_on: set[str] = set()  # whole files
        self._changed: dict[str, dict[str, int]] = {}  # by path: statements that tell what tables held before

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
        self._answers.close()
        by = next((self._files[target] for _, target in descriptors if target in self._files), None)
        return "" if by is None else f"a database is open ({by})"

    def changed_now(self) -> str:
        """Why there is no checkpoint while a table holds something else than before this start; empty if none does."""
        for path, told in self._changed.items():
            with closing(DatabaseAnswers()) as answers:
                if any(answers.to(path, statement) != answer for statement, answer in told.items()):
                    return self._wrote(path)
        return ""

    def open_connections(self) -> Iterator[tuple[str, sqlite3.Connection]]:
        """Those that are followed, and not closed; of each the file."""
        for path, connection in self._followed:
            with suppress(Exception):  # it is closed
                _ = connection.total_changes
                yield path, connection

    def stop(self) -> None:
        """Nothing counts any more. May be called while a statement is about to be executed."""
        self._is_over = True
        self._answers.close()

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
                with self._looking_away():
                    self._record(path, statement)
        except Exception as fault:  # it would be lost here
            self._forbid(f"what it read in a database is not known ({fault!r})")
        finally:
            if not READING.match(statement):
                self._answers.close()  # ours would be in the way where it is locked

    def _record(self, path: str, statement: str) -> None:
        tables = self._answers.tables(path, statement) if BY_TABLES.match(statement) else None
        if tables is None and not MAY_READ.match(statement):
            self._forbid(self._wrote(path))
        elif tables is None:
            self._rely_on_answer(path, statement)
        elif tables.changed:
            self._rely_on_tables(path, tables.read - tables.changed)
            self._note_content(path, tables.changed)
        elif len(self._known) > MOST or any(content(one) in self._changed.get(path, {}) for one in tables.read):
            self._rely_on_tables(path, tables.read)
        elif tables.read:
            self._rely_on_answer(path, statement)

    def _rely_on_answer(self, path: str, statement: str) -> None:
        if path in self._relied_on:
            return
        answer = self._answers.to(path, statement)
        if answer is not None:
            self._note(Queried(path, statement, answer))
        elif READING.match(statement):
            self._rely_on_file(path)
        else:
            self._forbid(self._wrote(path))

    def _rely_on_tables(self, path: str, tables: Iterable[str]) -> None:
        for statement in map(content, sorted(tables)):
            if statement not in self._changed.get(path, {}) and (path, statement) not in self._known:
                self._known.add((path, statement))
                self._rely_on_answer(path, statement)

    def _note_content(self, path: str, tables: Iterable[str]) -> None:
        """What is in tables that are about to be changed."""
        told = self._changed.setdefault(path, {})
        for statement in (tell(table) for table in sorted(tables) for tell in (content, numbering)):
            if statement not in told:
                answer = self._answers.to(path, statement)
                if answer is None or path in self._relied_on or self._on_change is None:
                    self._forbid(self._wrote(path))
                    return
                told[statement] = answer
                self._note(Queried(path, statement, answer))
        if self._on_change is not None:
            self._on_change()

    def _wrote(self, path: str) -> str:
        return f"it wrote to a database ({self._files.get(path, path)})"

    def _rely_on_file(self, path: str) -> None:
        """What is read in it is as the whole file is now; what is changed later shows in that too."""
        if path in self._changed:
            self._forbid(self._wrote(path))
        for log in LOGS if path not in self._relied_on else ():
            self._note(Read(path + log, file_state.state_of(path + log)))
        self._relied_on.add(path)


def content(table: str) -> str:
    """The statement that tells what is in a table."""
    return 'SELECT * FROM "{}"'.format(table.replace('"', '""'))


def numbering(table: str) -> str:
    """The statement that tells how far the rows of a table were numbered, where that is kept."""
    return "SELECT * FROM sqlite_sequence WHERE name = '{}'".format(table.replace("'", "''"))


def _path_of(name: object) -> str | None:
    """The file of a database; None where it is not known which that is."""
    if not isinstance(name, str | bytes | os.PathLike):
        return None
    path = os.fsdecode(name)
    return None if not path or path.startswith("file:") else os.path.realpath(path)


def watch_writing(connection: sqlite3.Connection, before: Callable[[], object]) -> None:
    """Has something called before each statement of a connection that writes, whoever executes it."""
    import sqlite3  # here, as most processes do without

    reading = {getattr(sqlite3, name) for name in (*USES, *WITHOUT_TABLES)}

    def on_use(action: int, *_: object) -> int:
        if action not in reading:
            before()
        return sqlite3.SQLITE_OK

    connection.set_authorizer(on_use)
