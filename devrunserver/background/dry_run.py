"""A start that ends where serving would begin, with low priority, silently and without the listening socket.

It is forked from a checkpoint, exact or prepared, and tells what it has come to (``state_report.py``). A port on which
it has come to listen is released: it may have been free because a worker has just ended, and is the next worker's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from devrunserver.background import state_report
from devrunserver.checkpoints.fork_safety import listening
from devrunserver.checkpoints.forking import release, silence
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.common import link, process_exit
from devrunserver.common.import_record import ImportRecord
from devrunserver.common.messages import BuildFailed


class DryRunTeller:
    """This process, as a dry run.

    Args:
        to_supervisor: whom to tell.
        is_project: whether a file is the project's.
        reads: what this process reads.
        is_urgent: sources are to be read before somebody saves again, so not with low priority.
    """

    def __init__(
        self, to_supervisor: link.Link, is_project: Callable[[str], bool], reads: ReadRecorder, is_urgent: bool
    ) -> None:
        self._link = to_supervisor
        self._is_project = is_project
        self._reads = reads
        self._listening = listening()
        silence()
        if not is_urgent:
            state_report.stand_aside()

    def give_up(self, reason: str) -> NoReturn:
        """Tells why this start cannot be compared, and ends."""
        with suppress(link.LinkClosed):
            self._link.send(BuildFailed("", reason))
        process_exit.leave(process_exit.FAILURE)

    def finish(self, record: Callable[[], ImportRecord]) -> NoReturn:
        """Tells what it is asked.

        Args:
            record: what was imported.
        """
        release(listening() - self._listening)
        state_report.stand_aside()
        state_report.answer_questions(self._link, self._is_project, self._reads, record)
