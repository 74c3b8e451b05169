"""What the server can do without: a fault in it is told in one line and switches it off, and the rest goes on.

Theory of operation
-------------------
The port has to answer, whatever goes wrong in what only makes it quicker or tells more. So each call of an optional
part goes through here. A part that has failed once is not called again until the server is started the next time: who
knows what it has left half done. What has to be cleaned up then is said where the part is made.

A part may also be called by the loop, when a descriptor that it has registered becomes readable: ``ContainedSelector``
registers for it, and knows what to take out again.

Where an optional part in its turn calls what is necessary (``uncontained``), a fault in that goes all the way: a save
that was half taken notice of must not pass for none.
"""

from __future__ import annotations

import functools
import selectors
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Part(Enum):
    """An optional part, as the user knows it."""

    PREPARING = "preparing reloads"
    SPARES = "starting ahead of the next reload"
    TELLING = "telling of reloads"
    EXPLAINING = "explaining reloads"
    EDITED_FILES = "guessing which files are edited next"
    PLACEHOLDER = "the page that is shown while the project starts"
    WEIGHING = "limiting the memory of checkpoints"
    TOOLS = "answering `python -m devrunserver status` and the like"
    PAGES = "telling open pages of changes"
    TERMINAL = "restoring the terminal"
    PROGRESS = "showing how far a start is"


class NecessaryFault(Exception):
    """A fault of what is necessary, met on behalf of what is optional; its cause says which."""


def uncontained(function: Callable[P, T]) -> Callable[P, T]:
    """Has the faults of a function pass through whichever optional part calls it."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except Exception as fault:
            raise NecessaryFault(describe_fault(fault)) from fault

    return call


class OptionalParts:
    """Calls optional parts, and knows which of them are switched off.

    Args:
        say: tells the user one line.
        remark: tells it to those who want to know it all.
    """

    def __init__(self, say: Callable[[str], None], remark: Callable[[str], None]) -> None:
        self.off: set[Part] = set()
        self._say = say
        self._remark = remark
        self._clean_up: dict[Part, Callable[[], None]] = {}

    def clean_up_with(self, part: Part, function: Callable[[], None]) -> None:
        """Has a function called when a part is switched off."""
        self._clean_up[part] = function

    @contextmanager
    def contain(self, part: Part) -> Iterator[None]:
        """Keeps an exception of a part from going further. For what is called even where the part is off."""
        try:
            yield
        except NecessaryFault:
            raise
        except Exception as fault:
            self._switch_off(part, fault)

    def call(self, part: Part, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What a function of a part returns; None where the part is off or fails."""
        if part not in self.off:
            with self.contain(part):
                return function(*args, **kwargs)
        return None

    def _switch_off(self, part: Part, fault: Exception) -> None:
        if part in self.off:
            return
        self.off.add(part)
        with suppress(Exception):  # telling may be what fails
            self._say(
                f"A fault of devrunserver's own ({describe_fault(fault)}): {part.value} is off until you start the "
                "server again. Please report it; --verbosity 2 shows the traceback."
            )
            self._remark("".join(traceback.format_exception(fault)).rstrip())
        forget_frames(fault)
        if (clean_up := self._clean_up.get(part)) is not None:
            with self.contain(part):
                clean_up()


class Closable(Protocol):
    def fileno(self) -> int: ...
    def close(self) -> None: ...


class Registry(Protocol):
    """Where it is said what is to be called when a descriptor is readable."""

    def register(self, fileobj: Closable, events: int, data: Callable[[], Any]) -> object: ...
    def unregister(self, fileobj: Closable) -> object: ...


class ContainedSelector:
    """The part of the loop's selector that belongs to an optional part.

    Args:
        selector: the loop's; the data of its keys is called when they are readable.
        optional: contains the faults of what is called.
        part: whose descriptors these are.
    """

    def __init__(self, selector: selectors.BaseSelector, optional: OptionalParts, part: Part) -> None:
        self._selector = selector
        self._optional = optional
        self._part = part
        self._registered: list[Closable] = []

    def register(self, fileobj: Closable, events: int, data: Callable[[], Any]) -> None:
        self._selector.register(fileobj, events, lambda: self._optional.call(self._part, data))
        self._registered.append(fileobj)

    def unregister(self, fileobj: Closable) -> None:
        self._selector.unregister(fileobj)
        self._registered.remove(fileobj)

    def close_all(self) -> None:
        """Closes what is still registered; the processes at the other ends take that for our end, and leave."""
        registered, self._registered = self._registered, []
        for one in registered:
            with suppress(KeyError, ValueError):
                self._selector.unregister(one)
            with suppress(OSError):
                one.close()


def describe_fault(fault: BaseException) -> str:
    """An exception in one line."""
    if isinstance(fault, NecessaryFault) and fault.__cause__ is not None:
        fault = fault.__cause__
    text = " ".join(str(fault).split())
    return f"{type(fault).__name__}: {text}" if text else type(fault).__name__


def forget_frames(fault: BaseException | None) -> None:
    """Takes the frames from an exception that was told, as they would keep alive what is to be cleaned up now."""
    while fault is not None:
        fault.__traceback__ = None
        fault = fault.__cause__ or fault.__context__
