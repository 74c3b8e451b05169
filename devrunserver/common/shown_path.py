"""How the user is told of a file."""

from __future__ import annotations

import os


def shown_path(path: str) -> str:
    """A path as the user knows it: relative where it is below the current directory."""
    if not path or path.startswith("<"):  # no file's
        return path
    try:
        here = os.getcwd()
        relative = os.path.relpath(path, here)
    except (OSError, ValueError):  # the directory is gone; another drive
        return path
    is_below = here != os.sep and not relative.startswith(os.pardir)  # from "/" everything is below
    return relative if is_below else path
