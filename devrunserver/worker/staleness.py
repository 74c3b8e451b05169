"""Whether a change of a path makes this process one that a fresh start would not give: asking changes nothing."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable
from enum import Enum
from typing import Protocol

from devrunserver.common.module_files import LoadedFiles
from devrunserver.common.pyc import SOURCE_SUFFIX


class Answer(Enum):
    """What follows from a change."""

    NOTHING = "it does not concern this process"
    STALE = "this process has to be replaced"
    STALE_UNLESS_HANDLED = "a receiver of Django's signal may handle it; or else this process has to be replaced"


class ReadFiles(Protocol):
    """What this process has read while it started (``read_recorder.py``)."""

    def has_read(self, path: str) -> bool: ...
    def is_outdated(self, path: str) -> bool: ...
    def looked_for(self, path: str) -> bool: ...


class Watched(Protocol):
    """What receivers of Django's signals want to have watched (``autoreload_signals.py``)."""

    def files(self) -> Iterable[str]: ...
    def spelled(self, path: str) -> object | None: ...


class Staleness:
    """Knows what this process has loaded, read and looked for.

    Args:
        reads: while it started.
        watched: for receivers of Django's signals.
        loaded: the files that modules were loaded from.
    """

    def __init__(self, reads: ReadFiles, watched: Watched, loaded: LoadedFiles) -> None:
        self.data_files: Container[str] = ()  # that the start has read, and whose change shows only after a reload
        self._reads = reads
        self._watched = watched
        self._loaded = loaded

    def of(self, path: str) -> Answer:
        """What follows from a change of a path."""
        if path.endswith(SOURCE_SUFFIX) or path in self.loaded_files():  # a source, or an archive or an extension
            return Answer.STALE if self._has_seen(path) else Answer.NOTHING
        if path in self.data_files:  # a file that was saved right before the start is as it was read
            return Answer.STALE if self._reads.is_outdated(path) else Answer.NOTHING
        if self._watched.spelled(path) is not None:
            return Answer.STALE_UNLESS_HANDLED
        is_stale = "." not in os.path.basename(path) and self._has_seen(path)
        return Answer.STALE if is_stale else Answer.NOTHING

    def loaded_files(self) -> set[str]:
        """The files that all modules were loaded from."""
        return self._loaded.now()

    def new_files(self) -> set[str]:
        """Of these the ones that have come since all of them were asked for."""
        return self._loaded.added()

    def other_files(self) -> list[str]:
        """What modules were loaded from that is no source: archives, extensions."""
        return [file for file in self.loaded_files() if not file.endswith(SOURCE_SUFFIX)]

    def _has_seen(self, path: str) -> bool:
        """Whether a module has been loaded from here as it was before, from below here, or looked for in vain."""
        if self._reads.has_read(path):
            return self._reads.is_outdated(path)
        loaded = self.loaded_files()
        below = path + os.sep
        return (
            path in loaded
            or path in self._watched.files()
            or (not os.path.exists(path) and any(file.startswith(below) for file in loaded))
            or self._reads.looked_for(path)
        )
