"""Python's audit events, for as long as we want them. An audit hook cannot be taken out; its handlers can."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, MutableMapping
from types import FrameType
from typing import Any

Handler = Callable[[tuple[Any, ...]], None]

HOOK_FRAMES = 2  # between a handler and the code that caused the event: the handler and the hook


def listen(
    handlers: MutableMapping[str, Handler],
    on_fault: Callable[[Exception], None],
    observers: Mapping[str, Callable[[], None]] | None = None,
) -> None:
    """Calls the handler of each event, in the thread and at the moment of what causes it, before it happens.

    Events without a handler cost a look into the mapping, so emptying it is how to end this. A handler that fails is
    taken out: its exception would come out of what the project does. Of events that have a handler, an observer is told
    besides.
    Source: https://docs.python.org/3/library/audit_events.html
    """
    observers = observers or {}

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if (handler := handlers.get(event)) is not None:
            try:
                if (observer := observers.get(event)) is not None:
                    observer()
                handler(args)
            except Exception as fault:
                handlers.pop(event, None)
                on_fault(fault)

    # Python lets nobody look into a hook; who measures coverage may, as that stops nowhere. It asks for this at each
    # event, of which a start may have half a million (``id()``), and is quicker where it finds nothing.
    if is_measured():
        hook.__cantrace__ = True  # type: ignore[attr-defined]
    sys.addaudithook(hook)


def is_measured() -> bool:
    """Whether coverage is measured by ``sys.monitoring``, which there is from Python 3.12 on."""
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and monitoring.get_tool(monitoring.COVERAGE_ID) is not None


def culprit() -> FrameType:
    """The frame that caused the event which is being handled. For handlers alone."""
    return sys._getframe(HOOK_FRAMES + 1)
