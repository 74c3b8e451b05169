"""Which files a directory and a glob name, told by the path alone, so that deleted files match too."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

Glob = tuple[str, str]  # a directory and a pattern as of pathlib.Path.glob


def matches(path: str, directory: str, pattern: str) -> bool:
    """Whether ``Path(directory).glob(pattern)`` would yield this path, if it exists."""
    prefix = directory.rstrip(os.sep) + os.sep
    if not path.startswith(prefix):
        return False
    parts = [part for part in pattern.replace("\\", "/").split("/") if part not in ("", ".")]
    return _match(path[len(prefix) :].split(os.sep), parts)


def matches_any(path: str, globs: Iterable[Glob]) -> bool:
    return any(matches(path, directory, pattern) for directory, pattern in globs)


def is_recursive(pattern: str) -> bool:
    """Whether files below sub-directories can match."""
    return "/" in pattern.replace("\\", "/")


def split(pattern: str) -> Glob:
    """Takes one path with wildcards apart: ``conf/**/*.toml`` into ``conf`` and ``**/*.toml``."""
    parts = pattern.split(os.sep)
    for position, part in enumerate(parts):
        if any(wildcard in part for wildcard in "*?["):
            return os.sep.join(parts[:position]) or os.sep, "/".join(parts[position:])
    return os.path.dirname(pattern), os.path.basename(pattern)


def _match(names: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns:
        return not names
    if patterns[0] == "**":
        return any(_match(names[skip:], patterns[1:]) for skip in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], patterns[0]) and _match(names[1:], patterns[1:])
