"""Work in the background that consists of steps, each of which waits for what another process says."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from devrunserver.common import link, process
from devrunserver.common.messages import Message

PATIENCE = 60.0  # seconds for one step

Steps = Generator["Run", Any, None]  # gets what the process says; None: it is gone


@dataclass(eq=False)
class Run:
    """A process that rehearses, builds or testifies."""

    link: link.Link
    process: process.Process | None = None  # None: has not said hello yet
    said: Message | None = None  # before anybody has listened
    ended: bool = False  # nothing more will be said


class Job:
    """Steps that go on whenever a process has said what they wait for.

    Args:
        steps: each yields the process that is to say something, and gets what it says, or None if it is gone.
    """

    def __init__(self, steps: Steps) -> None:
        self.deadline = time.monotonic() + PATIENCE
        self.done = False
        self._steps = steps
        self._awaited: Run | None = None
        self._advance(None)

    def hear(self, run: Run, message: Message | None) -> bool:
        """Goes on if this is what it waits for; whether it was."""
        if self.done or run is not self._awaited:
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
                self._awaited = self._steps.send(message)
                self.deadline = time.monotonic() + PATIENCE
                message, self._awaited.said = self._awaited.said, None
                if message is None and not self._awaited.ended:
                    return
        except StopIteration:
            self.done = True
