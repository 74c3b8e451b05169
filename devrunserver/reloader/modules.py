"""What this process has imported, and what it looked for in vain: both make a file's change concern it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE_FILE = "__init__"
INSTALLED = f"{os.sep}site-packages"


def loaded_files() -> set[str]:
    """The files that the loaded modules came from, with links resolved; an archive for what came from one."""
    directories: dict[str, str] = {}  # resolved ones, as many modules share one
    files = set()
    for file in filter(None, map(_file_of, list(sys.modules.values()))):
        directory, name = os.path.split(file)
        if directory not in directories:
            directories[directory] = os.path.realpath(directory)
        path = os.path.join(directories[directory], name)
        files.add(path)
        if INSTALLED not in directory and os.path.islink(path):  # a question to the disk that most can be spared
            files.add(os.path.realpath(path))
    return files


def state() -> tuple[int, str]:
    """Changes whenever a module is imported."""
    return len(sys.modules), next(reversed(sys.modules))


def directories_of(files: Iterable[str]) -> list[str]:
    """Their directories, each once."""
    return sorted({os.path.dirname(file) for file in files})


def _file_of(module: object) -> str | None:
    # a few packages put other objects into sys.modules, some of which import something when they are touched
    if not issubclass(type(module), ModuleType):
        return None
    values = object.__getattribute__(module, "__dict__")  # vars() would run a lazily loaded module
    spec = values.get("__spec__")
    if spec is None:
        file = values.get("__file__")  # __main__
    elif spec.has_location:
        file = getattr(spec.loader, "archive", None) or spec.origin
    else:
        file = None
    return file if isinstance(file, str) else None


class NotFound(MetaPathFinder):
    """The last finder on ``sys.meta_path``: whatever reaches it, no other finder has found.

    An optional ``local_settings`` that appears later is a change like any other.
    """

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, ...]] = {}

    def install(self) -> None:
        """Takes its place; again where another finder was put behind it."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        sys.meta_path.append(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        self._names[fullname] = tuple(sys.path if path is None else path)
        return None

    def looked_for(self, path: str) -> bool:
        """Whether a module or package at this path would have answered a look-up that failed."""
        stem = os.path.splitext(path)[0]
        if os.path.basename(stem) == PACKAGE_FILE:
            stem = os.path.dirname(stem)
        name = os.path.basename(stem)
        return any(
            fullname.rpartition(".")[2] == name and os.path.dirname(stem) in map(os.path.realpath, directories)
            for fullname, directories in list(self._names.items())
        )
