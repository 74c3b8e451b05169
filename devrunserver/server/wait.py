"""How long other work waits for what was begun last: less than that may take, as Python computes for one at a time.

Theory of operation
-------------------
Most requests are answered sooner than another thread, or task, has got going. So what comes waits for PATIENCE; work
that blocks delays other work by no more than that. While this process computes all the time since somebody waits, what
was begun beside would only share what there is; so the wait goes on, up to COMPUTING_PATIENCE after that was begun.
"""

from __future__ import annotations

import time

PATIENCE = 0.001  # seconds that work waits for what may be about to end
COMPUTING_PATIENCE = 0.05  # the same while this process computes
COMPUTING_SHARE = 0.7  # of a core; a thread that waits for a database or a file leaves more of it
COMPUTING_INTERVAL = 0.005  # seconds between two looks whether it still does: as often as Python switches threads


class Wait:
    """The wait for what was begun last."""

    def __init__(self) -> None:
        self._begun = 0.0  # the moment (monotonic) when it was
        # since when somebody waits for it: the moment, and the seconds of a core that this process had used; asked for
        # where somebody does wait alone, as it is a system call
        self._since: tuple[float, float] | None = None

    def begin(self, is_waited_for: bool = False) -> None:
        """Something is begun.

        Args:
            is_waited_for: whether somebody waits already.
        """
        self._begun = time.monotonic()
        self._since = (self._begun, time.process_time()) if is_waited_for else None

    def left(self) -> float:
        """Seconds after which whoever waits may begin, or is to ask again; 0: now."""
        now = time.monotonic()
        if self._since is None:
            self._since = now, time.process_time()
        moment, used = self._since
        if (waited := now - moment) < PATIENCE:
            return PATIENCE - waited
        computes = time.process_time() - used >= COMPUTING_SHARE * waited
        return COMPUTING_INTERVAL if computes and now - self._begun < COMPUTING_PATIENCE else 0.0
