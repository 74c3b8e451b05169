"""The code of modules that are still to be imported: read from their files by a process that waits.

Theory of operation
-------------------
A prepared reload imports the edited modules and all that depend on them. Of these most have not changed: to read their
cached bytecode, or to compile them where none may be written, takes a tenth of that reload, or the better part of it.
So what waits to be resumed has read it already. Nothing is executed here, and where a file is another one than it was
when its code was read, Python's own loader reads it, as ever.

Cached bytecode is current by the size and the whole second of its source (``pyc.py``). What was written a moment ago is
left to the worker: the supervisor may be about to delete that bytecode.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType
from typing import NamedTuple

from devrunserver.common import file_state

SETTLED = 2.0  # seconds since a file was written, after which all who are told of it have been


class Code(NamedTuple):
    """What a file in this state says."""

    state: file_state.State | None
    code: CodeType


class CodeAhead:
    """The code that this process, and those that it was forked from, have read ahead.

    Args:
        unseen: in which what we read is not taken for what the start reads.
    """

    def __init__(self, unseen: Callable[[], AbstractContextManager[None]]) -> None:
        self._unseen = unseen
        self._by_file: dict[str, Code] = {}

    def read(self, modules: Iterable[str]) -> None:
        """Reads the code of those of these modules that are not imported yet, and are in files as usual."""
        found: dict[str, ModuleSpec | None] = {}
        with self._unseen():
            for name in sorted(set(modules) - sys.modules.keys()):  # packages before what is in them
                with suppress(Exception):  # whatever is wrong with it, its import will say
                    found[name] = PathFinder.find_spec(name, _search_path(name, found))
                    self._read(found[name])

    def _read(self, spec: ModuleSpec | None) -> None:
        if spec is None or type(spec.loader) is not SourceFileLoader:
            return
        file = spec.loader.path
        if file_state.unchanged_since(file, time.time() - SETTLED):
            state = file_state.state_of(file)
            code = spec.loader.get_code(spec.name)
            if isinstance(code, CodeType):
                self._by_file[file] = Code(state, code)

    def lend(self, spec: ModuleSpec | None) -> None:
        """Gives a module's loader the code that it will ask itself for, once, if that is still what the file says."""
        loader = spec.loader if spec is not None else None
        if type(loader) is SourceFileLoader and (kept := self._by_file.pop(loader.path, None)) is not None:

            def get_code(fullname: str) -> CodeType | None:
                del loader.get_code
                return kept.code if file_state.is_still(loader.path, kept.state) else loader.get_code(fullname)

            loader.get_code = get_code  # type: ignore[method-assign]


def _search_path(name: str, found: dict[str, ModuleSpec | None]) -> Sequence[str] | None:
    """Where a module is looked for: in the package around it, which may not be imported either."""
    parent, _, _ = name.rpartition(".")
    if not parent:
        return None
    if parent in sys.modules:
        return sys.modules[parent].__path__
    spec = found[parent]
    return spec.submodule_search_locations if spec is not None else ()
