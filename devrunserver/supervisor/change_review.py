"""The changes that wait to be acted on: which of them count, and when to act.

Theory of operation
-------------------
The first event acts at once, with three exceptions, each with a bound:

- a *deleted* source file may come back at once: some editors save by deleting and writing anew;
- a *git operation* that changes source files goes on until its lock is gone;
- an event that brings nothing new is dropped: one save causes several events, told apart by the state
  of the file (mtime in nanoseconds, size, inode) that we saw last.

Nothing here looks at the disk, waits or knows the time: states and times come in, decisions go out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from devrunserver.common.pyc import SOURCE_SUFFIX
from devrunserver.supervisor.watching.polling import Snapshot, Token

DELETION_PATIENCE = 0.15  # seconds for a deleted file to come back


@dataclass
class Changes:
    """Paths that changed and were not acted on yet. Times are seconds of one clock."""

    _seen: dict[str, Token | None] = field(default_factory=dict)  # the state that was seen last
    _since: dict[str, float] = field(default_factory=dict)  # when the first event of a waiting path came
    first: float = 0.0  # when the first of them all came

    def know(self, snapshot: Snapshot) -> None:
        """Takes the states that files have before anything happens to them."""
        self._seen = {**snapshot, **self._seen}

    def add(self, path: str, token: Token | None, now: float, is_telling: bool = True) -> None:
        """Takes an event for a path whose state is now ``token`` (None: there is no such file).

        Args:
            is_telling: whether any other content would have given another state; not so right after a file was
                written, as many file systems' clocks stand still for some milliseconds.
        """
        if is_telling and path in self._seen and self._seen[path] == token:
            return
        self._seen[path] = token
        if not self._since:
            self.first = now
        self._since[path] = now

    def wait(self, now: float, git_patience: float) -> float | None:
        """Seconds until the changes should be acted on; 0: now; None: there are none."""
        if not self._since:
            return None
        code = {path for path in self._since if self._is_code(path)}
        due = min(
            since + (DELETION_PATIENCE if path in code and self._seen[path] is None else 0.0)
            for path, since in self._since.items()
        )
        if git_patience and code:
            due = max(due, self.first + git_patience)
        return max(0.0, due - now)

    def _is_code(self, path: str) -> bool:
        """Whether a path is a source file, or a directory of what has changed.

        Programs write files under other names for the time being, and rename or remove them at once.
        """
        return path.endswith(SOURCE_SUFFIX) or any(other.startswith(path + os.sep) for other in self._since)

    @property
    def paths(self) -> list[str]:
        """The waiting paths, in the order of their events."""
        return list(self._since)

    def take(self) -> list[str]:
        """The waiting paths, in the order of their events; they wait no more."""
        paths = self.paths
        self._since.clear()
        return paths
