"""Prepares the next reload of the files that are being edited: the supervisor's side.

Theory of operation
-------------------
A reload imports what comes after the edited file, though most of it has nothing to do with that file. So, when a reload
is done, all that does *not* depend on the edited files is imported ahead, in a process that is forked from the
checkpoint before the URLconf: the *prepared* checkpoint. What is resumed there has only the edited files and their
dependents left to import. Each module is still executed once, from its present source, after all that it imports; but
modules that do not depend on each other come in another order, and some notice: receivers of a signal, plug-ins in a
list, patches. So nothing is assumed; a prepared checkpoint serves only when it is *verified*.

Building, which goes on while the edited files change, as it has nothing to do with what they contain:

1. A rehearsal starts exactly, without serving, and records who imports whom. That gives the plan.
2. The builder imports what is in the plan, and pauses.

Verifying, which begins anew with each worker:

3. The fingerprints (``fingerprint.py``) of an exact and of a prepared start with the present sources are compared. One
   is the worker's, told by a process that was forked from it right before it served; the other is a rehearsal's.
4. Equal: the prepared checkpoint may serve the next reload. If not, the modules whose traces are out of order are left
   out of the plan, with what imports them, and it is built again. If the worker itself was the prepared one, it is
   replaced by an exact one at once.

What differs between two exact starts too (times, random numbers) does not count. A prepared checkpoint stays for as
long as all that it has read is unchanged.
"""

from __future__ import annotations

import functools
import selectors
import socket
import time
from collections.abc import Callable, Collection, Generator, Iterable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from devrunserver.common import facts, import_plan, link, process
from devrunserver.common.facts import Fact
from devrunserver.common.memory import is_memory_low
from devrunserver.common.messages import (
    Attributes,
    AttributesAsked,
    Build,
    BuildFailed,
    DryRun,
    FactsRead,
    Hello,
    Message,
    Outlines,
    OutlinesAsked,
    Plan,
    Resume,
    StateReport,
)
from devrunserver.common.role import Role
from devrunserver.supervisor.checkpoint_chain import Chain, Present
from devrunserver.supervisor.optional_parts import Registry
from devrunserver.supervisor.preparation.jobs import Job, Run, Steps

PLACE = "the URLconf"  # before this nothing is prepared: what sets up apps and models is full of traces
QUIET = 0.2  # seconds after a reload in which nothing happens
FIRST_QUIET = 30.0  # the same after the first start: who has just started a server has other things to do than to edit
WORTH = 0.05  # seconds of import that are worth a prepared checkpoint
ATTEMPTS = 4  # how often it is built again without some modules

Attribute = tuple[str, str]  # a module and what is in its namespace


@dataclass
class Prepared:
    """A prepared checkpoint."""

    run: Run
    facts: list[Fact]
    modules: list[str]
    verified: bool = False


