"""Whether a changed file matters: to a worker, which is then shown it, or to the settings. Pure, by names alone.

Most files that change in a project's directories matter to nobody: databases, logs, editors' own files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from devrunserver.common import globs
from devrunserver.common.configuration_files import is_configuration
from devrunserver.common.globs import Glob
from devrunserver.common.pyc import SOURCE_SUFFIX


@dataclass(frozen=True)
class Concerns:
    """What a worker that serves wants to know of besides sources.

    Attributes:
        files: that it has loaded, or read.
        patterns: what its signal receivers watch.
        are_known: the worker has told all of it.
    """

    files: set[str] = field(default_factory=set)
    patterns: list[Glob] = field(default_factory=list)
    are_known: bool = False


def is_source(path: str) -> bool:
    return path.endswith(SOURCE_SUFFIX)


def concerns_worker(path: str, concerns: Concerns) -> bool:
    """Whether a worker that serves might want to know of a path."""
    if is_source(path) or _may_be_package(path):
        return True
    return path in concerns.files or globs.matches_any(path, concerns.patterns)


def concerns_next_worker(path: str, is_directory: bool) -> bool:
    """Whether a change of a path might mend what keeps the project from starting."""
    return is_source(path) or is_configuration(path) or is_directory


def _may_be_package(path: str) -> bool:
    """Whether a package may come or go under this name: one without a dot."""
    return "." not in os.path.basename(path)
