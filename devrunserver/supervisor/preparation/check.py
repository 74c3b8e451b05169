"""Checks a prepared checkpoint, or the worker that was resumed from it: the steps that the supervisor goes through.

Theory of operation
-------------------
What is to serve next is compared with an exact start. A worker that was resumed from a verified checkpoint, and differs
from the last one only by what sources say, is as good as that; so what waits to be compared is held against it in the
same go. Its start reads the sources at once, before somebody saves again. Who saves every second has it verified while
he goes on, and there is no exact start to pay for.
"""

from __future__ import annotations

import functools
from collections.abc import Generator, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from devrunserver.common.import_plan import cost_without
from devrunserver.common.messages import Loaded, Message
from devrunserver.supervisor.preparation.background_processes import BackgroundProcesses, Purpose
from devrunserver.supervisor.preparation.build import Prepared
from devrunserver.supervisor.preparation.jobs import Run, Steps
from devrunserver.supervisor.preparation.outline_diff import explain
from devrunserver.supervisor.preparation.planning import LITTLE, Planning, is_hurried, passed_over
from devrunserver.supervisor.preparation.verify import Verdict, Verifier


@dataclass(eq=False)
class Served:
    """The present worker, as far as it matters here."""

    saves: int = 0  # that there were before it started
    prepared: Prepared | None = None  # what it was resumed from; None: an exact checkpoint, or it was spawned
    forked: Prepared | None = None  # what it was forked from ahead, and may be resumed from
    is_serving: bool = False
    is_broken: bool = False  # it serves the error that keeps it from starting
    is_checked: bool = False  # its state was compared

    def is_current(self, saves: Sequence[object]) -> bool:
        """Whether nobody has saved since it started: else a start would read something else than it has."""
        return len(saves) == self.saves


@dataclass
class Finding:
    """What a check has found.

    Attributes:
        why: what is wrong; empty where nothing is.
        is_failure: nothing could be compared.
        also: what was found of what is to serve next, in the same go.
    """

    worker: Served
    prepared: Prepared
    verdict: Verdict
    why: str = ""
    is_failure: bool = False
    also: Finding | None = None


def next_check(
    processes: BackgroundProcesses,
    planning: Planning,
    worker: Served,
    prepared: Prepared | None,
    state_reporter: Run | None,
) -> Steps[Finding] | None:
    """The check that is due next, if any is: what serves comes before what is to serve, but not time and again.

    Args:
        prepared: what was prepared last.
        state_reporter: tells the state of the worker, if any does.
    """
    source = worker.prepared
    if not worker.is_serving:  # nobody is to be in the way of its start
        return None
    if source is not None and not worker.is_checked and worker.is_broken:
        return check_failure(processes, planning, worker, source)
    waiting = None if prepared is None or prepared.reference is not None or worker.is_broken else prepared
    if source is not None and not worker.is_checked and (waiting is None or not waiting.is_next):
        return check(processes, planning, worker, source, state_reporter, waiting)
    if waiting is not None:
        is_exact = source is None or worker.is_checked  # or as good as that
        return check(processes, planning, worker, waiting, state_reporter if is_exact else None)
    return None


