"""The supervisor's side of one worker: its process and link, what it has told us, and by when it has to do what."""

from __future__ import annotations

import selectors
import time
from contextlib import suppress
from dataclasses import dataclass, field
from subprocess import TimeoutExpired

from devrunserver.common import handoff, process
from devrunserver.common.handoff import Handed
from devrunserver.common.link import Link, LinkClosed
from devrunserver.common.messages import Connections, Message, Stop
from devrunserver.common.process import Process
from devrunserver.supervisor.lifecycle import Attempt
from devrunserver.supervisor.optional_parts import Part
from devrunserver.supervisor.relevance import Concerns

# Seconds for a worker to hear us, until which changes wait to be shown to it: from its start, or from the last module
# that it has come to. Most likely it has written the file itself, or the start has not come to it yet.
HEAR_PATIENCE = 5.0
HELLO_PATIENCE = 2.0  # seconds for a checkpoint to fork, and for its fork to say hello


@dataclass
class WorkerHandle:
    """One worker. Times are seconds of the supervisor's clock.

    It has no process while one is being forked, which may never say hello.
    """

    process: Process | None
    link: Link | None  # None: the other end is gone
    attempt: Attempt
    hears_by: float  # when what is said to it is taken to be heard
    hello_by: float | None = None  # when it has to have said hello; None: whenever it does
    leaves_by: float | None = None  # when it is killed; None: nobody has told it to leave
    hears: bool = False
    can_look: bool = False  # it has what it needs to look whether it is fresh
    asks: bool = False  # it waits for us to say whether it is
    serving_since: float | None = None
    is_outdated: bool = False  # it relies on what is not so any more, and leaves
    prepared_by: Part | None = None  # who had prepared what it was resumed from
    concerns: Concerns = field(default_factory=Concerns)

    @property
    def due(self) -> float | None:
        """The next of its deadlines."""
        return min((one for one in (self.hello_by, self.leaves_by) if one is not None), default=None)

    def is_late(self, now: float) -> bool:
        return self.due is not None and now >= self.due

    def send(self, message: Message) -> bool:
        """Sends a message; whether it could. If not, its exit follows."""
        if self.link is not None:
            with suppress(LinkClosed):
                self.link.send(message)
                return True
        return False

    def on_hello(self, pid: int) -> None:
        """Its process is known. One that has to leave already leaves now."""
        if self.process is not None:
            return
        self.process = process.Adopted(pid)
        self.hello_by = None
        if self.leaves_by is not None:
            self.process.terminate()

    def become_checkpoint(self) -> Process | None:
        """Its process, which is another's from now on; None where it has none."""
        taken, self.process = self.process, None
        return taken

    def request_stop(self, leaves_by: float, is_reload: bool = False) -> None:
        """Tells it to leave, for the next one or for good."""
        self.leaves_by = leaves_by
        if self.hears and self.send(Stop(is_reload)):
            return
        if self.process is not None:  # or else when it says hello
            self.process.terminate()

    def kill(self) -> None:
        """Ends it at once; again is harmless."""
        self.leaves_by = None
        if self.process is not None:
            self.process.kill()

    def leave(self, patience: float) -> list[Handed]:
        """Tells it to leave, and waits for that; returns the connections that it hands over.

        For where the loop does not hear it any more.
        """
        handed: list[Handed] = []
        if self.link is None or not self.hears or not self.send(Stop()):
            return handed
        ends = time.monotonic() + patience
        with suppress(LinkClosed), selectors.DefaultSelector() as selector:
            selector.register(self.link, selectors.EVENT_READ)
            while (left := ends - time.monotonic()) > 0 and selector.select(left):
                for message in self.link.receive():
                    if isinstance(message, Connections):
                        handed += handoff.from_message(message)
        return handed

    def end(self, patience: float) -> None:
        """Ends it at once, and waits for its end."""
        self.kill()
        if self.process is not None:
            with suppress(TimeoutExpired):
                self.process.wait(patience)
