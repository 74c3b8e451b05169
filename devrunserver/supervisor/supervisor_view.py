"""What tools ask of the supervisor (``tool_answers.py``)."""

from __future__ import annotations

from typing import Any

from devrunserver.common.messages import HistoryAsked
from devrunserver.supervisor.lifecycle import State
from devrunserver.supervisor.optional_parts import uncontained
from devrunserver.supervisor.setup import Parts
from devrunserver.supervisor.worker_cycle import WorkerCycle


class SupervisorView:
    """Implements ``tool_answers.Answering``. What it does is necessary, though who asks for it is optional.

    Args:
        parts: of the supervisor.
        cycle: its worker.
    """

    def __init__(self, parts: Parts, cycle: WorkerCycle) -> None:
        self._parts = parts
        self._cycle = cycle

    @property
    def state(self) -> State:
        return self._cycle.lifecycle.state

    @property
    def is_undecided(self) -> bool:
        """Whether a change may still have the worker replaced."""
        return self._parts.review.is_open or self._cycle.difference is not None

    @property
    def worker_pid(self) -> int | None:
        worker = self._cycle.worker
        return worker.process.pid if worker is not None and worker.process is not None else None

    @property
    def generation(self) -> int:
        """The last one that open pages have to know of."""
        return self._parts.pages.generation

    @property
    def progress(self) -> dict[str, Any] | None:
        """How far a start is that is under way."""
        return self._parts.setup.tell_progress(lambda progress: progress.as_json())

    @uncontained
    def read_file_events(self) -> None:
        self._parts.setup.watcher.poll_now()
        self._parts.files.read()

    @uncontained
    def reload(self) -> None:
        self._cycle.on_reload_asked()

    @uncontained
    def ask_worker(self, message: HistoryAsked) -> bool:
        """Sends a message to the worker; False where it cannot hear yet."""
        worker = self._cycle.worker
        if worker is None or worker.link is None or not worker.hears:
            return False
        worker.send(message)
        return True
