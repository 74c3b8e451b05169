"""Temporary files and directories that a start has made: the first process that ends may remove them.

A worker removes its own as Python does, where the project wants that. A process that never serves, as a builder or a
dry run, ends without a word to the project, and would leave them behind at each reload.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import NamedTuple

EVENTS = {"tempfile.mkstemp": "file", "tempfile.mkdtemp": "directory"}  # audit events, and what each makes


class Made(NamedTuple):
    """Who has made one: the process, and in words."""

    pid: int
    what: str


class TemporaryFiles:
    """Those that were made so far, in this process and in those that it was forked from."""

    def __init__(self) -> None:
        self._made: dict[str, Made] = {}  # by path

    def on_make(self, path: str | bytes, what: str) -> None:
        """One is about to be made. Where something has the name already, another name will be tried."""
        name = os.path.abspath(os.fsdecode(path))
        if not os.path.lexists(name):
            self._made[name] = Made(os.getpid(), what)

    def existing(self) -> str:
        """The first that is still there, in words; empty where none is."""
        self._made = {path: made for path, made in self._made.items() if os.path.lexists(path)}
        return next((made.what for made in self._made.values()), "")

    def remove(self) -> None:
        """Removes what this very process has made, which is about to end without its ``atexit`` handlers."""
        for path in [path for path, made in self._made.items() if made.pid == os.getpid()]:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(path)
