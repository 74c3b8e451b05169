"""Work in the background that consists of steps, each of which waits for what another process says."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from devrunserver.common import process
from devrunserver.common.link import Link, LinkClosed, pair
from devrunserver.common.messages import ForkAhead, Message, Resume
from devrunserver.common.role import Role

PATIENCE = 120.0  # seconds for one step, of processes of low priority on a machine that may be busy

Result = TypeVar("Result")


@dataclass(eq=False)
class Run:
    """A process that works in the background."""

    link: Link
    process: process.Process | None = None  # None: has not said hello yet
    said: Message | None = None  # before anybody has listened
    is_loaded: bool = False  # it has read all files that it reads
    ended: bool = False  # nothing more will be said
    standby: Link | None = None  # to a process that it has forked already, for the next worker

    def fork_ahead(self) -> None:
        """Has a checkpoint fork already. Again is harmless."""
        if self.standby is None:
            with suppress(OSError, LinkClosed):  # there are no descriptors left; its end is heard of
                self.standby, theirs = pair(Role.STANDBY)
                with theirs:
                    self.link.send(ForkAhead(theirs))

    def resume(self, message: Resume) -> bool:
        """Has a checkpoint fork a worker, or the standby be it; whether it is still there."""
        is_sent = (self.standby is not None and _sends(self.standby, message)) or _sends(self.link, message)
        self.end_standby()
        return is_sent

    def end_standby(self) -> None:
        """Has the standby end, unless it goes on. Again is harmless."""
        if self.standby is not None:
            self.standby.close()
            self.standby = None


def _sends(to_process: Link, message: Resume) -> bool:
    try:
        to_process.send(message)
    except LinkClosed:
        return False
    return True


# Each step yields the process that is to say something, and gets what it says, or None if it is gone
Steps = Generator[Run, Message | None, Result]


class Job(Generic[Result]):
    """Steps that go on whenever a process has said what they wait for.

    Args:
        steps: what they return is the result.
    """

    def __init__(self, steps: Steps[Result]) -> None:
        self.began = time.monotonic()
        self.deadline = self.began + PATIENCE
        self.result: Result | None = None
        self.done = False
        self.awaited: Run | None = None
        self._steps = steps
        self._advance(None)

    def hear(self, run: Run, message: Message | None) -> bool:
        """Goes on if this is what it waits for; whether it was."""
        if self.done or run is not self.awaited:
            return False
        self._advance(message)
        return True

    def give_up_waiting(self) -> None:
        self._advance(None)

    def close(self) -> None:
        self.done = True
        self._steps.close()

    def _advance(self, message: Message | None) -> None:
        try:
            while True:
                self.awaited = self._steps.send(message)
                self.deadline = time.monotonic() + PATIENCE
                message, self.awaited.said = self.awaited.said, None
                if message is None and not self.awaited.ended:
                    return
        except StopIteration as end:
            self.result = end.value
            self.done = True
