"""What this process has imported so far, and how far Django's set-up has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.apps import apps

from devrunserver.background import import_graph
from devrunserver.background.executed_module import ExecutedModule
from devrunserver.checkpoints.audit import Handler
from devrunserver.checkpoints.import_hook import ImportHook
from devrunserver.common import faults
from devrunserver.common.import_plan import URLCONF_PHASE
from devrunserver.worker.model_lookups import ModelLookups

if TYPE_CHECKING:
    from devrunserver.common.import_record import ImportRecord


class StartHistory:
    """The history of one start.

    Args:
        make_finder: makes the finder that is asked for every module, of the function that tells the phase.
        path_of: a path with links to directories resolved.
        is_project: whether a file is the project's.
    """

    def __init__(
        self,
        make_finder: Callable[[Callable[[], int]], ImportHook],
        path_of: Callable[[str], str],
        is_project: Callable[[str], bool],
    ) -> None:
        self.is_set_up = False  # what is left to import is the URLconf
        self.finder = make_finder(self.phase)
        self._path_of = path_of
        self._is_project = is_project
        self._recorder: import_graph.EdgeRecorder | None = None
        self._lookups: ModelLookups | None = None
        self._has_failed = False

    def record_edges(self) -> dict[str, Handler]:
        """From now on it is recorded who imports whom. Returns handlers of audit events that this needs."""
        executed = ExecutedModule()
        self._recorder = import_graph.EdgeRecorder(self._on_fault, self.finder, executed.name)
        self._lookups = ModelLookups(self._recorder.note_use)
        return {"exec": executed.on_body}

    def _on_fault(self, fault: Exception) -> None:
        if not self._has_failed:
            self._has_failed = True  # the imports that are under way still end in the recorder
            faults.tell("the record of who imports whom", fault)

    def rest(self) -> None:
        """Nobody will ask this process, or those that are forked from it, who imports whom."""
        if self._recorder is not None:
            self._recorder.rest()

    def stop(self) -> None:
        """The start is over."""
        if self._recorder is not None:
            self._recorder.stop()
        if self._lookups is not None:
            self._lookups.stop()

    def phase(self) -> int:
        """In which part of Django's set-up this process is: apps, models, ``ready()``, the URLconf."""
        return URLCONF_PHASE if self.is_set_up else apps.apps_ready + apps.models_ready

    def progress(self) -> tuple[int, int]:
        """How many modules were looked up, and the phase."""
        return len(self.finder.history), self.phase()

    def record(self) -> ImportRecord:
        """All that was imported, and by whom."""
        edges = self._recorder.edges if self._recorder is not None else {}
        return import_graph.record(self.finder, edges, self._path_of, self._is_project)
