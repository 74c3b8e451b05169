"""Which reload is prepared: the plan, what has turned out to be in its way, and what it has cost. No process here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from devrunserver.common import import_plan
from devrunserver.common.import_plan import Plan
from devrunserver.common.import_record import ImportRecord
from devrunserver.supervisor.checkpoint_chain import Chain, Checkpoint
from devrunserver.supervisor.edited_files import IN_TURN
from devrunserver.supervisor.preparation.known import Known

WORTH = 0.05  # seconds of import that are worth a prepared checkpoint
ATTEMPTS = 5  # how often a plan is made again without some modules
TRIED = 3  # failures after which a plan becomes strict


@dataclass
class Cost:
    """What preparing a reload has taken. Times are seconds."""

    _cpu: float = 0.0
    _moment: float = 0.0

    def begin(self, cpu: float, now: float) -> None:
        """A new plan is made from now on."""
        self._cpu, self._moment = cpu, now

    def begin_attempt(self, cpu: float) -> None:
        """What follows is another attempt."""
        self._cpu = cpu

    def cpu(self, cpu: float) -> float:
        return cpu - self._cpu

    def told(self, cpu: float, now: float) -> str:
        """For the user."""
        return f"{self.cpu(cpu):.1f} s of CPU in {now - self._moment:.1f} s"


@dataclass
class Planning:
    """What is known of the reload that is prepared.

    Attributes:
        known: what comparisons have shown.
        edited: the files that are being edited, the last one last.
        record: what an exact start imports; None: nobody was asked yet.
        plan: what is to be imported ahead, from ``base`` on.
        left_out: modules that are in the way of any plan.
        attempts: plans that have failed.
        is_strict: what later parts of Django's set-up import is not tried any more.
        is_given_up: nothing is prepared until something else changes.
        cost: of this plan and of those that it was made of.
        saves: the paths that were saved, one after the other.
        save_times: when that was.
    """

    known: Known = field(default_factory=Known)
    edited: list[str] = field(default_factory=list)
    record: ImportRecord | None = None
    plan: Plan | None = None
    base: Checkpoint | None = None
    left_out: set[str] = field(default_factory=set)
    attempts: int = 0
    is_strict: bool = False
    is_given_up: bool = False
    cost: Cost = field(default_factory=Cost)
    saves: list[str] = field(default_factory=list)
    save_times: list[float] = field(default_factory=list)
    _saved_since: bool = False  # the plan was looked at

    def on_save(self, path: str, moment: float) -> bool:
        """A file was saved. Whether the plan is spoilt: it imports that file ahead, or was given up for others.

        Args:
            moment: when, in seconds since the epoch.
        """
        self.saves.append(path)
        self.save_times.append(moment)
        self._saved_since = True
        if self.plan is None:
            self.attempts, self.is_given_up = 0, False
            return False
        module = self.record.files.get(path) if self.record is not None else None
        # that it was given up for one file must not keep another from being prepared, which is worked on from now on
        is_retried = self.is_given_up and self.saves[-2:] == [path, path]
        if path in self.plan.edited or (module not in self.plan.modules and not is_retried):
            return False
        self.forget_plan()
        return True

    def forget_plan(self) -> None:
        self.plan, self.base = None, None
        self.attempts, self.is_given_up = 0, False

    def make(self, chain: Chain) -> str:
        """Plans for as many of the edited files as do not spoil it. Returns why there is nothing to do, if so."""
        self.plan, self.base = self._best(chain)
        self._saved_since = False
        if self.plan is None:
            return f"no checkpoint was made before {', '.join(self.edited)}"
        if self.plan.saves < WORTH:
            return "hardly anything is imported that does not depend on the edited files"
        return ""

    def has_better(self, chain: Chain, plan: Plan) -> bool:
        """Whether another plan than this would be much quicker, after what was saved meanwhile."""
        if not self._saved_since or self.record is None:
            return False
        self._saved_since = False
        other, _ = self._best(chain)
        if other is None or set(other.edited) == set(plan.edited):
            return False
        return other.saves >= WORTH and not import_plan.is_kept(plan, other, 0.0, False)

    def _best(self, chain: Chain) -> tuple[Plan | None, Checkpoint | None]:
        assert self.record is not None
        total = sum(self.record.seconds)
        best: tuple[Plan | None, Checkpoint | None] = None, None
        for path in reversed(self.edited):
            paths = (*(best[0].edited if best[0] is not None else ()), path)
            base = chain.before(paths)
            if base is None:
                continue
            plan = import_plan.make(self.record, base.base, paths, self.left_out, self.is_strict)
            if best[0] is None or import_plan.is_kept(plan, best[0], total, path in self.saves[-IN_TURN:]):
                best = plan, base
        return best

    def is_dear(self, cpu: float) -> bool:
        """Whether more than a whole start has been spent, and another attempt has to wait for the next reload."""
        if self.record is None or self.cost.cpu(cpu) <= sum(self.record.seconds):
            return False
        self.cost.begin_attempt(cpu)
        return True

    def on_failure(self) -> bool:
        """A start has failed that was to be compared; whether that has happened too often."""
        self.attempts += 1
        self.is_given_up = self.attempts >= ATTEMPTS
        return self.is_given_up

    def leave_out(self, culprits: Collection[str]) -> bool:
        """Takes modules out of any plan, with what imports them; whether it is worth another attempt."""
        self.attempts += 1
        self.is_strict = self.is_strict or self.attempts >= TRIED
        self.is_given_up = True
        if self.plan is None or self.record is None or self.base is None:  # forgotten meanwhile
            return False
        found = set(self.plan.modules) & set(culprits)
        self.left_out |= found
        self.plan = import_plan.make(self.record, self.base.base, self.plan.edited, self.left_out, self.is_strict)
        self.is_given_up = self.attempts >= ATTEMPTS or self.plan.saves < WORTH or not found
        return not self.is_given_up
