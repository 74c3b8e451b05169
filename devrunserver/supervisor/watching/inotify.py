"""Native file events on Linux.

Theory of operation
-------------------
watchdog's observer is not used here, for three reasons. It takes a thread per scheduled directory, its recursive
watches cannot leave ``node_modules`` out, and the supervisor wants the descriptor in its own loop: the kernel queues
an event before the ``close`` or ``rename`` that caused it returns, so whoever looks at the descriptor after a save
finds it readable. Three functions of the C library are all that is left, for which watchdog would be imported with
thirteen other modules at each start.

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

from devrunserver.supervisor.watching.events import Event, Kind

# From <sys/inotify.h>; see inotify(7)
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_UNMOUNT = 0x2000
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x1000000
IN_EXCL_UNLINK = 0x4000000
IN_ISDIR = 0x40000000

GONE = IN_DELETE | IN_MOVED_FROM
SELF_GONE = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT
WANTED = IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_MOVED_TO | GONE | IN_DELETE_SELF | IN_MOVE_SELF
MASK = WANTED | IN_ONLYDIR | IN_EXCL_UNLINK

HEADER = struct.Struct("iIII")  # watch, mask, cookie, length of the name; see inotify(7)
READ_SIZE = 65536  # bytes; the largest event takes 272
MOST_READS = 16  # of a queue that holds 16,384 events by default, most of them below 64 bytes


class Inotify:
    """One inotify instance.

    Raises:
        OSError: EMFILE where the system's limit of instances is reached, ENOSPC where that of watches is.
        AttributeError: the C library has no inotify.
    """

    name = "inotify"

    def __init__(self) -> None:
        self._system = ctypes.CDLL(None, use_errno=True)
        self._system.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
        self._fd: int = self._system.inotify_init()
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
        watch = self._system.inotify_add_watch(self._fd, os.fsencode(directory), MASK)
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
            self._system.inotify_rm_watch(self._fd, watch)

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
        if mask & IN_Q_OVERFLOW:
            yield Event(Kind.OVERFLOW, "")
            return
        directory = self._path_of.get(watch)
        if directory is None:
            return  # an event that was under way when we removed the watch
        path = os.path.join(directory, os.fsdecode(name)) if name else directory
        if mask & IN_IGNORED:  # the kernel has dropped this watch
            self._path_of.pop(watch, None)
            self._watch_of.pop(directory, None)
        elif mask & SELF_GONE:
            self.remove(directory)
            yield Event(Kind.REMOVED, directory)
        elif mask & GONE:
            if mask & IN_ISDIR:
                self.remove(path)
            yield Event(Kind.REMOVED, path)
        elif not mask & IN_CREATE or mask & IN_ISDIR or _is_complete(path):
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
