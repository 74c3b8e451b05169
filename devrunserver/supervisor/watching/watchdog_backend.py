"""Native file events by watchdog's observer: FSEvents on macOS, ReadDirectoryChangesW on Windows, kqueue on BSD."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, KeysView
from typing import Any

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
    FileSystemMovedEvent,
)  # fmt: skip
from watchdog.observers import Observer as WatchdogObserver

from devrunserver.supervisor.watching.events import Event, Kind

# All but what reading a file causes: imports themselves would send events. What changes a file's times alone is an
# attribute to the systems. Whatever is heard of a directory tells that it appeared or vanished.
EVENT_FILTER: list[type[FileSystemEvent]] = [
    FileCreatedEvent, FileModifiedEvent, FileAttribEvent, FileClosedEvent, FileDeletedEvent, FileMovedEvent,
    DirCreatedEvent, DirDeletedEvent, DirMovedEvent,
]  # fmt: skip
REMOVALS = {"deleted"}


class Observer:
    """One watchdog observer for whole trees. Watches are made while it runs, as its documentation allows."""

    name = "watchdog"

    def __init__(self, wake: Callable[[], None]) -> None:
        self._events: deque[Event] = deque()
        self._wake = wake
        self._handler = _Handler(self._report)
        self._observer: Any = WatchdogObserver()
        self._observer.start()
        self._watches: dict[str, Any] = {}

    @property
    def directories(self) -> KeysView[str]:
        return self._watches.keys()

    def add(self, directory: str, recursive: bool = True) -> None:
        """Watches a tree.

        Raises:
            OSError: the system refuses.
        """
        if directory not in self._watches:
            self._watches[directory] = self._observer.schedule(
                self._handler, directory, recursive=recursive, event_filter=EVENT_FILTER
            )

    def covers(self, directory: str) -> bool:
        return any(directory == tree or directory.startswith(tree + os.sep) for tree in self._watches)

    def read(self) -> list[Event]:
        """The events that are waiting; returns at once."""
        events = []
        while self._events:
            events.append(self._events.popleft())
        for event in events:
            if event.kind is Kind.REMOVED and event.path in self._watches:
                self._forget(event.path)
        return events

    def _forget(self, directory: str) -> None:
        """Gives up a tree whose root is gone, and with it its watch, so that it can be watched anew."""
        with contextlib.suppress(KeyError):
            self._observer.unschedule(self._watches.pop(directory))

    def close(self) -> None:
        self._observer.stop()
        self._observer.join(2.0)

    def _report(self, event: Event) -> None:
        self._events.append(event)
        self._wake()


class _Handler(FileSystemEventHandler):
    def __init__(self, report: Callable[[Event], None]) -> None:
        self._report = report

    def on_any_event(self, event: FileSystemEvent) -> None:
        if isinstance(event, FileSystemMovedEvent):
            if event.src_path:  # either half of a move may be missing
                self._report(Event(Kind.REMOVED, os.fsdecode(event.src_path)))
            if event.dest_path:
                self._report(Event(Kind.WRITTEN, os.fsdecode(event.dest_path)))
        elif event.event_type in REMOVALS:
            self._report(Event(Kind.REMOVED, os.fsdecode(event.src_path)))
        else:
            self._report(Event(Kind.WRITTEN, os.fsdecode(event.src_path)))
