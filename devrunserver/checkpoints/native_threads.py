"""The threads of this process as the system counts them, those too that Python does not know of."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

# Native threads, by name, that are made to be forked over
FORKED_OVER = {"jemalloc_bg_thd": "jemalloc, as in pyarrow: takes its locks before a fork, and does without it after"}
ENDING_PATIENCE = 0.2  # seconds in all for threads that end; a thread that stays for good costs a start as much, once
LOOK_INTERVAL = 0.001  # seconds; nothing tells of the end of a thread


def others() -> set[str]:
    """The ids of the threads beside the calling one, but for those made to be forked over. Source: proc(5)."""
    found = set()
    with suppress(OSError):
        for thread in set(os.listdir("/proc/self/task")) - {str(threading.get_native_id())}:
            with suppress(OSError), open(f"/proc/self/task/{thread}/comm") as file:  # one may end meanwhile
                if file.read().strip() not in FORKED_OVER:
                    found.add(thread)
    return found


class Remaining:
    """Which threads stay, where Python knows of none but the calling one.

    A thread that was joined is there for the system a little longer, on a busy machine for many milliseconds. So one
    that is new is waited for; one that has stayed before is not. Some end themselves before a fork, as OpenBLAS' do
    (``pthread_atfork``).

    Args:
        trial: forks a process that does nothing.
    """

    def __init__(self, trial: Callable[[], None] = lambda: None) -> None:
        self._trial = trial
        self._staying: set[str] = set()
        self._patience = ENDING_PATIENCE

    def are_there(self) -> bool:
        """Whether some stay."""
        if not others():
            return False
        self._trial()
        began = time.monotonic()
        while (found := others()) - self._staying and time.monotonic() - began < self._patience:
            time.sleep(LOOK_INTERVAL)
        self._patience -= time.monotonic() - began
        self._staying = found
        return bool(found)
