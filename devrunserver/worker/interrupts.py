"""What signals do to a worker: the supervisor ends it by SIGTERM, the user interrupts its start by Ctrl-C.

The main thread leaves by ``SystemExit``, so that the project's ``finally`` and ``atexit`` run. An exception that is
raised in a callback would be printed and lost: there the main thread is interrupted again a little later.
"""

from __future__ import annotations

import _weakrefset
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from devrunserver.checkpoints.read_recorder import IMPORT_SYSTEM
from devrunserver.common import process_exit

LATER = 0.01  # seconds until the main thread is interrupted again, where an exception would have been lost
WEAK_REFERENCES = {weakref.__file__, _weakrefset.__file__}

Excepthook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


def begin() -> None:
    """For a start: SIGTERM leaves, and Ctrl-C is no error to print."""
    end_on_sigterm()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt_start)
    sys.excepthook = _quiet_on_interrupt(sys.excepthook)


def end_on_sigterm() -> None:
    """Has SIGTERM make the main thread leave; again, as the project may have set a handler of its own."""
    signal.signal(signal.SIGTERM, _leave_main_thread)


def end_start() -> None:
    """From now on Ctrl-C is what it is to Python."""
    if signal.getsignal(signal.SIGINT) is _interrupt_start:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupt_main_thread() -> None:
    """Makes the main thread leave, from any other."""
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, signal.SIGTERM)  # wakes it from a system call too
    else:
        signal.raise_signal(signal.SIGTERM)


def _leave_main_thread(number: int, frame: FrameType | None) -> None:
    """Handles SIGTERM."""
    if frame is not None and _swallows_exceptions(frame):
        later = threading.Timer(LATER, interrupt_main_thread)
        later.daemon = True
        later.start()
        return
    process_exit.make_exit_quick()
    process_exit.end_without_finalization()
    sys.exit(0)


def _interrupt_start(number: int, frame: FrameType | None) -> None:
    """Handles SIGINT until we serve. The supervisor's SIGTERM follows, and must not disturb what ends us."""
    signal.signal(signal.SIGINT, _do_nothing)
    signal.signal(signal.SIGTERM, _do_nothing)
    signal.default_int_handler(number, frame)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Unlike SIG_IGN this is no error to Python where a signal came right before it was set."""


def _swallows_exceptions(frame: FrameType) -> bool:
    """Whether what runs now may be a callback, as of a weak reference, in which an exception is printed and lost."""
    file = frame.f_code.co_filename
    return frame.f_code.co_name == "__del__" or file.startswith(IMPORT_SYSTEM) or file in WEAK_REFERENCES


def _quiet_on_interrupt(hook: Excepthook) -> Excepthook:
    """Ctrl-C while the project is being imported is no error to print."""

    def excepthook(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            hook(kind, error, frames)

    return excepthook
