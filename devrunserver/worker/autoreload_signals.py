"""The sender of Django's ``autoreload_started`` and ``file_changed``: it has the interface of Django's reloaders."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from django.utils.autoreload import BaseReloader, autoreload_started, file_changed

from devrunserver.common import globs


class AutoreloadSignals(BaseReloader):
    """Collects what the receivers want to have watched; shows them what changed.

    Receivers use ``watch_dir``, ``extra_files``, ``directory_globs`` and ``watched_files``, as they do with Django's.
    """

    def __init__(self, on_watch: Callable[[], None]) -> None:
        super().__init__()
        self.patterns: list[str] = []  # paths and globs that the user wants to have watched
        self._on_watch = on_watch
        self._started = False

    def start(self) -> None:
        """Asks the receivers what to watch, besides what the user asked for."""
        for pattern in self.patterns:
            directory, rest = globs.split(os.path.abspath(pattern))
            self.watch_dir(directory, rest)
        autoreload_started.send(sender=self)
        self._started = True

    def watch_dir(self, path: str | os.PathLike[str], glob: str) -> None:
        super().watch_dir(path, glob)
        if self._started:
            self._on_watch()

    def globs(self) -> list[globs.Glob]:
        """What is watched, with links resolved."""
        return [(os.path.realpath(directory), pattern) for directory, pattern in self._globs()]

    def files(self) -> list[str]:
        """The single files that are watched, with links resolved."""
        return [os.path.realpath(file) for file in self.extra_files]

    def spelled(self, path: str) -> Path | None:
        """A path as the receivers know it: below the directory that they named. None where none did."""
        for directory, pattern in self._globs():
            resolved = os.path.realpath(directory)
            if globs.matches(path, resolved, pattern):
                return directory / os.path.relpath(path, resolved)
        return next((Path(file) for file in self.extra_files if os.path.realpath(file) == path), None)

    def handle(self, path: Path) -> bool:
        """Shows a changed file to the receivers; whether one of them has handled it."""
        handled = False
        for receiver, result in file_changed.send_robust(sender=self, file_path=path):
            if isinstance(result, Exception):
                print(f"{receiver!r}, a receiver of file_changed, failed for {path}:")
                traceback.print_exception(result)
            handled = handled or (bool(result) and not isinstance(result, Exception))
        return handled

    def _globs(self) -> Iterator[tuple[Path, str]]:
        for directory, patterns in list(self.directory_globs.items()):
            for pattern in list(patterns):
                yield directory, pattern
