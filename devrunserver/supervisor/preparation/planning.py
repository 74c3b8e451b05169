"""Which reload is prepared: the plan, what has turned out to be in its way, and what it has cost. No process here.

Theory of operation
-------------------
Once somebody has saved, the plan leaves out the files that he works on. Before that, what he will save first is not
known: likely are the files that were modified last, and those of the views whose pages he looks at. The plan leaves
these out as far as one does not make the reload of another much slower, and begins early, so that it covers many
files; and besides them all modules that cost little (``widening.py``), more of them as long as nobody has saved.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from devrunserver.common import import_plan
from devrunserver.common.import_plan import URLCONF, URLCONF_PHASE, Plan
from devrunserver.common.import_record import ImportRecord
from devrunserver.common.memory import is_memory_plentiful
from devrunserver.supervisor.checkpoint_chain import Chain, Checkpoint
from devrunserver.supervisor.edited_files import IN_TURN
from devrunserver.supervisor.preparation.broad import (
    Broad,
    Guesses,
    broad_plan,
    is_quicker,
    is_worth,
    late_files,
    later_files,
    with_later,
)
from devrunserver.supervisor.preparation.known import Known
from devrunserver.supervisor.preparation.widening import widened

# Why a reload is not prepared
NOTHING_YET = "nothing was prepared yet"
NOT_READY = "it was not ready yet"

ATTEMPTS = 8  # how often a plan is made again without some modules
STARTS_BEFORE_SAVES = 5  # that may be spent on what is foreseen, once; on what is saved one, after each reload
FEW = 0.1  # of what has differed before: hardly any of it
TRIED = 3  # differences, or lists that cannot be imported ahead, after which a plan becomes strict
# How much more a plan may leave to import than another, where it begins later, and so costs less, or was foreseen, ...
SLOWER = 1.2
SLOWER_BY = 0.02  # ... and that many seconds more; ...
# ... where it leaves out what nobody has edited, such a share of a start: to compare another one costs as a start does
GUESS_SLOWER_SHARE = 0.01
# Of what an exact reload imports, that a plan for the file must spare to be worth several starts; else others count ...
WORTH_SHARE = 0.2
FORESEEN_WORTH_SHARE = 0.4  # ... as long as nobody has edited it
SOON = 1.0  # ... unless what is left takes no more seconds than that, as such starts cost little
FORESEEN_SHARE = 0.75  # of what a plan saves, that it must still save without what is likely to show in an order
MOST_LIKELY = 6  # files that are taken into account before anybody has edited one
# Of the seconds that a plan saves, those that may be spent on leaving out what nobody has edited yet, ...
UNKNOWN_SHARE = 0.1  # ... as long as nobody has edited anything
KNOWN_SHARE = 0.02
HURRY = 5.0  # seconds between saves
# Seconds that may be added to a reload by a file that was only looked at, by what is left out in passing, by what is
# left out in place of another comparison, or for want of a plan for views alone before anybody has saved
LITTLE = 0.05
VIEW_PLANS = 1  # plans that are made anew, before the first save, for a page that was looked at after the first plan


@dataclass
class Cost:
    """What preparing a reload has taken. Times are seconds.

    Attributes:
        moment: when it began, by the monotonic clock.
    """

    moment: float = 0.0
    _cpu: float = 0.0
    _differences: int = 0  # that the last comparison has found

    def begin(self, cpu: float, now: float) -> None:
        """A new plan is made from now on."""
        self._cpu, self.moment, self._differences = cpu, now, 0

    def begin_attempt(self, cpu: float) -> None:
        """What follows is another attempt."""
        self._cpu = cpu

    def on_differences(self, count: int) -> bool:
        """A comparison has found so many; whether these are hardly any of those before, or the last of them."""
        before, self._differences = self._differences, count
        return count <= FEW * before or count == 1 < before

    def cpu(self, cpu: float) -> float:
        return cpu - self._cpu

    def told(self, cpu: float, now: float) -> str:
        """For the user."""
        return f"{self.cpu(cpu):.1f} s of CPU in {now - self.moment:.1f} s"


class Save(NamedTuple):
    """A file was saved."""

    path: str
    moment: float  # seconds of the monotonic clock


def is_hurried(saves: Sequence[Save]) -> bool:
    """Whether the last two saves came so soon after each other that the next may come before a start is over."""
    return len(saves) > 1 and saves[-1].moment - saves[-2].moment < HURRY


def saved_last(saves: Sequence[Save], count: int) -> list[str]:
    """The files of the last saves."""
    return [save.path for save in saves[-count:]]


@dataclass
class Planning:
    """What is known of the reload that is prepared.

    Attributes:
        known: what comparisons have shown.
        edited: the files that are being edited, or may be, the likeliest last.
        record: what an exact start imports; None: nobody was asked yet.
        plan: what is to be imported ahead, from ``base`` on.
        attempts: comparisons that have failed, or shown a difference that counts.
        strict: the parts of Django's set-up from which on what later ones import is not tried any more.
        is_given_up: nothing is prepared until something else changes.
        cost: of this plan and of those that it was made of.
        saves: one after the other.
        guesses: what was planned before the first.
        looked_at: how many saves there were when the plan was looked at last; none: it was foreseen.
    """

    known: Known = field(default_factory=Known)
    edited: list[str] = field(default_factory=list)
    record: ImportRecord | None = None
    plan: Plan | None = None
    base: Checkpoint | None = None
    attempts: int = 0
    strict: set[int] = field(default_factory=set)
    is_given_up: bool = False
    cost: Cost = field(default_factory=Cost)
    saves: list[Save] = field(default_factory=list)
    guesses: Guesses = field(default_factory=Guesses)
    looked_at: int = 0

    def on_save(self, path: str, moment: float) -> bool:
        """A file was saved. Whether the plan is spoilt: it imports that file ahead, or was given up for others.

        Args:
            moment: when, in seconds of the monotonic clock.
        """
        self.saves.append(Save(path, moment))
        if self.plan is None:
            self.attempts, self.is_given_up = 0, False
            return False
        module = self.record.files.get(path) if self.record is not None else None
        # that it was given up for one file must not keep another from being prepared, which is worked on from now on
        is_retried = self.is_given_up and saved_last(self.saves, 2) == [path, path]
        if path in self.plan.edited or (module not in self.plan.modules and not is_retried):
            return False
        self.forget_plan()
        return True

    @property
    def likely(self) -> list[str]:
        """The edited files, or, as long as nobody has saved, which of those that may be a start imports."""
        if self.saves or self.record is None:
            return self.edited
        return [path for path in self.edited if path in self.record.files][-MOST_LIKELY:]

    def forget_plan(self) -> None:
        """Gives the plan up."""
        self.plan = self.base = None
        self.attempts, self.is_given_up = 0, False

    def go_back(self, before: Plan, base: Checkpoint, is_foreseen: bool) -> None:
        """Gives the plan up for the one before.

        Args:
            is_foreseen: nobody had saved when that was made.
        """
        self.forget_plan()
        self.plan, self.base = before, base
        self.looked_at = 0 if is_foreseen else self.looked_at

    def give_up(self) -> None:
        """The plan leads to nothing, and is not made again in place of another one."""
        self.is_given_up = True
        if self.plan is not None and self.base is not None:
            self.known.hopeless.add((self.base.at, self.plan.edited))

    def narrow(self, made: Chain | None) -> bool:
        """Whether the plan was the broad one, and another one follows that begins later.

        Args:
            made: it is prepared now: the exact checkpoints. None: it was given up.
        """
        if self.guesses.broad is not Broad.TRIED:
            return False
        self.guesses.broad = Broad.FAILED if made is None else Broad.MADE
        if made is not None:
            other = self._best(made, self.likely)[0] if not self.saves else None  # it may be just what is needed
            if other is None or self.plan is None or self.plan.remains < other.remains + LITTLE:
                return False
        self.forget_plan()
        return True

    @property
    def saved(self) -> str | None:
        """The module that was saved last, as far as that is known."""
        return self.record.files.get(self.saves[-1].path) if self.saves and self.record is not None else None

    def make(self, chain: Chain) -> str:
        """Plans for as many of the edited files as do not spoil it. Returns why there is nothing to do, if so."""
        assert self.record is not None
        found = self._best(chain, self.likely)
        if self.guesses.broad is Broad.UNTRIED:
            broad = None
            if not self.saves and is_memory_plentiful():
                broad = broad_plan(self.record, self.likely, chain, found, self._from_best_base)
            self.guesses.broad = Broad.FAILED if broad is None else Broad.TRIED
            found = broad or found
        self._take(*found)
        if self.plan is not None:
            return ""
        return no_base(self.edited) if not bases(self, chain) else hardly_any(self.edited)

    def follow(self, chain: Chain, plan: Plan) -> bool:
        """Whether a plan for views follows a verified one that is for models as well, as both are edited in turn."""
        if self.record is None or not self.saves or self.plan is not plan or self.base is None:
            return False
        if self.base.base.phase >= URLCONF_PHASE or not is_memory_plentiful():
            return False
        self.guesses.broad = Broad.MADE
        recent = saved_last(self.saves, IN_TURN)
        views = later_files(self.record, recent if len(recent) > 1 else [*self.likely, *recent], plan.edited)
        narrow, base = self._best(chain, views)
        if narrow is None or base is None or not is_worth(narrow, plan):
            return False
        if (base.at, narrow.edited) in self.known.hopeless:
            return False
        self.forget_plan()
        self._take(narrow, base)
        return True

    def _take(self, plan: Plan | None, base: Checkpoint | None) -> None:
        self.plan, self.base = plan, base
        self.looked_at = len(self.saves)
        if self.record is not None and self.plan is not None and self.base is not None:
            # what was in the way elsewhere is, most likely, here as well
            known = set().union(*self.known.left_out.values()) & set(self.plan.modules)
            if known and import_plan.cost_without(self.record, self.base.base, self.plan, known) <= LITTLE:
                self._make_without(known)

    def has_better(self, chain: Chain, plan: Plan, is_verified: bool) -> bool:
        """Whether another plan than this would be much quicker, or fits better what happened since this was made.

        One that is not verified gives way to one that begins right before the saved file: less can be in its way.
        """
        is_guess, has_saved = not self.looked_at, len(self.saves) > self.looked_at
        if self.record is None or not (has_saved or self._is_passed_over(plan)):
            return False
        self.looked_at = len(self.saves)
        other, base = self._best(chain, self.likely)
        if other is None or base is None or (base.at, other.edited) in self.known.hopeless:
            return False
        if not has_saved:
            if other.excluded == plan.excluded:
                return False
            self.guesses.view_plans += 1
            return not self._is_passed_over(other)
        if not saves_time(self, chain, plan):
            return saves_time(self, chain, other)
        if is_guess:  # it leaves out more than anybody works on
            return plan.remains > SLOWER * other.remains + GUESS_SLOWER_SHARE * sum(self.record.seconds)
        is_later = self.base is not None and base.number > self.base.number and other.remains <= plan.remains
        if not is_verified and is_later and is_right_before(self, chain):
            return True
        return not import_plan.is_kept(plan, other, 0.0, False)

    def _is_passed_over(self, plan: Plan) -> bool:
        """Whether nobody has saved yet, and a plan imports ahead what is likely to be saved."""
        if self.saves or self.record is None or self.guesses.view_plans >= VIEW_PLANS:
            return False
        return not {self.record.files.get(path) for path in self.likely}.isdisjoint(plan.modules)

    def _best(self, chain: Chain, edited: Sequence[str]) -> tuple[Plan | None, Checkpoint | None]:
        """The plan that leaves out as many of the edited files as do not spoil it, and where it begins."""
        assert self.record is not None
        total = sum(self.record.seconds)
        best: Plan | None = None
        is_rest_covered = not self.saves and self.guesses.broad is Broad.MADE
        for path in reversed(late_files(self.record, edited) if is_rest_covered else edited):
            paths = (*(best.edited if best is not None else ()), path)
            bases = bases_for(self, chain, paths)
            if not bases:
                continue
            plan = self.plan_from(bases[-1], paths)
            if best is None:
                best = plan if spares_much(self, bases, paths) else None
            elif self._is_kept(plan, best, total, path):
                best = plan
        if best is None and self.saves:
            return None, None
        return self._from_best_base(chain, best.edited if best is not None else ())

    def _from_best_base(self, chain: Chain, paths: tuple[str, ...]) -> tuple[Plan | None, Checkpoint | None]:
        """The plan for some files from the latest base, unless an earlier one leaves less to import.

        Before anything was saved also one that leaves a little more: it covers more files.
        """
        assert self.record is not None
        best: tuple[Plan, Checkpoint] | None = None
        for base in reversed(bases_for(self, chain, paths)):
            plan = self.plan_from(base, paths)
            if (
                best is None
                or best[0].remains > SLOWER * plan.remains + SLOWER_BY
                or (not self.saves and import_plan.is_kept(plan, best[0], 0.0, False))
            ):
                best = plan, base
        return (
            (None, None)
            if best is None
            else (widened(best[0], self.record, best[1].base.imported, self._budget(best[0])), best[1])
        )

    def plan_from(self, base: Checkpoint, paths: tuple[str, ...], is_wary: bool = False) -> Plan:
        """The plan for some files from one base, without what is in the way there.

        Args:
            is_wary: what is in the way of plans that begin elsewhere is taken to be in the way of this one.
        """
        assert self.record is not None
        in_the_way = set().union(*self.known.left_out.values()) if is_wary else self.known.left_out[base.at]
        left_out = in_the_way | self.known.unfit_at(base.base.phase)
        is_strict = base.base.phase in self.strict
        plan = import_plan.make(self.record, base.base, paths, left_out, is_strict)
        displaced = import_plan.displaced(self.record, plan)
        if not displaced:
            return plan
        in_order = import_plan.make(self.record, base.base, paths, left_out | displaced, is_strict)
        return in_order if in_order.saves >= FORESEEN_SHARE * plan.saves else plan

    def _is_kept(self, plan: Plan, without: Plan, total: float, path: str) -> bool:
        if self.saves and path not in {save.path for save in self.saves}:  # nobody has edited it
            return plan.remains <= without.remains + self._budget(without)
        return import_plan.is_kept(plan, without, total, path in saved_last(self.saves, IN_TURN))

    def _budget(self, plan: Plan) -> float:
        """Seconds that may be spent on leaving out what nobody has edited."""
        if self.known.width_shows and plan.edited:
            return 0.0
        return min(KNOWN_SHARE * plan.saves, LITTLE) if self.saves else UNKNOWN_SHARE * plan.saves

    def on_failure(self) -> bool:
        """A start has failed that was to be compared, or differed; whether that has happened too often."""
        self.attempts += 1
        self.is_given_up = self.attempts >= ATTEMPTS
        return self.is_given_up

    def _make_without(self, modules: Set[str]) -> None:
        """Makes the plan again without some modules."""
        assert self.record is not None and self.plan is not None and self.base is not None
        self.known.left_out[self.base.at] |= modules
        plan = self.plan_from(self.base, self.plan.edited)
        self.plan = widened(plan, self.record, self.base.base.imported, self._budget(plan))

    def leave_out(self, culprits: Collection[str], certain: Collection[str] = (), attempts: int = 1) -> bool:
        """Takes modules out of any plan, with what imports them; whether it is worth another attempt.

        Args:
            certain: those that would be in the way even if nothing was passed over.
            attempts: that have come to this, the last one too.
        """
        self.is_given_up = True
        if self.plan is None or self.record is None or self.base is None:  # forgotten meanwhile
            return False
        if attempts >= TRIED:
            self.strict.add(self.base.base.phase)
        found = set(self.plan.modules) & set(certain)
        if self.plan.edited and not found and passed_over(self, self.plan, self.base):
            # likely because of what was passed over, which must not make the reload of the edited files slower
            self.known.width_shows = True
            self.plan = self.plan_from(self.base, self.plan.edited)
            self.is_given_up = attempts >= ATTEMPTS
            return not self.is_given_up
        found = found or set(self.plan.modules) & set(culprits)
        self._make_without(found)
        self.is_given_up = False
        if attempts >= ATTEMPTS or not self.plan.modules or not found:
            self.give_up()
        elif not spares_much(self, [self.base], self.plan.edited):
            self.narrow(None)
            self.forget_plan()  # one for other files may
        return not self.is_given_up


def make_another(planning: Planning, chain: Chain) -> str:
    """Plans anew if the plan was given up for another one. Returns why there is none, if so."""
    return "" if planning.plan is not None else planning.make(chain)


def no_base(edited: Sequence[str]) -> str:
    """Why there is no plan where there is no checkpoint before these files."""
    return f"no checkpoint was made before {', '.join(edited) or 'the end of the start'}"


def hardly_any(edited: Sequence[str]) -> str:
    """Why there is no plan where nearly all imports depend on these files."""
    return f"hardly anything that is imported after {', '.join(edited)} does without it"


def spares_much(planning: Planning, bases: Sequence[Checkpoint], paths: tuple[str, ...]) -> bool:
    """Whether some plan for these files spares much of what an exact reload imports, from the last of some bases.

    As far as is known: what is in the way of a plan is taken to be in the way of those that begin elsewhere.
    """
    if planning.record is None:
        return False
    exact = [one for one in bases if not one.is_ahead] or bases
    share = WORTH_SHARE if planning.saves else FORESEEN_WORTH_SHARE
    most = max((1 - share) * import_plan.remaining(planning.record, exact[-1].base), SOON)
    return any(planning.plan_from(one, paths, is_wary=True).remains <= most for one in reversed(bases))


def passed_over(planning: Planning, plan: Plan, base: Checkpoint) -> Set[str]:
    """What a plan leaves out though it does not depend on what is edited, or on what is in the way."""
    if planning.record is None:
        return frozenset()
    return plan.excluded - planning.plan_from(base, plan.edited).excluded


def is_dear(planning: Planning, cpu: float, differences: int) -> bool:
    """Whether more has been spent than starts are worth, and another attempt has to wait for the next reload.

    Args:
        differences: that the last comparison has found. If hardly any are left it is most likely the last but one,
            and dearer than that attempt is a reload that is not prepared.
    """
    is_nearly_done = planning.cost.on_differences(differences)
    starts = 1 if planning.saves else STARTS_BEFORE_SAVES
    if planning.record is None or planning.cost.cpu(cpu) <= starts * sum(planning.record.seconds) or is_nearly_done:
        return False
    if planning.narrow(None):
        return False
    planning.cost.begin_attempt(cpu)
    return True


def is_right_before(planning: Planning, chain: Chain) -> bool:
    """Whether the last checkpoint is right before the module that was saved last."""
    last = chain.before([planning.saves[-1].path])[-1:] if planning.saved is not None else []
    return any(planning.saved in one.base.importing for one in last)


def saves_time(planning: Planning, chain: Chain, plan: Plan) -> bool:
    """Whether a plan makes a start quicker than an exact one after another save of the file that was saved last."""
    return is_quicker(plan, planning.record, chain.before(saved_last(planning.saves, 1)))


def bases(planning: Planning, chain: Chain) -> list[Checkpoint]:
    """The checkpoints before the likeliest file that there are any before."""
    found = next(filter(None, (chain.before([path]) for path in reversed(planning.edited))), [])
    return found if planning.saves else found or chain.before(())


def bases_for(planning: Planning, chain: Chain, paths: tuple[str, ...]) -> list[Checkpoint]:
    """Where a plan may begin that leaves out these files."""
    bases = chain.before(paths)
    is_wanted = planning.guesses.broad is Broad.MADE or not (planning.saves or planning.likely)
    if is_wanted and planning.record is not None:
        bases = with_later(bases, planning.record, paths, chain.ended_at)
    if not paths:  # nothing is known, and from there on most files are imported that are edited, views above all
        bases = [base for base in bases if base.at == URLCONF] or bases
    return bases
