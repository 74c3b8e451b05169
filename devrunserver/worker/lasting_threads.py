"""Which of the project's threads keep this process from ending: Python waits for all that are no daemons."""

from __future__ import annotations

import sys
import threading
from types import FrameType

from devrunserver.common.module_files import is_standard

DELAY = 1.0  # seconds; who quits is done before that


def tell_later() -> None:
    """Tells which threads are waited for, if they still are after DELAY. For when the main thread is about to end."""
    if lasting():
        timer = threading.Timer(DELAY, _tell)
        timer.daemon = True
        timer.start()


def lasting() -> list[threading.Thread]:
    """The threads that Python waits for."""
    main = threading.main_thread()
    return [thread for thread in threading.enumerate() if thread is not main and not thread.daemon]


def describe(threads: list[threading.Thread]) -> str:
    """The line that names them, and what to do about it."""
    frames = sys._current_frames()
    named = ", ".join(f"{thread.name!r}{_place(frames.get(thread.ident or 0))}" for thread in threads)
    return (
        f"The reload waits for {'the thread' if len(threads) == 1 else 'the threads'} {named}. "
        "Start it with daemon=True, or end it in an atexit handler, and it does not."
    )


def _tell() -> None:
    if threads := lasting():
        print(describe(threads), file=sys.stderr, flush=True)


def _place(frame: FrameType | None) -> str:
    """Where a thread is: the innermost line that is not the standard library's."""
    while frame is not None:
        file = frame.f_code.co_filename
        if not (file.startswith("<") or is_standard(file)):
            return f" (in {frame.f_code.co_name}, {file}:{frame.f_lineno})"
        frame = frame.f_back
    return ""
