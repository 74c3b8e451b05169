"""A git operation that is under way: a checkout writes hundreds of files, and only the last state is of interest."""

from __future__ import annotations

import os
from pathlib import Path

LOCK = "index.lock"  # there while git writes the work tree or the index
STEPS = ("rebase-merge", "rebase-apply")  # there during a rebase, also while it waits for the user

LOCK_PATIENCE = 10.0  # seconds; a lock that stays longer was left by a git that died
STEP_PATIENCE = 1.0  # seconds; between two steps of a rebase the lock is gone for a moment


def git_directory(directory: str) -> Path | None:
    """The ``.git`` directory that a directory's work tree belongs to, of linked work trees too; None outside of any."""
    for parent in (Path(directory), *Path(directory).parents):
        entry = parent / ".git"
        if entry.is_dir():
            return entry.resolve()
        if entry.is_file():
            try:
                key, _, value = entry.read_text().partition(":")
            except (OSError, UnicodeDecodeError):
                return None
            return (parent / value.strip()).resolve() if key == "gitdir" else None
    return None


def patience(directory: Path) -> float:
    """Seconds to wait for git at most, counted from the first change: 0 where git does nothing."""
    if (directory / LOCK).exists():
        return LOCK_PATIENCE
    if any(os.path.isdir(directory / step) for step in STEPS):
        return STEP_PATIENCE
    return 0.0
