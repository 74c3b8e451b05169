"""Files that this process writes: what their buffers hold is written out at its end, which is not Python's own.

Theory of operation
-------------------
They are found among all objects. To look through those of a large project takes a second, as each is touched, and the
memory copied that is shared with a checkpoint: a reload would wait for it. So objects are looked through while they are
new, whenever they are *frozen*, that is hidden from the garbage collector for good, and what is found is remembered. At
the end only those are looked through that have come since. A project may freeze objects itself: then an object of ours
is hidden with them, by which that is noticed, and all are looked through.

Nothing is looked through where no descriptor leads to a file that is written, as in most projects: ``logging`` closes
its files by itself.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import stat
import sys
import weakref
from typing import Any

STANDARD_ERROR = 2  # the highest of the standard descriptors
BUFFERED = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


class _Found:
    """What was found among the objects that are frozen, by this process or those that it was forked from."""

    files: list[weakref.ref[Any]] = []
    last: list[object] = []  # made right after objects were frozen


def freeze() -> None:
    """Hides all objects that there are from the garbage collector; remembers the files among them."""
    if _are_written():
        _Found.files.extend(map(weakref.ref, _files()))
    gc.freeze()
    _Found.last = []


def flush() -> None:
    """Writes out what the buffers of open files hold, and removes temporary files as Python does at its end."""
    flush_output()
    if not _are_written():
        return
    remembered = (reference() for reference in _Found.files)
    for one in [*remembered, *_files()]:
        with contextlib.suppress(OSError, ValueError):
            if isinstance(one, BUFFERED):
                one.flush()
            elif one is not None:  # a temporary file
                one.close()


def flush_output() -> None:
    """Writes out what is printed: before a fork it would otherwise be written by each of two processes."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()


def _files() -> list[Any]:
    """Those among the objects that are not frozen; among all where the project has frozen some."""
    objects = gc.get_objects()
    if not any(one is _Found.last for one in objects):
        gc.unfreeze()
        objects = gc.get_objects()
    named = getattr(sys.modules.get("tempfile"), "_TemporaryFileWrapper", ())
    kinds: dict[type, bool] = {}
    found = []
    for one in objects:
        # by its type: what is lazy answers for what it stands for, which it would have to make
        if (is_file := kinds.get(type(one))) is None:
            is_file = kinds[type(one)] = issubclass(type(one), BUFFERED) or issubclass(type(one), named)
        if is_file:
            found.append(one)
    return found


def _are_written() -> bool:
    """Whether a descriptor of this process may lead to a regular file that is open for writing."""
    try:
        descriptors = [int(name) for name in os.listdir("/dev/fd")]
    except (OSError, ValueError):
        return True
    return any(_is_written(one) for one in descriptors if one > STANDARD_ERROR)


if sys.platform == "win32":

    def _is_written(descriptor: int) -> bool:
        return True

else:

    def _is_written(descriptor: int) -> bool:
        import fcntl  # here, as most processes end without

        try:
            status = os.fstat(descriptor)
            # a file without a name is nobody's to read, as the page that tells of freshness
            if not stat.S_ISREG(status.st_mode) or not status.st_nlink:
                return False
            return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        except OSError:
            return False
