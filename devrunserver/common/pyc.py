"""Cached bytecode that must not be trusted.

Python takes a ``.pyc`` for current if it names the source's size and its mtime in *whole seconds*. Two saves of equal
size within one second are common with reloads as quick as ours, and Python itself would load the older code.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterable

SOURCE_SUFFIX = ".py"
OPTIMIZATIONS = ("", "1", "2")  # what -O and -OO add to the file's name


def forget(sources: Iterable[str]) -> None:
    """Deletes the cached bytecode of these source files; what cannot be deleted is left."""
    for source in sources:
        for optimization in OPTIMIZATIONS:
            with contextlib.suppress(OSError, NotImplementedError):
                os.unlink(importlib.util.cache_from_source(source, optimization=optimization))
