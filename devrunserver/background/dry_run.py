"""A start that ends where serving would begin: the process' side of what the supervisor prepares (``preparation.py``).

It runs with low priority, silently and without the listening socket. It tells what could be imported ahead of its turn,
or else in what state it is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from devrunserver.background import state_report
from devrunserver.background.import_graph import EdgeRecorder
from devrunserver.checkpoints.import_hook import Finder
from devrunserver.common import import_plan, link, process_exit
from devrunserver.common.messages import Plan
from devrunserver.common.module_files import file_named, times


class Rehearsal:
    """This process, rehearsing.

    Args:
        to_supervisor: whom to tell.
        edited: the paths that are being edited, the last one last. Given these it is to make a plan.
        finder: knows what is imported, and when.
        path_of: a path with links to directories resolved.
        is_project: whether a file is the project's.
    """

    def __init__(
        self,
        to_supervisor: link.Link,
        edited: Sequence[str],
        finder: Finder,
        path_of: Callable[[str], str],
        is_project: Callable[[str], bool],
    ) -> None:
        self._link = to_supervisor
        self._edited = edited
        self._finder = finder
        self._path_of = path_of
        self._is_project = is_project
        self._recorder = EdgeRecorder() if edited else None
        state_report.stand_aside()

    def finish(self, seal: str) -> None:
        """Tells how it went. Does not return.

        Args:
            seal: why there could be no checkpoint now; empty if there could.
        """
        if self._recorder is None:
            state_report.testify(self._link, self._is_project)
        else:
            with suppress(link.LinkClosed):
                self._link.be_patient()
                self._link.send(self._plan(self._recorder, seal, time.monotonic()))
        process_exit.leave(process_exit.SUCCESS)

    def _plan(self, recorder: EdgeRecorder, seal: str, done: float) -> Plan:
        order = [name for _, name in self._finder.found if name in sys.modules]
        files = {name: file for name in order if (file := file_named(name)) and self._is_project(file)}
        paths = {self._path_of(file): name for name, file in files.items()}
        edited = [paths[path] for path in reversed(self._edited) if path in paths]
        best = import_plan.best(order, recorder.edges, edited, times(self._finder.found, done))
        chosen = set(best.modules)
        return Plan(
            seal=seal,
            modules=best.modules,
            excluded=sorted(best.excluded),
            saves=best.saves,
            edges={name: sorted(recorder.edges.get(name, set()) & chosen) for name in best.modules},
        )
