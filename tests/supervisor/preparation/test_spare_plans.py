"""What spares import ahead: which starts are compared, what is made of that, and for how long it holds."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devrunserver.common import file_state
from devrunserver.common.facts import Fact, Read
from devrunserver.common.import_plan import Base
from devrunserver.common.import_record import ImportRecord
from devrunserver.common.link import Link, pair
from devrunserver.common.messages import BuildFailed, DryRun, FactsRead, ImportAhead, Loaded, Message
from devrunserver.common.role import Role
from devrunserver.supervisor.preparation import spare_plans
from devrunserver.supervisor.preparation.planning import NOT_READY, NOTHING_YET
from devrunserver.supervisor.preparation.spare_plans import MOST_FAILURES, UNVERIFIED, SparePlans
from devrunserver.supervisor.preparation.spare_steps import NOT_WORTH_IT, SAVED, SparePlan
from devrunserver.supervisor.preparation.verify import FAILED, TWINS
from tests.supervisor.preparation.stage import AT_URLS, FakeProcess, State, Teller, _receive, state

ORDER = ["first", "urls", "a", "b", "c", "d"]
UNDER_WAY = ["urls", "a"]
BASE = Base(AT_URLS + 1, UNDER_WAY, 3)


class PlayedStart:
    """A start that is to be compared."""

    def __init__(self, link: Link, stage: Stage) -> None:
        self.link = link
        self.orders: list[Message] = []
        self.is_paused = False
        self._stage = stage

    def pause(self) -> None:
        self.is_paused = True
        importing = [*UNDER_WAY[:-1], self._stage.paused_at]
        self.link.send(FactsRead(self._stage.facts, BASE.imported, importing, BASE.phase))

    def hear(self, message: Message) -> None:
        self.orders.append(message)
        if isinstance(message, ImportAhead):
            unfit = next((name for name in message.modules if name in self._stage.unfit), None)
            self.link.send(FactsRead([]) if unfit is None else BuildFailed(unfit, "it comes to a thread"))
        elif isinstance(message, DryRun):
            is_prepared = any(isinstance(one, ImportAhead) for one in self.orders)
            self._stage.dry_run(message, is_prepared)


class Stage:
    """Plans for one file, ``a``; the test plays the starts."""

    def __init__(self, directory: Path) -> None:
        self.paths = {name: str(directory / f"{name}.py") for name in ORDER}
        for path in self.paths.values():
            Path(path).write_text("A = 1\n\ndef one():\n    return 1\n")
        files = {path: name for name, path in self.paths.items()}
        edges = {"urls": {"a", "b", "c", "d"}, "c": {"b"}}
        self.record = ImportRecord(ORDER, [0, 3, 3, 3, 3, 3], [1.0] * len(ORDER), edges, files)
        self.exact = [state()]  # of exact starts, one after the other; the last one for all that follow
        self.prepared = [state()]  # of those that have imported ahead
        self.facts: list[Fact] = []
        self.unfit: set[str] = set()
        self.paused_at = "a"
        self.are_held = False  # starts do not get to their pause
        self.starts: list[PlayedStart] = []
        self.differences: list[str] = []
        self.told: list[str] = []
        self.fault: OSError | None = None
        self.selector = selectors.DefaultSelector()
        launcher: Any = self
        self.plans = SparePlans(self.selector, launcher, self.differences.append, self.told.append, True)
        self._tellers: list[Teller] = []

    def spawn_to_compare(self, edited: Sequence[str], held: object) -> tuple[FakeProcess, Link]:
        if self.fault is not None:
            raise self.fault
        ours, theirs = pair(Role.SPARE)
        self.starts.append(PlayedStart(Link(theirs, Role.SPARE, Role.SUPERVISOR), self))
        if not self.are_held:
            self.starts[-1].pause()
        return FakeProcess(), ours

    def dry_run(self, message: DryRun, is_prepared: bool) -> None:
        states = self.prepared if is_prepared else self.exact
        link = Link(message.link, Role.DRY_RUN, Role.SUPERVISOR)
        told = states.pop(0) if len(states) > 1 else states[0]
        self._tellers.append(Teller(link, told, self.record))
        link.send(Loaded())

    def play(self) -> None:
        """Everybody does what there is to do, until nobody has anything."""
        is_busy = True
        while is_busy:
            is_busy = False
            for key, _ in self.selector.select(0):
                is_busy = True
                key.data()
            self.plans.step(time.monotonic())
            paused = [one for one in self.starts if one.is_paused]
            playing: list[PlayedStart | Teller] = [*paused, *self._tellers]
            for one in playing:
                for message in _receive(one.link):
                    is_busy = True
                    one.hear(message)

    # What happens

    @property
    def edited(self) -> frozenset[str]:
        return frozenset([self.paths["a"]])

    def serve(self, *, is_broken: bool = False, edited: frozenset[str] | None = None) -> None:
        """A worker has served for a while."""
        self.plans.served(is_broken)
        self.plans.begin(edited or self.edited)
        self.wait()

    def wait(self) -> None:
        """Nobody saves until what was put off is due."""
        due = self.plans.due
        if due is not None and not self.plans.pids:
            self.plans.step(due)
        self.play()

    def save(self, text: str, name: str = "a") -> None:
        Path(self.paths[name]).write_text(text)
        self.plans.on_change(self.paths[name])

    def plan(self) -> SparePlan | None:
        return self.plans.plan_for(self.edited, BASE)

    def resume(self) -> None:
        """The next worker is a spare that has followed the plan."""
        plan = self.plan()
        assert plan is not None
        self.plans.on_resumed(plan)

    def built(self) -> list[list[str]]:
        """What starts have imported ahead."""
        return [one.modules for start in self.starts for one in start.orders if isinstance(one, ImportAhead)]

    def close(self) -> None:
        self.plans.close()
        assert not self.selector.get_map()
        self.selector.close()
        for link in [*(one.link for one in self.starts), *(one.link for one in self._tellers)]:
            link.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


TRIVIAL = "A = 1\n\ndef one():\n    return 2\n"
IMPORTING = "import b\nA = 1\n\ndef one():\n    return 1\n"


def differing(name: str, value: int) -> State:
    """A state in which the order shows of what ``b`` and ``a`` have left in ``first``."""
    order = [["B", "b"], ["A", "a"]] if value == 2 else [["A", "a"], ["B", "b"]]
    return State({**state().attributes, "first": {name: value}}, {("first", name): order})


def test_a_plan_is_verified_by_two_starts(stage: Stage) -> None:
    assert stage.plans.why_not == NOTHING_YET
    stage.serve()
    assert stage.built() == [["b", "c", "d"]]
    assert len(stage.starts) == 2
    assert stage.plans.why_not == ""
    assert "3 modules are imported ahead" in stage.told[-1]
    plan = stage.plan()
    assert plan is not None and plan.dependents == [stage.paths["urls"]]
    assert stage.plans.pids == set()
    stage.serve()
    assert len(stage.starts) == 2, "once"


@pytest.mark.parametrize(
    ("edited", "base"),
    [(frozenset(["/other.py"]), BASE), (None, BASE._replace(imported=1)), (None, BASE._replace(phase=2))],
)
def test_it_is_for_one_place_and_these_files(stage: Stage, edited: frozenset[str] | None, base: Base) -> None:
    stage.serve()
    assert stage.plans.plan_for(edited or stage.edited, base) is None


def test_edits_of_functions_are_served_from_then_on(stage: Stage) -> None:
    stage.serve()
    for number in (2, 3):
        stage.save(TRIVIAL.replace("2", str(number)))
        stage.resume()
        stage.serve()
    assert len(stage.starts) == 2
    assert stage.plan() is not None
    assert not stage.differences


@pytest.mark.parametrize("is_different", [False, True])
def test_other_edits_are_compared_after_they_were_served(stage: Stage, is_different: bool) -> None:
    stage.serve()
    stage.save(IMPORTING)
    stage.resume()
    stage.prepared = [differing("x", 2) if is_different else state()]
    stage.serve()
    assert len(stage.starts) >= 4
    assert stage.built()[1] == ["b", "c", "d"], "what was served"
    assert bool(stage.differences) is is_different
    assert (stage.plan() is None) is is_different
    if is_different:
        stage.prepared = [state()]
        stage.serve()
        assert stage.built()[-1] == ["d"], "what is in the way is left out"


def test_nothing_follows_a_plan_that_is_doubtful(stage: Stage) -> None:
    stage.serve()
    stage.save(IMPORTING)
    stage.resume()
    stage.are_held = True
    stage.serve()
    assert stage.plan() is None
    assert stage.plans.why_not == NOT_READY
    stage.save(IMPORTING)
    assert not stage.differences, "that worker is gone"
    stage.are_held = False
    stage.serve()
    assert stage.plan() is not None


def test_a_worker_in_doubt_when_all_ends(stage: Stage) -> None:
    stage.serve()
    stage.save(IMPORTING)
    stage.resume()
    stage.plans.close()
    assert stage.differences == [UNVERIFIED]


@pytest.mark.parametrize(
    ("text", "is_exact_broken", "differences"),
    [("this is no Python", False, []), (IMPORTING, True, []), (IMPORTING, False, ["a fresh start does not fail"])],
)
def test_a_worker_that_fails(stage: Stage, text: str, is_exact_broken: bool, differences: list[str]) -> None:
    stage.serve()
    stage.save(text)
    stage.resume()
    stage.are_held = is_exact_broken
    stage.serve(is_broken=True)
    for start in stage.starts[2:] if is_exact_broken else ():
        start.link.close()
    stage.play()
    assert stage.differences == differences


def test_what_is_out_of_order_is_left_out(stage: Stage) -> None:
    stage.prepared = [differing("x", 2), state()]
    stage.exact = [differing("x", 1)]
    stage.prepared[1] = differing("x", 1)
    stage.serve()
    assert stage.built() == [["b", "c", "d"], ["d"]]
    assert len(stage.starts) == 3
    assert stage.plan() is not None


def test_what_cannot_be_imported_ahead_is_left_out(stage: Stage) -> None:
    stage.unfit = {"b"}
    stage.serve()
    assert stage.built() == [["b", "c", "d"], ["d"]]
    assert stage.plan() is not None


def test_what_varies_does_not_count(stage: Stage) -> None:
    """A third start tells."""
    stage.exact = [differing("x", 1), differing("x", 3)]
    stage.prepared = [differing("x", 4)]
    stage.serve()
    assert len(stage.starts) == 3
    assert stage.plan() is not None


@pytest.mark.parametrize(("name", "is_found"), [("a", True), ("d", False)])
def test_starts_that_have_read_different_sources(stage: Stage, name: str, is_found: bool) -> None:
    """They tell nothing, unless it is the edited file, and what was saved there makes no difference to imports."""
    outdated = replace(differing("x", 1), outdated=[Read(stage.paths[name], (1, 1, 1))])
    stage.exact = [outdated, differing("x", 3), differing("x", 5), differing("x", 6)]
    stage.prepared = [differing("x", 4)]
    stage.serve()
    assert (stage.plan() is not None) is is_found
    assert is_found or stage.told == [f"Not prepared: {SAVED}."]
    stage.wait()
    assert stage.plan() is not None, "it is compared again, without another save"
    assert len(stage.starts) == (3 if is_found else 6)


def test_what_was_found_before_a_save_is_known_afterwards(stage: Stage) -> None:
    outdated = replace(differing("x", 1), outdated=[Read(stage.paths["d"], (1, 1, 1))])
    stage.prepared = [differing("x", 2), differing("x", 4), state()]
    stage.exact = [outdated, outdated, differing("x", 3), state()]
    stage.serve()
    assert stage.built() == [["b", "c", "d"], ["d"]]
    assert stage.told == [f"Not prepared: {SAVED}."]
    stage.wait()
    assert stage.built()[2:] == [["d"]]
    assert stage.plan() is not None


def test_who_saves_again_and_again_is_waited_for(stage: Stage) -> None:
    stage.are_held = True
    stage.serve()
    for count in (1, 2):
        stage.save("import b\n" * count)
        stage.plans.begin(stage.edited)
        due = stage.plans.due
        assert due is not None
        stage.plans.step(due - 1e-6)
        assert len(stage.starts) == count
        stage.plans.step(due)
        assert len(stage.starts) == count + 1
    stage.save(IMPORTING)
    stage.save(IMPORTING)
    assert stage.plans.due is None, "not as long as no worker serves"


def test_a_save_before_a_worker_in_doubt_is_compared_puts_nothing_off(stage: Stage) -> None:
    stage.serve()
    stage.save(IMPORTING)
    stage.resume()
    stage.are_held = True
    stage.plans.served(is_broken=True)
    stage.plans.begin(stage.edited)
    assert len(stage.starts) == 3
    stage.save(TRIVIAL)
    stage.plans.served(is_broken=False)
    before = time.monotonic()
    stage.plans.begin(stage.edited)
    due = stage.plans.due
    assert due is not None
    assert before <= due <= time.monotonic()


@pytest.mark.parametrize(("alike", "is_found"), [(1, True), (TWINS, True), (TWINS + 1, False)])
def test_what_varies_may_be_the_same_in_two_starts_by_chance(stage: Stage, alike: int, is_found: bool) -> None:
    """As the order of a set of classes, in which nothing is out of order."""
    exact, other, prepared = (State({**state().attributes, "first": {"x": value}}) for value in (1, 3, 4))
    stage.exact, stage.prepared = [*[exact] * alike, other], [prepared]
    stage.serve()
    assert (stage.plan() is not None) == is_found
    assert len(stage.starts) == 2 + min(alike, TWINS)


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (lambda stage: setattr(stage, "paused_at", "a thread of b"), "it pauses before the edited files"),
        (lambda stage: vars(stage.record).update(seconds=[0.0] * 6), NOT_WORTH_IT),
        (lambda stage: setattr(stage, "prepared", [state(a={"x": 2})]), "the order of imports shows in a.x"),
    ],
    ids=["elsewhere", "nothing to gain", "different"],
)
def test_what_is_given_up_for_these_files(stage: Stage, happens: Callable[[Stage], None], why: str) -> None:
    happens(stage)
    stage.serve()
    assert stage.plans.why_not.startswith(why)
    count = len(stage.starts)
    stage.serve()
    assert len(stage.starts) == count
    stage.serve(edited=frozenset([stage.paths["a"], stage.paths["b"]]))
    assert len(stage.starts) > count, "others are worth an attempt"


def test_starts_that_fail_are_repeated_a_few_times(stage: Stage) -> None:
    stage.fault = BlockingIOError("no process left")
    for _ in range(MOST_FAILURES):
        stage.serve()
        assert stage.plans.why_not == FAILED
    stage.fault = None
    stage.serve()
    assert not stage.starts


def test_no_memory(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.serve()
    stage.save(IMPORTING)
    stage.resume()
    monkeypatch.setattr(spare_plans, "is_memory_low", lambda: True)
    stage.serve()
    assert "memory is low" in stage.differences[0]
    stage.save(TRIVIAL, "urls")
    stage.serve()
    assert (len(stage.starts), stage.plans.why_not) == (2, "memory is low")


def test_a_save_while_starts_are_compared(stage: Stage) -> None:
    """One that makes no difference to that spoils nothing."""
    stage.are_held = True
    stage.serve()
    stage.save(TRIVIAL)
    stage.serve()
    assert len(stage.starts) == 1
    stage.are_held = False
    stage.starts[0].pause()
    stage.play()
    assert stage.plan() is not None
    assert len(stage.starts) == 2


def test_a_save_that_spoils_what_is_compared(stage: Stage) -> None:
    stage.are_held = True
    stage.serve()
    stage.save(IMPORTING)
    assert stage.plans.due is None
    stage.are_held = False
    stage.serve()
    assert len(stage.starts) == 3


def test_a_file_that_a_verified_start_has_read(stage: Stage) -> None:
    path = stage.paths["d"]
    stage.facts = [Read(path, file_state.state_of(path))]
    stage.serve()
    Path(path).write_text("A = 1234")
    assert stage.plan() is None
    assert stage.plans.why_not.endswith("was not expected to change")


def test_a_dependent_that_has_changed_is_looked_at_when_the_worker_serves(stage: Stage) -> None:
    stage.serve()
    plan = stage.plan()
    assert plan is not None
    stage.save("A = 1234", "urls")
    stage.plans.on_resumed(plan)
    stage.serve()
    assert len(stage.starts) == 4
    assert stage.built()[1] == plan.plan.modules
