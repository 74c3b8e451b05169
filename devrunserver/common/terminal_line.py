"""One line of the terminal that is written again and again, and out of the way before anybody else writes.

Theory of operation
-------------------
Two processes share the terminal while a project starts: the supervisor, which shows how far the start is, and the
worker, which runs the project. What either of them prints goes through ``write`` of ``sys.stdout`` or ``sys.stderr``;
while the line may be shown, both streams have one of ours, which takes the line away first. So a print, a log record
or a traceback stands where it would stand without us. A line that has been begun, as a question to the user is, keeps
ours away until it is ended (``progress_page.py``).

What does not go that way (a program that was started, a library in C) is not seen. Of programs the worker is told by
an audit event; what a library in C writes stands behind our line.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from devrunserver.common.progress_page import ProgressPage

CLEAR = b"\r\x1b[K"  # to the beginning of the line, and erase it (ECMA-48, EL)
STDERR = 2  # the descriptor
WITHOUT_CONTROL = ("", "dumb")  # values of TERM: terminals that cannot erase
NARROWEST = 20  # columns below which a line tells nothing


def is_capable(environ: Mapping[str, str]) -> bool:
    """Whether standard error is a terminal on which a line can be written again."""
    with suppress(OSError, ValueError, AttributeError):  # closed, or no real file
        return os.isatty(STDERR) and environ.get("TERM", "") not in WITHOUT_CONTROL
    return False


def clear(page: ProgressPage) -> None:
    """Takes the line away, where it is shown."""
    with page.turn(waits=True):
        _clear(page)


def _clear(page: ProgressPage) -> None:
    if page.is_shown:
        page.is_shown = False
        with suppress(OSError):
            os.write(STDERR, CLEAR)


def show(page: ProgressPage, text: str) -> None:
    """Shows a line in place of the last one, as far as it fits; nothing where it is not our turn."""
    with page.turn(waits=False) as is_ours, suppress(OSError, ValueError):  # the terminal may be gone
        columns = os.get_terminal_size(STDERR).columns
        if is_ours and columns >= NARROWEST and not (page.is_hidden or page.is_line_open):
            page.is_shown = True
            os.write(STDERR, CLEAR + fitted(text, columns).encode(errors="replace"))


def fitted(text: str, columns: int) -> str:
    """As much of a text as a line has room for: a cursor behind the last column would begin a new one.

    What follows the last comma, the time, is kept where that leaves room for more.
    """
    if len(text) < columns:
        return text
    head, comma, end = text.rpartition(", ")
    room = columns - 2 - len(comma + end)
    return f"{head[:room]}…{comma}{end}" if comma and room >= NARROWEST else f"{text[: columns - 2]}…"


class OutputGuard:
    """Has what this process prints to the terminal take the line away first.

    Args:
        page: says whether it is shown.
        counts: whether what this process prints gets to the terminal.
        streams: by which it does.
    """

    def __init__(
        self,
        page: ProgressPage,
        counts: Callable[[], bool] = lambda: True,
        streams: Callable[[], Iterable[object]] = lambda: (sys.stdout, sys.stderr),
    ) -> None:
        self._page = page
        self._counts = counts
        self._streams = streams
        self._guarded: list[tuple[io.TextIOWrapper, Callable[[str], int]]] = []

    def install(self) -> None:
        """From now on."""
        for stream in self._streams():
            if isinstance(stream, io.TextIOWrapper) and stream.isatty() and "write" not in vars(stream):
                write = self._around(stream.write)
                vars(stream)["write"] = write
                self._guarded.append((stream, write))

    def remove(self) -> None:
        """Gives the streams back as they were. Again is harmless."""
        for stream, write in self._guarded:
            if vars(stream).get("write") is write:
                del vars(stream)["write"]
        self._guarded.clear()

    def _around(self, original: Callable[[str], int]) -> Callable[[str], int]:
        page, counts = self._page, self._counts

        def write(text: Any, /) -> int:
            if not counts() or not text:
                return original(text)
            with page.turn(waits=True):
                _clear(page)
                page.is_line_open = not (isinstance(text, str) and text.endswith("\n"))
                return original(text)

        return write
