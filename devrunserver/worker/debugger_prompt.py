"""Whether somebody sits at a debugger's prompt in this process: a reload would take it away from them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import FrameType

# Where a thread is while it waits for the user: the module's first name, and the function.
PROMPTS = {
    ("pdb", "interaction"),
    ("pdb", "cmdloop"),
    ("cmd", "cmdloop"),
    ("code", "interact"),
    ("IPython", "interaction"),
    ("IPython", "cmdloop"),
    ("IPython", "mainloop"),
    ("pudb", "interaction"),
    ("pudb", "event_loop"),
    ("_pydevd_bundle", "do_wait_suspend"),
    ("pydevd", "do_wait_suspend"),
}

EVENTS = ("builtins.breakpoint", "builtins.input")  # audit events that come before a prompt


def is_open() -> bool:
    """Whether any thread is at a prompt now."""
    return any(in_prompt(frame) for frame in sys._current_frames().values())


def in_prompt(frame: FrameType | None) -> bool:
    """Whether a frame, or one that called it, waits at a prompt."""
    return any((module.partition(".")[0], function) in PROMPTS for module, function in _callers(frame))


def _callers(frame: FrameType | None) -> Iterable[tuple[str, str]]:
    while frame is not None:
        yield str(frame.f_globals.get("__name__", "")), frame.f_code.co_name
        frame = frame.f_back