class Preparation:
    """Keeps at most one prepared checkpoint, for the files that are being edited.

    Args:
        selector: wakes the loop when one of our processes says something; the data of its keys is to be called then.
        chain: the exact checkpoints.
        on_difference: called if what a prepared checkpoint has served is not what a fresh start gives; told why.
        tell: tells the user, if he wants to know it all.
        enabled: whether anything is to be prepared.
    """

    def __init__(
        self,
        selector: Registry,
        chain: Chain,
        on_difference: Callable[[str], None],
        tell: Callable[[str], None],
        enabled: bool,
    ) -> None:
        self.why_not = ""  # there is no prepared checkpoint
        self.volatile: set[Attribute] = set()  # what differs between exact starts
        self._selector = selector
        self._chain = chain
        self._on_difference = on_difference
        self._tell = tell
        self._enabled = enabled
        self._due: float | None = None  # when to look whether there is something to do
        self._edited: list[str] = []
        self._serves_prepared = False  # what the worker was resumed from
        self._is_broken = False  # the worker
        self._witness: Run | None = None  # who knows the state of the worker
        self._building: Job | None = None
        self._verifying: Job | None = None
        self._prepared: Prepared | None = None
        self._foreseen: tuple[Prepared | None, Fact | None] = None, None  # what it relies on that holds no more
        self._plan: Plan | None = None
        self._planned_for: list[str] = []  # the files that were being edited then
        self._attempts = 0
        self._given_up = False
        self._runs: dict[Run, str] = {}  # our processes, and what they are for: "build" or "verify"

    # What the supervisor asks for

    @property
    def due(self) -> float | None:
        """When ``step`` is to be called, by the monotonic clock."""
        jobs = [job.deadline for job in (self._building, self._verifying) if job is not None]
        return min([*jobs, *([self._due] if self._due is not None else [])], default=None)

    @property
    def pids(self) -> set[int]:
        """Of processes that somebody waits for."""
        return {run.process.pid for run in self._runs if run.process is not None}

    def witness(self) -> socket.socket | None:
        """One end of the link to a process that is to testify for the next worker, if any is."""
        self._end_verifying()
        self._serves_prepared = False  # until it is resumed from there
        if not self._enabled:
            return None
        ours, theirs = link.pair(Role.STATE_REPORTER)
        self._witness = self._listen(ours, "verify")
        return theirs

    def served(self, edited: Sequence[str], is_reload: bool, broken: bool = False) -> None:
        """A worker serves; after a while in which nothing happens there may be something to do.

        Args:
            edited: the files that are being edited, the last one last.
            is_reload: another one has served before.
            broken: it serves the error that keeps it from starting.
        """
        if not self._enabled:
            return
        self._edited = list(edited)
        self._is_broken = broken
        self._due = time.monotonic() + (QUIET if is_reload else FIRST_QUIET)

    def changed(self, path: str) -> None:
        """Code has changed: what is verified now is of the past, and what is built too unless it left that file out."""
        self._end_verifying()
        self._due = None
        if path not in self._planned_for:
            self._end_building()
            self._forget_plan()

    def foresee(self) -> None:
        """Looks whether the prepared checkpoint may serve, for a ``resume`` before which nothing happens to files."""
        prepared = self._prepared
        broken = facts.first_broken(prepared.facts, Present()) if prepared is not None else None
        self._foreseen = prepared, broken

    def resume(self, message: Resume) -> bool:
        """Has the prepared checkpoint go on as the worker, if it may. Whether it does."""
        if self._chain.at(PLACE) is None:
            self.forget()
            return False
        prepared = self._prepared
        if prepared is None:
            return False
        if self._foreseen[0] is not prepared:
            self.foresee()
        (_, broken), self._foreseen = self._foreseen, (None, None)
        if broken is not None:
            self._drop()
            self._forget_plan()
            self.why_not = f"{facts.path_of(broken)} was not expected to change"
            return False
        if not prepared.verified:
            self.why_not = self.why_not or "what is prepared was not verified yet"
            return False
        try:
            prepared.run.link.send(message)
        except link.LinkClosed:
            self._drop()
            return False
        self._serves_prepared = True
        return True

    def step(self, now: float) -> None:
        """Does what is due."""
        for job in (self._building, self._verifying):
            if job is not None and now >= job.deadline:
                job.give_up_waiting()
        if self._building is not None and self._building.done:
            self._end_building()
        if self._verifying is not None and self._verifying.done:
            self._end_verifying()
        if self._due is not None and now >= self._due:
            self._due = None
            self._look()

    def forget(self) -> None:
        """Ends all: the checkpoints that this relies on are no more."""
        self._due = None
        self._serves_prepared = False
        self._end_building()
        self._end_verifying()
        self._drop()
        self._forget_plan()
        self.why_not = ""

    def _forget_plan(self) -> None:
        self._plan, self._planned_for = None, []
        self._attempts, self._given_up = 0, False

    # What there is to do

    def _look(self) -> None:
        if self._building is not None or self._verifying is not None:
            return
        prepared = self._prepared
        if prepared is not None and facts.first_broken(prepared.facts, Present()) is not None:
            self._drop()
            self._forget_plan()
            prepared = None
        if self._chain.at(PLACE) is None:
            self._end_verifying()
        elif self._serves_prepared and self._is_broken:
            self._verifying = Job(self._verify_failure())
        elif prepared is not None and not self._is_broken and (self._serves_prepared or not prepared.verified):
            self._verifying = Job(self._verify(prepared))
        elif is_memory_low():
            self.why_not = "memory is low"
            self._end_verifying()
        elif prepared is None and self._edited and not self._given_up:
            self.why_not = ""
            self._building = Job(self._build())
        else:
            self._end_verifying()  # nobody asks the witness
        self.step(0.0)

    def _build(self) -> Steps:
        """Makes a prepared checkpoint, not yet verified."""
        base = self._chain.at(PLACE)
        assert base is not None
        if self._plan is None:
            self._planned_for = self._edited
            told = yield self._rehearse(base.link, "build", self._edited)
            if not isinstance(told, Plan):
                self.why_not = "a start in the background failed"
                self._end_verifying()
                return
            if told.seal or told.saves < WORTH:
                hardly = "hardly anything is imported that does not depend on the edited files"
                self.why_not = told.seal or hardly
                self._given_up = True
                self._due = 0.0
                return
            self._plan = told
        while (plan := self._plan) is not None and (modules := plan.modules):
            order = functools.partial(Build, modules=modules, excluded=plan.excluded)
            builder = self._fork(base.link, "build", Role.BUILDER, order)
            answer = yield builder
            if isinstance(answer, FactsRead):
                builder.link.peer = Role.CHECKPOINT
                self._prepared = Prepared(builder, answer.facts, modules)
                self._runs[builder] = ""
                self._due = 0.0
                return
            self._end(builder)
            why = "the process that prepares it has ended"
            culprit = ""
            if isinstance(answer, BuildFailed):
                culprit = answer.module
                why = f"{culprit or 'some module'} cannot be imported ahead: {answer.reason}"
            if not culprit or not self._leave_out([culprit], why):
                self.why_not = why
                self._given_up = True
                break
        self._due = 0.0

    def _leave_out(self, culprits: Collection[str], why: str) -> bool:
        """Takes modules out of the plan, with what imports them; whether it is worth another attempt."""
        self.why_not = why
        self._attempts += 1
        if self._plan is None:  # it was forgotten while we compared
            return False
        before = self._plan.modules
        modules = import_plan.without(before, culprits, self._plan.edges)
        excluded = sorted({*self._plan.excluded, *(set(before) - set(modules))})
        self._plan = replace(self._plan, modules=modules, excluded=excluded)
        self._given_up = self._attempts >= ATTEMPTS or not modules or len(modules) == len(before)
        return not self._given_up

    def _verify(self, prepared: Prepared) -> Steps:
        """Compares an exact and a prepared start with the present sources."""
        base = self._chain.at(PLACE)
        assert base is not None
        witness = self._witness
        exact = witness if witness and not self._serves_prepared else self._rehearse(base.link)
        again = witness if witness and self._serves_prepared else self._rehearse(prepared.run.link)
        exact, one = yield from self._state(exact, exact is witness, base.link)
        again, other = yield from self._state(again, again is witness, prepared.run.link)
        if one is None or other is None:
            self._drop()
            self._given_up = True
            self.why_not = "a start in the background failed"
            return
        differences = (yield from self._differences(exact, one, again, other)) - self.volatile
        if differences:
            yield from self._find_volatile(exact, one, base.link)
            differences -= self.volatile
        if not differences:
            if not prepared.verified:
                self._tell(f"Prepared the next reload: {len(prepared.modules)} modules are imported ahead.")
            prepared.verified = True
            self.why_not = ""
            return
        culprits = yield from self._culprits(exact, again, differences)
        why = explain(differences, culprits)
        self._drop()
        self._tell(f"Not prepared: {why}.")
        self._leave_out(culprits, why)
        if self._serves_prepared:
            self._on_difference(why)
        else:
            self._due = 0.0

    def _state(
        self, run: Run, is_witness: bool, checkpoint: link.Link
    ) -> Generator[Run, Any, tuple[Run, StateReport | None]]:
        """What a process says of its state, or where it is a witness that is gone, one that rehearses instead."""
        state = yield run
        if state is None and is_witness:
            run = self._rehearse(checkpoint)
            state = yield run
        return run, state if isinstance(state, StateReport) else None

    def _find_volatile(self, exact: Run, one: StateReport, checkpoint: link.Link) -> Steps:
        """Compares an exact start with another one, which ought to be its equal."""
        twin = self._rehearse(checkpoint)
        same = yield twin
        if not isinstance(same, StateReport):
            return
        volatile = (yield from self._differences(exact, one, twin, same)) - self.volatile
        self.volatile |= volatile
        if volatile:
            names = ", ".join(map(".".join, sorted(volatile)))
            self._tell(f"Different at each start, and not compared: {names}.")

    def _verify_failure(self) -> Steps:
        """The worker was resumed from the prepared checkpoint, and failed: would a fresh start fail too?"""
        base = self._chain.at(PLACE)
        assert base is not None
        if (yield self._rehearse(base.link)) is not None:
            self._drop()
            self._on_difference("a fresh start does not fail")

    def _differences(
        self, one: Run, first: StateReport, other: Run, second: StateReport
    ) -> Generator[Run, Any, set[Attribute]]:
        """The attributes in which two states differ."""
        ours, theirs = first.digests, second.digests
        modules = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
        if not modules:
            return set()
        told: list[dict[str, dict[str, int]]] = []
        for run in (one, other):
            answer = yield self._ask(run, AttributesAsked(modules))
            told.append(answer.digests if isinstance(answer, Attributes) else {})
        return {
            (name, attribute)
            for name in modules
            for attribute in {**told[0].get(name, {}), **told[1].get(name, {})}
            if told[0].get(name, {}).get(attribute) != told[1].get(name, {}).get(attribute)
        }

    def _culprits(self, exact: Run, again: Run, differences: set[Attribute]) -> Generator[Run, Any, list[str]]:
        """Which modules of the plan have left their traces in another order."""
        told: list[dict[Attribute, Any]] = []
        for run in (exact, again):
            answer = yield self._ask(run, OutlinesAsked(sorted(differences)))
            outlines = answer.outlines if isinstance(answer, Outlines) else []
            told.append({(one, name): outline for one, name, outline in outlines})
        planned = set(self._plan.modules if self._plan is not None else ())
        found: set[str] = set()
        for attribute in differences:
            found |= out_of_order(told[0].get(attribute, []), told[1].get(attribute, []), planned)
        return sorted(found or planned & {module for module, _ in differences})

    # Processes

    def _rehearse(self, checkpoint: link.Link, purpose: str = "verify", edited: Sequence[str] = ()) -> Run:
        return self._fork(checkpoint, purpose, Role.DRY_RUN, lambda theirs: DryRun(theirs, list(edited)))

    def _fork(
        self, checkpoint: link.Link, purpose: str, role: Role, order: Callable[[socket.socket], DryRun | Build]
    ) -> Run:
        ours, theirs = link.pair(role)
        run = self._listen(ours, purpose)
        with theirs, suppress(link.LinkClosed):  # then the new one is closed too
            checkpoint.send(order(theirs))
        return run

    def _listen(self, ours: link.Link, purpose: str) -> Run:
        run = Run(ours)
        self._runs[run] = purpose
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(run))
        return run

    @staticmethod
    def _ask(run: Run, question: Message) -> Run:
        with suppress(link.LinkClosed):
            run.link.send(question)
        return run

    def _hear(self, run: Run) -> None:
        try:
            messages = run.link.receive()
        except link.LinkClosed:
            if self._prepared is not None and run is self._prepared.run:
                self._drop()
            else:
                self._end(run)
            self._tell_jobs(run, None)
            return
        for message in messages:
            if isinstance(message, Hello):
                run.process = process.Adopted(message.pid)
            elif not self._tell_jobs(run, message):
                run.said = message

    def _tell_jobs(self, run: Run, message: Message | None) -> bool:
        jobs = [job for job in (self._building, self._verifying) if job is not None]
        return any(job.hear(run, message) for job in jobs)

    def _end_building(self) -> None:
        job, self._building = self._building, None
        if job is not None:
            job.close()
        self._end_all("build")

    def _end_verifying(self) -> None:
        job, self._verifying = self._verifying, None
        if job is not None:
            job.close()
        self._end_all("verify")
        self._witness = None

    def _end_all(self, purpose: str) -> None:
        for run in [run for run, one in self._runs.items() if one == purpose]:
            self._end(run)

    def _drop(self) -> None:
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            self._end(prepared.run)

    def _end(self, run: Run) -> None:
        if self._runs.pop(run, None) is None:
            return
        run.ended = True
        if run is self._witness:
            self._witness = None
        self._selector.unregister(run.link)
        run.link.close()
        if run.process is not None:
            run.process.kill()


def out_of_order(exact: Iterable[Sequence[str]], prepared: Iterable[Sequence[str]], planned: Set[str]) -> set[str]:
    """The planned modules that have left something before what others left, or after, in one list and not in the other.

    Args:
        exact: what is in one list, each by its module and name.
        prepared: what is in the other.
        planned: the modules that were imported ahead.
    """
    before, after = _places(exact, planned), _places(prepared, planned)
    return {module for module in {**before, **after} if before.get(module) != after.get(module)}


def _places(outline: Iterable[Sequence[str]], planned: Set[str]) -> dict[str, list[int]]:
    """Of each planned module, how many things of others come before each of its own."""
    places: dict[str, list[int]] = {}
    others = 0
    for module, _ in outline:
        if module in planned:
            places.setdefault(module, []).append(others)
        else:
            others += 1
    return places


def explain(differences: Collection[Attribute], culprits: Collection[str]) -> str:
    """What differed, for the user."""
    module, attribute = min(differences)
    more = f" and {len(differences) - 1} more" if len(differences) > 1 else ""
    why = f", because of {', '.join(sorted(culprits)[:3])}" if culprits else ""
    return f"the order of imports shows in {module}.{attribute}{more}{why}"
