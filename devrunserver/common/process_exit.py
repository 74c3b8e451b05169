"""How a process of ours ends: this file alone calls ``os._exit``."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

SUCCESS, FAILURE = 0, 1  # exit statuses
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows the latter leaves no choice either

STANDARD_ERROR = 2  # the highest of the standard descriptors


def leave(status: int) -> NoReturn:
    """Ends this process at once: no ``atexit`` handler, which are the worker's, no thread and no buffer counts."""
    with contextlib.suppress(Exception):  # of who has replaced it, to save something first: coverage does
        os._exit(status)
    os.kill(os.getpid(), KILL)
    raise AssertionError


def end_without_finalization() -> None:
    """Has this process end with status 0 right after all that is promised at exit: Python's own order, then no more.

    Threads are waited for, `atexit` handlers run, files are flushed. What Python does after that, taking its modules
    apart one by one, takes long with thousands of modules, and the kernel takes all back at once.
    """
    shutdown: Callable[[], None] = threading._shutdown  # type: ignore[attr-defined]
    run_exit_handlers: Callable[[], None] | None = getattr(atexit, "_run_exitfuncs", None)
    if run_exit_handlers is None:
        return

    def shutdown_and_end() -> None:  # called first when Python ends, after the main program
        shutdown()
        run_exit_handlers()
        flush_files()
        leave(SUCCESS)

    threading._shutdown = shutdown_and_end  # type: ignore[attr-defined]


def leave_in_order() -> NoReturn:
    """Ends this process in the middle of what it does: what the project wants done at exit is done, and no more."""
    with contextlib.suppress(BaseException):  # an `atexit` handler's ``sys.exit`` among them
        getattr(atexit, "_run_exitfuncs", lambda: None)()
    flush_files()
    leave(SUCCESS)


def flush_files() -> None:
    """Writes out what the buffers of open files hold, and removes temporary files as Python does at its end.

    That is, where a file is open for writing at all.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    if not _writes_files():
        return
    gc.unfreeze()  # or else some objects would not be listed
    named = getattr(sys.modules.get("tempfile"), "_TemporaryFileWrapper", ())
    for one in gc.get_objects():
        # by its type: what is lazy answers for what it stands for, which it would have to make
        with contextlib.suppress(OSError, ValueError):
            if issubclass(type(one), io.TextIOWrapper | io.BufferedWriter | io.BufferedRandom):
                one.flush()
            elif issubclass(type(one), named):
                one.close()


def _writes_files() -> bool:
    """Whether a descriptor of this process may lead to a regular file that is being written. Source: proc(5)."""
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return True
    for name in names:
        with contextlib.suppress(OSError):
            status = os.stat(int(name))
            # a file without a name is nobody's to read, as the page that tells of freshness
            if int(name) > STANDARD_ERROR and stat.S_ISREG(status.st_mode) and status.st_nlink:
                return True
    return False


def make_exit_quick() -> None:
    """Spares this process the garbage collections of the interpreter's end, as the kernel takes all memory back.

    With thousands of modules they take over a second, which a reload would wait for. `atexit` handlers run,
    threads are waited for and files of modules are closed as ever.
    """
    gc.freeze()
