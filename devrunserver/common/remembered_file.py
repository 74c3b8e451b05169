"""A small file in the runtime directory: what is remembered of a project from one start of a server to the next."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from devrunserver.common.runtime_directory import key_of, runtime_directory

REMEMBERED = 30 * 24 * 3600.0  # seconds


class RememberedFile:
    """One of them. What cannot be read or written is not remembered.

    Args:
        path: None: there is none.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    @classmethod
    def of(cls, project: str, suffix: str) -> RememberedFile:
        """The file of a project.

        Args:
            project: its directory.
            suffix: of all such files.
        """
        with suppress(OSError):  # the directory cannot be made, or is open to others
            return cls(runtime_directory() / f"{key_of(project)}{suffix}")
        return cls()

    def read(self) -> str:
        """What is in it; empty where there is nothing."""
        with suppress(OSError, ValueError):
            return self._path.read_text() if self._path is not None else ""
        return ""

    def write(self, text: str) -> None:
        """Remembers a text, and forgets of projects that nobody has started for long."""
        if self._path is None:
            return
        with suppress(OSError):  # the disk is full
            draft = self._path.with_suffix(f".{os.getpid()}")
            draft.write_text(text)
            draft.replace(self._path)
            for path in self._path.parent.glob(f"*{self._path.suffix}"):
                if path.stat().st_mtime < time.time() - REMEMBERED:
                    path.unlink()
