"""Freshness: whether what a worker is about to answer with is as new as the files on the disk.

Theory of operation
-------------------
The kernel queues a file event before the ``close`` or ``rename`` that caused it returns. So for a request that was
sent after a save, at any later moment one of these holds:

- the event waits to be read in the supervisor's inotify descriptor, of which the worker has a duplicate: asking how
  many bytes wait there (``FIONREAD``) costs about a microsecond and takes nothing away;
- the supervisor has read it and has not come to a decision: it marks itself *undecided* before it reads, in a page of
  memory that both share, until it knows that the worker need not be replaced;
- it has decided that the worker is fresh.

The worker looks in this very order. If it looked at the page first, the supervisor could mark it and read the event
between the two looks.

Where events do not come by inotify the page alone tells: requests wait from the moment on when the watcher has
noticed. Where memory cannot be shared this way nothing tells, and a worker serves until it is told to stop.
"""

from __future__ import annotations

import mmap
import os
import sys
from contextlib import suppress
from typing import Protocol

DECIDED, UNDECIDED = 0, 1  # what the first byte of the page says


class Descriptor(Protocol):
    def fileno(self) -> int: ...


class Notice:
    """The supervisor's side.

    Args:
        events: where file events can be waited for, if they come that way.
    """

    def __init__(self, events: Descriptor | None) -> None:
        self._events = events
        self._file = -1
        self._page: mmap.mmap | bytearray = bytearray(1)
        if hasattr(os, "memfd_create"):
            with suppress(OSError):
                self._file = os.memfd_create("devrunserver-freshness")
                os.ftruncate(self._file, mmap.PAGESIZE)
                self._page = mmap.mmap(self._file, mmap.PAGESIZE)
        self.undecided = True

    @property
    def descriptors(self) -> tuple[int | None, int | None]:
        """What a worker needs to look: the page, and where events wait; None where there is nothing of the kind."""
        if not isinstance(self._page, mmap.mmap):
            return None, None
        return self._file, self._events.fileno() if self._events is not None else None

    @property
    def undecided(self) -> bool:
        """Whether there may be changes of which it is not known whether they concern the worker."""
        return self._page[0] == UNDECIDED

    @undecided.setter
    def undecided(self, value: bool) -> None:
        self._page[0] = UNDECIDED if value else DECIDED

    def close(self) -> None:
        if isinstance(self._page, mmap.mmap):
            self._page.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


if sys.platform == "linux":
    import fcntl
    import termios

    INT_SIZE = 4  # bytes of what FIONREAD tells

    def has_events(descriptor: int) -> bool:
        """Whether events wait to be read."""
        size = bytearray(INT_SIZE)  # what is written into costs less than what has to be made
        fcntl.ioctl(descriptor, termios.FIONREAD, size)
        return any(size)

else:  # other systems

    def has_events(descriptor: int) -> bool:
        """Whether events wait to be read."""
        raise NotImplementedError


class Look:
    """The worker's side.

    Args:
        page, events: the supervisor's ``Notice.descriptors``, which are ours to close.
    """

    def __init__(self, page: int | None, events: int | None) -> None:
        self._page: mmap.mmap | bytes = bytes([DECIDED])
        self._events = -1 if events is None else events
        if page is not None:
            self._page = mmap.mmap(page, mmap.PAGESIZE, access=mmap.ACCESS_READ)
            os.close(page)

    def is_fresh(self) -> bool:
        """Whether nothing has changed that might concern this worker. Safe from any thread."""
        return (self._events < 0 or not has_events(self._events)) and self._page[0] == DECIDED

    def close(self) -> None:
        if isinstance(self._page, mmap.mmap):
            self._page.close()
        if self._events >= 0:
            os.close(self._events)
            self._events = -1
