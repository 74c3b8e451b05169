"""Work in the background that consists of steps, each of which waits for what another process says."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

from devrunserver.common import link, process
from devrunserver.common.messages import Message

PATIENCE = 120.0  # seconds for one step, of processes of low priority on a machine that may be busy

Result = TypeVar("Result")


@dataclass(eq=False)
class Run:
    """A process that works in the background."""

    link: link.Link
    process: process.Process | None = None  # None: has not said hello yet
    said: Message | None = None  # before anybody has listened
    is_loaded: bool = False  # it has read all files that it reads
    ended: bool = False  # nothing more will be said


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
