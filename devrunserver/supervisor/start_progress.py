"""How far the start of a worker is, for people: a line on the terminal, a page in the browser, and for tools.

Theory of operation
-------------------
The worker writes where it is into a page of memory (``common/progress_page.py``). It is read only when somebody wants
to know: by the loop, every INTERVAL seconds while the terminal shows it, and whenever a tool or a browser asks. A start
that is over within PATIENCE is not told of at all, and where there is no terminal nothing wakes the loop.

What a start took last time is remembered, for this project also from one day to the next, in the directory that the
state file is in: so people know how long they will have to wait.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devrunserver.common import terminal_line
from devrunserver.common.progress_page import INTERVAL, PATIENCE, WORDS, Place, ProgressPage
from devrunserver.common.remembered_file import RememberedFile

SUFFIX = ".seconds"
WORTH_COMPARING = 1.0  # seconds from which it is told what the last one took


@dataclass(frozen=True)
class Start:
    """A start that is under way. Times are seconds of the supervisor's clock."""

    began: float
    is_reload: bool
    is_resumed: bool
    expected: float | None  # seconds that the last one of its kind took


class StartProgress:
    """Tells how far a start is.

    Args:
        page: where the worker says it; None: it cannot.
        is_shown: whether the terminal shows it.
        memory: where it is remembered what a fresh start took.
        clock: seconds.
    """

    def __init__(
        self,
        page: ProgressPage | None = None,
        is_shown: bool = False,
        memory: RememberedFile | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.due: float | None = None  # when the line is to be written again
        self._page = page
        self._memory = memory or RememberedFile()
        self._clock = clock
        self._start: Start | None = None
        self._took: dict[bool, float | None] = {False: _seconds(self._memory), True: None}  # by whether it was resumed
        self._guard = terminal_line.OutputGuard(page) if page is not None and is_shown else None

    def begin(self, began: float, is_reload: bool, is_resumed: bool) -> None:
        """A worker starts.

        Args:
            began: when the user began to wait for it.
        """
        self.stop()
        if self._page is None:
            return
        self._page.begin()
        self._start = Start(began, is_reload, is_resumed, self._took[is_resumed])
        if self._guard is not None:
            self._guard.install()
            self.due = began + PATIENCE

    def step(self, now: float) -> None:
        """Writes the line, where it is due."""
        if self.due is not None and now >= self.due and self._page is not None:
            self.due = now + INTERVAL
            terminal_line.show(self._page, self.text())

    def finish(self) -> None:
        """The worker serves."""
        if (start := self._start) is not None:
            took = self._clock() - start.began
            self._took[start.is_resumed] = took
            if not start.is_resumed and not start.is_reload:
                self._memory.write(f"{took:.3f}")
        self.stop()

    def stop(self) -> None:
        """Nothing starts any more. Again is harmless."""
        self.due = self._start = None
        if self._guard is not None and self._page is not None:
            terminal_line.clear(self._page)
            self._guard.remove()

    @property
    def moved_at(self) -> float | None:
        """When the start has come to another module, by the monotonic clock; None: nothing starts, or nobody knows."""
        return self._page.told_at if self._page is not None and self._start is not None else None

    def text(self) -> str:
        """Where the start is, in one line; empty where there is none. Safe from any thread."""
        page, start = self._page, self._start
        if page is None or start is None:
            return ""
        return describe(page.read(), start, self._clock() - start.began)

    def as_json(self) -> dict[str, Any] | None:
        """The same for tools; None where nothing starts."""
        page, start = self._page, self._start
        if page is None or start is None:
            return None
        place = page.read()
        return {
            "phase": WORDS[place.phase],
            "module": place.module or None,
            "own_module": place.own or None,
            "seconds": round(self._clock() - start.began, 3),
            "expected_seconds": round(start.expected, 3) if start.expected is not None else None,
        }


def of(page: ProgressPage | None, project: str, verbosity: int) -> StartProgress:
    """What tells how far the starts of a project are.

    Args:
        project: its directory.
        verbosity: Django's; at 0 the terminal shows nothing.
    """
    memory = RememberedFile.of(project, SUFFIX)
    return StartProgress(page, verbosity > 0 and terminal_line.is_capable(os.environ), memory)


def describe(place: Place, start: Start, seconds: float) -> str:
    """Where a start is, in one line."""
    what = "Reloading" if start.is_reload else "Starting"
    expected = start.expected or 0.0
    of = f" of about {expected:.0f}" if expected >= WORTH_COMPARING else ""
    return f"{what}: {place.words()}, {seconds:.1f}{of} s"


def _seconds(memory: RememberedFile) -> float | None:
    try:
        return float(memory.read())
    except ValueError:
        return None
