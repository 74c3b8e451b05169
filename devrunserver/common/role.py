"""What a process is for, and what follows from that: one value, and one table.

A process has one role at a time. Where it is forked it is told its next one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What a process is for."""

    SUPERVISOR = "supervisor"  # what the user started
    WORKER = "worker"  # runs the project and answers requests
    CHECKPOINT = "checkpoint"  # is paused before one module, to be forked
    STANDBY = "standby"  # is forked from a checkpoint already, to go on as the next worker at once
    SPARE = "spare"  # starts ahead of the next reload and waits in the middle, to become the worker
    BUILDER = "builder"  # imports modules ahead of their turn, and becomes a checkpoint
    DRY_RUN = "dry run"  # starts like a worker, and tells of it instead of serving
    STATE_REPORTER = "state reporter"  # tells in what state a worker was before it served
    CHECK_PROCESS = "check process"  # runs the system checks beside a worker; it has no link


class Act(StrEnum):
    """What a process does."""

    SERVE = "serves"
    SHOW = "shows the error in the browser"
    ASK = "lets the user answer"
    PAUSE = "pauses, to be resumed"
    TELL = "tells the supervisor, and ends"
    LEAVE = "ends at once"


class Conduct(NamedTuple):
    """What a process does at three moments.

    Attributes:
        at_end: its start has come to where a worker serves, or what it has to do is done.
        at_failure: the project, or what it runs of it, has raised an exception.
        at_prompt: the project asks at the terminal, as a debugger does.
    """

    at_end: Act
    at_failure: Act
    at_prompt: Act


CONDUCT: dict[Role, Conduct] = {
    Role.WORKER: Conduct(Act.SERVE, Act.SHOW, Act.ASK),
    Role.CHECKPOINT: Conduct(Act.PAUSE, Act.LEAVE, Act.LEAVE),
    Role.STANDBY: Conduct(Act.PAUSE, Act.LEAVE, Act.LEAVE),
    Role.SPARE: Conduct(Act.PAUSE, Act.LEAVE, Act.LEAVE),
    Role.BUILDER: Conduct(Act.PAUSE, Act.TELL, Act.LEAVE),
    Role.DRY_RUN: Conduct(Act.TELL, Act.TELL, Act.LEAVE),
    Role.STATE_REPORTER: Conduct(Act.TELL, Act.LEAVE, Act.LEAVE),
    Role.CHECK_PROCESS: Conduct(Act.LEAVE, Act.LEAVE, Act.LEAVE),  # the worker repeats what has failed
}
