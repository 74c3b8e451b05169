"""The checkpoints as the supervisor knows them: a row in which each has seen all that those before it have.

Theory of operation
-------------------
A checkpoint comes into being by the worker's word, which brings our end of its link; then it tells itself, in its
own time, which facts it relies on (``import_log.py``). To resume one, those after it are dropped: what they have seen
will be seen anew. A checkpoint ends when its link is closed. One that dies unasked takes the later ones out of the
row, as they rely on what only it could have told.

The row is kept short: where there are too many, the one that saves least is dropped and its facts go to the next. Those
right before the files that were edited last are dropped after all others: what is prepared begins there, too.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from subprocess import TimeoutExpired

from devrunserver.common import facts, file_state, link
from devrunserver.common.facts import Fact, Read, ResumePoint
from devrunserver.common.import_plan import Base
from devrunserver.common.messages import FactsRead, Resume
from devrunserver.common.present import Present
from devrunserver.common.process import Process
from devrunserver.common.role import Role

NOTHING_BEFORE = Base(0, (), 0)
KILOBYTES = 1024  # in a megabyte
SHARE = 0.3  # of the memory of the worker that checkpoints may take together, unless it is said how much ...
LEAST_MEMORY = 15.0  # ... and so many megabytes at least ...
LEAST_KEPT = 3  # ... and so many checkpoints, whatever they take: before the apps, before the URLconf, the last one
SPARED = 3  # files that were edited last, before which the checkpoint stays


@dataclass
class Checkpoint:
    """One paused process, or where a fork of it comes to.

    Attributes:
        at: what it is paused before.
        cost: seconds of work between the checkpoint before and this one.
        facts: what it relies on. None: not told yet.
        is_ahead: a fork of it has to go on to there.
    """

    number: int
    at: str
    cost: float
    link: link.Link
    process: Process
    facts: list[Fact] | None = None
    base: Base = NOTHING_BEFORE
    is_ahead: bool = False


class Chain:
    """The row of checkpoints.

    Args:
        selector: wakes the loop when a checkpoint says something; the data of its keys is to be called then.
        limit: how many are kept.
        memory: megabytes that they may take together; None: a share of what the worker takes.
        edited: the files that are being edited, the last one last.
        on_facts: called with what a checkpoint has read since the one before.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        limit: int,
        memory: float | None,
        edited: Callable[[], Sequence[str]] = list,
        on_facts: Callable[[list[Fact]], object] = lambda facts: None,
    ) -> None:
        self._selector = selector
        self._limit = limit
        self._memory = memory
        self._edited = edited
        self._on_facts = on_facts
        self._row: list[Checkpoint] = []
        self._leaving: list[Process] = []
        self.kept: list[Checkpoint] = []  # are not dropped where there are too many
        self.ended_at = ""  # the place from which on the last start could make none; empty: it could everywhere

    def __bool__(self) -> bool:
        return bool(self._row)

    @property
    def pids(self) -> set[int]:
        return {one.process.pid for one in self._row} | {one.pid for one in self._leaving}

    def add(self, number: int, at: str, cost: float, sock: socket.socket, process: Process) -> None:
        """A worker has become a checkpoint."""
        self.ended_at = ""
        checkpoint = Checkpoint(number, at, cost, link.Link(sock, Role.SUPERVISOR, Role.CHECKPOINT), process)
        self._row.append(checkpoint)
        self._selector.register(checkpoint.link, selectors.EVENT_READ, lambda: self._hear(checkpoint))

    def resume_point(self, present: Present) -> ResumePoint:
        """The latest checkpoint whose facts all hold."""
        return facts.resume_point([(one.number, one.facts) for one in self._row], present.first_broken)

    def resume(self, message: Resume) -> bool:
        """Tells the last checkpoint to go on as the worker. False if it is not there any more."""
        try:
            self._row[-1].link.send(message)
        except link.LinkClosed:
            return False
        return True

    def before(self, paths: Iterable[str]) -> list[Checkpoint]:
        """The checkpoints that have read none of these files, in their order."""
        wanted = set(paths)
        found: list[Checkpoint] = []
        for one in self._row:
            if one.facts is None or _has_read(one, wanted):
                break
            found.append(one)
        return found

    def holds(self, checkpoint: Checkpoint) -> bool:
        """Whether a checkpoint is still there."""
        return any(one.link is checkpoint.link for one in self._row)

    def cut(self, number: int = 0) -> None:
        """Drops every checkpoint after this one; all by default."""
        for checkpoint in [one for one in self._row if one.number > number]:
            self._drop(checkpoint)

    def cut_relying_on(self, fact: Fact) -> bool:
        """Drops every checkpoint that relies on a fact; whether there was one."""
        first = next((one for one in self._row if fact in (one.facts or ())), None)
        if first is not None:
            self.cut(first.number - 1)
        return first is not None

    def is_outdated(self, path: str) -> bool:
        """Whether a checkpoint has read a file in another state than it has now."""
        return any(
            fact.path == path and not file_state.is_still(path, fact.state)
            for one in self._row
            for fact in one.facts or ()
            if isinstance(fact, Read)
        )

    def look_after(self) -> None:
        """Notices who has died. Call it when a child has."""
        self._leaving = [one for one in self._leaving if one.poll() is None]
        for checkpoint in self._row:
            if checkpoint.process.poll() is not None:
                self.cut(checkpoint.number - 1)
                break

    def weigh(self, worker: int) -> None:
        """Drops checkpoints until the others are within the limit of memory.

        Args:
            worker: the pid of the present one.
        """
        limit, least = self._memory, 0
        if limit is None:
            limit, least = max(LEAST_MEMORY, SHARE * memory_of(worker, RESIDENT) / KILOBYTES), LEAST_KEPT
        sizes = {one.number: memory_of(one.process.pid, OWN) / KILOBYTES for one in self._row}
        while len(self._row) > least and sum(sizes[one.number] for one in self._row) > limit and self._thin(not least):
            pass

    def close(self, patience: float) -> None:
        """Ends all checkpoints and waits for their end."""
        self.cut()
        for process in self._leaving:
            process.kill()
            with suppress(TimeoutExpired):
                process.wait(patience)

    def _thin(self, takes_edited: bool = True) -> bool:
        """Drops the checkpoint that saves least; whether there was one to spare.

        Args:
            takes_edited: where there is no other, also one right before a file that was edited last, or may be.
        """
        ends = (0, len(self._row) - 1)[-self._limit :]
        kept = [place for place, one in enumerate(self._row) if any(one.link is other.link for other in self.kept)]
        costs = [one.cost for one in self._row]
        place = least_useful(costs, [*ends, *kept, *self._places_before_edited()])
        if place is None and takes_edited:
            place = least_useful(costs, [*ends, *kept])
        if place is None:
            return False
        dropped, heir = self._row[place], self._row[place + 1]
        if dropped.facts is None or heir.facts is None:
            return False
        heir.cost += dropped.cost
        heir.facts[:0] = dropped.facts
        self._drop(dropped)
        return True

    def _places_before_edited(self) -> list[int]:
        """Of the checkpoints right before the files that were edited last."""
        wanted = set(self._edited()[-SPARED:])
        return [place - 1 for place, one in enumerate(self._row) if place and _has_read(one, wanted)]

    def _hear(self, checkpoint: Checkpoint) -> None:
        try:
            messages = checkpoint.link.receive()
        except link.LinkClosed:
            self.cut(checkpoint.number - 1)
            return
        for message in messages:
            assert isinstance(message, FactsRead)  # by its route
            checkpoint.facts = message.facts
            checkpoint.base = Base(message.imported, message.importing, message.phase)
            self._on_facts(message.facts)
            while len(self._row) > self._limit and self._thin():
                pass

    def _drop(self, checkpoint: Checkpoint) -> None:
        self._row.remove(checkpoint)
        self._selector.unregister(checkpoint.link)
        checkpoint.link.close()
        self._leaving.append(checkpoint.process)


def _has_read(checkpoint: Checkpoint, paths: Collection[str]) -> bool:
    """Whether it has read one of some files, since the checkpoint before."""
    return any(isinstance(fact, Read) and fact.path in paths for fact in checkpoint.facts or ())


OWN = "Private_"  # what a process shares with no other; names of the rows, as proc(5) has them
RESIDENT = "Rss:"  # all that it has


def memory_of(pid: int, kind: str) -> int:
    """Kilobytes of a process. Source: proc(5)."""
    size = 0
    with suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith(kind):
                size += int(line.split()[1])
    return size


def least_useful(costs: Sequence[float], kept: Iterable[int] = ()) -> int | None:
    """Which of some checkpoints in a row to drop: the one that saves the least.

    Args:
        costs: of each, the seconds of work since the one before.
        kept: the places of those that stay in any case.
    """
    candidates = set(range(len(costs))) - set(kept)
    return min(candidates, key=lambda place: costs[place], default=None)
