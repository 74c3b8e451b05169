"""The spare as the supervisor knows it: one interpreter that has started ahead of the next reload, and waits.

Theory of operation
-------------------
Where processes cannot be forked, there are no checkpoints, and a reload would be a full start. Instead, some time after
a reload, a worker is started that serves nobody (``checkpoints/spare.py``). It pauses before the first of the files
that are being edited, and tells which facts it relies on. At the next reload it goes on as the worker, if they still
hold; if not, it ends, and the reload is a fresh start. Either way another one is started afterwards.

It competes with nothing: it is started when the worker has served for a while. One that has not come to its pause when
the next reload begins is ahead of a fresh start even so: where it will pause before what was saved, it is the worker
from then on, and gets the word to go on when it is there and its facts hold. What it prints is shown when it goes on. A
process that ends by itself, as the project is broken before the edited file, is not started again before the next
reload.

Once there is a verified plan (``preparation/spare_plans.py``) a spare that has paused imports ahead what the plan says,
and pauses again. Meanwhile it counts as one that has not paused yet.
"""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from subprocess import TimeoutExpired

from devrunserver.common import link
from devrunserver.common.facts import Fact, Read
from devrunserver.common.import_plan import Base
from devrunserver.common.memory import is_memory_low
from devrunserver.common.messages import BuildFailed, FactsRead, ImportAhead, Resume
from devrunserver.common.present import first_broken
from devrunserver.common.process import Process, describe_status
from devrunserver.supervisor.console import describe
from devrunserver.supervisor.edited_files import IN_TURN
from devrunserver.supervisor.held_output import HeldOutput
from devrunserver.supervisor.launcher import Launcher
from devrunserver.supervisor.optional_parts import ContainedSelector
from devrunserver.supervisor.preparation.spare_plans import SparePlans
from devrunserver.supervisor.preparation.spare_steps import SparePlan
from devrunserver.supervisor.relevance import is_source

QUIET = 0.5  # seconds that a worker has served for, so that the first request is not disturbed
END_PATIENCE = 0.5  # seconds for one that was killed
LEAVE_PATIENCE = 2.0  # seconds for a spare that is not wanted to run `atexit`, before it is killed
NOT_READY = "no spare was ready yet"


class Need(Enum):
    """Whether there is to be a spare."""

    NEVER = auto()
    NOT_YET = auto()  # not as long as checkpoints are made
    NOW = auto()


@dataclass
class Spare:
    """One process."""

    process: Process
    link: link.Link
    output: HeldOutput
    edited: frozenset[str]  # the files before the first of which it pauses
    began: float  # when it was spawned, in seconds since the epoch
    facts: list[Fact] | None = None  # None: it has not paused yet
    read: list[Fact] = field(default_factory=list)  # what it has relied on before it went on to import ahead
    obstacle: list[Fact | None] = field(default_factory=list)  # of a look ahead: the first that holds no more
    message: Resume | None = None  # what it gets when it has paused: it is the worker already
    paused_at: Base | None = None  # where it has paused first
    plan: SparePlan | None = None  # what it imports ahead, or has; None: it is exact

    def pause(self, told: FactsRead) -> None:
        """It has paused."""
        if self.paused_at is None:
            self.paused_at = Base(told.imported, told.importing, told.phase)
        self.facts = [*self.read, *told.facts]
        self.obstacle.clear()  # found when nothing was known of it

    def follow(self, plan: SparePlan) -> None:
        """Has it import ahead, after which it pauses again."""
        self.read, self.facts, self.plan = self.facts or [], None, plan
        with suppress(link.LinkClosed):  # its end is heard of
            self.link.send(ImportAhead(plan.plan.modules, sorted(plan.plan.excluded)))

    def look_ahead(self) -> None:
        """Looks whether its facts hold."""
        self.obstacle = [first_broken(self.read if self.facts is None else self.facts)]

    def go_on(self, message: Resume, selector: ContainedSelector) -> None:
        """Has it go on as the worker. Raises ``LinkClosed`` where it is gone."""
        self.output.show()
        self.link.send(message)
        self.release(selector)

    def release(self, selector: ContainedSelector) -> None:
        """Closes what we have of it. Again is harmless."""
        if self.message is not None:
            self.message.link.close()
        with suppress(KeyError, ValueError):
            selector.unregister(self.link)
        self.link.close()
        self.output.close()


