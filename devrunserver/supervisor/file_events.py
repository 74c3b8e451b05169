"""What the watcher reports, turned into changes that somebody may have to act on.

Theory of operation
-------------------
Before events are read the shared page says that something is undecided (``freshness.py``), until all that has happened
is decided on. An event becomes a change if it may concern the worker (``relevance.py``), and if the file's state is not
the one that was seen last (``change_review.py``); cached bytecode of what was written is deleted at once.

What nobody can be shown, or has answered for, is kept for the next worker (``kept_changes.py``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from devrunserver.common import pyc
from devrunserver.common.configuration_files import may_configure
from devrunserver.common.facts import Fact, Read
from devrunserver.common.freshness import Notice
from devrunserver.common.pyc import SOURCE_SUFFIX
from devrunserver.supervisor import relevance
from devrunserver.supervisor.change_review import ChangeReview
from devrunserver.supervisor.kept_changes import KeptChanges
from devrunserver.supervisor.watching import git
from devrunserver.supervisor.watching.events import Event, Kind
from devrunserver.supervisor.watching.polling import Snapshot, survey, token_of
from devrunserver.supervisor.watching.watcher import Watcher
from devrunserver.supervisor.worker_handle import WorkerHandle

CLOCK_GRAIN = 0.02  # seconds by which the kernel's file times may lag behind the clock
NANOSECONDS = 1_000_000_000  # in a second


class FileEvents:
    """Reads the watcher's events into a review.

    Args:
        watcher: reports what happens to files.
        notice: tells workers that something may have changed.
        review: takes what changed.
        on_event: called for each event, whatever it is.
        clock: seconds.
    """

    def __init__(
        self,
        watcher: Watcher,
        notice: Notice,
        review: ChangeReview,
        on_event: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self.audience: WorkerHandle | None = None  # who may want to know of a change; None: the next worker alone
        self.configured_by: str | None = None  # changed since the last spawn; settings may have been read from it
        self.settings_names: set[str] = set()  # files that the settings name
        self.watcher = watcher
        self.kept = KeptChanges()
        self._notice = notice
        self._review = review
        self._on_event = on_event
        self._clock = clock
        self._rewritten: set[str] = set()  # sources changed since the last start
        self._git = git_directories(watcher)
        self._noted = 0  # how many of the watcher's notes were taken

    @property
    def git_patience(self) -> float:
        """Seconds after the first change for which a git operation that is under way is waited for."""
        return max((git.patience(directory) for directory in self._git), default=0.0)

    def read(self) -> None:
        """Takes what has happened. Returns at once."""
        for event in self._read_events():
            self._take(event)

    def take_notes(self) -> list[str]:
        """What the user should know of how files are watched, and has not been told."""
        notes = self.watcher.notes[self._noted :]
        self._noted += len(notes)
        return notes

    def start_over(self) -> None:
        """A new worker is about to read everything, so whatever has happened is no change to it."""
        self.watcher.restore()
        self.read()
        self.kept.keep_unanswered(self._review.changes.paths)
        self.kept.on_start()
        self._review.start_over()
        pyc.forget(self._rewritten)
        self._rewritten.clear()

    def show_unheard(self) -> None:
        """The audience has said what concerns it, or some of that: of what has changed before it is shown that."""
        for path, is_before in self.kept.take_unheard().items():
            if self._concerns_somebody(path):
                self._notice.undecided = True
                self._recall(path, is_before)
            elif self.audience is not None and not self.audience.concerns.are_known:
                self.kept.keep_unheard(path, is_before)

    def show_unanswered(self) -> None:
        """The audience serves: it is shown what was not answered for."""
        for path, is_before in self.kept.take_unanswered().items():
            self._recall(path, is_before)

    def _recall(self, path: str, is_before: bool) -> None:
        self._review.changes.recall(path, token_of(path), self._clock(), is_before)

    def learn(self, directories: Iterable[str], since: float) -> Snapshot:
        """Takes the present state of source files for the one that the worker reads, so that a mere ``chmod`` is none.

        What has changed since the worker was spawned may have changed after the worker has read it, and so may a
        file with an event that waits.

        Args:
            since: when the worker was spawned, in seconds since the epoch.
        """
        snapshot, changed = survey(list(directories), SOURCE_SUFFIX, since - CLOCK_GRAIN)
        events = self._read_events()
        for event in events:
            snapshot.pop(event.path, None)
        self._review.changes.know(snapshot)
        for event in [*events, *(Event(Kind.WRITTEN, path) for path in changed)]:
            self._take(event)
        return snapshot

    def watch_ahead(self, facts: Iterable[Fact], since: float) -> None:
        """Watches where a start has read sources so far: the worker will ask for it, and requests would wait for that.

        A fault in this is one of what is necessary: what is watched once is not asked again what has changed before.

        Args:
            facts: of a checkpoint.
            since: when the worker was spawned, in seconds since the epoch.
        """
        sources = (fact.path for fact in facts if isinstance(fact, Read) and fact.path.endswith(SOURCE_SUFFIX))
        directories = dict.fromkeys(map(os.path.dirname, sources))
        if added := [one for directory in directories for one in self.watcher.add_directory(directory)]:
            self.learn(added, since)

    def _read_events(self) -> list[Event]:
        self._notice.undecided = True
        return self.watcher.read()

    def _take(self, event: Event) -> None:
        self._on_event()
        if event.kind is Kind.OVERFLOW:
            self._review.on_overflow(self._clock())
            return
        if Path(event.path).parent in self._git:
            return
        if relevance.is_source(event.path):
            self._rewritten.add(event.path)
            pyc.forget([event.path])
        elif self.watcher.in_project(event.path) and may_configure(event.path, self.settings_names):
            self.configured_by = event.path
        if self._concerns_somebody(event.path):
            token = token_of(event.path)
            is_telling = token is None or abs(time.time_ns() - token[0]) > CLOCK_GRAIN * NANOSECONDS
            self._review.changes.add(event.path, token, self._clock(), is_telling)
        elif self.audience is None or not self.audience.concerns.are_known:
            self.kept.keep_unheard(event.path)

    def _concerns_somebody(self, path: str) -> bool:
        if self.audience is None:
            return relevance.concerns_next_worker(path, os.path.isdir(path))
        return relevance.concerns_worker(path, self.audience.concerns)


def git_directories(watcher: Watcher) -> list[Path]:
    """The ``.git`` directories of the project's trees, watched so that the end of an operation wakes us."""
    found = {directory for root in watcher.project_roots if (directory := git.git_directory(root))}
    for directory in found:
        watcher.add_directory(str(directory))
    return sorted(found)
