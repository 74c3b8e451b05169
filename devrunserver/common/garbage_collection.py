"""Python's garbage collector while the project starts: it looks less often.

Theory of operation
-------------------
A start makes some hundred thousands of objects that stay: modules, classes, functions. Python looks for cycles that
nobody needs after each 700 of them (2,000 in later versions), and again and again at all that have come before. In a
large project that takes a tenth of the start, and finds next to nothing. So until the start is over Python looks each
time there are YOUNG more: that bounds what may lie about, and each object is looked at once.

What is there when the start is over stays, and is not looked at again: that would delay a request or a reload once, and
copy what processes share.

What a project says itself about the collector holds, before and after: a threshold that is higher already, zero (that
is never), or any that it sets while it starts.
"""

from __future__ import annotations

import gc

from devrunserver.common import open_files

YOUNG = 50_000  # objects that may have come since the last look; some 10 MB
LOOKS = 1_000  # until those are looked at again that have come before: not in any start


class StartCollection:
    """The collector of this process, from its start to the end of that, through all forks in between."""

    def __init__(self) -> None:
        self._before: tuple[int, ...] | None = None  # thresholds, while ours are set

    def begin(self) -> None:
        """The project starts."""
        before = gc.get_threshold()
        if 0 < before[0] < YOUNG:
            self._before = before
            gc.set_threshold(*_while_starting(before))

    def end(self) -> None:
        """The start is over. Again is harmless."""
        before, self._before = self._before, None
        if before is None or gc.get_threshold() != _while_starting(before):  # the project has set others
            return
        open_files.freeze()
        gc.set_threshold(*before)


def _while_starting(before: tuple[int, ...]) -> tuple[int, ...]:
    """The thresholds in place of these."""
    return (YOUNG, LOOKS, *before[2:])
