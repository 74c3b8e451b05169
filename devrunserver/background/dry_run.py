"""A start that ends where serving would begin, with low priority, silently and without the listening socket.

It is forked from a checkpoint, exact or prepared, and tells what it has come to (``state_report.py``). A port on which
it has come to listen is released: it may have been free because a worker has just ended, and is the next worker's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from devrunserver.background import state_report
from devrunserver.background.address_noise import AddressNoise
from devrunserver.checkpoints.database_reads import watch_writing
from devrunserver.checkpoints.fork_safety import listening
from devrunserver.checkpoints.forking import release, silence
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.common import link, process_exit
from devrunserver.common.import_record import ImportRecord
from devrunserver.common.messages import BuildFailed

if TYPE_CHECKING:
    import sqlite3


class DryRunTeller:
    """This process, as a dry run.

    Args:
        to_supervisor: whom to tell.
        is_project: whether a file is the project's.
        reads: what this process reads.
        is_urgent: sources are to be read before somebody saves again, so not with low priority.
        clean_up: removes what this start has made, and nobody needs.
    """

    def __init__(
        self,
        to_supervisor: link.Link,
        is_project: Callable[[str], bool],
        reads: ReadRecorder,
        is_urgent: bool,
        clean_up: Callable[[], None],
    ) -> None:
        self._link = to_supervisor
        self._is_project = is_project
        self._reads = reads
        self._clean_up = clean_up
        self._listening = listening()
        self._noise = AddressNoise()
        silence()
        if not is_urgent:
            state_report.stand_aside()

    def before_import(self) -> None:
        """A module is about to be loaded."""
        self._noise.add()

    def keep_private(self, database: sqlite3.Connection) -> None:
        """Has a new connection go on with a copy of its database."""
        from devrunserver.background import private_database  # here, as most projects do without SQLite

        if not private_database.make_private(database):
            watch_writing(database, lambda: self.give_up("a start writes to a database that cannot be copied"))

    def give_up(self, reason: str, module: str = "") -> NoReturn:
        """Tells why this start cannot be compared, and ends.

        Args:
            module: in whose body that has happened, if in any.
        """
        self._clean_up()
        with suppress(link.LinkClosed):
            self._link.send(BuildFailed(module, reason))
        process_exit.leave(process_exit.FAILURE)

    def finish(self, record: Callable[[], ImportRecord]) -> NoReturn:
        """Tells what it is asked.

        Args:
            record: what was imported.
        """
        self._clean_up()
        release(listening() - self._listening)
        state_report.stand_aside()
        state_report.answer_questions(self._link, self._is_project, self._reads, record)
