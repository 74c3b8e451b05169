"""Makes a prepared checkpoint: the steps that the supervisor goes through."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from devrunserver.common import facts, import_plan
from devrunserver.common.facts import Fact
from devrunserver.common.import_plan import URLCONF, URLCONF_PHASE, Plan
from devrunserver.common.import_record import ImportRecord
from devrunserver.common.memory import is_memory_plentiful
from devrunserver.common.messages import BuildFailed, FactsRead, Imports, ImportsAsked, Message
from devrunserver.common.present import Present
from devrunserver.common.role import Role
from devrunserver.supervisor.checkpoint_chain import Chain, Checkpoint
from devrunserver.supervisor.preparation.background_processes import BackgroundProcesses, Purpose
from devrunserver.supervisor.preparation.jobs import Run
from devrunserver.supervisor.preparation.planning import Planning, bases, make_another, no_base, passed_over
from devrunserver.supervisor.preparation.verify import Reference, why_failed


class Foreseen(NamedTuple):
    """What was found when it was looked whether facts hold."""

    broken: Fact | None  # the first that does not


@dataclass(eq=False)
class Prepared:
    """A prepared checkpoint.

    Attributes:
        run: the process.
        base: the exact checkpoint that it was forked from.
        plan: what was imported ahead.
        facts: what it relies on besides those of its base.
        reference: the state of a start from it that was as it should be; None: not verified yet.
        foreseen: whether these facts hold, for one resume before which nothing happens to files.
        earlier: one that begins before it, which serves where this one may not; most often it was forked from that.
        is_next: it is to be verified before the worker is checked: another one was checked last.
        is_foreseen: it was planned before anybody saved.
    """

    run: Run
    base: Checkpoint
    plan: Plan
    facts: list[Fact] = field(default_factory=list)
    reference: Reference | None = None
    foreseen: Foreseen | None = None
    earlier: Prepared | None = None
    is_next: bool = False
    is_foreseen: bool = False


@dataclass
class Refusal:
    """What was to be imported ahead cannot be."""

    modules: list[str]  # none where it is no module's fault
    why: str
    wanted: str = ""  # the module that they import, where it is one that must not be


def build(
    processes: BackgroundProcesses,
    chain: Chain,
    planning: Planning,
    state_reporter: Run | None,
    earlier: Prepared | None = None,
) -> Generator[Run, Message | None, Prepared | str]:
    """Makes a prepared checkpoint, not yet verified; or says why there is none until something else changes.

    Args:
        state_reporter: tells what the worker has imported, if it was started exactly.
        earlier: a verified one that the new one is forked from, if that comes to where it begins.
    """
    if planning.plan is None:
        checkpoints = bases(planning, chain)
        if not checkpoints:
            return no_base(planning.edited)
        if planning.record is None or state_reporter is not None:  # what was told before is as good as a start for it
            known = planning.record.traces if planning.record is not None else ()  # it takes time to find them
            may_be_early = not planning.saves or checkpoints[-1].base.phase < URLCONF_PHASE
            imports = yield from record(processes, state_reporter, checkpoints[-1], may_be_early and not known)
            if isinstance(imports, str):
                return imports
            planning.record = replace(imports, traces=imports.traces or known)
        if why := planning.make(chain):
            return why
    why, attempts = "other files are being edited now", 0
    while planning.plan is not None and planning.base is not None:
        origin = earlier if earlier is not None and is_on_the_way(earlier.base, planning.base) else None
        chain.kept = [planning.base, *([earlier.base] if earlier is not None else [])]
        made = yield from prepare(processes, planning.base, planning.plan, origin)
        if isinstance(made, Prepared):
            if earlier is not None and not earlier.run.ended:
                stays = origin is not None or serves_others(planning.record, earlier, made.base)
                made.earlier = earlier if stays else None
            made.is_foreseen = not planning.looked_at
            made.facts += _named(planning.record, made.plan)
            return made
        why = made.why
        if not made.wanted:
            planning.known.unfit.update(dict.fromkeys(made.modules, planning.base.base.phase))
        is_certain = made.wanted not in passed_over(planning, planning.plan, planning.base)
        attempts += 1  # such a list costs little, and its failures tell nothing of what would differ
        if not made.modules or not planning.leave_out(made.modules, made.modules if is_certain else (), attempts):
            break
        if why_none := make_another(planning, chain):
            return why_none
    return why


def _named(record: ImportRecord | None, plan: Plan) -> list[Fact]:
    """What edited files alone import, and name; what they do not name is imported by other means."""
    if record is None:
        return []
    with closing(Present()) as present:
        return [one for one in import_plan.named(record, plan) if facts.holds(one, present)]


def record(
    processes: BackgroundProcesses, state_reporter: Run | None, checkpoint: Checkpoint, are_traces_asked: bool
) -> Generator[Run, Message | None, ImportRecord | str]:
    """What an exact start imports, or why that cannot be said.

    Args:
        state_reporter: tells of a worker that started exactly, if any does.
        checkpoint: where to start otherwise.
        are_traces_asked: what modules have left in common is wanted, too.
    """
    said: Message | None = None
    for attempt in (state_reporter, None):
        run = attempt or processes.dry_run(checkpoint.link, Purpose.BUILD)
        if not run.is_loaded:
            said = yield run
        run.said = None
        answer = yield processes.ask(run, ImportsAsked(are_traces_asked))
        if run is not state_reporter:
            processes.end(run)
        if isinstance(answer, Imports):
            return answer.record
        if attempt is None:
            break
    return why_failed(said)


def is_on_the_way(earlier: Checkpoint, base: Checkpoint) -> bool:
    """Whether what was forked from an earlier checkpoint comes to where another one is."""
    is_place = base.at == URLCONF or base.is_ahead
    return is_place and earlier.number <= base.number and earlier.base.imported < base.base.imported


def serves_others(record: ImportRecord | None, earlier: Prepared, base: Checkpoint) -> bool:
    """Whether what was prepared before is kept beside what begins at a later checkpoint, as it serves files that are
    imported between the two: models, after any number of views. That takes much of the memory of a worker.
    """
    if record is None or not is_memory_plentiful():
        return False
    places = [record.places.get(record.files.get(path, ""), len(record.order)) for path in earlier.plan.edited]
    return earlier.base.base.phase < base.base.phase and min(places, default=0) < base.base.imported


def prepare(
    processes: BackgroundProcesses, base: Checkpoint, plan: Plan, origin: Prepared | None = None
) -> Generator[Run, Message | None, Prepared | Refusal]:
    """Imports ahead what a plan says.

    Args:
        origin: what goes on to where the base is; None: the base does it, which then shares less with the other.
    """
    at = base.at if origin is not None or base.is_ahead else ""
    start = base.link if origin is None else origin.run.link
    builder = processes.builder(start, plan.modules, sorted(plan.excluded), at)
    answer = yield builder
    if isinstance(answer, FactsRead):
        builder.link.peer = Role.CHECKPOINT
        processes.keep_for(builder, Purpose.PREPARED)
        facts = answer.facts if origin is None else [*origin.facts, *answer.facts]
        return Prepared(builder, base, plan, facts)
    processes.end(builder)
    if isinstance(answer, BuildFailed):
        modules = [one for one in (answer.module, *answer.others) if one]
        why = f"{answer.module or 'some module'} cannot be imported ahead: {answer.reason}"
        return Refusal(modules, why, answer.wanted)
    return Refusal([], "the process that prepares it has ended")
