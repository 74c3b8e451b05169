"""Python's audit events, for as long as we want them. An audit hook cannot be taken out; its handlers can."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

Handler = Callable[[tuple[Any, ...]], None]

HOOK_FRAMES = 2  # between a handler and the code that caused the event: the handler and the hook


def listen(handlers: Mapping[str, Handler]) -> None:
    """Calls the handler of each event, in the thread and at the moment of what causes it, before it happens.

    Events without a handler cost a look into the mapping, so emptying it is how to end this.
    Source: https://docs.python.org/3/library/audit_events.html
    """

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if (handler := handlers.get(event)) is not None:
            handler(args)

    sys.addaudithook(hook)


def culprit() -> FrameType:
    """The frame that caused the event which is being handled. For handlers alone."""
    return sys._getframe(HOOK_FRAMES + 1)
