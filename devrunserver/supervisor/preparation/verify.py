"""Compares the states of an exact and of a prepared start: the steps that the supervisor goes through.

Theory of operation
-------------------
Both are told by processes that have imported the same sources and will not serve. What differs between two exact
starts that were made at different times (numbers drawn, times) does not count; so where there is a difference, another
exact start is made, after both. What counts is what the exact starts agree on, and the prepared one does not. Where
functions or classes of planned modules are in another order than those of others, or one of the starts alone has them,
that start is spared at first, if to leave these modules out costs next to nothing: it cannot be wrong. Only if there is
a difference again it is made.
Before a worker is replaced that serves, several are made.

What is volatile may hold an order all the same: a registry by random keys. So of that the order of what modules have
left there is compared, as far as exact starts agree on it.

A start that reads the sources after another save would differ by what was saved, and make that look volatile. So each
tells in the end what it has read that is something else by now. Where that is not the same, nothing is concluded; but
modules may still be left out. The next time that start is made at once, beside the prepared one: both read what is
edited first, before somebody who saves every second or two does so again. What is saved while they go on is no matter.

Most saves need no exact start. Once a prepared checkpoint is verified, the state of a worker that was resumed from it
is held against that of the one before: where nothing has changed but functions and constants as the sources say them,
in the edited modules themselves, nothing can have come in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeVar

from devrunserver.common.facts import Fact, Read
from devrunserver.common.import_plan import Plan, nearest
from devrunserver.common.import_record import ImportRecord
from devrunserver.common.messages import (
    Attributes,
    AttributesAsked,
    BuildFailed,
    Loaded,
    Message,
    Outdated,
    OutdatedAsked,
    Outlines,
    OutlinesAsked,
    StateAsked,
    StateReport,
    Unexplained,
    UnexplainedAsked,
)
from devrunserver.common.pyc import SOURCE_SUFFIX
from devrunserver.supervisor.preparation.background_processes import BackgroundProcesses
from devrunserver.supervisor.preparation.jobs import Run
from devrunserver.supervisor.preparation.known import Known
from devrunserver.supervisor.preparation.outline_diff import (
    Attribute,
    Outline,
    out_of_order,
    parts_of_first,
    parts_of_what_is_new,
)

Digests = dict[str, int]  # by module
OutlinesByName = dict[Attribute, Outline]
Answer = TypeVar("Answer", bound=Message)
Asking = Generator[Run, Message | None, Answer]

FAILED = "a start in the background failed"
# Other exact starts that tell what varies, before a worker is replaced, or as long as nothing is out of order: an order
# that comes from addresses may by chance be the same in two
TWINS = 3


def why_failed(answer: Message | None) -> str:
    """Why a start has failed, by what it has said instead of an answer."""
    return answer.reason if isinstance(answer, BuildFailed) else FAILED


@dataclass
class Reference:
    """The state of the last start from a prepared checkpoint that was as it should be."""

    digests: Digests
    attributes: dict[str, Digests] = field(default_factory=dict)  # of what may change from one to the next
    outlines: OutlinesByName = field(default_factory=dict)  # of what is volatile


@dataclass
class Verdict:
    """What a comparison has shown.

    Attributes:
        differences: what differs, and counts.
        culprits: which of the planned modules have left their traces in another order.
        certain: which of them would have even if nothing had been left out in passing.
        parts: where there are none, the modules that what came too early is made of.
        parts_of_new: the same of what only one of the two starts has.
        are_new: only one of them has what differs, whatever it is.
        failure: why nothing was compared.
        reference: the prepared state.
    """

    differences: set[Attribute] = field(default_factory=set)
    culprits: set[str] = field(default_factory=set)
    certain: set[str] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)
    parts_of_new: set[str] = field(default_factory=set)
    are_new: bool = False
    failure: str = ""
    reference: Reference | None = None
    is_outdated: bool = False  # somebody has saved meanwhile; nothing was found out

    def blame_nearest(self, record: ImportRecord, plan: Plan) -> None:
        """Where no order tells who it was, as of what was another object by then: those who may have been."""
        if self.differences and not self.culprits:
            holders = {module for module, _ in self.differences}
            self.culprits = self.certain = nearest(record, plan, holders, self.parts, self.parts_of_new)


class _Gone(Exception):
    """A process has ended before it has answered; told why, as far as that is known."""

    def __init__(self, answer: Message | None) -> None:
        super().__init__(why_failed(answer))


class _Outdated(Exception):
    """Somebody has saved since the worker started."""


class Verifier:
    """Compares states.

    Args:
        processes: forks who is to be compared.
        known: what comparisons have shown before; added to.
        is_current: whether nobody has saved since the worker's start, as far as is known.
        twin: another exact start, where one was made already.
        is_cheap: whether leaving some modules out of the plan costs next to nothing, so that another exact start, which
            may show that it is not necessary, would be dearer.
        record: of an exact start; None: it is not known.
        is_harmless: whether it makes no difference that one of them has read something else there.
    """

    def __init__(
        self,
        processes: BackgroundProcesses,
        known: Known,
        is_current: Callable[[], bool],
        twin: Run | None = None,
        is_cheap: Callable[[Set[str]], bool] = lambda modules: True,
        record: ImportRecord | None = None,
        is_harmless: Callable[[Fact], bool] = lambda fact: False,
    ) -> None:
        self._processes = processes
        self._known = known
        self._is_current = is_current
        self._twin = twin
        self._is_cheap = is_cheap
        self._record = record
        self._is_harmless = is_harmless

    def compare(
        self,
        exact: Run,
        prepared: Run,
        start_exact: Callable[[], Run],
        plan: Plan,
        passed_over: Set[str],
        is_served: bool,
    ) -> Generator[Run, Message | None, Verdict]:
        """Compares two starts.

        Args:
            is_served: the prepared one is the worker's.
            start_exact: makes another exact start, if it is needed.
            plan: what was imported ahead.
            passed_over: what was not, though nothing of it depends on what is edited.
        """
        try:
            for run in sorted((prepared, exact), key=lambda run: not run.is_loaded):
                yield from self._loaded(run)
                self._processes.ask(run, StateAsked())
            of_prepared = yield from self._heard(prepared, StateReport)
            of_exact = yield from self._heard(exact, StateReport)
            unused = set(plan.modules) & (of_prepared.digests.keys() - of_exact.digests.keys())
            if unused and not is_served:  # an exact start does without it: no other one has to tell
                return Verdict({(name, "__name__") for name in unused}, unused, certain=unused)
            found = yield from self._differences(exact, of_exact.digests, prepared, of_prepared.digests)
            differences = found - self._known.volatile.keys()
            if differences and not is_served and not differences & self._known.judged:
                verdict = yield from self._judged(exact, prepared, differences, plan, passed_over)
                if self._is_clear(verdict, plan):
                    self._known.judged |= differences
                    return verdict
            for number in range(TWINS if differences else 0):
                if number and not is_served and not self._is_current():
                    break
                twin = self._twin or self._another(start_exact)
                self._twin = None  # by chance the two may have been alike
                differences &= yield from self._lasting(exact, of_exact.digests, prepared, of_prepared.digests, twin)
                verdict = yield from self._judged(exact, prepared, differences, plan, passed_over)
                if not differences or (verdict.culprits and not is_served):
                    break
            if differences:
                return verdict
            if ordered := found & self._ordered():
                verdict = yield from self._judged(exact, prepared, ordered, plan, passed_over)
                if verdict.culprits:
                    return verdict
            reference = yield from self._reference(prepared, of_prepared.digests, plan.excluded)
            self._known.needs_twin = False
            return Verdict(reference=reference)
        except _Gone as gone:
            return Verdict(failure=str(gone)) if self._is_current() else Verdict(is_outdated=True)
        except _Outdated:
            return Verdict(is_outdated=True)

    def is_as_before(
        self, worker: Run, reference: Reference, excluded: Set[str]
    ) -> Generator[Run, Message | None, Reference | None]:
        """The new reference if a worker's state differs from the last only by what sources say; None otherwise.

        Args:
            worker: tells the state of one that was resumed from the same prepared checkpoint.
            excluded: the modules that were not imported ahead.
        """
        try:
            yield from self._loaded(worker)
            digests = (yield from self._asked(worker, StateAsked(), StateReport)).digests
            changed = {
                name for name in {**digests, **reference.digests} if digests.get(name) != reference.digests.get(name)
            }
            if not changed <= reference.attributes.keys():
                return None
            told = (yield from self._asked(worker, AttributesAsked(sorted(changed)), Attributes)).digests
            found = [
                (name, attribute)
                for name in sorted(changed)
                for attribute in {**told.get(name, {}), **reference.attributes.get(name, {})}
                if told.get(name, {}).get(attribute) != reference.attributes.get(name, {}).get(attribute)
                and (name, attribute) not in self._known.volatile
            ]
            if any(name not in excluded for name, _ in found):
                return None
            (outlines,) = yield from self._outlines((worker,), self._ordered())
            if any(outline != reference.outlines.get(one) for one, outline in outlines.items()):
                return None
            rest = (yield from self._asked(worker, UnexplainedAsked(found), Unexplained)).attributes
            return None if rest else Reference(digests, {**reference.attributes, **told}, outlines)
        except _Gone:
            return None

    def _is_clear(self, verdict: Verdict, plan: Plan) -> bool:
        """Whether it is known whom to leave out, and that needs no other exact start."""
        if verdict.are_new and self._record is not None:
            verdict.blame_nearest(self._record, plan)
        has_order = not verdict.are_new
        return bool(verdict.culprits) and (self._is_cheap(verdict.culprits) or (has_order and not self._is_current()))

    def _another(self, start_exact: Callable[[], Run]) -> Run:
        """Another exact start, which reads the same sources if nobody has saved."""
        self._known.needs_twin = True
        if not self._is_current():
            raise _Outdated
        return start_exact()

    # Steps

    def _loaded(self, run: Run) -> Generator[Run, Message | None, None]:
        if not run.is_loaded:
            answer = yield run
            if not isinstance(answer, Loaded):
                raise _Gone(answer)
        run.said = None

    def _heard(self, run: Run, kind: type[Answer]) -> Generator[Run, Message | None, Answer]:
        answer = yield run
        if not isinstance(answer, kind):
            raise _Gone(answer)
        return answer

    def _asked(self, run: Run, question: Message, kind: type[Answer]) -> Generator[Run, Message | None, Answer]:
        return (yield from self._heard(self._processes.ask(run, question), kind))

    def _all_asked(
        self, runs: Sequence[Run], question: Message, kind: type[Answer]
    ) -> Generator[Run, Message | None, list[Answer]]:
        """Asks several, which look for the answer beside each other."""
        for run in runs:
            self._processes.ask(run, question)
        answers = []
        for run in runs:
            answers.append((yield from self._heard(run, kind)))
        return answers

    def _differences(
        self, one: Run, first: Digests, other: Run, second: Digests
    ) -> Generator[Run, Message | None, set[Attribute]]:
        """The attributes in which two states differ."""
        modules = [name for name in {**first, **second} if first.get(name) != second.get(name)]
        if not modules:
            return set()
        told = yield from self._all_asked((one, other), AttributesAsked(modules), Attributes)
        of_one, of_other = told[0].digests, told[1].digests
        return {
            (name, attribute)
            for name in modules
            for attribute in {**of_one.get(name, {}), **of_other.get(name, {})}
            if of_one.get(name, {}).get(attribute) != of_other.get(name, {}).get(attribute)
        }

    def _lasting(
        self, exact: Run, of_exact: Digests, prepared: Run, of_prepared: Digests, twin: Run
    ) -> Generator[Run, Message | None, set[Attribute]]:
        """The differences to another exact start; what differs between the exact ones is volatile."""
        yield from self._loaded(twin)
        of_twin = (yield from self._asked(twin, StateAsked(), StateReport)).digests
        volatile = yield from self._differences(exact, of_exact, twin, of_twin)
        if not (yield from self._have_read_the_same(exact, twin, prepared)):
            raise _Outdated
        ordered, again = yield from self._outlines((exact, twin), volatile)
        self._known.volatile |= {
            one: ordered[one] == again[one] and self._known.volatile.get(one, True) for one in volatile
        }
        differences = yield from self._differences(twin, of_twin, prepared, of_prepared)
        self._processes.end(twin)
        return differences - self._known.volatile.keys()

    def _have_read_the_same(self, *runs: Run) -> Generator[Run, Message | None, bool]:
        answers = yield from self._all_asked(runs, OutdatedAsked(), Outdated)
        told = [{one for one in answer.facts if _is_about_code(one)} for answer in answers]
        is_other = set[Fact]().union(*told) - set[Fact].intersection(*told)
        return all(map(self._is_harmless, is_other))

    def _reference(
        self, prepared: Run, digests: Digests, excluded: Set[str]
    ) -> Generator[Run, Message | None, Reference]:
        modules = sorted({*excluded, *(name for name, _ in self._known.volatile)} & digests.keys())
        attributes = (yield from self._asked(prepared, AttributesAsked(modules), Attributes)).digests
        (outlines,) = yield from self._outlines((prepared,), self._ordered())
        return Reference(digests, attributes, outlines)

    def _ordered(self) -> set[Attribute]:
        """What is volatile, and has an order."""
        return {one for one, has_order in self._known.volatile.items() if has_order}

    def _judged(
        self, exact: Run, prepared: Run, differences: set[Attribute], plan: Plan, passed_over: Set[str]
    ) -> Generator[Run, Message | None, Verdict]:
        """Which modules of the plan have left their traces in another order."""
        planned = set(plan.modules)
        places = {name: number for number, name in enumerate(dict.fromkeys(plan.after))}
        in_exact, in_prepared = yield from self._outlines((exact, prepared), differences)
        outlines = [(in_exact[one], in_prepared[one]) for one in differences]
        culprits = out_of_order(outlines, planned, places)
        return Verdict(
            differences,
            culprits,
            certain=planned & out_of_order(outlines, planned, places, passed_over),
            parts=set() if culprits else parts_of_first(outlines),
            parts_of_new=set() if culprits else parts_of_what_is_new(outlines),
            are_new=all(any(before) is not any(after) for before, after in outlines),
        )

    def _outlines(
        self, runs: Sequence[Run], attributes: set[Attribute]
    ) -> Generator[Run, Message | None, list[OutlinesByName]]:
        """Of each process what is in some attributes, in order; nothing where there is no such attribute."""
        if not attributes:
            return [{} for _ in runs]
        answers = yield from self._all_asked(runs, OutlinesAsked(sorted(attributes)), Outlines)
        told = [{(one, name): outline for one, name, outline in answer.outlines} for answer in answers]
        return [{one: of.get(one, []) for one in attributes} for of in told]


def _is_about_code(fact: Fact) -> bool:
    """Not about data, which a start may read and write itself."""
    return not isinstance(fact, Read) or fact.path.endswith(SOURCE_SUFFIX)
