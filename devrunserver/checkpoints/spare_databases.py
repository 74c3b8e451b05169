"""What a spare reads in databases that are files, and where it pauses so as not to be in anybody's way there.

Theory of operation
-------------------
A spare is not forked, so that Django has a connection to SQLite open in it does no harm. What is read by that is facts,
as in a checkpoint (``database_reads.py``). Where somebody else than Django opens a database, nobody follows what is
done there, so the spare pauses before it.

While it waits it must hold no lock: the worker could not write. So it pauses before whatever may write, and before a
transaction, which keeps its locks until it ends; but for those in which Django looks what SQLite can do, as they read
and end at once. A query whose rows were not all fetched has a lock, too: where there is one, this process cannot wait,
and gives up.

The connection is closed while it waits, as Django opens another one. Where a statement is being executed, or somebody
holds a cursor, it cannot be. Then that the file is still the same is a fact: who deletes a database and makes it anew
would find the old one.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from devrunserver.checkpoints import audit
from devrunserver.checkpoints.database_reads import DJANGOS, DatabaseReads, is_sqlite
from devrunserver.checkpoints.fork_safety import IN_MEMORY, describe
from devrunserver.common import file_state, process_exit
from devrunserver.common.facts import Fact, Opened

if TYPE_CHECKING:
    import sqlite3

LOOKS = "django.db.backends.sqlite3.features"  # Django's, at what SQLite can do
OURS = __name__.rpartition(".")[0] + "."  # beginning of the names of modules that stand between a statement and us
STATEMENT = "Statement"  # a type of the module ``sqlite3``: a cursor refers to it until all rows were fetched


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
        self._is_stopped = False
        self.end = self._reads.end

    @property
    def are_open(self) -> bool:
        """Whether Django has a connection that could not be closed."""
        return any(True for _ in self._reads.open_connections())

    def stop(self) -> None:
        """Nothing counts any more. May be called while a statement is about to be executed."""
        self._is_stopped = True
        self._reads.stop()

    def on_open(self, args: tuple[Any, ...]) -> None:
        """The audit event: somebody opens a database."""
        name, culprit = args[0], audit.culprit()
        if name == IN_MEMORY or self._is_looking_away:
            return
        self._opener = describe(culprit)
        module = str(culprit.f_globals.get("__name__", ""))
        if module == DJANGOS and not self._is_stopped:
            self._reads.on_open(name, self._opener, module)
        else:
            self._pause(f"a database of {self._opener}")

    def on_connection(self, connection: Any) -> None:
        """Django has connected to a database."""
        if is_sqlite(connection):
            self._reads.follow(connection)
        else:
            self._pause("a database connection")

    def why_not_to_wait(self) -> str:
        """Closes what may be closed while this process waits. Why it must not wait; empty if nothing is in the way."""
        if not self._is_executing:
            self._let_go()
        for path, connection in self._reads.open_connections():
            if self._holds_lock(connection):
                return f"a query has not ended ({self._opener})"
            self._note(Opened(path, file_state.identity_of(path)))
        return ""

    def _holds_lock(self, connection: sqlite3.Connection) -> bool:
        if not self._is_executing and queries_of(connection):
            gc.collect()  # it may be in a cycle that nobody needs
        return connection.in_transaction or queries_of(connection) > int(self._is_executing)

    def _before_writing(self, reason: str) -> None:
        self._pause_in_statement("what may write to a database", _culprit())

    def _before_transaction(self) -> None:
        culprit = frame = _culprit()
        while frame is not None and frame.f_globals.get("__name__") != LOOKS:
            frame = frame.f_back
        if frame is None:
            self._pause_in_statement("a transaction", culprit)

    def _pause_in_statement(self, what: str, culprit: FrameType | None) -> None:
        self._is_executing = True
        try:
            self._pause(f"{what} of {describe(culprit)}")
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


def _culprit() -> FrameType | None:
    """The frame that executes a statement."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith(OURS):
        frame = frame.f_back
    return frame


def queries_of(connection: sqlite3.Connection) -> int:
    """How many queries of a connection have begun and not ended, that which is about to be executed among them."""
    import sqlite3  # here, as most projects do without

    holders = gc.get_referrers(connection)
    cursors = (one for one in holders if isinstance(one, sqlite3.Cursor))
    blobs = sum(isinstance(one, sqlite3.Blob) for one in holders)
    return blobs + sum(type(one).__name__ == STATEMENT for cursor in cursors for one in gc.get_referents(cursor))
