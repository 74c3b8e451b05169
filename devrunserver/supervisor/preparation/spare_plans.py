"""What prepared spares import ahead, and whether they still may.

Theory of operation
-------------------
A spare pauses before the first of the edited files. Then it may import ahead what a *plan* says, as a builder does from
a checkpoint (``manager.py`` tells the rules), and pause again; so a save leaves little to import. Without forks the
state of a worker cannot be looked at, and each start that is compared costs a whole one. So a plan is verified once for
each set of edited files (``spare_steps.py``): two starts with the same sources, one of them by the plan, come to the
same state. After that each spare follows it, and for as long as

- what the verified start has read is unchanged, but for the edited files;
- these are such as they were then, but for what nothing can show of at import (``common/import_time.py``).

The latter is looked at when a worker that has followed the plan serves. Where it is not so, it is compared again with
the present sources, and replaced by an exact one if that is different, as with checkpoints. Until that is known spares
are exact. Where nothing was verified, too: a spare becomes a prepared one only once its plan is.

To compare takes longer than many a pause between two saves. A save of functions alone that nobody calls at import makes
no difference to it, so it goes on, though some starts have read the file before and others after. Another save ends it;
it is begun again once nobody has saved for as long as it had lasted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from devrunserver.common import facts
from devrunserver.common.import_plan import Base
from devrunserver.common.import_time import may_show, only_functions_differ, parsed
from devrunserver.common.memory import is_memory_low
from devrunserver.common.messages import Message
from devrunserver.common.present import first_broken
from devrunserver.supervisor.launcher import Launcher
from devrunserver.supervisor.optional_parts import Registry
from devrunserver.supervisor.preparation.background_processes import Purpose
from devrunserver.supervisor.preparation.jobs import Job, Run
from devrunserver.supervisor.preparation.known import Known
from devrunserver.supervisor.preparation.planning import NOT_READY, NOTHING_YET, Cost
from devrunserver.supervisor.preparation.spare_steps import (
    SAVED,
    Outcome,
    SparePlan,
    SpareProcesses,
    confirm_failure,
    contents_of,
    find,
    sources_of,
)

UNVERIFIED = "what was prepared cannot be verified any more"
MOST_FAILURES = 3  # after which nothing more is tried for the same files
MOST_PATIENCE = 60.0  # seconds


@dataclass
class Subject:
    """What is to be prepared.

    Attributes:
        left_out: modules that are in the way of any plan.
        patience: seconds in which nobody has saved before starts are compared: the last ones were not done by then.
        due: when that is begun, by the monotonic clock; None: it is not to be.
    """

    edited: frozenset[str] = frozenset()
    left_out: set[str] = field(default_factory=set)
    failures: int = 0
    patience: float = 0.0
    due: float | None = None

    def put_off(self, taken: float) -> None:
        """Somebody has saved before starts were compared, which has ended that after so many seconds."""
        self.patience = min(self.patience + taken, MOST_PATIENCE)


class SparePlans:
    """Keeps one verified plan, for the files that are being edited.

    Args:
        selector: wakes the loop when one of our processes says something; the data of its keys is to be called then.
        launcher: starts them.
        on_difference: called if what a prepared spare has served is not what a fresh start gives; told why.
        tell: tells the user, if he wants to know it all.
        enabled: whether anything is to be prepared.
    """

    def __init__(
        self,
        selector: Registry,
        launcher: Launcher,
        on_difference: Callable[[str], None],
        tell: Callable[[str], None],
        enabled: bool,
    ) -> None:
        self.why_not = NOTHING_YET if enabled else ""  # there is no plan
        self._processes = SpareProcesses(selector, self._on_message, launcher)
        self._on_difference = on_difference
        self._tell = tell
        self._enabled = enabled
        self._known = Known()
        self._subject = Subject()
        self._verified: SparePlan | None = None
        self._served: SparePlan | None = None  # the present worker has followed it; it is not known yet whether it may
        self._is_broken = False  # it serves the error that keeps it from starting
        self._job: Job[Outcome] | None = None
        self._sources: dict[str, bytes] = {}  # which it compares
        self._cost = Cost()

    @property
    def due(self) -> float | None:
        """When ``step`` is to be called, by the monotonic clock."""
        if self._job is None:
            return self._subject.due
        return 0.0 if self._job.done else self._job.deadline

    @property
    def pids(self) -> set[int]:
        """Of processes that somebody waits for."""
        return self._processes.pids

    def on_change(self, path: str) -> None:
        """A reload begins, for this file. What is being compared goes on if it makes no difference to that."""
        edited = self._subject.edited
        if self._served is not None:
            self._end_job()
        elif self._job is not None:
            is_as_before = path in edited and only_functions_differ(self._sources, sources_of(edited))
            if not is_as_before:
                self._subject.put_off(time.monotonic() - self._cost.moment)
                self._end_job()
        self._subject.due = None
        self._served = None  # it is replaced
        if path not in edited:
            self._verified = None

    def on_resumed(self, plan: SparePlan) -> None:
        """The next worker is a spare that has followed this plan."""
        self._served = plan

    def on_failed(self, why: str) -> None:
        """A spare could not follow the plan."""
        self._verified, self.why_not = None, why
        self._subject.failures += 1

    def served(self, is_broken: bool) -> None:
        """A worker serves, or shows the error that keeps it from starting."""
        self._is_broken = is_broken

    def begin(self, edited: frozenset[str]) -> None:
        """A worker has served for a while, and a spare is started for these files: looks what there is to do."""
        if not self._enabled:
            return
        if edited != self._subject.edited:
            self._subject, self._verified = Subject(edited, patience=self._subject.patience), None
            self._end_job()
        served = self._served
        if served is not None and not self._must_be_compared(served):
            served = self._served = None
        if served is not None:
            self._verified = None
            self._end_job()
            if is_memory_low():
                self._on_difference("memory is low, so that it cannot be compared with an exact start")
            elif self._is_broken:
                self._job = Job(confirm_failure(self._processes, served.edited))
            else:
                self._find(served)
        elif self._is_wanted():
            self._subject.due = time.monotonic() + self._subject.patience

    def plan_for(self, edited: frozenset[str], base: Base) -> SparePlan | None:
        """What a spare may import ahead that has paused there."""
        plan = self._verified
        if plan is None or plan.edited != edited:
            return None
        if plan.base != base:
            self._verified, self.why_not = None, "it pauses elsewhere now"
            return None
        if (broken := first_broken(plan.facts)) is not None:
            self._verified, self.why_not = None, facts.why_broken(broken)
            return None
        return plan

    def step(self, now: float) -> None:
        """Does what is due."""
        subject = self._subject
        if subject.due is not None and now >= subject.due:
            subject.due = None
            if is_memory_low():
                self.why_not = "memory is low"
            elif self._is_wanted():
                self._find(None)
        job = self._job
        if job is None:
            return
        if now >= job.deadline:
            job.give_up_waiting()
        if job.done:
            self._end_job()
            if job.result is not None:
                self._on_outcome(job.result)

    def close(self) -> None:
        """Ends all. A worker that has followed a plan cannot be verified any more. Again is harmless."""
        self._enabled, self.why_not = False, ""
        is_unsure, self._served = self._served is not None, None
        self._end_job()
        self._processes.close()
        if is_unsure:
            self._on_difference(UNVERIFIED)

    def _must_be_compared(self, served: SparePlan) -> bool:
        """Whether what was edited since a plan was verified may show in the order of imports."""
        now = sources_of(served.edited)
        if self._is_broken:  # if this is no Python, a fresh start fails as well
            return all(parsed(source) is not None for source in now.values())
        if first_broken(served.facts) is not None:
            return True
        return may_show(served.sources, now, contents_of(served.dependents))

    def _is_wanted(self) -> bool:
        """Whether starts are to be compared, though no worker has followed a plan."""
        is_idle = self._enabled and self._verified is None and self._job is None
        return is_idle and not self._is_broken and self._subject.failures < MOST_FAILURES

    def _find(self, served: SparePlan | None) -> None:
        self.why_not = NOT_READY
        self._cost.begin(self._processes.cpu_seconds, time.monotonic())
        self._sources = sources_of(served.edited if served is not None else self._subject.edited)
        self._job = Job(find(self._processes, self._known, self._sources, self._subject.left_out, served))

    def _on_outcome(self, found: Outcome) -> None:
        is_served, self._served = self._served is not None, None
        self._subject.left_out |= found.culprits
        if found.plan is not None:
            if found.plan.edited != self._subject.edited:  # others are edited by now
                self._find(None)
                return
            self._verified, self.why_not, self._subject.patience = found.plan, "", 0.0
            count = len(found.plan.plan.modules)
            taken = self._cost.told(self._processes.cpu_seconds, time.monotonic())
            self._tell(f"Prepared the next reload: {count} modules are imported ahead ({taken}).")
        elif why := found.difference or found.why:
            self.why_not = why
            self._tell(f"Not prepared: {why}.")
            if why == SAVED:
                self._subject.put_off(time.monotonic() - self._cost.moment)
                self._subject.due = time.monotonic() + self._subject.patience
            else:
                self._subject.failures = MOST_FAILURES if found.is_final else self._subject.failures + 1
            if is_served:
                self._on_difference(why)

    def _end_job(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.close()
        self._processes.end_all(Purpose.VERIFY)

    def _on_message(self, run: Run, message: Message | None) -> bool:
        """A process says something, or is gone (None). Whether anybody has waited for it."""
        return self._job is not None and self._job.hear(run, message)
