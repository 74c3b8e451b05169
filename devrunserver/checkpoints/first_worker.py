"""Whether the first worker may be a copy of the supervisor, in place of a process that starts afresh.

Theory of operation
-------------------
When our app is created, a supervisor has started Python, imported Django and loaded the settings. A worker that starts
afresh does that once more, and gets to the very same state: so a copy of the supervisor spares that time, which in some
projects is a third of a start, and shares the memory that it has taken. From there on it is a worker like any other.

It is the same state only where nothing has happened that a fork does not share, or shares wrongly, and where nothing
has asked in which of the two processes it is. The project's own sources and its apps were searched for that
(``supervisor/lasting_code.py``). Here is looked at what is loaded besides, and at this process. In doubt the worker
starts afresh, as it does after each change of the settings.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress

from devrunserver.checkpoints.fork_safety import is_traced
from devrunserver.checkpoints.forking import Forks, open_descriptors
from devrunserver.checkpoints.native_threads import Remaining
from devrunserver.common import file_state, module_files, process
from devrunserver.common.environment import ASKING

GUARD = ["-m", "devrunserver"]  # a program that knows from its beginning in which process it is
MEASURING = "coverage"  # each process of its own
SEARCHED_ALREADY = frozenset({"django", "devrunserver"})  # the former asks in its reloader alone
WAITING = 5.0  # seconds that a process may have waited, besides ...
BUSY = 5.0  # ... so many times the processor time that it has used: others may use the processor
STANDARD = 2  # the highest of the standard descriptors


def obstacle(began: float) -> str:
    """What of the state of this process forbids a copy; empty where nothing does.

    Args:
        began: when this process did, in seconds since the epoch.
    """
    if process.split_argv(sys.orig_argv[1:])[1][:2] == GUARD:
        return "python -m devrunserver"
    if time.time() - began > WAITING + BUSY * time.process_time():
        return "it was another program before"  # a shell that has run others and is replaced by us, in a container
    if is_traced() or MEASURING in sys.modules:
        return "a debugger, tracer or profiler is attached"
    if len(sys._current_frames()) > 1 or Remaining(Forks(nullcontext).trial).are_there():
        return "a thread runs"
    if any(signal.getitimer(signal.ITIMER_REAL)):
        return "a timer runs"
    if process.children():
        return "a program that was started runs"
    return _open()


def _open() -> str:
    """What is open that two processes cannot both use, but for what this process was started with."""
    for descriptor, target in open_descriptors():
        with suppress(OSError):  # that of the listing itself is closed again
            if descriptor > STANDARD and not os.get_inheritable(descriptor) and not _may_be_shared(descriptor):
                return f"{target} is open"
    return ""


def _may_be_shared(descriptor: int) -> bool:
    """Whether it is a device, or a file that is only read or only written: so a log is, but no database."""
    import fcntl  # not on each system

    mode = os.fstat(descriptor).st_mode
    is_updated = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
    return stat.S_ISCHR(mode) or stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and not is_updated)


def doubt(began: float) -> str:
    """A file that is loaded and may be something else in a process that starts afresh; empty where none is.

    Args:
        began: when this process did, in seconds since the epoch.
    """
    changed = (file for file in module_files.loaded_files() if not file_state.unchanged_since(file, began))
    return next(changed, "") or next(_asking(_searched(list(sys.modules))), "")


def _searched(names: Iterable[str]) -> list[str]:
    """The modules of packages, and the program itself."""
    passed = SEARCHED_ALREADY | sys.stdlib_module_names
    return [name for name in names if name == "__main__" or name.partition(".")[0] not in passed]


def _asking(names: Iterable[str]) -> Iterator[str]:
    """Of the files of these modules those that ask in which process they are, or cannot be read."""
    for name in names:
        module = sys.modules.get(name)
        if (file := module_files.file_of(module)) is not None:
            try:
                is_asking = any(word in _code(module, file) for word in ASKING)
            except OSError:
                is_asking = True
            if is_asking:
                yield file


def _code(module: object, file: str) -> bytes:
    """The bytecode of a module, which was read a moment ago: the source would have to be fetched from the disk."""
    cached = getattr(module_files.namespace(module).get("__spec__"), "cached", None)
    if isinstance(cached, str) and not sys.dont_write_bytecode:
        with suppress(OSError), open(cached, "rb") as bytecode:
            return bytecode.read()
    with open(file, "rb") as source:
        return source.read()
