"""The places that are watched: trees, those of them that are the project's own, and single directories."""

from __future__ import annotations

import os

from devrunserver.supervisor.watching.exclusions import Exclusions


class Roots:
    """Which places somebody wants to have watched; paths have their links resolved.

    Attributes:
        project: roots of the project's own trees.
        trees: every root whose new directories are watched too.
        singles: directories that are watched for themselves.
    """

    def __init__(self, exclusions: Exclusions) -> None:
        self.project: list[str] = []
        self.trees: list[str] = []
        self.singles: set[str] = set()
        self._exclusions = exclusions

    def of(self, path: str) -> list[str]:
        """The trees that a path is in."""
        return [root for root in self.trees if is_below(path, [root])]

    def tree_of(self, directory: str) -> str:
        """The tree to name to the user for a directory."""
        return next(iter(self.of(directory)), os.path.dirname(directory))

    def leave_out(self, path: str) -> bool:
        """Whether an event of a whole tree is of a place that is not watched."""
        if os.path.dirname(path) in self.singles:
            return False
        # Also where no tree holds it: the rest of a search path
        return all(self._exclusions.excludes_below(root, path) for root in self.of(path))

    def exclude(self, directory: str) -> bool:
        """Whether the user excludes a directory below some tree by its name."""
        return any(self._exclusions.names_below(root, directory) for root in self.of(directory))


def is_below(path: str, roots: list[str]) -> bool:
    return any(path == root or path.startswith(root + os.sep) for root in roots)
