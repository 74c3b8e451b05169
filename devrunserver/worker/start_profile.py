"""What took the time of a start, for who asks: which modules, by themselves and with what they import, and which phase.

Theory of operation
-------------------
It is recorded only with ``--explain-start``, ``--explain-reload`` or ``--start-profile``. A function of ours stands
around the one of ``importlib`` that finds and loads a module which is not there yet, and around each app's ``ready()``.
So it is known when each has begun and ended, and what was in it: what a module took by itself is its own time without
that of what it has imported. Imports on other threads are not the start's, and left alone.

A process that was resumed from a checkpoint begins anew: what was open goes on from that moment.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from devrunserver.common import module_files
from devrunserver.common.progress_page import WORDS, Phase

MOST_ROWS = 10
STANDARD = "Python's standard library"


class Event(NamedTuple):
    """Something begins, or what has begun last ends.

    Attributes:
        moment: seconds of the monotonic clock.
        name: what begins: a module, or ``ready() of`` an app; None: what has begun last ends.
    """

    moment: float
    name: str | None


class StartProfile:
    """Records a start.

    Args:
        spent: seconds that this process has spent before it is recorded.
        phase: of Django's set-up.
        is_own: whether a file is the project's.
    """

    def __init__(self, spent: float, phase: Callable[[], int], is_own: Callable[[str], bool]) -> None:
        now = time.monotonic()
        self.events: list[Event] = []
        self.marks: list[tuple[float, Phase]] = [(now - spent, Phase.SETTINGS), (now, Phase.APPS)]
        self.path = ""  # the file that it is to be written to
        self._open: list[str] = []
        self._phase = phase
        self._is_own = is_own
        self._thread = threading.get_ident()
        self._load: Callable[[str, Any], Any] | None = None

    def begin(self) -> None:
        """Records imports from now on, where this interpreter's ``importlib`` is as we know it."""
        bootstrap: Any = vars(importlib)["_bootstrap"]
        self._load = getattr(bootstrap, "_find_and_load", None)
        if self._load is not None:
            bootstrap._find_and_load = self._on_load

    def end(self) -> None:
        """The start is over."""
        bootstrap: Any = vars(importlib)["_bootstrap"]
        if self._load is not None and bootstrap._find_and_load == self._on_load:
            bootstrap._find_and_load = self._load

    def on_resume(self) -> None:
        """This process goes on from a checkpoint: what came before is none of its time."""
        now = time.monotonic()
        self.events = [Event(now, name) for name in self._open]
        self.marks = [(now, self._present_phase())]

    def on_phase(self, phase: Phase) -> None:
        """A phase begins."""
        if self.marks[-1][1] is not phase:
            self.marks.append((time.monotonic(), phase))

    def around_ready(self, configs: Iterable[Any]) -> None:
        """All models are there: the apps' ``ready()`` are called now, and each counts."""
        self.on_phase(Phase.READY)
        for config in configs:
            vars(config)["ready"] = self._around(config)

    def phases(self, end: float) -> list[tuple[str, float]]:
        """The phases until a moment of the monotonic clock, each with its seconds."""
        moments = [moment for moment, _ in self.marks[1:]] + [end]
        taken: dict[str, float] = {}
        for (began, phase), moment in zip(self.marks, moments, strict=True):
            taken[WORDS[phase]] = taken.get(WORDS[phase], 0.0) + moment - began
        return list(taken.items())

    def times(self, end: float) -> dict[str, float]:
        """Seconds that each module has taken by itself, until a moment."""
        return self_times(self.events, end)

    def rows(self, end: float) -> list[tuple[str, int, float]]:
        """What has taken most by itself: what it is, its modules and seconds; the last one is all others."""
        return rows(self.times(end), self._group)

    def write(self, path: str, end: float, resumed_at: str) -> None:
        """Writes it for speedscope, or says why it cannot.

        Args:
            resumed_at: where; empty for a fresh start.
        """
        from devrunserver.worker.speedscope import speedscope  # here, as hardly anybody asks

        title = f"reload, resumed at {resumed_at}" if resumed_at else "start"
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(speedscope(self.events, self.marks, end, title))
        except OSError as error:
            print(f"--start-profile: {error}", file=sys.stderr, flush=True)

    def _present_phase(self) -> Phase:
        return Phase(Phase.APPS + self._phase())

    def _on_load(self, name: str, import_: Any) -> Any:
        assert self._load is not None
        if name in sys.modules or threading.get_ident() != self._thread:
            return self._load(name, import_)
        self._begin(name)
        try:
            return self._load(name, import_)
        finally:
            self._end()

    def _around(self, config: Any) -> Callable[[], None]:
        def ready() -> None:
            vars(config).pop("ready", None)
            self._begin(f"ready() of {config.label}")
            try:
                config.ready()
            finally:
                self._end()

        return ready

    def _begin(self, name: str) -> None:
        self.on_phase(self._present_phase())
        self._open.append(name)
        self.events.append(Event(time.monotonic(), name))

    def _end(self) -> None:
        self._open.pop()
        self.events.append(Event(time.monotonic(), None))

    def _group(self, name: str) -> str:
        """Under what a module is told: by itself where it is the project's, else by its package."""
        file = module_files.file_named(name)
        if file is not None and self._is_own(file):
            return name
        if name.startswith("ready() of "):
            return name
        top = name.partition(".")[0]
        return STANDARD if top in sys.stdlib_module_names else top


def self_times(events: Iterable[Event], end: float) -> dict[str, float]:
    """What each took by itself: without what has begun and ended meanwhile.

    Args:
        end: when what is still open ends.
    """
    taken: dict[str, float] = {}
    stack: list[str] = []
    last = end
    for moment, name in events:
        if stack:
            taken[stack[-1]] = taken.get(stack[-1], 0.0) + moment - last
        last = moment
        if name is None:
            stack.pop()
        else:
            stack.append(name)
            taken.setdefault(name, 0.0)
    if stack:
        taken[stack[-1]] += end - last
    return taken


def rows(taken: dict[str, float], group_of: Callable[[str], str]) -> list[tuple[str, int, float]]:
    """What took most: what it is, how many modules that is, and seconds; a last row for all others."""
    groups: dict[str, tuple[int, float]] = {}
    for name, seconds in taken.items():
        group = group_of(name)
        count, total = groups.get(group, (0, 0.0))
        groups[group] = count + 1, total + seconds
    ordered = sorted(((name, *one) for name, one in groups.items()), key=lambda row: -row[2])
    shown, others = ordered[:MOST_ROWS], ordered[MOST_ROWS:]
    if others:
        shown.append(("all others", sum(count for _, count, _ in others), sum(seconds for *_, seconds in others)))
    return shown
