"""The data files that a start has read, whose change starts a reload: fixtures, YAML, a version file, ...

Theory of operation
-------------------
What a module has read while it was imported it does not read again, so a change of such a file shows only after a
reload. Not every file that was read is one that people edit: logs, databases and caches change by themselves, and a
file that this process writes would reload it for ever. So what it opens for writing, or renames into place, is taken
out for the rest of its life; also what it does before it is known which files count.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from devrunserver.common.file_state import resolved
from devrunserver.common.pyc import SOURCE_SUFFIX

# Names of files that change by themselves
CHANGING_SUFFIXES = (
    ".log", ".sqlite3", ".sqlite", ".db", "-journal", "-wal", "-shm", ".pid", ".lock", ".sock", ".tmp", ".bak",
    ".swp", "~", ".pyc", ".pyo", ".coverage", ".prof",
)  # fmt: skip
HANDLED_SUFFIXES = (".mo", ".po")  # translations, which Django reads again without a reload
# Names of directories of such files
CHANGING_DIRECTORIES = {"__pycache__", "cache", "caches", "tmp", "temp", "log", "logs", "sessions"}
DATABASE = b"SQLite format 3\x00"  # the beginning of a database, whatever its name

Handler = Callable[[tuple[Any, ...]], None]


def is_edited_by_people(path: str) -> bool:
    """Whether a file that was read is one whose change should show.

    Args:
        path: relative to the project's directory; what is above that says nothing about a file.
    """
    if path.endswith((SOURCE_SUFFIX, *CHANGING_SUFFIXES, *HANDLED_SUFFIXES)):
        return False
    directories = os.path.dirname(path).split(os.sep)
    return not any(name.lower() in CHANGING_DIRECTORIES or name.startswith(".") for name in directories)


def is_database(path: str) -> bool:
    with suppress(OSError), open(path, "rb") as file:
        return file.read(len(DATABASE)) == DATABASE
    return False


class ReadFiles:
    """The files that count, of one worker. None before they are known."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._names: set[str] | None = None  # of these files; None: it is not known yet which count
        self._written: list[str] = []  # until then

    def know(self, paths: Iterable[str], roots: Iterable[str]) -> None:
        """Finds out which count.

        Args:
            paths: what the start has read, with links to directories resolved.
            roots: the project's directories; what was read elsewhere does not count.
        """
        prefixes = sorted((os.path.join(root, "") for root in roots), key=len, reverse=True)
        found: set[str] = set()
        for path in paths:
            root = next((prefix for prefix in prefixes if path.startswith(prefix)), None)
            if root is not None and is_edited_by_people(path.removeprefix(root)) and not is_database(path):
                found.add(path)
        self._paths, self._names = found, {os.path.basename(path) for path in found}
        while self._written:  # another thread may add to it
            self._take_out(self._written.pop())

    def __contains__(self, path: object) -> bool:
        return path in self._paths

    @property
    def paths(self) -> list[str]:
        return sorted(self._paths)

    @property
    def handlers(self) -> dict[str, Handler]:
        """Of audit events; none where it is known that there is nothing to look for."""
        is_over = self._names is not None and not self._paths
        return {} if is_over else {"open": self._on_open, "os.rename": self._on_rename}

    def _on_open(self, args: tuple[Any, ...]) -> None:
        path, _, flags = args
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR):
            self._take_out(path)

    def _on_rename(self, args: tuple[Any, ...]) -> None:
        self._take_out(args[1])

    def _take_out(self, path: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        name = os.fsdecode(path)
        if self._names is None:
            self._written.append(os.path.abspath(name))
        elif os.path.basename(name) in self._names:
            self._paths.discard(resolved(name))