def check(
    processes: BackgroundProcesses,
    planning: Planning,
    worker: Served,
    prepared: Prepared,
    state_reporter: Run | None,
    waiting: Prepared | None = None,
) -> Generator[Run, Message | None, Finding]:
    """Compares an exact and a prepared start with the present sources.

    Args:
        planning: knows what comparisons have shown before, which is added to, and when somebody has saved.
        state_reporter: tells the state of the worker, if any does and it is of use.
        waiting: what is to be compared next. Where the worker is as it should be, it is held against that at once.
    """
    serves = worker.prepared is prepared
    if serves and state_reporter is not None and prepared.reference is not None:
        is_current = worker.is_current(planning.saves)
        starts = begin(processes, planning, waiting) if waiting is not None and is_current else None
        verifier = Verifier(processes, planning.known, lambda: worker.is_current(planning.saves))
        reference = yield from verifier.is_as_before(state_reporter, prepared.reference, prepared.plan.excluded)
        if reference is not None:
            found = Finding(worker, prepared, Verdict(reference=reference))
            if waiting is not None and starts is not None:
                found.also = yield from compare(processes, planning, worker, waiting, state_reporter, starts)
            return found
        for run in filter(None, starts or ()):
            processes.end(run)
    if not worker.is_current(planning.saves):
        return Finding(worker, prepared, Verdict(is_outdated=True))
    starts = begin(processes, planning, prepared, state_reporter if serves else None)
    exact = state_reporter if state_reporter is not None and not serves else start_exact(processes, prepared)
    return (yield from compare(processes, planning, worker, prepared, exact, starts))


class Starts(NamedTuple):
    """Starts that are compared with an exact one.

    Attributes:
        again: by what is prepared.
        twin: another exact one, where it will most likely be needed: there is no time to wait until that is known.
    """

    again: Run
    twin: Run | None


def start_exact(processes: BackgroundProcesses, prepared: Prepared) -> Run:
    """A start from the exact checkpoint that a prepared one was forked from."""
    return processes.dry_run(prepared.base.link, Purpose.VERIFY, is_urgent=True)


def begin(processes: BackgroundProcesses, planning: Planning, prepared: Prepared, again: Run | None = None) -> Starts:
    """Makes the starts that are compared, which read the sources now, before somebody saves again.

    Args:
        again: one by what is prepared that is there already.
    """
    known = planning.known
    is_unsure = prepared.base.base.imported < known.settled and prepared.reference is None
    known.needs_twin = known.needs_twin or (is_unsure and is_hurried(planning.saves))
    again = again or processes.dry_run(prepared.run.link, Purpose.VERIFY, is_urgent=True)
    return Starts(again, start_exact(processes, prepared) if known.needs_twin else None)


def compare(
    processes: BackgroundProcesses,
    planning: Planning,
    worker: Served,
    prepared: Prepared,
    exact: Run,
    starts: Starts,
) -> Generator[Run, Message | None, Finding]:
    """Compares two starts.

    Args:
        exact: one that is exact, or as good as that.
        starts: what it is compared with.
    """

    def is_cheap(modules: Set[str]) -> bool:
        record, plan = planning.record, prepared.plan
        return record is None or cost_without(record, prepared.base.base, plan, modules) <= LITTLE

    known = planning.known
    verifier = Verifier(
        processes, known, lambda: worker.is_current(planning.saves), starts.twin, is_cheap, planning.record
    )
    without_need = passed_over(planning, prepared.plan, prepared.base)
    serves = worker.prepared is prepared
    another = functools.partial(start_exact, processes, prepared)
    verdict = yield from verifier.compare(exact, starts.again, another, prepared.plan, without_need, serves)
    if planning.record is not None:
        verdict.blame_nearest(planning.record, prepared.plan)
    if verdict.reference is not None:
        known.settled = min(known.settled, prepared.base.base.imported)
    why = verdict.failure or (explain(verdict.differences, verdict.culprits) if verdict.differences else "")
    return Finding(worker, prepared, verdict, why, is_failure=bool(verdict.failure))


def check_failure(
    processes: BackgroundProcesses, planning: Planning, worker: Served, prepared: Prepared
) -> Generator[Run, Message | None, Finding]:
    """The worker was resumed from the prepared checkpoint, and failed: would a fresh start fail too?"""
    answer = yield processes.dry_run(prepared.base.link, Purpose.VERIFY)
    if not worker.is_current(planning.saves):  # it may have been mended
        return Finding(worker, prepared, Verdict(is_outdated=True))
    why = "a fresh start does not fail" if isinstance(answer, Loaded) else ""
    return Finding(worker, prepared, Verdict(reference=prepared.reference), why)
