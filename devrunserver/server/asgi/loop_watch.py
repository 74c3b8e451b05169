"""Tells where the event loop is stuck, once somebody waits because of it.

Theory of operation
-------------------
Code on the loop that does not await keeps everybody else waiting, and nothing shows why. So whoever gives the loop
something to do from another thread says so (``expect``), the loop says when it comes to that (``on_call``), and the
thread that serves looks now and then while that is not so (``urge``). Nobody looks while nothing waits. Each place is
told once; somebody who sits there at a debugger's prompt knows it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import NamedTuple

from devrunserver.common import faults
from devrunserver.common.module_files import PACKAGES, is_standard
from devrunserver.common.shown_path import shown_path

PATIENCE = 3.0  # seconds for the loop to come to what was given to it
MOST_TOLD = 20  # places
DEBUGGERS = {"bdb", "pdb", "cmd", "code", "IPython", "pudb", "pydevd", "_pydevd_bundle"}
OURS = os.path.dirname(os.path.dirname(os.path.dirname(__file__))) + os.sep

logger = logging.getLogger("django.server")


class Place(NamedTuple):
    """Where a function is that has not returned."""

    module: str
    function: str
    file: str
    line: int


class LoopWatch:
    """Watches the thread of a loop."""

    def __init__(self, thread: threading.Thread) -> None:
        self._thread = thread
        self._since: float | None = None  # the moment (monotonic) from which on something waits
        self._told: set[str] = set()

    def expect(self) -> None:
        """The loop was given something to do. Safe from any thread."""
        if self._since is None:
            self._since = time.monotonic()

    def on_call(self) -> None:
        """The loop comes to it."""
        self._since = None

    def urge(self) -> float | None:
        """Tells where the loop is, where that is due.

        Returns:
            After how many seconds to urge again; None where nothing waits, or it was told just now.
        """
        since = self._since
        if since is None or len(self._told) == MOST_TOLD:
            return None
        if (left := since + PATIENCE - time.monotonic()) > 0:
            return left
        self._since = None  # until the next one comes that has to wait
        with faults.contained("telling where the event loop is stuck"):
            told = description(list(places(sys._current_frames().get(self._thread.ident or 0))))
            if told and told not in self._told:
                self._told.add(told)
                logger.warning("%s", told)
        return None


def places(frame: FrameType | None) -> Iterator[Place]:
    """The functions that have not returned, the innermost first."""
    while frame is not None:
        code = frame.f_code
        yield Place(str(frame.f_globals.get("__name__", "")), code.co_name, code.co_filename, frame.f_lineno)
        frame = frame.f_back


def description(stack: Iterable[Place]) -> str:
    """What the user is told; empty where there is nothing to tell."""
    stack = list(stack)
    if any(place.module.partition(".")[0] in DEBUGGERS for place in stack):
        return ""
    own = next(filter(_is_own, stack), None)
    if own is None:
        return ""
    where = shown_path(own.file)
    return (
        f"The event loop has been at {where}:{own.line} ({own.function}) for {PATIENCE:.0f} seconds, and requests "
        "wait: await what takes long there, or give it to a thread (asgiref.sync.sync_to_async)."
    )


def _is_own(place: Place) -> bool:
    """Whether a place is the project's."""
    path = os.path.abspath(place.file)
    is_of_others = path.startswith(OURS) or is_standard(path) or not PACKAGES.isdisjoint(path.split(os.sep))
    return os.path.isabs(place.file) and not is_of_others
