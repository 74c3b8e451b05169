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

WITH_TEXT = {("cmd", "cmdloop"), ("pdb", "cmdloop"), ("pdb", "interaction")}  # methods of what has a ``prompt``

EVENTS = ("builtins.breakpoint", "builtins.input")  # audit events that come before a prompt


def open_prompt() -> str | None:
    """The text of a prompt that any thread waits at now, empty where it cannot be known; None: there is none."""
    for frame in sys._current_frames().values():
        if in_prompt(frame):
            return text_of(frame)
    return None


def in_prompt(frame: FrameType | None) -> bool:
    """Whether a frame, or one that called it, waits at a prompt."""
    return any(_name(caller) in PROMPTS for caller in _callers(frame))


def text_of(frame: FrameType | None) -> str:
    """The text of the prompt that a frame waits at, as far as it is one of the standard library's (``cmd.Cmd``)."""
    for caller in _callers(frame):
        if _name(caller) in WITH_TEXT:  # a frame of the debugger: that of the project must not be looked into
            return str(getattr(caller.f_locals.get("self"), "prompt", ""))
    return ""


def _name(frame: FrameType) -> tuple[str, str]:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0], frame.f_code.co_name


def _callers(frame: FrameType | None) -> Iterable[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
