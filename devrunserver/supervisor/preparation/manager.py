"""Prepares the next reload of the files that are being edited: the supervisor's side.

Theory of operation
-------------------
A reload imports what comes after the edited file, though most of it has nothing to do with that file. So, when a reload
is done, all that does *not* depend on the edited files is imported ahead, in a process that is forked from the exact
checkpoint before the earliest of them, wherever in a start that is: the *prepared* checkpoint. What is resumed there
has only the edited files and their dependents left to import. Each module is still executed once, from its present
source, after all that it imports; but modules that do not depend on each other come in another order, and some notice:
receivers of a signal, plug-ins in a list, patches. So nothing is assumed; a prepared checkpoint serves only when it is
*verified*.

Building (``build.py``):

1. A process that was forked from the worker right before it served tells what was imported, and who imports whom. That
   gives the plan (``planning.py``).
2. The builder imports what is in the plan, and pauses. Where some modules cannot be imported ahead it tells of all of
   them, and another builder is forked for a plan without these.

Verifying (``verify.py``):

3. The fingerprints (``fingerprint.py``) of an exact and of a prepared start with the same sources are compared. One
   is the worker's, told by the process that was forked from it; the other is a dry run's.
4. Equal: the prepared checkpoint may serve the next reload. If not, the modules whose traces are out of order are left
   out of the plan, with what imports them, and it is built again. If the worker itself was the prepared one, it is
   replaced by an exact one at once.

Before anything was edited the same is done for what may be: who has just started a server goes on with what he was at
(``planning.py``). It begins after a while, or when a page was looked at. There may be two then (``broad.py``): the
*earlier* serves where the later one may not, which is forked from it if that comes to where it begins.

It may be built while the worker still starts that has left the base, on another core, and is compared once that serves.

A save among the files that were left out changes nothing of this: what is being built does not contain them, and what
is being compared has read them already, or else the comparison begins anew with the next worker. So saves that come
one after the other do not keep it from getting done. A prepared checkpoint stays for as long as all that it has read
is unchanged, and its base is there.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from devrunserver.common import facts, link
from devrunserver.common.memory import is_memory_low
from devrunserver.common.messages import Message, Resume
from devrunserver.common.power import has_cores, is_on_battery
from devrunserver.common.present import Present, first_broken
from devrunserver.common.role import Role
from devrunserver.supervisor.checkpoint_chain import Chain
from devrunserver.supervisor.optional_parts import Registry
from devrunserver.supervisor.preparation import build, check
from devrunserver.supervisor.preparation.background_processes import BackgroundProcesses, Purpose
from devrunserver.supervisor.preparation.build import Foreseen, Prepared
from devrunserver.supervisor.preparation.check import Finding, Served
from devrunserver.supervisor.preparation.jobs import Job, Run
from devrunserver.supervisor.preparation.known import Known
from devrunserver.supervisor.preparation.missing_checkpoint import is_missing
from devrunserver.supervisor.preparation.planning import (
    NOT_READY,
    NOTHING_YET,
    Planning,
    is_dear,
    is_right_before,
    saves_time,
)

QUIET = 0.2  # seconds after a reload in which nothing happens
# The same after the first start, and after a page was asked for that was not before: others follow that belong to it,
# and it is looked at
FIRST_QUIET = 2.0


class Preparation:
    """Keeps one prepared checkpoint, for the files that are being edited, and maybe the earlier one that it was forked
    from; one more while that is to take another's place.

    Args:
        selector: wakes the loop when one of our processes says something; the data of its keys is to be called then.
        chain: the exact checkpoints.
        on_difference: called if what a prepared checkpoint has served is not what a fresh start gives; told why.
        tell: tells the user, if he wants to know it all.
        enabled: whether anything is to be prepared.
        known: what was in the way when a server was started before.
    """

    def __init__(
        self,
        selector: Registry,
        chain: Chain,
        on_difference: Callable[[str], None],
        tell: Callable[[str], None],
        enabled: bool,
        known: Known | None = None,
    ) -> None:
        self.why_not = NOTHING_YET if enabled else ""  # there is no prepared checkpoint
        self.processes = BackgroundProcesses(selector, self._on_message)
        self._chain = chain
        self._on_difference = on_difference
        self._tell = tell
        self._enabled = enabled
        self._due: float | None = None  # when to look whether there is something to do
        self._worker = Served()
        self._state_reporter: Run | None = None  # who knows the state of the worker
        self._jobs: dict[Purpose, Job[Any]] = self.processes.jobs
        self._prepared: Prepared | None = None
        self._successor: Prepared | None = None  # is to take its place once it is verified
        self._planning = Planning(known or Known())

    # What the supervisor asks for

    @property
    def due(self) -> float | None:
        """When ``step`` is to be called, by the monotonic clock."""
        moments = [job.deadline for job in self._jobs.values()] + ([] if self._due is None else [self._due])
        return min(moments, default=None)

    def state_reporter(self) -> socket.socket | None:
        """One end of the link to a process that is to tell the state of the next worker, if any is."""
        self.processes.release(self._state_reporter)
        self._state_reporter = None
        self._worker = Served(saves=len(self._planning.saves))  # until it is resumed from what is prepared
        if not self._enabled:
            return None
        ours, theirs = link.pair(Role.STATE_REPORTER)
        self._state_reporter = self.processes.listen(ours, Purpose.STATE)
        return theirs

    def served(self, edited: Sequence[str], is_reload: bool, broken: bool = False) -> None:
        """A worker serves; after a while in which nothing happens there may be something to do.

        Args:
            edited: the files that are being edited, or may be, the likeliest last.
            is_reload: another one has served before.
            broken: it serves the error that keeps it from starting.
        """
        if self._enabled:
            self._planning.edited = list(edited)
            self._worker.is_serving, self._worker.is_broken = True, broken
            self._due = time.monotonic() + (QUIET if is_reload else FIRST_QUIET)
            self.why_not = NOT_READY if Purpose.BUILD in self._jobs else self.why_not

    def on_view(self, likely: Sequence[str]) -> None:
        """Somebody looks at another page.

        Args:
            likely: the files that may be edited next, the likeliest last.
        """
        if self._enabled:
            self._planning.edited = list(likely)
            if not self._planning.saves:  # who has saved goes on with that, more likely than not
                self._due = time.monotonic() + FIRST_QUIET

    def changed(self, path: str) -> None:
        """Code has changed. What has nothing to do with that file goes on."""
        self._due = None
        if self._planning.on_save(path, time.monotonic()):
            self.processes.end_job(Purpose.BUILD)
            if self._successor is not None:
                self.processes.end_job(Purpose.VERIFY)
                self._drop(self._successor)
        if self._planning.saved is not None:
            self._planning.edited = [*(one for one in self._planning.edited if one != path), path]

    def on_checkpoint(self) -> None:
        """A worker that is started exactly has left a checkpoint: right before the edited file the next reload may be
        prepared meanwhile.
        """
        is_starting = self._enabled and has_cores() and not self._worker.is_serving and self._worker.prepared is None
        if is_starting and self._prepared is None and is_right_before(self._planning, self._chain):
            self._due = 0.0

    def foresee(self, present: Present) -> None:
        """Looks whether the prepared checkpoint may serve, for a ``resume`` before which nothing happens to files."""
        if self._prepared is not None:
            self._prepared.foreseen = Foreseen(present.first_broken(self._prepared.facts))

    def fork_ahead(self, message: Resume) -> bool:
        """Has the prepared checkpoint fork already, if there is nothing against it so far. Whether it does.

        What it forks waits until it is known whether it may ``resume``.
        """
        prepared, planning = self._prepared, self._planning
        if prepared is None or prepared.reference is None or not self._chain.holds(prepared.base):
            return False
        if planning.saved in prepared.plan.modules or not saves_time(planning, self._chain, prepared.plan):
            return False
        if prepared.run.resume(message):
            self._worker.forked = prepared
        return self._worker.forked is not None

    def resume(self, message: Resume | None) -> bool:
        """Has the prepared checkpoint go on as the worker, if it may. Whether it does.

        Args:
            message: what it is told; None: it has forked that worker ahead already.
        """
        prepared = self._fit()
        if prepared is None or (message is None and prepared is not self._worker.forked):
            return False
        if message is not None and not prepared.run.resume(message):
            self._drop(prepared)
            return False
        self._worker.prepared, self._worker.forked = prepared, None
        return True

    def _fit(self) -> Prepared | None:
        """The prepared checkpoint that may go on as the worker."""
        self._look_after_base()
        while self._prepared is not None:  # and what it was forked from
            foreseen, self._prepared.foreseen = self._prepared.foreseen, None
            foreseen = foreseen or Foreseen(first_broken(self._prepared.facts))
            if foreseen.broken is None:
                break
            self._discard(facts.why_broken(foreseen.broken))
        prepared = self._prepared
        if prepared is None:
            return None
        if not saves_time(self._planning, self._chain, prepared.plan):
            self.why_not = "an exact checkpoint is later than what is prepared"
            return None
        if prepared.reference is None:
            self.why_not = "what is prepared was not verified yet"
            return None
        if is_missing(self._planning, self._chain, prepared.plan):
            self.why_not = "this once, so that a checkpoint is left right before that file"
            return None
        return prepared

    def step(self, now: float) -> None:
        """Does what is due."""
        for purpose, job in list(self._jobs.items()):
            if now >= job.deadline:
                job.give_up_waiting()
            if job.done:
                self.processes.end_job(purpose)
                if isinstance(job.result, Finding):
                    self._on_checked(job.result)
                    if (also := job.result.also) is not None and also.prepared in (self._successor, self._prepared):
                        self._on_checked(also)
                elif isinstance(job.result, Prepared):
                    self._due = 0.0
                    if self._prepared is None:
                        self._prepared = job.result
                    else:
                        self._successor = job.result
                elif job.result is not None:
                    self.why_not, self._due = job.result, 0.0
                    self._planning.give_up()
        if self._due is not None and now >= self._due:
            self._due = None
            self._look()
            is_verified = self._prepared is not None and self._prepared.reference is not None
            if self._prepared is not None and is_verified and self._worker.is_serving and not is_memory_low():
                self._prepared.run.fork_ahead()
        if self._worker.is_serving and not self._jobs and self._due is None:
            self.processes.release(self._state_reporter)  # nobody asks it
            self._state_reporter = None

    def forget(self) -> None:
        """Ends all: the checkpoints that this relies on are no more."""
        self._due = None
        self._worker, self._state_reporter = Served(), None
        while self._prepared is not None or self._successor is not None:
            self._drop(self._successor, self._prepared)
        for purpose in Purpose:
            self.processes.end_job(purpose)
        self._chain.kept = []
        self._planning = Planning(self._planning.known.of_next(), self._planning.edited)
        self.why_not = NOTHING_YET if self._enabled else ""

    # What there is to do

    def _look(self) -> None:
        self._look_after_base()
        worker = self._worker
        for one in (self._successor, self._prepared):
            if one is None or one not in (self._successor, self._prepared):
                continue
            if (broken := first_broken(one.facts)) is not None:
                self._discard(facts.why_broken(broken))
        latest = self._successor or self._prepared
        if latest is None or latest.reference is None:  # else it is verified first, as it serves until there is another
            self._look_for_better()
        if Purpose.VERIFY not in self._jobs:
            latest, reporter = self._successor or self._prepared, self._state_reporter
            steps = check.next_check(self.processes, self._planning, worker, latest, reporter)
            if steps is not None:
                self._jobs[Purpose.VERIFY] = Job(steps)
        self._look_for_better()
        if self._planning.is_given_up:
            self._planning.narrow(None)
        latest = self._successor or self._prepared
        is_wanted = latest is None or latest.plan is not self._planning.plan
        if is_wanted and Purpose.BUILD not in self._jobs:
            if is_memory_low():
                self.why_not = "memory is low"
            elif not self._planning.saves and (worker.is_broken or is_on_battery()):
                self.why_not = NOTHING_YET  # on battery, and where a start fails, only what is edited is worth it
            elif not self._planning.is_given_up and (self._planning.edited or not self._planning.saves):
                self.why_not = NOT_READY if worker.is_serving else self.why_not  # of the next reload, not of this one
                if self._planning.plan is None:
                    self._planning.cost.begin(self.processes.cpu_seconds, time.monotonic())
                is_exact = worker.is_serving and worker.prepared is None and not worker.is_broken
                state_reporter = self._state_reporter if is_exact else None
                earlier = None if self._prepared is None else self._prepared.earlier or self._prepared
                self._jobs[Purpose.BUILD] = Job(
                    build.build(self.processes, self._chain, self._planning, state_reporter, earlier)
                )
        if any(job.done for job in self._jobs.values()):
            self._due = 0.0

    def _look_for_better(self) -> None:
        """Gives up the plan where another one is much better by now, as it begins later, or fits what is edited."""
        latest = self._successor or self._prepared
        plan = self._planning.plan if latest is None else latest.plan
        is_verified = latest is not None and latest.reference is not None
        if plan is None or not self._worker.is_serving:  # while it starts checkpoints come and go
            return
        is_under_way = Purpose.BUILD in self._jobs or (Purpose.VERIFY in self._jobs and not is_verified)
        is_guess = bool(self._planning.saves) and not self._planning.looked_at
        if is_under_way and (is_verified or not is_guess):
            return
        if is_verified and self._planning.narrow(self._chain):
            return
        if not self._planning.has_better(self._chain, plan, is_verified):
            if is_verified and self._planning.follow(self._chain, plan):
                self._planning.cost.begin(self.processes.cpu_seconds, time.monotonic())
            return
        self.processes.end_job(Purpose.BUILD)
        if latest is not None and (latest is self._successor or latest.reference is None):
            self._discard("other files are being edited, or looked at, now")
        if not is_verified:
            self._planning.narrow(None)
        self._planning.forget_plan()  # what is verified serves until another one is

    def _on_checked(self, found: Finding) -> None:
        worker, prepared = found.worker, found.prepared
        if self._successor is not None:
            self._successor.is_next = prepared is not self._successor
        if found.verdict.is_outdated:
            self._due = 0.0 if worker is not self._worker else self._due  # else the next one is still to come
            return
        worker.is_checked, self._due = worker.is_checked or prepared is worker.prepared, 0.0
        if not found.why:
            if prepared is self._successor and prepared.earlier is self._prepared:
                if prepared.earlier is not None:
                    prepared.earlier.run.end_standby()
                self._prepared, self._successor = prepared, None
            elif prepared is self._successor:
                self._drop(self._prepared)
            if prepared.reference is None:
                count, cost = len(prepared.plan.modules), self._planning.cost
                taken = cost.told(self.processes.cpu_of(prepared.run), time.monotonic())
                self._tell(f"Prepared the next reload: {count} modules are imported ahead ({taken}).")
                self._planning.known.remember(prepared.base.at)
            prepared.reference, self.why_not = found.verdict.reference, ""
            return
        self.why_not = found.why
        self._tell(f"Not prepared: {found.why}.")
        is_over = self._planning.on_failure()
        if not found.is_failure:
            self._planning.leave_out(found.verdict.culprits, found.verdict.certain, self._planning.attempts)
            puts_off = is_dear(self._planning, self.processes.cpu_seconds, len(found.verdict.differences))
            if puts_off and worker.is_current(self._planning.saves):
                self._due = None  # the next attempt is made after the next reload
        elif not is_over:  # it may be the sources that are broken
            self._due = None
        if prepared in (self._prepared, self._successor) and not (found.is_failure and self._due is None):
            self._drop(prepared)
        if worker.prepared is prepared:
            self._on_difference(found.why)

    # Ends

    def _look_after_base(self) -> None:
        """What was forked from a checkpoint that is no more relies on what changed."""
        base = self._planning.base
        is_gone = base is not None and not self._chain.holds(base)
        if is_gone:
            self.processes.end_job(Purpose.BUILD)
            self._planning.forget_plan()
        for one in (self._successor, self._prepared):
            if one is not None and one in (self._successor, self._prepared) and not self._chain.holds(one.base):
                self._discard(f"what was imported before {one.base.at} has changed")
        if is_gone and self._prepared is not None:
            self._planning.go_back(self._prepared.plan, self._prepared.base, self._prepared.is_foreseen)

    def _discard(self, why: str) -> None:
        """What is prepared is of no use any more, but for what it was forked from."""
        if self._worker.prepared is None or self._worker.prepared is not self._prepared:
            self.processes.end_job(Purpose.VERIFY)
        latest = self._successor or self._prepared
        earlier = None if latest is None else latest.earlier
        self._drop(*(one for one in (self._successor, self._prepared) if one is not earlier))
        self._planning.forget_plan()
        if self._prepared is not None:
            self.processes.end_job(Purpose.BUILD)
            self._planning.go_back(self._prepared.plan, self._prepared.base, self._prepared.is_foreseen)
        self.why_not = why

    def _drop(self, *dropped: Prepared | None) -> None:
        """Ends prepared checkpoints; a successor takes the place of one, or what it was forked from."""
        for one in filter(None, dropped):
            if one is self._prepared:
                self._prepared, self._successor = self._successor or one.earlier, None
            elif one is self._successor:
                self._successor = None
            self.processes.end(one.run)
            kept = self._prepared
            if kept is not None and kept.earlier is one:
                kept.earlier = None
            if (
                one.earlier is not None
                and kept is not one.earlier
                and (kept is None or kept.earlier is not one.earlier)
            ):
                self.processes.end(one.earlier.run)

    def _on_message(self, run: Run, message: Message | None) -> bool:
        """A process says something, or is gone (None). Whether anybody has waited for it."""
        if message is None:
            self._state_reporter = None if run is self._state_reporter else self._state_reporter
            for one in filter(None, (self._successor, self._prepared)):
                one.earlier = None if one.earlier is not None and run is one.earlier.run else one.earlier
            self._drop(*(one for one in (self._successor, self._prepared) if one is not None and run is one.run))
        return any(job.hear(run, message) for job in list(self._jobs.values()))
