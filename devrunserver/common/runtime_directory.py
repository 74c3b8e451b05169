"""Where a running server can be found by others of the same user: a directory that nobody else may enter."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

NAME = "devrunserver"
OWNER_ONLY = 0o700
OTHERS = 0o077  # what nobody but the owner may do
KEY_LENGTH = 16  # characters of a project's key


def runtime_directory() -> Path:
    """The directory, which is made where there is none.

    Raises:
        OSError: it cannot be made, or it is open to others.
    """
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    is_there = base != "" and os.path.isdir(base)
    path = Path(base, NAME) if is_there else Path(tempfile.gettempdir(), f"{NAME}-{_user()}")
    path.mkdir(mode=OWNER_ONLY, exist_ok=True)
    _check(path)
    return path


def key_of(project: str) -> str:
    """What the names of a project's files begin with."""
    return hashlib.sha256(os.fsencode(os.path.realpath(project))).hexdigest()[:KEY_LENGTH]


if hasattr(os, "getuid"):

    def _user() -> str:
        return str(os.getuid())

    def _check(path: Path) -> None:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & OTHERS:
            raise PermissionError(f"{path} is not a directory that you alone may enter")

else:  # Windows: the temporary directory is the user's own

    def _user() -> str:
        return "user"

    def _check(path: Path) -> None:
        pass
