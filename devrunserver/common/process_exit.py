"""How a process of ours ends: this file alone calls ``os._exit``."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
from collections.abc import Callable
from typing import NoReturn

from devrunserver.common import open_files

SUCCESS, FAILURE = 0, 1  # exit statuses
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows the latter leaves no choice either


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
        open_files.flush()
        leave(SUCCESS)

    threading._shutdown = shutdown_and_end  # type: ignore[attr-defined]


def leave_in_order() -> NoReturn:
    """Ends this process in the middle of what it does: what the project wants done at exit is done, and no more."""
    with contextlib.suppress(BaseException):  # an `atexit` handler's ``sys.exit`` among them
        getattr(atexit, "_run_exitfuncs", lambda: None)()
    open_files.flush()
    leave(SUCCESS)


def make_exit_quick() -> None:
    """Spares this process the garbage collections of the interpreter's end, as the kernel takes all memory back.

    With thousands of modules they take over a second, which a reload would wait for. `atexit` handlers run,
    threads are waited for and files of modules are closed as ever.
    """
    open_files.freeze()
