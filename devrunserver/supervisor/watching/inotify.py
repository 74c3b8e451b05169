"""Native file events on Linux.

Theory of operation
-------------------
watchdog brings the system calls; its observer is not used here, for three reasons. It takes a thread per
scheduled directory, its recursive watches cannot leave ``node_modules`` out, and the supervisor wants the
descriptor in its own loop: the kernel queues an event before the ``close`` or ``rename`` that caused it
returns, so whoever looks at the descriptor after a save finds it readable.

A save is over when the file is closed or renamed into place; ``IN_MODIFY`` is not asked for, because a
half-written file is no news and a log file would wake us with every line. ``IN_ATTRIB`` reports a changed
mtime. ``IN_CREATE`` alone matters for links, which are complete at once, and for directories.

One watch stands for one directory, not for what is below it: ``watcher.py`` walks the trees.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator, KeysView

from watchdog.observers.inotify_c import (
    InotifyConstants,
    Mask,
    WatchDescriptor,
    inotify_add_watch,
    inotify_init,
    inotify_rm_watch,
)

from devrunserver.supervisor.watching.events import Event, Kind

MASK = Mask(
    InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_EXCL_UNLINK
)
GONE = InotifyConstants.IN_DELETE | InotifyConstants.IN_MOVED_FROM
SELF_GONE = InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_MOVE_SELF | InotifyConstants.IN_UNMOUNT

HEADER = struct.Struct("iIII")  # watch, mask, cookie, length of the name; see inotify(7)
READ_SIZE = 65536  # bytes; the largest event takes 272
MOST_READS = 16  # of a queue that holds 16,384 events by default, most of them below 64 bytes


class Inotify:
    """One inotify instance.

    Raises:
        OSError: EMFILE where the system's limit of instances is reached, ENOSPC where that of watches is.
    """

    name = "inotify"

    def __init__(self) -> None:
        self._fd = inotify_init()
        if self._fd < 0:
            raise _error()
        os.set_inheritable(self._fd, False)
        os.set_blocking(self._fd, False)
        self._path_of: dict[int, str] = {}
        self._watch_of: dict[str, int] = {}

    def fileno(self) -> int:
        return self._fd

    @property
    def directories(self) -> KeysView[str]:
        return self._watch_of.keys()

    def add(self, directory: str) -> None:
        """Watches one directory. Watching it again is harmless, and needed where it was deleted and made anew."""
        watch = inotify_add_watch(self._fd, os.fsencode(directory), MASK)
        if watch < 0:
            raise _error(directory)
        previous = self._path_of.get(watch)  # the same directory under another name: renamed, or a bind mount
        if previous is not None and previous != directory:
            self._watch_of.pop(previous, None)
        self._path_of[watch] = directory
        self._watch_of[directory] = watch

    def remove(self, directory: str) -> None:
        """Stops watching a directory and all that we watch below it."""
        below = directory + os.sep
        for path in [path for path in self._watch_of if path == directory or path.startswith(below)]:
            self.forget(path)

    def forget(self, directory: str) -> None:
        """Stops watching a directory."""
        watch = self._watch_of.pop(directory, None)
        if watch is not None:
            self._path_of.pop(watch, None)
            inotify_rm_watch(self._fd, WatchDescriptor(watch))

    def read(self) -> list[Event]:
        """The events that are waiting, as far as that is bounded: more may come all the time. Returns at once."""
        events: list[Event] = []
        for _ in range(MOST_READS):
            try:
                buffer = os.read(self._fd, READ_SIZE)
            except BlockingIOError:
                break
            for watch, mask, name in _parse(buffer):
                events.extend(self._translate(watch, mask, name))
        return events

    def _translate(self, watch: int, mask: int, name: bytes) -> Iterator[Event]:
        if mask & InotifyConstants.IN_Q_OVERFLOW:
            yield Event(Kind.OVERFLOW, "")
            return
        directory = self._path_of.get(watch)
        if directory is None:
            return  # an event that was under way when we removed the watch
        path = os.path.join(directory, os.fsdecode(name)) if name else directory
        if mask & InotifyConstants.IN_IGNORED:  # the kernel has dropped this watch
            self._path_of.pop(watch, None)
            self._watch_of.pop(directory, None)
        elif mask & SELF_GONE:
            self.remove(directory)
            yield Event(Kind.REMOVED, directory)
        elif mask & GONE:
            if mask & InotifyConstants.IN_ISDIR:
                self.remove(path)
            yield Event(Kind.REMOVED, path)
        elif not mask & InotifyConstants.IN_CREATE or mask & InotifyConstants.IN_ISDIR or _is_complete(path):
            yield Event(Kind.WRITTEN, path)

    def close(self) -> None:
        os.close(self._fd)


def _parse(buffer: bytes) -> Iterator[tuple[int, int, bytes]]:
    position = 0
    while position < len(buffer):
        watch, mask, _, length = HEADER.unpack_from(buffer, position)
        position += HEADER.size
        yield watch, mask, buffer[position : position + length].rstrip(b"\0")
        position += length


def _is_complete(path: str) -> bool:
    """Whether a new name is a link, which nobody will close, instead of a file that is still being written."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return os.path.islink(path) or status.st_nlink > 1


def _error(path: str = "") -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code), path)
