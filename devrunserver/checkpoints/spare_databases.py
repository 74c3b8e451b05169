"""What a spare reads in databases that are files, and where it pauses so as not to be in anybody's way there.

Theory of operation
-------------------
A spare is not forked, so that Django has a connection to SQLite open in it does no harm. What is read by that is facts,
as in a checkpoint (``database_reads.py``). Where somebody else than Django opens a database, nobody follows what is
done there, so the spare pauses before it.

While it waits it must hold no lock: the worker could not write. So it pauses before whatever may write, and before a
transaction, which keeps its locks until it ends. A query whose rows were not all fetched has one, too: so where
somebody holds a cursor, this process cannot wait, and gives up.

The connection is closed while it waits, as Django opens another one. Where a statement is being executed it cannot be.
Then that the file is still the same is a fact: who deletes a database and makes it anew would find the old one.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from devrunserver.checkpoints import audit
from devrunserver.checkpoints.database_reads import DJANGOS, DatabaseReads
from devrunserver.checkpoints.fork_safety import IN_MEMORY, describe
from devrunserver.common import file_state, process_exit
from devrunserver.common.facts import Fact, Opened

if TYPE_CHECKING:
    import sqlite3

OF_THE_STATEMENT = 1  # cursor, by which one is being executed


class SpareDatabases:
    """The databases of a spare.

    Args:
        note: takes a fact.
        pause: called with what comes next, where it must not be done ahead.
        let_go: closes Django's connections that nobody uses.
    """

    def __init__(
        self, note: Callable[[Fact], None], pause: Callable[[str], object], let_go: Callable[[], None]
    ) -> None:
        self._note = note
        self._pause = pause
        self._let_go = let_go
        self._opener = ""  # who opened one last
        self._is_executing = False  # a statement, before which it pauses
        self._is_looking_away = False
        self._reads = DatabaseReads(note, self._before_writing, self._looking_away, self._before_transaction)
        self.stop, self.end = self._reads.stop, self._reads.end

    def on_open(self, args: tuple[Any, ...]) -> None:
        """The audit event: somebody opens a database."""
        name, culprit = args[0], audit.culprit()
        if name == IN_MEMORY or self._is_looking_away:
            return
        self._opener = describe(culprit)
        module = str(culprit.f_globals.get("__name__", ""))
        if module == DJANGOS:
            self._reads.on_open(name, self._opener, module)
        else:
            self._pause(f"a database of {self._opener}")

    def on_connection(self, connection: Any) -> None:
        """Django has connected to a database."""
        sqlite3 = sys.modules.get("sqlite3")
        if sqlite3 is not None and isinstance(connection, sqlite3.Connection):
            self._reads.follow(connection)
        else:
            self._pause("a database connection")

    def why_not_to_wait(self) -> str:
        """Closes what may be closed while this process waits. Why it must not wait; empty if nothing is in the way."""
        if not self._is_executing:
            self._let_go()
        for path, connection in self._reads.open_connections():
            if connection.in_transaction or cursors_of(connection) > OF_THE_STATEMENT * self._is_executing:
                return f"a query has not ended ({self._opener})"
            self._note(Opened(path, file_state.identity_of(path)))
        return ""

    def _before_writing(self, reason: str) -> None:
        self._pause_in_statement("what may write to a database")

    def _before_transaction(self) -> None:
        self._pause_in_statement("a transaction")

    def _pause_in_statement(self, what: str) -> None:
        self._is_executing = True
        try:
            self._pause(f"{what} of {self._opener}")
        except BaseException:  # SQLite would go on
            process_exit.leave(process_exit.FAILURE)
        finally:
            self._is_executing = False

    @contextmanager
    def _looking_away(self) -> Iterator[None]:
        """For what we ask ourselves."""
        self._is_looking_away = True
        try:
            yield
        finally:
            self._is_looking_away = False


def cursors_of(connection: sqlite3.Connection) -> int:
    """How many cursors of a connection somebody holds: each may be in the middle of a query."""
    import sqlite3  # here, as most projects do without

    return sum(isinstance(one, sqlite3.Cursor | sqlite3.Blob) for one in gc.get_referrers(connection))