class Spares:
    """Keeps at most one spare, for the files that are being edited.

    Args:
        selector: wakes the loop when the spare says something; the data of its keys is to be called then.
        launcher: spawns it.
        clock: seconds.
        enabled: whether there may be any.
        are_forked: whether checkpoints are made, so that there is no need as long as that can be done.
        on_useless: called when the worker is a spare that ends, or turns out to rely on what has changed.
        plans: what spares import ahead.
    """

    def __init__(
        self,
        selector: ContainedSelector,
        launcher: Launcher,
        clock: Callable[[], float],
        enabled: bool,
        are_forked: bool,
        on_useless: Callable[[], None],
        plans: SparePlans,
    ) -> None:
        self.why_not = ""  # the last reload did not use one; empty: it did, or there are none
        self.plans = plans
        self._need = Need.NEVER if not enabled else Need.NOT_YET if are_forked else Need.NOW
        self._selector = selector
        self._launcher = launcher
        self._clock = clock
        self._on_useless = on_useless
        self._is_worth_waiting = True  # the last one did not end before
        self._awaited: Spare | None = None  # the worker, before it has the word to go on
        self._due: float | None = None  # when to start one
        self._saved: deque[str] = deque(maxlen=IN_TURN)
        self._spare: Spare | None = None
        self._leaving: list[tuple[float, Process]] = []  # until when they may take their time

    @property
    def is_wanted(self) -> bool:
        """Whether there is to be a spare."""
        return self._need is Need.NOW

    @property
    def due(self) -> float | None:
        """When ``step`` is to be called, by the clock."""
        moments = [until for until, _ in self._leaving] + ([] if self._due is None else [self._due])
        moments += [] if self.plans.due is None else [self.plans.due]
        return min(moments, default=None)

    @property
    def pids(self) -> set[int]:
        """Of processes that somebody waits for."""
        spare = {self._spare.process.pid} if self._spare is not None else set()
        return spare | {process.pid for _, process in self._leaving} | self.plans.pids

    def on_checkpoint(self) -> None:
        """Checkpoints are made: there is no need of a spare."""
        if self._need is Need.NOW:
            self._need = Need.NOT_YET

    def on_checkpoints_ended(self, are_any: bool) -> None:
        """From somewhere on no checkpoints can be made; where there are none at all, a spare may stand for them."""
        if self._need is Need.NOT_YET and not are_any:
            self._need = Need.NOW

    def on_change(self, path: str) -> None:
        """A reload begins, for this file. A spare that will not pause before it must not delay it."""
        self._due = None
        self.plans.on_change(path)
        if is_source(path):
            self._saved.append(path)
        spare = self._spare
        if spare is not None and spare.facts is None and not (self._is_worth_waiting and path in spare.edited):
            self.drop(NOT_READY)

    def served(self, is_reload: bool, is_broken: bool = False) -> None:
        """A worker serves, or shows an error; after a while there is time to start a spare."""
        self.plans.served(is_broken)
        if self.is_wanted and is_reload and self._saved and self._spare is None:
            self._due = self._clock() + QUIET

    def foresee(self) -> None:
        """Looks whether the spare may serve, for a ``resume`` before which nothing happens to files."""
        if self._spare is not None:
            self._spare.look_ahead()

    def may_serve(self, is_exact: bool = False) -> bool:
        """Whether the spare may go on as the worker, now or when it has paused. One that may not is ended.

        Args:
            is_exact: whether one that imports ahead may not.
        """
        spare = self._spare
        if spare is not None and spare.plan is not None and is_exact:
            self.drop("it has imported ahead")
            return False
        if spare is None:
            self.why_not = self.why_not or (NOT_READY if self.is_wanted else "")
            return False
        if not self._holds(spare):
            self.drop(self.why_not)
            return False
        return True

    def _holds(self, spare: Spare) -> bool:
        """Whether what a spare relies on, as far as it has told, is still so; if not, says why."""
        if not spare.obstacle:
            spare.look_ahead()
        if (obstacle := spare.obstacle.pop()) is None:
            return True
        if isinstance(obstacle, Read) and is_source(obstacle.path) and obstacle.path not in self._saved:
            self._saved.append(obstacle.path)  # saved together with another one
        self.why_not = describe(obstacle)
        return False

    def resume(self, message: Resume) -> tuple[Process, bool] | None:
        """Has the spare, which may serve, go on as the worker; None if it is not there any more.

        Returns:
            Its process, and whether it is prepared.
        """
        spare = self._spare
        if spare is None:
            return None
        try:
            if spare.facts is None:  # it gets the word when it has paused
                self._end_awaiting()
                spare.message, self._awaited = replace(message, link=message.link.dup()), spare
            else:
                spare.go_on(message, self._selector)
            self._spare, self.why_not = None, ""
            self._launcher.began = spare.began
            if spare.plan is not None:
                self.plans.on_resumed(spare.plan)
        except link.LinkClosed:
            self.drop("it has ended")
            return None
        except Exception:  # another worker will be started
            spare.process.kill()
            raise
        return spare.process, spare.plan is not None

    def _end_awaiting(self) -> None:
        """The worker is not awaited any more: it has got the word, or is gone."""
        spare, self._awaited = self._awaited, None
        if spare is not None:
            spare.release(self._selector)

    def step(self, now: float) -> None:
        """Does what is due."""
        if self._spare is not None and (status := self._spare.process.poll()) is not None:
            self.drop(self.why_not or f"it ended by {describe_status(status)}")
        for until, process in self._leaving:
            if now >= until:
                process.kill()
        self._leaving = [one for one in self._leaving if one[1].poll() is None and now < one[0]]
        if self._due is not None and now >= self._due:
            self._due = None
            self.plans.begin(frozenset(self._saved))
            self._start()
        self.plans.step(now)
        spare = self._spare
        if spare is not None and spare.facts is not None and spare.plan is None and spare.paused_at is not None:
            plan = self.plans.plan_for(spare.edited, spare.paused_at)
            if plan is not None:
                spare.follow(plan)

    def drop(self, why: str) -> None:
        """Ends the spare, if there is one.

        Args:
            why: it cannot be used.
        """
        self.why_not = why
        self._end_awaiting()  # another worker follows, in any case
        spare, self._spare = self._spare, None
        if spare is None:
            return
        self._leaving.append((self._clock() + LEAVE_PATIENCE, spare.process))
        if spare.facts is None:  # the end of its link would tell it too late
            spare.process.terminate()
        spare.release(self._selector)

    def close(self, why: str = "") -> None:
        """Ends all, and waits for their end. Again is harmless.

        Args:
            why: there are none from now on.
        """
        self._due, self._need = None, Need.NEVER
        try:
            self.drop(why)
            self.plans.close()
        finally:
            self._selector.close_all()
            leaving, self._leaving = self._leaving, []
            for _, process in leaving:
                process.kill()
                with suppress(TimeoutExpired):
                    process.wait(END_PATIENCE)

    def _start(self) -> None:
        if is_memory_low():
            self.why_not = "memory is low"
            return
        output = HeldOutput(self._selector)
        try:
            process, ours, began = self._launcher.spawn_spare(self._saved, output.descriptors)
        except OSError as error:
            output.close()
            self.why_not = f"it cannot be started: {error}"
            return
        output.on_spawned()
        self.why_not = ""
        spare = self._spare = Spare(process, ours, output, frozenset(self._saved), began)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(spare))

    def _hear(self, spare: Spare) -> None:
        try:
            messages = spare.link.receive()
        except link.LinkClosed:
            self._on_gone(spare)
            return
        for message in messages:
            if isinstance(message, BuildFailed):
                self.why_not = message.reason
            else:
                assert isinstance(message, FactsRead)  # by its route
                spare.pause(message)
                self._is_worth_waiting = True
        if spare is self._awaited and spare.facts is not None:
            self._on_awaited(spare)

    def _on_gone(self, spare: Spare) -> None:
        self._is_worth_waiting = spare.paused_at is not None
        self.why_not = self.why_not or "it ended while it started"
        if spare.plan is not None and spare.facts is None:
            self.plans.on_failed(self.why_not)
        if spare is self._awaited:
            self._end_awaiting()
            self._on_useless()
        else:
            self.drop(self.why_not)

    def _on_awaited(self, spare: Spare) -> None:
        """The worker has paused: it gets the word to go on, or is replaced."""
        if not self._holds(spare):
            self._end_awaiting()
            self._on_useless()
        elif spare.message is not None:
            with suppress(link.LinkClosed):  # its exit follows
                spare.go_on(spare.message, self._selector)
            self._end_awaiting()
