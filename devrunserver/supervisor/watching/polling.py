"""Looking at files again and again: for file systems that send no events, and wherever it is forced.

Two looks are compared by each file's mtime in nanoseconds, size and inode, never by "newer than": a file
that was put back to an older state has changed too.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterable, KeysView

from devrunserver.supervisor.watching.events import Event, Kind

Token = tuple[int, int, int]  # mtime in nanoseconds, size in bytes, inode
Snapshot = dict[str, Token]  # of each file and directory; a directory's token is constant


DIRECTORY: Token = (0, 0, 0)


def token_of(path: str) -> Token | None:
    """What tells one state of a file from another; None where there is no file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return DIRECTORY if stat.S_ISDIR(status.st_mode) else (status.st_mtime_ns, status.st_size, status.st_ino)


def entries_of(directory: str) -> list[os.DirEntry[str]]:
    """What is in a directory; nothing where it cannot be read."""
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []


def look(directories: Iterable[str]) -> Snapshot:
    """What is in these directories now, not below them. One that cannot be read counts as empty."""
    snapshot: Snapshot = {}
    for directory in directories:
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        for name in names:
            path = os.path.join(directory, name)
            if (token := token_of(path)) is not None:
                snapshot[path] = token
    return snapshot


def survey(directories: Iterable[str], suffix: str, since: float) -> tuple[Snapshot, list[str]]:
    """The files of this suffix in these directories, and which files of any have changed since a time.

    The change time of a file, unlike its mtime, cannot be set back.

    Args:
        since: seconds since the epoch.
    """
    snapshot: Snapshot = {}
    changed = []
    for directory in directories:
        for entry in entries_of(directory):
            with contextlib.suppress(OSError):  # it is gone by now
                if not entry.is_file():
                    continue
                status = entry.stat()
                if status.st_ctime >= since:
                    changed.append(entry.path)
                elif entry.name.endswith(suffix):
                    snapshot[entry.path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return snapshot, changed


def compare(before: Snapshot, after: Snapshot) -> list[Event]:
    """What happened between two looks."""
    events = [Event(Kind.REMOVED, path) for path in before if path not in after]
    events += [Event(Kind.WRITTEN, path) for path, token in after.items() if before.get(path) != token]
    return events


class Polling:
    """A thread that looks at its directories every ``interval`` seconds and wakes the loop when something changed."""

    name = "polling"

    def __init__(self, interval: float, wake: Callable[[], None]) -> None:
        self._interval = interval
        self._wake = wake
        self._events: deque[Event] = deque()
        self._lock = threading.Lock()
        self._snapshots: dict[str, Snapshot] = {}  # of each directory
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def directories(self) -> KeysView[str]:
        return self._snapshots.keys()

    def add(self, directory: str) -> None:
        snapshot = look([directory])
        with self._lock:
            self._snapshots.setdefault(directory, snapshot)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="devrunserver-polling", daemon=True)
            self._thread.start()

    def remove(self, directory: str) -> None:
        below = directory + os.sep
        with self._lock:
            for path in [path for path in self._snapshots if path == directory or path.startswith(below)]:
                del self._snapshots[path]

    def forget(self, directory: str) -> None:
        with self._lock:
            self._snapshots.pop(directory, None)

    def read(self) -> list[Event]:
        """The events that are waiting; returns at once."""
        events = []
        while self._events:
            events.append(self._events.popleft())
        return events

    def poll(self) -> None:
        """Looks once."""
        with self._lock:
            known = list(self._snapshots.items())
        for directory, before in known:
            after = look([directory])
            with self._lock:
                if directory not in self._snapshots:
                    continue
                self._snapshots[directory] = after
            self._events.extend(compare(before, after))

    def close(self) -> None:
        self._closed.set()
        if self._thread is not None:
            self._thread.join(self._interval + 1.0)

    def _run(self) -> None:
        while not self._closed.wait(self._interval):
            self.poll()
            if self._events:
                self._wake()
