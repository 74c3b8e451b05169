"""What a process is for, which is told to it where it is forked."""

from __future__ import annotations

from enum import StrEnum


class Task(StrEnum):
    """What a process is forked from a checkpoint for."""

    SERVE = "to go on as the worker"
    REHEARSE = "to go on until it could serve, and tell of it"
    BUILD = "to import modules ahead of their turn, and pause again"
