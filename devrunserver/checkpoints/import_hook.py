"""The first finder on ``sys.meta_path``: it is asked for every module, and lets the others find it.

Being first it sees each look-up, whether the module is found or not, and acts between the look-up and the
loading. What it returns is what the other finders have found.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from devrunserver.checkpoints.code_ahead import CodeAhead
from devrunserver.checkpoints.read_recorder import ReadRecorder, directories_on


class ImportHook:
    """Records what is looked for. It is no ``importlib.abc.MetaPathFinder``: that alone imports eight modules.

    Args:
        reads: where it is recorded.
        before: called with each module that was found, before it is loaded; returns True where time has passed
            meanwhile, so that it has to be found anew.
        on_fault: called if something cannot be recorded.
        phase: in which part of its start the process is.
    """

    def __init__(
        self,
        reads: ReadRecorder,
        before: Callable[[str, str], bool],
        on_fault: Callable[[Exception], None],
        phase: Callable[[], int] = lambda: 0,
    ) -> None:
        self._reads = reads
        self._before = before
        self._on_fault = on_fault
        self._phase = phase
        self._ended: float | None = None  # when all was imported, by that of the history
        self._paused = 0.0  # seconds that this process and those before it have been checkpoints
        self.code_ahead = CodeAhead(reads.unseen)
        self.found: list[tuple[float, str]] = []  # when (monotonic, seconds), and what
        # the same since the project began to start, by a clock that stands still in checkpoints, and the phase
        self.history: list[tuple[float, str, int]] = []
        # who has gone on as what it has imported was there, after how many look-ups, and when by the same clock
        self.returns: list[tuple[int, float, str]] = []

    def install(self) -> None:
        sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = self._look_up(fullname, path, target)
        file = file_of(spec)
        if file is not None and self._before(fullname, file):
            spec = self._look_up(fullname, path, target)
            file = file_of(spec)
        try:
            self._record(fullname, path, spec, file)
        except Exception as fault:  # no import of the project fails because of us
            self._on_fault(fault)
        self.code_ahead.lend(spec)
        return spec

    def _record(self, fullname: str, path: Sequence[str] | None, spec: ModuleSpec | None, file: str | None) -> None:
        if spec is None or file is not None or spec.loader is None:  # not found, found, a namespace package
            self._reads.module(fullname, directories_on(path), file, getattr(spec, "cached", None))
        if file is not None:
            now = time.monotonic()
            self.found.append((now, fullname))
            if self._ended is None:
                self.history.append((now - self._paused, fullname, self._phase()))

    def on_return(self, importer: str) -> None:
        """A module whose body is executed goes on: what it has imported is loaded."""
        if self._ended is None:
            self.returns.append((len(self.history), self.now(), importer))

    def now(self) -> float:
        """Seconds of a clock that stands still while this process is a checkpoint."""
        return time.monotonic() - self._paused

    def reach_end(self) -> None:
        """All is imported; what is imported on first use is no part of the history."""
        self._ended = self.now()

    def ends(self) -> list[float]:
        """When the loading of each module in the history ended, by that clock: when the next one was looked up."""
        return [*(moment for moment, _, _ in self.history[1:]), self.now() if self._ended is None else self._ended]

    def on_resume(self) -> None:
        """This process was a checkpoint for a while."""
        self.found.clear()
        moments = [self.history[-1][0] if self.history else self.now(), *(one for _, one, _ in self.returns[-1:])]
        self._paused += self.now() - max(moments)

    def note(self, fullname: str) -> None:
        """Records a look-up that was made before there was this finder, and did not end in a loaded module."""
        parent, _, _ = fullname.rpartition(".")
        path = getattr(sys.modules[parent], "__path__", None) if parent else None
        if not parent or path is not None:
            spec = self._look_up(fullname, path, None)
            self._reads.module(fullname, directories_on(path), file_of(spec))

    def _look_up(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        """As ``importlib._bootstrap._find_spec`` goes on after us."""
        finders = list(sys.meta_path)
        for finder in finders[finders.index(self) + 1 :] if self in finders else ():
            find_spec = getattr(finder, "find_spec", None)
            if find_spec is not None and (spec := find_spec(fullname, path, target)) is not None:
                return spec  # type: ignore[no-any-return]
        return None


def file_of(spec: ModuleSpec | None) -> str | None:
    """The file that a module will be loaded from, or the archive that it is in; None where there is none."""
    if spec is None or not spec.has_location:
        return None
    file = getattr(spec.loader, "archive", None) or spec.origin
    return file if isinstance(file, str) else None
