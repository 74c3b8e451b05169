"""Which directories are never watched: those that hold no code of the project, however many there are of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch

EXCLUDED_NAMES = frozenset(
    {
        ".git", ".hg", ".svn", ".bzr", ".jj",
        "node_modules", "bower_components",
        "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".cache",
        ".tox", ".nox", ".eggs", ".venv", ".direnv",
        ".idea", ".vscode", ".vs", ".terraform", ".next", ".nuxt", ".parcel-cache", ".sass-cache",
    }
)  # fmt: skip
# The files that mark a virtual environment (PEP 405) and a cache (bford.info/cachedir).
MARKERS = frozenset({"pyvenv.cfg", "CACHEDIR.TAG"})


class Exclusions:
    """Decides for directories; made from the defaults, the setting EXCLUDE, and directories that hold uploads.

    Patterns are names (``data``), or globs for whole paths (``/srv/*/dumps``).
    """

    def __init__(self, patterns: Iterable[str] = (), directories: Iterable[str] = ()) -> None:
        self._patterns = tuple(pattern.rstrip("/") for pattern in patterns)
        self._directories = frozenset(os.path.realpath(directory) for directory in directories if directory)

    def excludes(self, directory: str) -> bool:
        """Whether this directory, reached from one that is watched, is left out with all below it."""
        return self.excludes_by_name(directory) or any(
            os.path.exists(os.path.join(directory, marker)) for marker in MARKERS
        )

    def excludes_by_name(self, directory: str) -> bool:
        """The same without a look at what is in it: ``MARKERS`` tell the rest."""
        name = os.path.basename(directory)
        return name in EXCLUDED_NAMES or directory in self._directories or self.excludes_file(directory)

    def excludes_file(self, path: str) -> bool:
        """Whether the user's patterns leave this very path out."""
        name = os.path.basename(path)
        return any(fnmatch(name, pattern) or fnmatch(path, pattern) for pattern in self._patterns)

    def excludes_below(self, root: str, path: str) -> bool:
        """Whether the path, or a directory between it and the root, is left out. For systems that watch whole trees."""
        return self.excludes_file(path) or any(map(self.excludes, _between(root, path)))

    def names_below(self, root: str, path: str) -> bool:
        """Whether the user's patterns leave out the path, or a directory between it and the root."""
        return any(map(self.excludes_file, [path, *_between(root, path)]))


def _between(root: str, path: str) -> Iterator[str]:
    directory = os.path.dirname(path)
    while len(directory) > len(root):
        yield directory
        directory = os.path.dirname(directory)
