"""The part of a start that no answer needs: it is done when the worker serves already, once, by who needs it first.

Theory of operation
-------------------
To look through all that was read and loaded touches memory that is shared with a checkpoint, and has it copied. One
that was resumed from what is prepared does that a moment later, on a thread. Until then the supervisor goes by what the
last worker had it watch, and whoever is asked about a change first does that part himself.

What to watch besides is asked in any case before a worker serves. That makes template engines and finders of static
files, which import modules and connect receivers: these come before those of the first request, as in a fresh start.
"""

from __future__ import annotations

import threading
from typing import Protocol


class Startup(Protocol):
    """Knows which of the files that the start has read count, once it is asked to."""

    def know_read_files(self) -> None: ...


class Signals(Protocol):
    """Asks receivers what to watch."""

    def start(self) -> None: ...


class Report(Protocol):
    """Tells the supervisor what to watch."""

    def send(self) -> None: ...
    def send_what_is_new(self) -> None: ...


class LatePart:
    """That part, done or not."""

    def __init__(self, startup: Startup, signals: Signals, report: Report) -> None:
        self.is_left = False
        self._startup = startup
        self._signals = signals
        self._report = report
        self._lock = threading.Lock()

    def begin(self, may_wait: bool) -> None:
        """Does it now, or only what cannot wait.

        Args:
            may_wait: whether a worker before this one has told what is to be watched.
        """
        self.is_left = may_wait
        if not self.is_left:
            self._startup.know_read_files()
        self._signals.start()

    def report(self) -> None:
        """Tells the supervisor what is known so far."""
        if self.is_left:
            self._report.send_what_is_new()
        else:
            self._report.send()

    def finish(self) -> None:
        """Does what is left, or waits until another thread has. Safe from any thread; again is harmless."""
        with self._lock:
            is_left, self.is_left = self.is_left, False
            if is_left:
                self._startup.know_read_files()
                self._report.send()
