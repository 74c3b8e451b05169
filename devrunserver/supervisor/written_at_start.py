"""Sources that each start of the project writes while its settings are loaded: their changes are none.

Theory of operation
-------------------
A worker cannot know in which state it has read what it had loaded before it joined us: the settings, and what they
import. So a change of such a file that comes between its spawn and its first word has it replaced. A start that writes
such a file itself would be replaced for ever. Nobody saves one file in that fraction of a second of start after start:
where that has happened TIMES in a row, and happens once more, it is the start that does it.

What is written later in a start is read in a known state, and needs none of this.
"""

from __future__ import annotations

import os

from devrunserver.supervisor.relevance import is_source

TIMES = 2
CLOCK_GRAIN = 0.02  # seconds by which the kernel's file times may lag behind the clock


class WrittenAtStart:
    """Counts in how many starts in a row a source was written before their first word."""

    def __init__(self) -> None:
        self._number = 0  # of starts
        self._spawned = 0.0  # when the present worker was, in seconds since the epoch
        self._joined: float | None = None  # when it has said its first word; None: not yet
        self._is_spawned = False  # not resumed
        self._seen: dict[str, tuple[int, int]] = {}  # of each source the last such start, and how many in a row

    def on_spawn(self, moment: float) -> None:
        """A start begins, in a process that was spawned then (in seconds since the epoch)."""
        self._number, self._spawned, self._joined, self._is_spawned = self._number + 1, moment, None, True

    def on_resume(self) -> None:
        """A worker goes on from somewhere: it loads no settings."""
        self._joined, self._is_spawned = None, False

    def on_joined(self, moment: float) -> None:
        """The worker has said something: it has loaded the settings. Only its first word counts."""
        if self._joined is None and self._is_spawned:
            self._joined = moment

    def writes(self, path: str) -> bool:
        """Whether it is the starts that change this file: it was saved before the first word of this one, too."""
        if self._joined is None or not is_source(path):
            return False
        try:
            changed = os.stat(path).st_ctime  # unlike mtime it cannot be set back
        except OSError:  # it is gone
            return False
        if not self._spawned - CLOCK_GRAIN <= changed <= self._joined:
            return False
        number, count = self._seen.get(path, (0, 0))
        if number != self._number:
            count = count + 1 if number == self._number - 1 else 1
            self._seen[path] = self._number, count
        return count > TIMES
