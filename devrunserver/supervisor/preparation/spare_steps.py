"""Finds what a spare may import ahead, and compares that with an exact start: the steps of the supervisor.

Nothing is forked here: each start that is to be compared is an interpreter of its own, which goes the way of a spare to
its pause, and from there on is told to go on as a dry run, one of them after it has imported ahead.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from os import devnull
from pathlib import Path
from subprocess import TimeoutExpired

from devrunserver.common import file_state, import_plan, link
from devrunserver.common.facts import Fact, Read
from devrunserver.common.import_plan import Base, Plan
from devrunserver.common.import_record import ImportRecord
from devrunserver.common.import_time import may_show
from devrunserver.common.messages import BuildFailed, FactsRead, ImportAhead, Imports, ImportsAsked, Message
from devrunserver.common.process import Process
from devrunserver.common.role import Role
from devrunserver.supervisor.launcher import END_PATIENCE, Launcher
from devrunserver.supervisor.optional_parts import Registry
from devrunserver.supervisor.preparation import planning
from devrunserver.supervisor.preparation.background_processes import BackgroundProcesses, OnMessage, Purpose
from devrunserver.supervisor.preparation.jobs import Run
from devrunserver.supervisor.preparation.known import Known
from devrunserver.supervisor.preparation.outline_diff import explain
from devrunserver.supervisor.preparation.verify import FAILED, Verifier, why_failed

TELLING = "devrunserver.background"  # by which a start tells of itself, and which no worker imports
ELSEWHERE = "it pauses before the edited files"
WORTH = 0.05  # seconds of import that are worth a start of its own
SAVED = "an edited file was saved meanwhile"
NOT_WORTH_IT = "hardly anything is imported that does not depend on the edited files"


@dataclass(frozen=True, eq=False)
class SparePlan:
    """What a spare may import ahead: a start that did so was what an exact one is.

    Attributes:
        edited: the files before the first of which it pauses.
        base: where that is.
        facts: what the start relied on, as far as the edited files are not concerned.
        sources: of the edited files, by path.
        dependents: the project's other files that are not imported ahead, as they depend on the edited ones.
    """

    edited: frozenset[str]
    base: Base
    plan: Plan
    facts: list[Fact]
    sources: Mapping[str, bytes]
    dependents: list[str]


@dataclass
class Outcome:
    """What was found.

    Attributes:
        plan: what may be followed; None: nothing.
        why: there is none.
        culprits: modules that are in the way of any plan.
        difference: why a worker that has followed a plan is not what a fresh start gives; empty where it is.
        is_final: another attempt would end the same.
    """

    plan: SparePlan | None = None
    why: str = ""
    culprits: set[str] = field(default_factory=set)
    difference: str = ""
    is_final: bool = False


class SpareProcesses(BackgroundProcesses):
    """Starts those that are compared.

    Args:
        selector: wakes the loop when one of them says something; the data of its keys is to be called then.
        on_message: is told what they say.
        launcher: starts them.
    """

    def __init__(self, selector: Registry, on_message: OnMessage, launcher: Launcher) -> None:
        super().__init__(selector, on_message)
        self._launcher = launcher
        self._ended: list[Process] = []  # that nobody has waited for yet

    def spare(self, edited: frozenset[str]) -> Run:
        """A start that pauses before the first of these files, and never serves."""
        try:
            with open(devnull, "wb") as nowhere:
                process, ours = self._launcher.spawn_to_compare(sorted(edited), [nowhere.fileno()] * 2)
        except OSError:  # as if it had ended at once
            ours, theirs = link.pair(Role.SPARE)
            theirs.close()
            return self.listen(ours, Purpose.VERIFY)
        run = self.listen(ours, Purpose.VERIFY)
        run.process = process
        return run

    def exact(self, edited: frozenset[str]) -> Run:
        """A start that pauses there, goes on at once, and answers questions in the end."""
        return self.dry_run(self.spare(edited).link, Purpose.VERIFY)

    def on_hello(self, run: Run, pid: int) -> None:
        """What goes on as a dry run is the process that was started."""

    def end(self, run: Run) -> None:
        """Ends a process, if that has not happened yet."""
        super().end(run)
        ended = [*self._ended, *([run.process] if run.process is not None else [])]
        self._ended = [one for one in ended if one.poll() is None]

    def close(self) -> None:
        """Ends all, and waits for that."""
        self.end_all(Purpose.VERIFY)
        for process in self._ended:
            with suppress(TimeoutExpired):
                process.wait(END_PATIENCE)


def find(
    processes: SpareProcesses,
    known: Known,
    sources: Mapping[str, bytes],
    left_out: set[str],
    served: SparePlan | None = None,
) -> Generator[Run, Message | None, Outcome]:
    """What spares for these files may import ahead.

    Args:
        known: what comparisons have shown before; added to.
        sources: of these files.
        left_out: modules that have turned out to be in the way.
        served: the plan that the present worker has followed with other sources; it is compared first.
    """
    edited = frozenset(sources)
    exact_spare, found = processes.spare(edited), Outcome(why=FAILED)
    exact = processes.dry_run(exact_spare.link, Purpose.VERIFY)
    paused = yield exact_spare
    if not isinstance(paused, FactsRead):
        return Outcome(why=why_failed(paused))
    base = Base(paused.imported, paused.importing, paused.phase)
    ahead: Run | None = processes.spare(edited)
    record = yield from _record(processes, exact)
    if isinstance(record, str):
        return Outcome(why=record)
    if paused.importing[-1] not in {record.files.get(path) for path in edited}:
        return Outcome(why=f"{ELSEWHERE}, at {paused.importing[-1]}", is_final=True)
    left_out = left_out | {name for name in record.order if name.startswith(TELLING)}
    for attempt in range(planning.ATTEMPTS):
        plan = import_plan.make(record, base, sorted(edited), left_out, is_strict=attempt >= planning.TRIED)
        if served is not None:
            plan = served.plan
        elif plan.saves < WORTH:
            return Outcome(why=found.why if attempt else NOT_WORTH_IT, culprits=left_out, is_final=True)
        start = ahead or processes.spare(edited)
        compared = yield from _compare(processes, known, exact, start, record, plan, sources, served is not None)
        processes.end(start)
        ahead = None
        if isinstance(compared, list):
            others = dependents_of(record, plan, edited)
            if may_show(sources, sources_of(edited), contents_of(others)):
                return Outcome(why=SAVED, culprits=left_out)
            compared += [Read(path, file_state.state_of(path)) for path in others]
            return Outcome(SparePlan(edited, base, plan, compared, sources, others))
        found = compared
        if served is not None:
            return Outcome(culprits=left_out | found.culprits, difference=found.why)
        culprits = found.culprits & set(plan.modules)
        left_out |= culprits
        if not culprits:
            return replace(found, culprits=left_out)
    return Outcome(why=found.why, culprits=left_out, is_final=True)


def confirm_failure(processes: SpareProcesses, edited: frozenset[str]) -> Generator[Run, Message | None, Outcome]:
    """A worker that has followed a plan has failed: would a fresh start fail too?"""
    answer = yield processes.exact(edited)
    return Outcome(difference="a fresh start does not fail" if answer is not None else "")


def _record(processes: SpareProcesses, exact: Run) -> Generator[Run, Message | None, ImportRecord | str]:
    said = None if exact.is_loaded else (yield exact)
    exact.said = None
    answer = yield processes.ask(exact, ImportsAsked())
    return answer.record if isinstance(answer, Imports) else why_failed(said)


def _compare(
    processes: SpareProcesses,
    known: Known,
    exact: Run,
    start: Run,
    record: ImportRecord,
    plan: Plan,
    sources: Mapping[str, bytes],
    is_served: bool,
) -> Generator[Run, Message | None, list[Fact] | Outcome]:
    """What a start that follows a plan relies on, if it gives what an exact one gives; if not, why."""
    edited = frozenset(sources)
    others = dependents_of(record, plan, edited)

    def is_harmless(fact: Fact) -> bool:
        """Whether another start may have read something else here, as it makes no difference to its imports."""
        is_edited = isinstance(fact, Read) and fact.path in edited
        return is_edited and not may_show(sources, sources_of(edited), contents_of(others))

    paused = yield start
    with suppress(link.LinkClosed):  # then it says nothing either
        start.link.send(ImportAhead(plan.modules, sorted(plan.excluded)))
    built = yield start
    if isinstance(built, BuildFailed):
        why = f"{built.module or 'some module'} cannot be imported ahead: {built.reason}"
        return Outcome(why=why, culprits={built.module, *built.others}, is_final=True)
    if not isinstance(paused, FactsRead) or not isinstance(built, FactsRead):
        return Outcome(why=FAILED)
    prepared = processes.dry_run(start.link, Purpose.VERIFY)
    verifier = Verifier(processes, known, lambda: True, is_harmless=is_harmless)  # another save ends all this
    verdict = yield from verifier.compare(
        exact, prepared, lambda: processes.exact(edited), plan, frozenset(), is_served
    )
    if verdict.reference is not None:
        return [*paused.facts, *built.facts]
    if verdict.is_outdated:  # they have read different sources
        return Outcome(why=SAVED)
    verdict.blame_nearest(record, plan)
    why = verdict.failure or explain(verdict.differences, verdict.culprits)
    return Outcome(why=why, culprits=verdict.culprits, is_final=not verdict.failure)


def dependents_of(record: ImportRecord, plan: Plan, edited: Collection[str]) -> list[str]:
    """The project's files that are not imported ahead, but for the edited ones."""
    return [path for path, name in record.files.items() if name in plan.excluded and path not in edited]


def contents_of(paths: Iterable[str]) -> Iterator[bytes]:
    """What is in files, one after the other."""
    return (source for path in paths for source in sources_of([path]).values())


def sources_of(paths: Collection[str]) -> dict[str, bytes]:
    """What is in files; nothing for those that cannot be read."""
    found = {}
    for path in paths:
        with suppress(OSError):
            found[path] = Path(path).read_bytes()
    return found
