"""What a start writes by itself.

Data that it writes is not what somebody edits. A source that it writes is read like any other; but it must be the
worker alone that writes it (``worker/startup.py``), so who needs to know is told before that happens.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.machinery import BYTECODE_SUFFIXES
from typing import Any

from devrunserver.common import file_state
from devrunserver.common.pyc import SOURCE_SUFFIX

_BYTECODE = tuple(BYTECODE_SUFFIXES)


class WrittenFiles:
    """The files that are no sources, with links to directories resolved.

    Args:
        before_source: called before a source is opened for writing, or renamed into place.
    """

    def __init__(self, before_source: Callable[[str], None]) -> None:
        self._before_source = before_source
        self._paths: set[str] = set()

    def __contains__(self, path: object) -> bool:
        return path in self._paths

    def on_rename(self, args: tuple[Any, ...]) -> None:
        """By its audit event, a file is about to be renamed."""
        if isinstance(args[1], str | bytes | os.PathLike):
            self.on_write(os.fsdecode(args[1]))

    def on_write(self, path: str) -> None:
        """A file is about to be opened for writing."""
        if path.endswith(_BYTECODE):
            return
        path = file_state.resolved(os.path.abspath(path))
        if path.endswith(SOURCE_SUFFIX):
            self._before_source(path)
        else:
            self._paths.add(path)
