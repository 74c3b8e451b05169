"""Whether a changed file matters: to a worker, which is then shown it, or to the settings. Pure, by names alone.

Most files that change in a project's directories matter to nobody: databases, logs, editors' own files.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from devrunserver.common import globs
from devrunserver.common.configuration_files import is_configuration
from devrunserver.common.globs import Glob
from devrunserver.common.pyc import SOURCE_SUFFIX


def is_source(path: str) -> bool:
    return path.endswith(SOURCE_SUFFIX)


def concerns_worker(path: str, files: Collection[str], patterns: Iterable[Glob]) -> bool:
    """Whether a worker that serves might want to know of a path.

    Args:
        files: that it has loaded.
        patterns: what its signal receivers watch.
    """
    if is_source(path) or _may_be_package(path):
        return True
    return path in files or globs.matches_any(path, patterns)


def concerns_next_worker(path: str, is_directory: bool) -> bool:
    """Whether a change of a path might mend what keeps the project from starting."""
    return is_source(path) or is_configuration(path) or is_directory


def _may_be_package(path: str) -> bool:
    """Whether a package may come or go under this name: one without a dot."""
    return "." not in os.path.basename(path)
