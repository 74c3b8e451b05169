"""What this process has read while starting, in order: facts for the import log.

Theory of operation
-------------------
Modules are recorded by the finder right before their loader reads them, data files by the audit event of ``open``
right before they are opened. So the state that is recorded is never younger than the content that is read: a
file that changes in between is found changed later, not the reverse. Each file is recorded once, as it was at
first; what a later reading sees differently differs from that record too.

Cached bytecode stands for its source. What the process itself writes is not what it reads (``written_files.py``).
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib.machinery import BYTECODE_SUFFIXES
from typing import Any

from devrunserver.checkpoints import audit
from devrunserver.checkpoints.written_files import WrittenFiles
from devrunserver.common import file_state
from devrunserver.common.facts import Answered, Fact, Linked, Listed, Read, answering, holds
from devrunserver.common.pyc import SOURCE_SUFFIX

DEVICES = ("/dev/", "/proc/", "/sys/")
IMPORT_SYSTEM = "<frozen importlib"  # beginning of the file names of Python's own finders and loaders
PACKAGE_FILE = "__init__"
BYTECODE_DIRECTORY = "__pycache__"  # whose names come and go with each save


class ReadRecorder:
    """The record of one process, and of those that it was forked from.

    Args:
        is_installed: whether a directory holds what is installed, where nobody edits.
        before_source: called before this process writes a source.
    """

    def __init__(
        self, is_installed: Callable[[str], bool], before_source: Callable[[str], None] = lambda path: None
    ) -> None:
        self._is_installed = is_installed
        self._facts: list[Fact] = []
        self._taken = 0
        self._asked: set[str] = set()  # paths as they were asked for
        self._states: dict[str, file_state.State | None] = {}
        self._written = WrittenFiles(before_source)
        self._looked_up: dict[str, dict[str, tuple[str, ...]]] = {}  # by directory and name, what answered
        self._entries: dict[str, tuple[file_state.State | None, set[str]]] = {}  # of directories in a state
        self._listed: set[str] = set()
        self._resolved: dict[str, str] = {}  # directories
        self._paths: dict[str, str] = {}  # absolute ones as they were given, with links to directories resolved
        self._busy = False

    @property
    def handlers(self) -> dict[str, audit.Handler]:
        """Of audit events."""
        return {
            "open": self._on_open,
            "os.rename": self._written.on_rename,
            "os.listdir": self._on_listdir,
            "os.scandir": self._on_listdir,
        }

    def file(self, path: str) -> None:
        """Records a file that is about to be read."""
        path = self.path_of(path)
        if path not in self._states:
            with self.unseen():
                self._states[path] = file_state.state_of(path)
            self._facts.append(Read(path, self._states[path]))

    def note(self, fact: Fact) -> None:
        """Records what this process relies on besides files of its own."""
        self._facts.append(fact)

    def file_read_before(self, path: str, since: float) -> None:
        """Records a file that was read before the record began.

        Args:
            since: when this process began to read, in seconds since the epoch. A file that has changed since may have
                been read as it was before.
        """
        path = self.path_of(path)
        if path not in self._states:
            self._states[path] = (
                file_state.state_of(path) if file_state.unchanged_since(path, since) else file_state.UNKNOWN
            )
            self._facts.append(Read(path, self._states[path]))

    def module(self, fullname: str, directories: Iterable[str], file: str | None, bytecode: str | None = None) -> None:
        """Records a look-up: that the module was found in this file, and nowhere before, or nowhere at all (None).

        Args:
            bytecode: where it is looked for before the file is read.
        """
        name = fullname.rpartition(".")[2]
        home = None if file is None else self._home_of(file)
        for entry in directories:
            directory = self._resolved.get(entry) or self._resolve(os.path.abspath(entry))
            if directory == home and self._is_installed(directory):
                break  # nobody adds a second one beside it
            self._answered(directory, name)
            if directory == home:
                break
        if file is not None:
            self.file(file)
            self._asked.add(file)  # the loader opens them next
            if bytecode is not None:
                self._asked.add(bytecode)

    def _home_of(self, file: str) -> str:
        """The directory that a module of this file was found in: for a package, the one around it."""
        directory, name = os.path.split(file)
        if os.path.splitext(name)[0] == PACKAGE_FILE:
            return self._resolve(os.path.dirname(os.path.abspath(directory)))
        return os.path.dirname(self.path_of(file))

    def _answered(self, directory: str, name: str) -> None:
        names = self._looked_up.setdefault(directory, {})
        if name not in names:
            state = file_state.directory_state(directory)
            known, entries = self._entries.get(directory, (None, set()))
            if known != state or state in (None, file_state.UNKNOWN):
                with self.unseen():
                    entries = file_state.names_in(directory)
                self._entries[directory] = state, entries
            names[name] = answering(entries, name)
            self._facts.append(Answered(directory, state, name, names[name]))
            if name in names[name]:  # it may become a package
                self._answered(os.path.join(directory, name), PACKAGE_FILE)

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """For what we do ourselves, which has audit events too."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def take(self) -> list[Fact]:
        """The facts since the last call."""
        taken, self._taken = self._taken, len(self._facts)
        return self._facts[taken:]

    def outdated_facts(self) -> list[Fact]:
        """What was read or looked for, and is something else by now, also by who this process was forked from."""
        from devrunserver.common.present import Present  # here, as hardly any process needs it

        with self.unseen(), closing(Present()) as present:
            return [one for one in self._facts if isinstance(one, Read | Answered | Linked) and not holds(one, present)]

    def data_files(self) -> list[str]:
        """What was read that is no source, and that the start has not written, with links to directories resolved."""
        return [path for path in self._states if not path.endswith(SOURCE_SUFFIX) and path not in self._written]

    def has_read(self, path: str) -> bool:
        return path in self._states

    def is_outdated(self, path: str) -> bool:
        """Whether a file that was read has changed since."""
        return not file_state.is_still(path, self._states[path])

    def looked_for(self, path: str) -> bool:
        """Whether a module or package at this path would have answered a look-up that failed."""
        directory, entry = os.path.split(path)
        if self._is_missed(directory, entry):
            return True
        return os.path.splitext(entry)[0] == PACKAGE_FILE and self._is_missed(*os.path.split(directory))

    def _is_missed(self, directory: str, entry: str) -> bool:
        names = self._looked_up.get(directory, {})
        return any(entry in answering([entry], name) and entry not in found for name, found in list(names.items()))

    def path_of(self, path: str) -> str:
        """A path with links to directories resolved."""
        known = self._paths.get(path)
        if known is None:
            directory, name = os.path.split(os.path.abspath(path))
            known = os.path.join(self._resolve(directory), name)
            if os.path.isabs(path):
                self._paths[path] = known
        return known

    def _resolve(self, directory: str) -> str:
        target = self._resolved.get(directory)
        if target is None:
            target = self._resolved[directory] = os.path.realpath(directory)
            if target != directory:
                self._facts.append(Linked(directory, target))
        return target

    # Audit events

    def _on_open(self, args: tuple[Any, ...]) -> None:
        path, _, flags = args
        if self._busy or not isinstance(path, str | bytes | os.PathLike):
            return
        path = os.fsdecode(path)
        if path.startswith(DEVICES):
            return
        if flags & (os.O_WRONLY | os.O_RDWR):
            self._written.on_write(path)
            return
        if path in self._asked:
            return
        with self.unseen(), suppress(OSError, ValueError):  # who opens it gets to know
            self._asked.add(path)
            self.file(_source_of(path) if path.endswith(_BYTECODE) else path)

    def _on_listdir(self, args: tuple[Any, ...]) -> None:
        path = args[0]
        if self._busy or not isinstance(path, str | bytes | os.PathLike) or os.fsdecode(path).startswith(DEVICES):
            return
        if audit.culprit().f_code.co_filename.startswith(IMPORT_SYSTEM):
            return  # its conclusions are recorded, as modules that were found or not
        with self.unseen(), suppress(OSError, ValueError):
            directory = self._resolve(os.path.abspath(os.fsdecode(path)))
            if directory not in self._listed and os.path.basename(directory) != BYTECODE_DIRECTORY:
                self._listed.add(directory)
                state = file_state.directory_state(directory)
                self._facts.append(Listed(directory, state, file_state.digest_of(directory)))


_BYTECODE = tuple(BYTECODE_SUFFIXES)


def _source_of(path: str) -> str:
    """The source of cached bytecode; the path itself where it is not in a cache."""
    try:
        return importlib.util.source_from_cache(path)
    except (ValueError, NotImplementedError):
        return path


def directories_on(path: Iterable[str] | None) -> list[str]:
    """Where a finder looks for a module of a package with this ``__path__``, or for a top-level one (None)."""
    return [entry or os.getcwd() for entry in (sys.path if path is None else path) if isinstance(entry, str)]
