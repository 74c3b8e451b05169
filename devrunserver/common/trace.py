"""A trace of the messages between the processes, to standard error: for who looks for a mistake of ours.

It is switched on by the environment variable ``DEVRUNSERVER_TRACE``, or by ``-v 3`` on the command line, which a worker
shares with its supervisor. What runs silently in the background has no standard error; the supervisor's lines tell of
the same messages.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from devrunserver.common import environment, verbosity
from devrunserver.common.messages import Message
from devrunserver.common.role import Role

STANDARD_ERROR = 2
LONGEST = 200  # characters of a field that are shown


def is_wanted(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether a command line or an environment asks for a trace."""
    return environment.traces(environ) or verbosity.of(argv) >= verbosity.TRACED


@functools.cache
def is_on() -> bool:
    """Whether this process traces: what it was when it was started decides."""
    return is_wanted(sys.argv, os.environ)


def note(role: Role, direction: str, peer: Role, message: Message) -> None:
    """Writes one line: the time, the process, and what it says to another (``to``), or has heard (``from``)."""
    if is_on():
        with suppress(OSError):
            os.write(STANDARD_ERROR, line(time.time(), os.getpid(), role, direction, peer, message).encode())


def line(now: float, pid: int, role: Role, direction: str, peer: Role, message: Message) -> str:
    """The line of one message, of which long fields are cut. ``now`` is in seconds since the epoch."""
    clock = time.strftime("%H:%M:%S", time.localtime(now)) + f"{now % 1:.6f}"[1:]
    told = ", ".join(f"{name}={cut(repr(value))}" for name, value in vars(message).items())
    return f"{clock} {pid} {role} {direction} {peer}: {type(message).__name__}({told})\n"


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"
