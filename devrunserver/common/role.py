"""What a process is for. A process has one role at a time; where it is forked it is told its next one."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a process is for."""

    SUPERVISOR = "supervisor"  # what the user started
    WORKER = "worker"  # runs the project and answers requests
    CHECKPOINT = "checkpoint"  # is paused before one module, to be forked
    BUILDER = "builder"  # imports modules ahead of their turn, and becomes a checkpoint
    DRY_RUN = "dry run"  # starts like a worker, and tells of it instead of serving
    STATE_REPORTER = "state reporter"  # tells in what state a worker was before it served
    CHECK_PROCESS = "check process"  # runs the system checks beside a worker; it has no link
