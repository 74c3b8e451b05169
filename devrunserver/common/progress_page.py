"""How far a start is, in a page of memory: the worker writes where it is, the supervisor reads it when somebody asks.

Theory of operation
-------------------
A worker that imports a module cannot answer a question, and three thousand messages would cost more than they tell. So
both share a page: to say where a start is costs the worker one write of some hundred bytes for each module, and nobody
wakes up. The supervisor reads it ten times a second at most, and only while it shows something.

A record begins and ends with the same number, which changes with each; where they differ, it is being written, and
what was read before counts.

The page also says whose the terminal is. While the supervisor sets itself up, beside its first worker, that shows the
line; from then on the supervisor does (``is_watched``). It is shown (``is_shown``) only while no other line is open
there (``is_line_open``) and while the worker has nothing against it (``is_hidden``: somebody is asked for something, a
program that it has started may write, or its start is over). Who writes anything else takes the line away first
(``terminal_line.py``). Who looks at this and writes has a lock on the file meanwhile, one that belongs to a process
(``lockf``), so that it ends with it.

Where memory cannot be shared in this way (Windows), there is no page, and nothing of this is told.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import NamedTuple

RECORD = struct.Struct("BB255pB")  # number, phase, names, the same number
LONGEST = 254  # bytes of the names
NUMBERS = 256
SEPARATOR = "\n"  # between the two names
PATIENCE = 0.5  # seconds from which a start is worth a line
INTERVAL = 0.1  # seconds between two lines
SHOWN, LINE_OPEN, HIDDEN, WATCHED = range(4)  # where the flags are
RECORD_AT = 8  # bytes from the beginning of the page
MOMENT, MOMENT_AT = struct.Struct("d"), 512  # seconds of the monotonic clock, which all processes share
MAGIC_AT, MAGIC = 1024, b"devrunserver progress"  # tells this file from another of the same descriptor


class Phase(IntEnum):
    """What a start is at; the first four that have a name are Django's own, in its order."""

    SETTINGS = 0  # and all that comes before our app: Python, Django, the apps above ours
    APPS = 1
    MODELS = 2
    READY = 3
    URLCONF = 4
    CHECKS = 5


WORDS = {
    Phase.SETTINGS: "settings",
    Phase.APPS: "apps",
    Phase.MODELS: "models",
    Phase.READY: "ready()",
    Phase.URLCONF: "URLconf",
    Phase.CHECKS: "system checks",
}


class Place(NamedTuple):
    """Where a start is.

    Attributes:
        own: the project's module that is being imported, by whose import all else happens; empty: none is.
        module: the one that was looked up last.
    """

    phase: Phase = Phase.SETTINGS
    own: str = ""
    module: str = ""

    def words(self) -> str:
        """The same for people."""
        inner = f" ({self.module})" if self.module != self.own else ""
        module = f", {self.own}{inner}" if self.own else f", {self.module}" if self.module else ""
        return f"{WORDS[self.phase]}{module}"


class ProgressPage:
    """The page, in either process.

    Args:
        descriptor: of a file of one page of memory, which stays open.

    Raises:
        OSError, ValueError: this is no such file.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._page = mmap.mmap(descriptor, mmap.PAGESIZE)
        if self._page[MAGIC_AT : MAGIC_AT + len(MAGIC)] != MAGIC:
            self._page.close()
            raise ValueError("another file")
        self._number = 0
        self._last = Place()

    def begin(self) -> None:
        """A start begins: nothing is known of it but what the first worker has said already. In the supervisor."""
        if self.is_watched:
            self.tell(Phase.SETTINGS, "", "")
            self._page[LINE_OPEN] = self._page[HIDDEN] = False
        self._page[WATCHED] = True

    def tell(self, phase: int, own: str, module: str) -> None:
        """Says where this process is."""
        self._number = (self._number + 1) % NUMBERS
        names = f"{own}{SEPARATOR}{module}".encode(errors="replace")
        RECORD.pack_into(self._page, RECORD_AT, self._number, phase, names, self._number)
        MOMENT.pack_into(self._page, MOMENT_AT, time.monotonic())

    def read(self) -> Place:
        """Where the other process is."""
        number, phase, names, same = RECORD.unpack_from(self._page, RECORD_AT)
        if number == same:
            own, _, module = names.decode(errors="replace").partition(SEPARATOR)
            with suppress(ValueError):
                self._last = Place(Phase(phase), own, module)
        return self._last

    @property
    def told_at(self) -> float:
        """When something was told last, by the monotonic clock."""
        moment: float = MOMENT.unpack_from(self._page, MOMENT_AT)[0]
        return moment

    @property
    def is_shown(self) -> bool:
        """Whether a line of ours stands on the terminal."""
        return bool(self._page[SHOWN])

    @is_shown.setter
    def is_shown(self, value: bool) -> None:
        self._page[SHOWN] = value

    @property
    def is_line_open(self) -> bool:
        """Whether somebody else has written part of a line."""
        return bool(self._page[LINE_OPEN])

    @is_line_open.setter
    def is_line_open(self, value: bool) -> None:
        self._page[LINE_OPEN] = value

    @property
    def is_watched(self) -> bool:
        """Whether the supervisor shows the line; before that the worker does."""
        return bool(self._page[WATCHED])

    @property
    def is_hidden(self) -> bool:
        """Whether our line must not be shown, for now."""
        return bool(self._page[HIDDEN])

    @is_hidden.setter
    def is_hidden(self, value: bool) -> None:
        self._page[HIDDEN] = value

    @contextmanager
    def turn(self, waits: bool) -> Iterator[bool]:
        """The terminal is ours meanwhile; whether it is.

        Args:
            waits: until nobody else has it, which is as long as it takes to write a line.
        """
        try:
            _lock(self.descriptor, waits)
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            _unlock(self.descriptor)

    def close(self) -> None:
        """Again is harmless."""
        self._page.close()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def make() -> ProgressPage | None:
    """A page for a worker to inherit; None where there can be none."""
    with suppress(OSError, ValueError):
        descriptor = _make_file()
        if descriptor >= 0:
            os.ftruncate(descriptor, mmap.PAGESIZE)
            os.pwrite(descriptor, MAGIC, MAGIC_AT)
            return ProgressPage(descriptor)
    return None


def inherited(descriptor: int) -> ProgressPage | None:
    """The page that a supervisor has passed on; None where it has not."""
    if descriptor < 0:
        return None
    with suppress(OSError, ValueError, OverflowError):
        page = ProgressPage(descriptor)
        os.set_inheritable(descriptor, False)
        return page
    return None


if sys.platform != "win32":
    import fcntl

    def _lock(descriptor: int, waits: bool) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))

    def _unlock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)

else:  # other systems

    def _lock(descriptor: int, waits: bool) -> None:
        """There is no page."""

    def _unlock(descriptor: int) -> None:
        """There is no page."""


if hasattr(os, "memfd_create"):

    def _make_file() -> int:
        return os.memfd_create("devrunserver-progress")

elif os.name == "posix":  # other systems

    def _make_file() -> int:
        import tempfile

        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())

else:  # other systems

    def _make_file() -> int:
        return -1
