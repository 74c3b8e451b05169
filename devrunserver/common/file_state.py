"""The state of one file or directory: what tells whether something that was read once would be read the same now.

Theory of operation
-------------------
A state is the file's mtime in nanoseconds, its size and inode. That is not enough for a file that was written a moment
ago: the clock behind mtimes ticks every few milliseconds, so another write could leave all three alone. The state of
such a young file holds a checksum of its content as well. For a directory it is the mtime, which changes with
each name that comes or goes.
"""

from __future__ import annotations

import os
import re
import stat
import time
import zlib

State = tuple[int, ...]  # (mtime in nanoseconds, size, inode[, checksum]); of a directory (mtime,)

TICK = 20_000_000  # nanoseconds by which the kernel's file times may lag behind the clock
MAX_CHECKED = 4_000_000  # bytes of which a checksum is made
UNKNOWN: State = (-1,)  # differs from every state


def state_of(path: str) -> State | None:
    """The state of a file that is about to be read; None where there is none, or no regular one."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    state = (status.st_mtime_ns, status.st_size, status.st_ino)
    if not _is_young(status.st_mtime_ns):
        return state
    return (*state, _checksum(path)) if status.st_size <= MAX_CHECKED else UNKNOWN


def words_in(path: str) -> frozenset[str]:
    """The words of a source; none where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as source:
            return frozenset(re.findall(r"\w+", source.read()))
    except (OSError, ValueError):
        return frozenset()


def is_still(path: str, state: State | None) -> bool:
    """Whether a file is in this state now."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return state is None
    if state is None:
        return not stat.S_ISREG(status.st_mode)
    if (status.st_mtime_ns, status.st_size, status.st_ino) != state[:3]:
        return False
    return len(state) == 3 or _checksum(path) == state[3]


def unchanged_since(path: str, since: float) -> bool:
    """Whether neither content nor name of a file has changed since a time, in seconds since the epoch."""
    try:
        return os.stat(path).st_ctime_ns < since * 1e9 - TICK  # unlike mtime it cannot be set back
    except (OSError, ValueError):
        return False


def identity_of(path: str) -> tuple[int, ...]:
    """Which file is at a path, however it was changed; empty where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return ()
    return status.st_dev, status.st_ino


def resolved(path: str) -> str:
    """A path with links to directories resolved, as the supervisor knows it; a file may be a link itself."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def directory_state(path: str) -> State | None:
    """The state of a directory whose names are about to be looked at; None where there is none."""
    try:
        mtime = os.stat(path).st_mtime_ns
    except (OSError, ValueError):
        return None
    return UNKNOWN if _is_young(mtime) else (mtime,)


def names_in(directory: str) -> set[str]:
    """What a directory holds, but for what editors and Python put there for themselves."""
    try:
        names = os.listdir(directory)
    except (OSError, ValueError):
        return set()
    return {name for name in names if not name.startswith(".") and not name.endswith("~") and name != "__pycache__"}


def digest_of(directory: str) -> int:
    """A checksum of the names in a directory."""
    return zlib.crc32("\0".join(sorted(names_in(directory))).encode(errors="surrogateescape"))


def _is_young(mtime: int) -> bool:
    return mtime > time.time_ns() - TICK


def _checksum(path: str) -> int:
    try:
        with open(path, "rb") as file:
            return zlib.crc32(file.read(MAX_CHECKED))
    except OSError:
        return -1
