"""The states of the supervisor, what happens to it, and what follows: pure tables and functions.

    STARTING --serves--> SERVING --change--> STOPPING --exits--> STARTING
        |                   | breaks
        +------breaks--> BROKEN (the worker serves the error page) --change--> STOPPING
        +------exits---> STARTING again with the next attempt, or DOWN until the next change

Any state goes to ENDING when the user quits, and from there to ENDED when the worker is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from devrunserver.common.process import describe_status


class State(Enum):
    STARTING = "a worker has been spawned or resumed and does not serve yet"
    SERVING = "the worker answers requests"
    BROKEN = "the worker answers requests with the error that keeps the project from starting"
    STOPPING = "the worker is told to leave, and a new one follows"
    DOWN = "there is no worker; connections wait for the next change"
    ENDING = "the worker is told to leave, and we follow"
    ENDED = "all is over"


class Happening(Enum):
    SERVES = "the worker says that it serves"
    BREAKS = "the worker says that it serves the error page"
    CHANGE = "code changed"
    EXITS = "the worker is gone"
    GIVES_UP = "the worker is gone, and another try would end the same"
    QUIT = "the user wants to end"


S, H = State, Happening

TRANSITIONS: dict[tuple[State, Happening], State] = {
    (S.STARTING, H.SERVES): S.SERVING,
    (S.STARTING, H.BREAKS): S.BROKEN,
    (S.STARTING, H.CHANGE): S.STOPPING,
    (S.STARTING, H.EXITS): S.STARTING,
    (S.STARTING, H.GIVES_UP): S.DOWN,
    (S.SERVING, H.BREAKS): S.BROKEN,
    (S.SERVING, H.CHANGE): S.STOPPING,
    (S.SERVING, H.EXITS): S.STARTING,
    (S.SERVING, H.GIVES_UP): S.DOWN,
    (S.BROKEN, H.CHANGE): S.STOPPING,
    (S.BROKEN, H.EXITS): S.STARTING,
    (S.BROKEN, H.GIVES_UP): S.DOWN,
    (S.STOPPING, H.EXITS): S.STARTING,
    (S.DOWN, H.CHANGE): S.STARTING,
    (S.DOWN, H.QUIT): S.ENDED,
    (S.ENDING, H.EXITS): S.ENDED,
}


def next_state(state: State, happening: Happening) -> State:
    """What follows; a happening that is not in the table changes nothing (late words of a worker that is leaving)."""
    if happening is Happening.QUIT and state not in (State.DOWN, State.ENDED):
        return State.ENDING
    return TRANSITIONS.get((state, happening), state)


class Attempt(Enum):
    """How a worker is started."""

    NORMAL = "by the user's command line"
    GUARDED = "the same under `python -m devrunserver`, which serves what it raises"
    REPORT = "a process that runs nothing of the project and tells what happened"


RESTART_STATUS = 3  # Django's "restart me", see django.utils.autoreload
SETTLED = 5.0  # seconds; a worker that served for so long did not die "at once"


def next_attempt(last: Attempt, status: int, deaths: int) -> Attempt | None:
    """How to go on after a worker ended unasked; None: not before the next change.

    Args:
        last: how it was started.
        status: its exit status, or the negated signal number.
        deaths: how many workers have ended so in a row, this one included.
    """
    if last is Attempt.REPORT:
        return None
    if last is Attempt.GUARDED and status == 0:  # there was no error to catch this time
        return Attempt.NORMAL
    if last is Attempt.NORMAL and status > 0 and status != RESTART_STATUS:
        return Attempt.GUARDED if deaths == 1 else Attempt.REPORT
    return Attempt.NORMAL if deaths == 1 else Attempt.REPORT


@dataclass
class Lifecycle:
    """The supervisor's state, and how the next worker is to be started."""

    state: State = State.DOWN
    attempt: Attempt = Attempt.NORMAL
    deaths: int = 0  # workers that ended unasked, in a row

    @property
    def is_answered(self) -> bool:
        """Whether a worker answers requests."""
        return self.state in (State.SERVING, State.BROKEN)

    @property
    def is_leaving(self) -> bool:
        """Whether the worker has been told to leave, or all is over."""
        return self.state in (State.STOPPING, State.ENDING, State.ENDED)

    def start_over(self) -> None:
        """Code has changed: what went wrong before is of the past."""
        self.attempt, self.deaths = Attempt.NORMAL, 0

    def on_death(self, last: Attempt, status: int, served: float) -> Attempt | None:
        """A worker ended unasked: how to go on; None: not before the next change.

        Args:
            last: how it was started.
            status: its exit status, or the negated signal number.
            served: for how many seconds.
        """
        self.deaths = 1 if served > SETTLED else self.deaths + 1
        attempt = next_attempt(last, status, self.deaths)
        self.attempt = attempt or Attempt.NORMAL
        return attempt


def death_notice(last: Attempt, status: int, attempt: Attempt | None) -> str | None:
    """What the user is told of a worker that ended unasked; None: the error is told by the process that has it.

    Args:
        last: how it was started.
        status: its exit status, or the negated signal number.
        attempt: what follows.
    """
    if last is Attempt.GUARDED or status == RESTART_STATUS or attempt is Attempt.GUARDED:
        return None
    what = f"The server process ended by {describe_status(status)}"
    if attempt is Attempt.NORMAL:
        return f"{what}; starting it again."
    return f"{what}, again right after it was started. It starts again at the next change of the code."
