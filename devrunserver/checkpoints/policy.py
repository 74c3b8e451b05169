"""Where a starting process makes checkpoints: pure."""

from __future__ import annotations

from collections.abc import Collection

from devrunserver.common.import_plan import APPS_PHASE

INTERVAL = 0.1  # seconds of work after which the next module of the project is worth a checkpoint
PHASE_INTERVAL = 0.05  # the same for the first module that ``ready()`` imports
FORK_SHARE = 0.05  # of the time of a start that may be spent on making checkpoints


class CheckpointPolicy:
    """Decides before each module of the project whether a checkpoint is due. Times are seconds of one clock.

    Args:
        edited: the files that are being edited; each is worth a checkpoint right before it.
        limit: how many checkpoints are kept; the more have been made, the longer until the next.
    """

    def __init__(self, edited: Collection[str], limit: int, now: float) -> None:
        self.edited = set(edited)
        self._limit = limit
        self._last = now
        self._postponed: float | None = None  # when one was wanted and could not be made
        self._cost = 0.0
        self._count = 0
        self._phase = APPS_PHASE  # of the last one
        self._file = ""  # before which one was due last

    def is_due(self, file: str, now: float, phase: int) -> bool:
        """Whether to make a checkpoint before this file of the project is loaded.

        Args:
            phase: of Django's set-up. Once apps are made the next module is worth a checkpoint: from before that, next
                to nothing of what follows can be imported ahead. So is the first that ``ready()`` imports: it may
                connect to a server, and there is no other checkpoint then, while nearly all can be imported ahead.
        """
        interval = max(INTERVAL, self._cost / FORK_SHARE) * 2 ** (2 * self._count // self._limit)
        if file == self._file and self._postponed is None and now - self._last < interval:
            return False  # Django looks for the models of an app before it imports them
        if self._postponed is None:
            is_first = not self._count or phase > self._phase == APPS_PHASE
            is_later = phase > self._phase and now - self._last >= PHASE_INTERVAL
            is_due = is_first or is_later or file in self.edited or now - self._last >= interval
        else:
            is_due = file in self.edited or now - max(self._last, self._postponed) >= interval
        self._file = file if is_due else self._file
        return is_due

    def made(self, now: float, cost: float, phase: int) -> None:
        """A checkpoint was made; ``cost`` seconds were spent on it."""
        self._count += 1
        self._cost = cost
        self._last = now
        self._phase = phase

    def postponed(self, now: float) -> None:
        """None could be made here; the next place is looked at after a while."""
        self._postponed = now

    def elapsed(self, now: float) -> float:
        """Seconds of work since the last checkpoint."""
        return now - self._last
