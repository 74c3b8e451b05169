"""Which files somebody is editing, or may edit next: a guess by when they were modified, and by pages looked at."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress

from devrunserver.common.pyc import SOURCE_SUFFIX
from devrunserver.supervisor.watching.exclusions import Exclusions

BURST = 2_000_000_000  # nanoseconds within which a program, as of version control, writes many files
MANY = 10  # files in a burst that nobody has edited by hand
KEPT = 5  # files that were edited last
IN_TURN = 4  # saves within which files are edited in turn
GUESSED = 3  # files that may be edited next, when nobody has edited one yet
CANDIDATES = 12  # files among which these are looked for, where it is known which of them a start imports
MOST_DIRECTORIES = 5_000  # that are looked through before a start
VIEWED = 3  # files whose pages were looked at first last


def likely_first(trees: Iterable[str]) -> list[str]:
    """The sources that may be edited first: looked for on the disk, as nobody watches yet; none if there are too many.

    Args:
        trees: the directories of the project's own code.
    """
    modified: dict[str, int] = {}
    directories = 0
    exclusions = Exclusions()
    for tree in dict.fromkeys(map(os.path.realpath, trees)):
        for directory, subdirectories, names in os.walk(tree):
            directories += 1
            if directories > MOST_DIRECTORIES:
                return []
            subdirectories[:] = [one for one in subdirectories if not exclusions.excludes(os.path.join(directory, one))]
            for path in (os.path.join(directory, name) for name in names if name.endswith(SOURCE_SUFFIX)):
                with suppress(OSError):
                    modified[path] = os.stat(path).st_mtime_ns
    return recently_edited(modified, GUESSED)


def recently_edited(modified: Mapping[str, int], count: int) -> list[str]:
    """The files that were modified last, the very last one last.

    Args:
        modified: when each file was, in nanoseconds.
        count: how many at most.
    """
    latest = sorted(modified.items(), key=lambda item: item[1], reverse=True)
    times = [time for _, time in latest]
    found: list[str] = []
    for place, (path, time) in enumerate(latest):
        if len(found) == count or place > count * MANY:
            break
        near = times[max(0, place - MANY) : place + MANY + 1]
        if sum(abs(one - time) <= BURST for one in near) <= MANY:
            found.append(path)
    return found[::-1]


class EditedFiles:
    """The files that are being edited, the last one last."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self._candidates: list[str] = []
        self._viewed: list[str] = []

    @property
    def likely(self) -> list[str]:
        """The files that may be edited next, the likeliest last: after those that were, those of pages looked at.

        As long as nobody has edited one, others come before: tests and the like are modified too, and never imported.
        """
        return list(dict.fromkeys([*self.paths[::-1], *self._viewed[::-1], *self._candidates[::-1]]))[::-1]

    def guess(self, modified: Mapping[str, int]) -> None:
        """Takes those that may be edited next, when nobody has edited one yet.

        Args:
            modified: when each file was, in nanoseconds.
        """
        if not self.paths:
            self._candidates = recently_edited(modified, CANDIDATES)
            self.paths = self._candidates[-GUESSED:]

    def on_view(self, path: str) -> None:
        """The view behind a page that was asked for is in this file."""
        self._viewed = [*(one for one in self._viewed if one != path), path][-VIEWED:]

    def on_edit(self, path: str) -> None:
        """This one was edited just now."""
        self._candidates = []
        self.paths = [*(one for one in self.paths if one != path), path][-KEPT:]
