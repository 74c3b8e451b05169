"""What is prepared, and when: the test plays all processes (``stage.py``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devrunserver.common import file_state
from devrunserver.common.facts import Answered, Fact, Read
from devrunserver.common.import_plan import Plan
from devrunserver.common.messages import AttributesAsked, Build, BuildFailed, Message, StateAsked
from devrunserver.common.present import Present
from devrunserver.common.remembered_file import RememberedFile
from devrunserver.supervisor.preparation import manager
from devrunserver.supervisor.preparation.known import Known
from devrunserver.supervisor.preparation.manager import Preparation
from devrunserver.supervisor.preparation.planning import NOTHING_YET, Planning, Save, is_dear, passed_over, saves_time
from devrunserver.supervisor.preparation.verify import TWINS
from tests.supervisor.preparation.stage import AT_URLS, RECORD, Stage, State, state

PREPARED = "Prepared the next reload: "
TRACE = ("first", "x")  # an attribute in which an order shows


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def early() -> Iterator[Stage]:
    """Where the first checkpoint is before all modules."""
    stage = Stage(base=0)
    yield stage
    stage.close()


def test_the_third_save_is_prepared_and_so_are_the_next(stage: Stage) -> None:
    stage.serve()
    assert stage.builds[0].modules == ["b", "c", "d"]
    assert stage.builds[0].excluded == ["a", "urls"]
    assert stage.told[0].startswith(PREPARED)
    assert [stage.reload() for _ in range(3)] == [True, True, True]
    assert len(stage.builds) == 1
    assert len(stage.resumed) == 3


def test_most_saves_need_no_exact_start(stage: Stage) -> None:
    """A function or a constant of the edited file has changed."""
    stage.serve()
    before = stage.dry_runs
    stage.prepared = state(a={"x": 2})
    assert stage.reload()
    stage.prepared = state(a={"x": 3})
    assert stage.reload()
    assert stage.dry_runs == before
    assert stage.reload()


@pytest.mark.parametrize(
    "later",
    [
        State({**state().attributes, "a": {"x": 2}}, unexplained={("a", "x")}),  # computed
        State({**state().attributes, "first": {"x": 2}}),  # left elsewhere
    ],
    ids=["computed", "elsewhere"],
)
def test_others_are_compared_with_an_exact_start(stage: Stage, later: State) -> None:
    stage.serve()
    before = stage.dry_runs
    stage.exact, stage.prepared = [later], later
    assert stage.reload()
    assert stage.dry_runs == before + 1
    assert stage.differences == []


def test_nothing_serves_before_it_is_verified(stage: Stage) -> None:
    stage.are_held = True
    stage.save()
    stage.serve()
    assert not stage.resume()
    assert stage.preparation.why_not == "what is prepared was not verified yet"


def test_the_worker_tells_what_it_has_imported_and_in_what_state_it_is(stage: Stage) -> None:
    stage.save()
    stage.serve()
    assert (stage.dry_runs, stage.short_runs) == (0, 1)
    assert stage.reload()


def test_a_save_while_it_is_built_does_not_begin_anew(stage: Stage) -> None:
    stage.are_held = True
    stage.serve()  # asks a dry run what is imported
    stage.save()
    stage.let_go()
    stage.serve()
    assert stage.dry_runs == 1
    assert len(stage.builds) == 1
    assert stage.reload()


def test_a_save_while_it_is_compared_goes_on_where_the_sources_were_read(stage: Stage) -> None:
    stage.save()
    stage.serve()
    short = stage.short_runs
    stage.are_held = True
    assert stage.save()  # its state is told by the worker: nobody else reads anything
    stage.serve()
    assert stage.short_runs == short


def test_a_save_while_the_compared_are_loaded_is_no_matter(stage: Stage) -> None:
    """What they have read counts, which they tell where it matters."""
    stage.are_held = True
    stage.save()
    stage.serve()  # built, and being compared
    assert not stage.save()
    stage.let_go()
    stage.serve()
    assert (len(stage.builds), stage.short_runs) == (1, 1)
    assert stage.reload()


BEFORE, AFTER = Read("/a.py", (1, 1, 1)), Read("/a.py", (2, 2, 2))


@pytest.mark.parametrize(
    ("exact", "twin", "prepared", "is_concluded"),
    [
        ([], [], [], True),
        ([BEFORE], [BEFORE], [BEFORE], True),  # somebody has saved since all of them have read it
        ([BEFORE], [], [BEFORE], False),
        ([BEFORE], [AFTER], [BEFORE], False),
        ([BEFORE], [BEFORE], [], False),
        ([Read("/log", (1, 1, 1))], [], [], True),  # data that each start may write
        ([Answered("/", None, "new", ())], [], [], False),  # a file that was looked for in vain
    ],
)
def test_nothing_is_concluded_from_starts_that_have_read_something_else(
    stage: Stage, exact: list[Fact], twin: list[Fact], prepared: list[Fact], is_concluded: bool
) -> None:
    """What differs between exact starts is volatile, unless it is what was saved between them."""
    stage.exact = [replace(state(), outdated=exact)]
    stage.prepared = replace(state(first={"x": 2}), outdated=prepared)
    stage.save()  # the worker is an exact start
    stage.exact = [replace(state(first={"x": 3}), outdated=twin)]
    stage.serve()
    assert any(told.startswith(PREPARED) for told in stage.told) is is_concluded


def test_the_other_exact_start_is_made_at_once_where_a_save_has_come_before_it(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    stage.prepared = state(first={"x": 2})

    def save_once(message: Message) -> None:
        if isinstance(message, StateAsked):
            stage.when_asked = lambda message: None
            stage.preparation.changed(str(file))

    stage.when_asked = save_once
    assert not stage.save(str(file))
    stage.serve(str(file))  # the save comes before another exact start is made
    assert (stage.dry_runs, stage.resume()) == (0, False)
    stage.exact = [state(first={"x": 3})]
    made: list[int] = []
    stage.when_asked = lambda message: made.append(stage.dry_runs)
    stage.serve(str(file))
    assert made[0] == 1
    assert stage.reload(str(file))


@pytest.mark.parametrize(("pause", "made"), [(1.0, 1), (60.0, 0)])
def test_the_other_exact_start_is_made_at_once_in_a_hurry(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, pause: float, made: int
) -> None:
    """Whether it will be needed is not known yet, but the next save may come before it has read the sources."""
    moments = iter([0.0, pause])
    monkeypatch.setattr(Planning, "on_save", on_save_at(moments))
    stage.save()
    stage.save()
    stage.serve()
    assert stage.dry_runs == made
    assert stage.reload()


@pytest.mark.parametrize(("settled", "more"), [(AT_URLS, 0), (AT_URLS + 1, 1)])
def test_no_other_one_is_made_where_it_is_known_what_is_volatile(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, settled: int, more: int
) -> None:
    """From a base on that is as early."""
    stage.serve()
    assert stage.preparation._planning.known.settled == AT_URLS
    stage.preparation._planning.known.settled = settled
    made = stage.dry_runs
    monkeypatch.setattr(Planning, "on_save", on_save_at(iter([0.0, 1.0])))
    stage.save("/b.py")
    stage.save("/b.py")
    stage.serve("/b.py")
    assert (len(stage.builds), stage.dry_runs) == (2, made + more)
    assert stage.reload("/b.py")


def two_to_check(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was prepared, and what is to serve the next reload, are not checked yet."""
    stage.serve("/a.py")
    with monkeypatch.context() as patch:
        patch.setattr("devrunserver.supervisor.preparation.check.next_check", lambda *args: None)
        patch.setattr(stage.preparation.processes, "release", lambda run: None)
        assert stage.save("/a.py")
        reporter = stage.preparation._state_reporter
        stage.add_checkpoint(2, "c", 4, "/urls.py", "/a.py", "/b.py")  # from which on less is to be imported
        stage.preparation._planning.forget_plan()
        stage.serve("/a.py")
        stage.preparation._state_reporter = reporter
    assert stage.preparation._successor is not None


def test_what_is_to_serve_next_is_held_against_the_worker(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same go, and without an exact start: the worker is as good as that."""
    two_to_check(stage, monkeypatch)
    before = stage.dry_runs, stage.short_runs
    stage.serve("/a.py")
    assert (stage.dry_runs, stage.short_runs) == (before[0], before[1] + 1)
    assert stage.preparation._worker.is_checked
    assert stage.reload("/a.py")
    assert stage.resumed_from[-1] is stage.made[-1]
    assert stage.differences == []


def test_not_where_the_worker_is_not_as_it_should_be(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    two_to_check(stage, monkeypatch)
    stage.prepared.attributes["first"] = {"x": 2}
    stage.serve("/a.py")
    assert len(stage.differences) == 1
    assert stage.preparation._successor is None or stage.preparation._successor.reference is None


@pytest.mark.parametrize("are_cores", [False, True])
def test_it_is_built_while_the_worker_starts_that_leaves_the_checkpoint(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, are_cores: bool
) -> None:
    """The edited file was not likely: only the reload itself comes to right before it. What is known is good enough."""
    monkeypatch.setattr(manager, "has_cores", lambda: are_cores)
    stage.serve("/d.py")
    stage.chain.cut()  # what was changed is imported first
    stage.preparation.changed("/b.py")
    assert not stage.resume()
    why_not = stage.preparation.why_not
    stage.add_checkpoint(2, "first", 0)
    stage.preparation.on_checkpoint()
    stage.play()
    assert len(stage.builds) == 1, "a later one is to come"
    stage.add_checkpoint(3, "b", 3, "/first.py", "/urls.py", "/a.py")
    stage.preparation.on_checkpoint()
    stage.play()
    assert [build.modules for build in stage.builds[1:]] == [["d"]] * are_cores
    assert stage.short_runs == 1, "it is verified when the worker serves"
    assert stage.preparation.why_not == why_not, "what this reload is told of is not what is made for the next"
    stage.serve("/b.py")
    assert (len(stage.builds), stage.short_runs) == (2, 2)
    assert stage.reload("/b.py")
    assert stage.differences == []


def test_a_save_while_the_worker_is_asked_puts_off_what_would_read_other_sources(stage: Stage) -> None:
    stage.serve("/a.py")
    assert stage.save("/a.py")
    before = stage.dry_runs
    stage.prepared.attributes["first"] = {"x": 2}

    def on_question(message: Message) -> None:
        if isinstance(message, StateAsked):
            stage.when_asked = lambda message: None
            stage.preparation.changed("/a.py")

    stage.when_asked = on_question
    stage.serve("/a.py")
    assert (stage.dry_runs, stage.differences) == (before, [])


def test_what_is_no_module_of_the_start_is_not_edited(stage: Stage) -> None:
    """Anything may have changed, or a file that is not imported."""
    stage.serve("/a.py")
    for path in ("", "/data.json", "/a.py"):
        stage.preparation.changed(path)
    assert stage.preparation._planning.edited == ["/a.py"]


def test_where_nothing_is_known_it_is_built_when_the_worker_serves(stage: Stage) -> None:
    stage.preparation.changed("/a.py")
    assert not stage.resume()
    stage.preparation.on_checkpoint()
    stage.play()
    assert stage.builds == []


def test_what_fails_ahead_fails_earlier_too(stage: Stage) -> None:
    stage.unfit = {"c": "it fails"}
    stage.serve("/a.py")
    assert [build.modules for build in stage.builds] == [["b", "c", "d"], ["b", "d"]]
    known = stage.preparation._planning.known
    assert [known.unfit_at(phase) for phase in (0, 3, 4)] == [{"c"}, {"c"}, set()]


def test_a_module_that_wants_what_must_not_be_imported_is_not_unfit_elsewhere(stage: Stage) -> None:
    stage.unfit = {"c": "c imports a"}
    stage.serve("/a.py")
    assert stage.preparation._planning.known.unfit == {}


def on_save_at(moments: Iterator[float]) -> Callable[[Planning, str, float], bool]:
    on_save = Planning.on_save
    return lambda planning, path, moment: on_save(planning, path, next(moments, moment))


def test_nothing_is_compared_while_a_worker_starts(stage: Stage) -> None:
    """That would be in its way."""
    stage.are_held = True
    stage.serve()  # asks a dry run what is imported
    stage.save()
    stage.let_go()  # it is built
    assert (len(stage.builds), stage.short_runs) == (1, 0)
    stage.serve()
    assert stage.short_runs == 1


def test_a_save_of_what_is_imported_ahead_makes_another_plan(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "b.py"
    file.write_text("1")
    stage.facts = [Read(str(file), file_state.state_of(str(file)))]
    stage.reload("/a.py")
    file.write_text("22")
    stage.facts = []
    assert not stage.reload("/b.py", "/a.py")
    assert stage.builds[-1].modules == ["d"]  # for both files, and what imports them
    assert stage.builds[-1].excluded == ["a", "b", "c", "urls"]


def test_files_that_are_edited_in_turn_stay_prepared(stage: Stage) -> None:
    stage.save("/b.py")
    stage.save("/a.py")
    stage.serve("/b.py", "/a.py")
    assert stage.builds[-1].modules == ["d"]
    assert [stage.reload(path, "/a.py", "/b.py") for path in ("/b.py", "/a.py", "/b.py")] == [True] * 3
    assert len(stage.builds) == 1


def test_what_it_has_read_must_not_have_changed(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "b.py"
    file.write_text("1")
    stage.facts = [Read(str(file), file_state.state_of(str(file)))]
    stage.serve()
    assert stage.reload()
    file.write_text("22")
    assert not stage.save()
    assert stage.preparation.why_not == f"{file} was not expected to change"
    stage.facts = []
    stage.serve()
    assert stage.reload()


def test_the_next_worker_is_forked_while_nothing_happens(stage: Stage) -> None:
    for number in range(1, 4):
        stage.serve()
        stage.serve()
        assert len(stage.standbys) == number, "one is enough"
        assert stage.save()
        assert stage.resumed_from == [stage.made[0]] * number
        assert all(link.fileno() < 0 for link in stage.standbys), "it has gone on"


def test_what_is_not_verified_forks_nothing(stage: Stage) -> None:
    stage.prepared = state(first={"x": 2})
    stage.serve()
    assert stage.made
    assert not stage.standbys


def test_where_memory_is_low_nothing_is_forked_ahead(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.serve()
    assert stage.save()
    monkeypatch.setattr(manager, "is_memory_low", lambda: True)
    stage.serve()
    assert len(stage.standbys) == 1, "that of the last save"
    assert stage.save()


def test_where_the_standby_is_gone_the_checkpoint_forks(stage: Stage) -> None:
    stage.serve()
    stage.let_die("standby")
    assert stage.save()
    assert stage.resumed_from == [stage.made[0]]


def test_a_standby_ends_with_what_has_forked_it(stage: Stage) -> None:
    stage.serve()
    (standby,) = stage.standbys
    assert standby.fileno() >= 0
    stage.let_die("prepared")
    assert standby.fileno() < 0


def test_what_is_foreseen_counts_once(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "b.py"
    file.write_text("")
    stage.facts = [Read(str(file), file_state.state_of(str(file)))]
    stage.serve()
    assert stage.resume()
    file.unlink()
    assert not stage.resume()


def test_the_next_worker_is_forked_while_the_last_one_leaves(stage: Stage) -> None:
    stage.serve()
    for _ in range(2):
        stage.preparation.changed("/a.py")
        assert stage.fork_ahead()
        stage.preparation.foresee(Present())
        assert stage.preparation.resume(None)
        assert not stage.preparation.resume(None), "once"
        stage.serve()
    assert [message.waits for message in stage.resumed] == [True, True]
    assert stage.resume() and len(stage.resumed) == 3, "or in its time"


def test_nothing_is_forked_ahead_that_would_not_serve(stage: Stage, tmp_path: Path) -> None:
    assert not stage.fork_ahead(), "nothing is prepared yet"
    read = tmp_path / "b.py"
    stage.facts = [Read(str(read), None)]
    stage.serve()
    stage.preparation.changed("/b.py")
    assert not stage.fork_ahead(), "it was imported ahead"
    stage.preparation.changed("/a.py")
    assert stage.fork_ahead()
    read.touch()
    stage.preparation.foresee(Present())
    assert not stage.preparation.resume(None), "it has read what has changed"
    assert not stage.preparation.resume(stage.resumed[-1])


def test_nothing_is_forked_by_what_has_died(stage: Stage) -> None:
    stage.serve()
    stage.let_die("standby")
    stage.made[-1].close()
    assert not stage.fork_ahead()
    assert not stage.preparation.resume(None)


def test_what_cannot_be_imported_ahead_is_left_out(stage: Stage) -> None:
    stage.unfit = {"c": "it imports a"}
    stage.serve()
    assert [build.modules for build in stage.builds] == [["b", "c", "d"], ["b", "d"]]
    assert stage.reload()


def test_it_is_given_up_in_the_end(stage: Stage) -> None:
    stage.unfit = dict.fromkeys("bcd", "no")
    stage.serve()
    assert len(stage.builds) == 1  # which has told of all of them
    assert stage.preparation.why_not == "b cannot be imported ahead: no"
    built = len(stage.builds)
    assert not stage.reload()
    assert len(stage.builds) == built


def test_what_was_given_up_for_one_file_is_tried_for_the_next() -> None:
    """Once somebody works on that; not where both are edited in turn, which would cost the same again and again."""
    planning = Planning(record=RECORD, plan=Plan(["d"], edited=("/a.py",)), is_given_up=True)
    assert [planning.on_save(path, 0.0) for path in ("/a.py", "/urls.py", "/a.py", "/a.py", "/urls.py")] == [False] * 5
    assert planning.is_given_up
    assert planning.on_save("/urls.py", 0.0)
    assert planning.plan is None
    assert not planning.is_given_up


def test_what_differs_between_exact_starts_too_does_not_count(stage: Stage) -> None:
    stage.exact = [state(first={"x": 1}), state(first={"x": 1}), state(first={"x": 3})]
    stage.prepared = state(first={"x": 2})
    stage.serve()
    assert stage.reload()


def test_what_a_later_exact_start_agrees_on_does_not_count(stage: Stage) -> None:
    """The minute has changed since the worker was started, but not since it was built."""
    stage.exact = [state(first={"x": 1}), state(first={"x": 1}), state(first={"x": 2})]
    stage.prepared = state(first={"x": 2})
    stage.serve()
    assert stage.reload()


def traces(order: Iterable[str], random: int = 0) -> State:
    """A state in which modules have left their traces in this order."""
    digests = {**state().attributes, "first": {"x": hash((*order, random))}}
    return State(digests, {TRACE: [["f", name] for name in order]})


@pytest.mark.parametrize("second", ["ad", "da"])
def test_an_order_shows_in_what_is_random_too(stage: Stage, second: str) -> None:
    """As in a registry by random keys; unless exact starts do not agree on it."""
    stage.exact, stage.prepared = [traces("ad", 1), traces("ad", 2), traces(second, 3)], traces("ad", 4)
    stage.serve()  # finds out that it is random
    assert stage.reload()
    stage.exact, stage.prepared = [traces("ad", 5)], traces("da", 6)
    stage.save()
    stage.serve()
    assert stage.differences == (["the order of imports shows in first.x, because of d"] if second == "ad" else [])


def test_the_culprits_are_left_out(stage: Stage) -> None:
    stage.exact, stage.prepared = [traces("ad")], traces("da")
    stage.serve()
    assert stage.told[0] == "Not prepared: the order of imports shows in first.x, because of d."
    assert [build.modules for build in stage.builds[:2]] == [["b", "c", "d"], ["b", "c"]]


def test_what_was_in_the_way_is_remembered_once_all_is_well(stage: Stage, tmp_path: Path) -> None:
    file = stage.preparation._planning.known.file = RememberedFile(tmp_path / "key.in-the-way")
    stage.exact, stage.prepared = [traces("ad")], traces("da")

    def tell(text: str) -> None:
        assert text.startswith(PREPARED) or not Known.recall(file).left_out
        stage.prepared = traces("ad")

    stage.preparation._tell = tell
    stage.serve()
    assert Known.recall(file).left_out == {"urls": {"d"}}
    another = Stage()
    another.preparation._planning.known = Known.recall(file)
    another.serve()
    assert [build.modules for build in another.builds] == [["b", "c"]]
    another.close()


@pytest.mark.parametrize(
    ("seconds", "twin", "starts", "left_out"),
    [
        (0.045, "da", 0, ["d"]),  # it is quicker than to find out
        (1.0, "da", 1, []),  # such an order comes by chance
        (1.0, "ad", 1, ["d"]),
    ],
)
def test_before_much_is_left_out_another_exact_start_is_made(
    stage: Stage, seconds: float, twin: str, starts: int, left_out: list[str]
) -> None:
    stage.record = replace(RECORD, seconds=[*RECORD.seconds[:-1], seconds])
    stage.exact, stage.prepared = [traces("ad")], traces("da")
    stage.save()
    stage.exact = [traces(twin)]
    made: list[int] = []
    stage.preparation._tell = lambda text: made.append(stage.dry_runs)
    stage.serve()
    assert made[0] == starts
    assert set(stage.builds[0].modules) - set(stage.builds[-1].modules) == set(left_out)


def test_what_an_exact_start_does_without_is_left_out_at_once(stage: Stage) -> None:
    """Where the plan was made by what a start before had imported: the edited file does not import it any more."""
    stage.prepared = state(d={"x": 1})
    stage.save()
    made: list[int] = []
    stage.preparation._tell = lambda text: made.append(stage.dry_runs)
    stage.serve()
    assert made[0] == 0
    assert set(stage.builds[0].modules) - set(stage.builds[1].modules) == {"d"}


@pytest.mark.parametrize(
    ("exact", "seconds", "starts"),
    [
        ("", 0.045, 0),
        ("first", 0.045, TWINS),  # both have it: it may have been drawn by lot
        ("", 1.0, TWINS),
    ],
)
def test_nor_where_one_start_alone_has_something_unless_much_would_be_left_out(
    stage: Stage, exact: str, seconds: float, starts: int
) -> None:
    """As what decorates a class has found that another module had decorated what that derives from."""
    edges = {**RECORD.edges, "d": {"first"}}
    stage.record = replace(RECORD, seconds=[*RECORD.seconds[:-1], seconds], edges=edges)
    stage.exact, stage.prepared = [traces([exact] if exact else [], random=1)], traces(["first"])
    stage.save()
    made: list[int] = []
    stage.preparation._tell = lambda text: made.append(stage.dry_runs)
    stage.serve()
    assert made[0] == starts
    if not exact:
        assert set(stage.builds[0].modules) - set(stage.builds[1].modules) == {"d"}, "it alone has what changed at hand"


@pytest.mark.parametrize(
    ("different", "left_out"),
    [
        ("d", {"d"}),
        ("d.logs", {"d"}),  # the package has made the logger that this module has under a name
        ("a", set()),
        ("first", set()),  # without all that is the project's nothing is left that could be imported ahead
    ],
)
def test_where_no_order_tells_who_it_was_the_nearest_are_left_out(
    stage: Stage, different: str, left_out: set[str]
) -> None:
    stage.prepared = state(**{different: {"log": 2}})
    stage.exact = [state(**{different: {"log": 1}})]
    stage.serve()
    assert set(stage.builds[0].modules) - set(stage.builds[-1].modules) == left_out
    assert not any(told.startswith(PREPARED) for told in stage.told)


def test_a_worker_that_differs_is_replaced(stage: Stage) -> None:
    stage.serve()
    stage.exact, stage.prepared = [traces("ad")], traces("da")
    assert stage.save()
    stage.serve()
    assert stage.differences == ["the order of imports shows in first.x, because of d"]


@pytest.mark.parametrize(("alike", "is_replaced"), [(1, False), (TWINS - 1, False), (TWINS, True)])
def test_a_worker_is_not_replaced_for_what_is_alike_in_exact_starts_by_chance(
    stage: Stage, alike: int, is_replaced: bool
) -> None:
    """As an order is that comes from addresses: it tells of culprits, but there are none."""
    stage.serve()
    assert stage.save()
    stage.exact = [*[traces("ad")] * (1 + alike), traces("da")]
    stage.prepared = traces("da")
    stage._tellers[-1].state = stage.prepared
    stage.serve()
    assert bool(stage.differences) is is_replaced


@pytest.mark.parametrize("fails", ["and tells", "and dies", ""])
def test_a_worker_that_fails(stage: Stage, fails: str) -> None:
    """It is right if an exact start fails too."""
    stage.serve()
    assert stage.save()
    if fails == "and tells":
        stage.failure = BuildFailed("a", "NameError()")
    elif fails:
        stage.let_die("exact")
    stage.serve(broken=True)
    assert stage.differences == ([] if fails else ["a fresh start does not fail"])


def test_a_worker_that_was_mended_before_it_is_known_whether_a_fresh_start_fails(stage: Stage) -> None:
    stage.serve()
    assert stage.save()
    stage.are_held = True
    stage.serve(broken=True)
    assert stage.save()
    stage.let_go()
    stage.serve()
    assert stage.differences == []
    assert stage.reload()


def test_a_prepared_checkpoint_that_has_died(stage: Stage) -> None:
    stage.serve()
    stage.let_die("prepared")
    assert not stage.save()
    stage.serve()
    assert stage.reload()


def test_nothing_of_a_base_that_is_gone(stage: Stage) -> None:
    """Also while it is built or compared: nothing fails, and the next base is as good."""
    stage.serve()
    stage.chain.cut()
    assert not stage.save()
    stage.add_checkpoint(1, "urls", 1)
    stage.serve()
    assert stage.reload()


def test_a_plan_that_is_forgotten_while_it_is_compared(stage: Stage) -> None:
    """Issue 10: what is found then has nothing to be taken out of."""
    stage.are_held = True
    stage.exact, stage.prepared = [traces("ad")], traces("da")
    stage.save()
    stage.serve()
    stage.preparation._planning.forget_plan()
    stage.let_go()
    stage.serve()
    assert "shows in first.x" in stage.preparation.why_not or stage.told


def test_the_base_is_the_latest_checkpoint_before_the_edited_file(stage: Stage) -> None:
    stage.add_checkpoint(2, "a", 2, "/urls.py")
    stage.save("/d.py")
    stage.serve("/d.py")
    assert stage.builds[-1].modules == ["b", "c"]  # and not "a", which is about to be imported there


def test_without_a_checkpoint_before_the_file(stage: Stage) -> None:
    stage.chain.cut()
    stage.add_checkpoint(1, "urls", 1, "/a.py")
    stage.save()
    stage.serve()
    assert stage.builds == []
    assert stage.preparation.why_not == "no checkpoint was made before /a.py"


def test_nothing_where_memory_is_low(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "is_memory_low", lambda: True)
    stage.serve()
    assert stage.builds == []
    assert stage.preparation.why_not == "memory is low"


def test_it_can_be_switched_off(stage: Stage) -> None:
    off = Preparation(stage.selector, stage.chain, stage.differences.append, stage.told.append, enabled=False)
    off.served(["/a.py"], True)
    assert off.due is None
    assert off.state_reporter() is None


def test_the_first_start_is_left_alone_for_longer(stage: Stage) -> None:
    now = time.monotonic()
    stage.preparation.served(["/a.py"], False)
    assert stage.preparation.due is not None
    assert stage.preparation.due >= now + manager.FIRST_QUIET


def test_it_begins_when_no_more_pages_are_asked_for(stage: Stage) -> None:
    stage.preparation.served([], False)
    for _ in range(2):
        now = time.monotonic()
        stage.preparation.on_view(["/a.py"])
        due = stage.preparation.due
        assert due is not None
        assert due >= now + manager.FIRST_QUIET
    stage.preparation.step(time.monotonic() + manager.FIRST_QUIET + 1)
    stage.play()
    assert stage.builds[0].modules == ["b", "c", "d"]
    assert stage.save("/a.py")


def look_at(stage: Stage, *likely: str) -> None:
    """The first worker serves, a page is looked at, and all that follows from it."""
    stage.preparation.served([], False)
    stage.preparation.on_view(likely)
    stage.preparation.step(time.monotonic() + manager.FIRST_QUIET + 1)
    stage.play()


def test_a_page_that_is_looked_at_later(stage: Stage) -> None:
    """It is prepared for, once; what has been edited counts more."""
    look_at(stage, "/a.py")
    look_at(stage, "/d.py", "/a.py")
    assert [build.modules for build in stage.builds] == [["b", "c", "d"], ["b", "c"]]
    look_at(stage, "/b.py", "/d.py", "/a.py")
    assert len(stage.builds) == 2
    assert stage.save("/d.py")


def test_what_was_foreseen_serves_until_a_quicker_one_is_verified(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one leaves out more than anybody works on. The other takes its place; no start is made for its plan alone."""
    monkeypatch.setattr("devrunserver.supervisor.preparation.planning.UNKNOWN_SHARE", 0.5)
    look_at(stage, "/a.py")
    assert stage.builds[0].modules == ["b", "d"]
    stage.save("/a.py")
    stage.are_held = True
    stage.serve("/a.py")
    assert [build.modules for build in stage.builds[1:]] == [["b", "c", "d"]]
    assert stage.save("/a.py"), "by the one that was foreseen"
    starts = stage.dry_runs
    stage.let_go()
    stage.serve("/a.py")
    assert len(stage.chain.pids | stage.preparation.processes.pids) <= 2
    assert [stage.reload("/a.py") for _ in range(2)] == [True, True]
    assert (len(stage.builds), stage.dry_runs) == (2, starts), "the one to compare with has gone on"
    assert len([told for told in stage.told if told.startswith(PREPARED)]) == 2


def test_what_was_foreseen_gives_way_while_it_is_compared(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once somebody has saved: to verify it first would take as long as a start."""
    monkeypatch.setattr("devrunserver.supervisor.preparation.planning.UNKNOWN_SHARE", 0.5)
    build = stage._build

    def hold(message: Build) -> None:  # what is to be compared with it
        stage.are_held = True
        build(message)

    monkeypatch.setattr(stage, "_build", hold)
    look_at(stage, "/a.py")
    assert not stage.save("/a.py")
    assert stage.preparation.why_not == "what is prepared was not verified yet"
    stage.serve("/a.py")
    assert [build.modules for build in stage.builds] == [["b", "d"], ["b", "c", "d"]]
    stage.let_go()
    stage.serve("/a.py")
    assert stage.save("/a.py")
    assert len([told for told in stage.told if told.startswith(PREPARED)]) == 1


def test_what_is_prepared_is_not_given_up_for_checkpoints_that_a_starting_worker_makes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many of these are dropped before it serves."""
    build = stage._build

    def save_first(message: Build) -> None:
        monkeypatch.setattr(stage, "_build", build)
        stage.save()
        stage.add_checkpoint(2, "a", 2)
        build(message)

    monkeypatch.setattr(stage, "_build", save_first)
    stage.save()
    stage.serve()
    stage.chain.cut(1)
    stage.serve()
    assert len(stage.builds) == 1
    assert stage.reload()


def test_a_quicker_one_takes_its_place_though_each_save_comes_while_a_worker_is_checked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devrunserver.supervisor.preparation.planning.UNKNOWN_SHARE", 0.5)
    look_at(stage, "/a.py")
    stage.save("/a.py")
    prepared: list[int] = []  # how often something was, at each save

    def save_once(message: Message) -> None:
        if len(prepared) < 6 and isinstance(message, StateAsked):
            prepared.append(len([told for told in stage.told if told.startswith(PREPARED)]))
            stage.when_asked = lambda message: None
            assert stage.save("/a.py")
            stage.preparation.served(["/a.py"], True)
            stage.preparation.step(time.monotonic() + manager.QUIET + 1)
            stage.when_asked = save_once

    stage.when_asked = save_once
    stage.serve("/a.py")
    assert [build.modules for build in stage.builds] == [["b", "d"], ["b", "c", "d"]]
    assert prepared == [1, 1, 2, 2, 2, 2]


def test_what_is_to_take_its_place_is_spoilt(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the save of a file that it has imported, and that what was foreseen has not, which stays."""
    monkeypatch.setattr("devrunserver.supervisor.preparation.planning.UNKNOWN_SHARE", 0.5)
    look_at(stage, "/a.py")
    stage.save("/a.py")
    stage.are_held = True
    stage.serve("/a.py")
    assert stage.builds[-1].modules == ["b", "c", "d"]
    assert stage.save("/c.py")
    stage.are_held = False
    stage.serve("/a.py", "/c.py")
    assert stage.reload("/c.py")


def test_a_quicker_plan_that_leads_to_nothing_is_not_made_again(stage: Stage) -> None:
    """With each save, which would take the time of two starts."""
    planning = Planning(record=RECORD, edited=["/a.py"])
    planning.on_save("/a.py", 0.0)
    foreseen = Plan(["b"], remains=9.0)
    assert planning.has_better(stage.chain, foreseen, is_verified=False)
    assert planning.make(stage.chain) == ""
    assert not planning.leave_out(set()), "nothing is to blame"
    for moment in (1.0, 2.0):
        planning.on_save("/a.py", moment)
        assert not planning.has_better(stage.chain, foreseen, is_verified=False)
    planning.on_save("/b.py", 3.0)
    planning.edited = ["/a.py", "/b.py"]
    assert planning.has_better(stage.chain, foreseen, is_verified=False), "for other files it is another plan"


def test_what_is_in_the_way_of_one_plan_is_not_of_another_that_begins_elsewhere(stage: Stage) -> None:
    planning = Planning(record=RECORD, edited=["/a.py"])
    planning.on_save("/a.py", 0.0)
    planning.make(stage.chain)
    assert planning.leave_out({"b"})
    assert planning.plan is not None
    assert planning.plan.modules == ["d"]  # "c" imports "b"
    planning.make(stage.chain)
    assert planning.plan.modules == ["d"]
    stage.add_checkpoint(2, "a", 2)
    planning.make(stage.chain)
    assert planning.plan.modules == ["b", "c", "d"]


def test_unless_to_leave_it_out_costs_next_to_nothing(stage: Stage) -> None:
    """Then to find it again would be dearer."""
    quick = {"b", "c"}
    record = replace(RECORD, seconds=[0.01 if name in quick else 1.0 for name in RECORD.order])
    planning = Planning(record=record, edited=["/a.py"])
    planning.on_save("/a.py", 0.0)
    planning.known.left_out["elsewhere"] = {"b"}
    planning.make(stage.chain)
    assert planning.plan is not None
    assert planning.plan.modules == ["d"]


@pytest.mark.parametrize(("is_saved", "modules"), [(False, ["a", "d"]), (True, ["d"])])
def test_what_spares_less_is_made_for_what_is_edited_but_not_before(
    stage: Stage, is_saved: bool, modules: list[str]
) -> None:
    """One second of five: before, what serves other files well comes first."""
    planning = Planning(record=RECORD, edited=["/a.py"])
    if is_saved:
        planning.on_save("/a.py", 0.0)
    planning.known.left_out["elsewhere"] = {"b"}
    planning.known.left_out[stage.chain.before(())[0].at] = {"b"}
    planning.make(stage.chain)
    assert planning.plan is not None
    assert planning.plan.modules == modules


def test_only_differences_and_many_lists_that_cannot_be_imported_ahead_make_a_plan_strict(stage: Stage) -> None:
    planning = Planning(record=RECORD, edited=["/a.py"])
    planning.on_save("/a.py", 0.0)
    planning.make(stage.chain)
    assert planning.leave_out({"c"}, {"c"}, attempts=1)
    assert not planning.strict and not planning.attempts, "that is counted by who has made them"
    assert planning.leave_out({"d"}, {"d"}, attempts=3)
    assert planning.strict == {3}


@pytest.mark.parametrize(("seconds", "at"), [(0.1, "urls"), (1.0, "a")])
def test_before_the_first_save_a_plan_begins_early_unless_that_makes_it_much_slower(
    stage: Stage, seconds: float, at: str
) -> None:
    stage.add_checkpoint(2, "a", 2)
    record = replace(RECORD, seconds=[1.0, seconds, *RECORD.seconds[2:]])  # the second one is that of the URLconf
    planning = Planning(record=record, edited=["/a.py"])
    planning.make(stage.chain)
    assert planning.base is not None
    assert planning.base.at == at


@pytest.mark.parametrize(("is_verified", "is_better"), [(True, False), (False, True)])
def test_what_is_not_verified_gives_way_to_what_begins_right_before_the_file(
    stage: Stage, is_verified: bool, is_better: bool
) -> None:
    """It is about as quick, and less can be in its way."""
    record = replace(RECORD, seconds=[1.0, 0.01, *RECORD.seconds[2:]])  # the second one is that of the URLconf
    planning = Planning(record=record, edited=["/a.py"])
    planning.on_save("/a.py", 0.0)
    planning.make(stage.chain)
    assert planning.plan is not None
    stage.add_checkpoint(2, "a", 2)
    planning.on_save("/a.py", 60.0)
    assert planning.has_better(stage.chain, planning.plan, is_verified) is is_better


def test_what_is_left_out_in_passing_costs_what_is_likely_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that shows in an order it is not done any more; nothing else is left out because of it."""
    monkeypatch.setattr("devrunserver.supervisor.preparation.planning.UNKNOWN_SHARE", 0.5)
    stage.exact, stage.prepared = [traces("bcd")], traces("bdc")
    # once the first of them was forked, which has left out "c"
    stage.when_asked = lambda message: setattr(stage, "prepared", traces("bcd")) if stage.builds else None
    look_at(stage, "/a.py")
    assert [build.modules for build in stage.builds] == [["b", "d"], ["b", "c", "d"]]
    assert [stage.reload("/a.py") for _ in range(2)] == [True, True]
    assert len(stage.builds) == 2


@pytest.mark.parametrize(
    ("culprits", "certain", "modules"),
    [
        ("b", "", ["b", "c", "d"]),
        ("bd", "d", ["b"]),  # which leaves what was passed over to be so
        ("bd", "bd", []),
    ],
)
def test_what_was_passed_over_is_to_blame_unless_it_is_known_not_to_be(
    stage: Stage, culprits: str, certain: str, modules: list[str]
) -> None:
    planning = Planning(record=RECORD, edited=["/a.py"], base=stage.chain.before(())[0])
    planning.plan = Plan(["b", "d"], {"a", "urls", "c"}, ("/a.py",), saves=2.0)
    planning.on_save("/a.py", 0.0)
    assert passed_over(planning, planning.plan, stage.chain.before(())[0]) == {"c"}
    planning.leave_out(set(culprits), set(certain))
    assert [name for name in planning.plan.modules if name != "c"] == [name for name in modules if name != "c"]
    assert planning.known.width_shows is not bool(certain)


def test_a_checkpoint_that_has_read_the_saved_file_is_no_reason_to_reload_exactly(stage: Stage) -> None:
    """It cannot be resumed after the next save of that file."""
    stage.add_checkpoint(2, "b", 3, "/urls.py", "/a.py")  # from which on less is left to import
    planning = Planning(record=RECORD, edited=["/a.py"])
    plan = Plan(["b", "c", "d"], remains=4.0)
    assert not saves_time(planning, stage.chain, plan)
    planning.on_save("/a.py", 0.0)
    assert saves_time(planning, stage.chain, plan)


def test_a_plan_is_made_anew_once_it_can_begin_much_later(early: Stage) -> None:
    """Whatever has become of it: what the first checkpoint could not have imported ahead is after the second."""
    edges = {**RECORD.edges, **{name: {"django.db"} for name in "ad"}}
    record = replace(RECORD, edges=edges, seconds=[2.0, *RECORD.seconds[1:]])
    planning = Planning(record=record, edited=["/b.py"])
    planning.on_save("/b.py", 0.0)
    planning.make(early.chain)
    assert planning.plan is not None
    assert planning.plan.modules == ["first"]
    planning.leave_out({"first"})
    planning.on_save("/b.py", 1.0)
    assert not planning.has_better(early.chain, planning.plan, is_verified=True)  # there is no other
    early.add_checkpoint(2, "a", 2)
    planning.on_save("/b.py", 2.0)
    assert planning.has_better(early.chain, planning.plan, is_verified=True)
    planning.forget_plan()
    planning.make(early.chain)
    assert planning.plan.modules == ["d"]


@pytest.mark.parametrize(
    ("differences", "dear"),
    [([400], True), ([400, 40], False), ([400, 41], True), ([1], True), ([2, 1], False), ([1, 1], True)],
)
@pytest.mark.parametrize(("saves", "starts"), [([], 5), ([Save("/a.py", 0.0)], 1)])
def test_what_is_nearly_done_is_not_put_off(differences: list[int], dear: bool, saves: list[Save], starts: int) -> None:
    """Nor is what is foreseen, before there are reloads."""
    planning = Planning(record=RECORD, saves=saves)
    planning.cost.begin(0.0, 0.0)
    start = starts * sum(RECORD.seconds)
    assert not is_dear(planning, start, 1000)
    planning.cost.begin(0.0, 0.0)
    for count in differences:
        found = is_dear(planning, start + 1.0, count)
        planning.cost.begin_attempt(0.0)
    assert found is dear


@pytest.mark.parametrize("is_saved_meanwhile", [False, True])
def test_a_dear_attempt_is_made_with_the_next_reload(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, is_saved_meanwhile: bool
) -> None:
    """Which may have begun already."""
    monkeypatch.setattr(manager, "is_dear", lambda planning, cpu, differences: True)
    of_a, of_b = ["on_a", "a"], ["on_b", "b"]
    stage.exact[0].outlines["first", "x"] = [of_a, of_b]
    stage.prepared = state(first={"x": 2})
    stage.prepared.outlines["first", "x"] = [of_b, of_a]

    def on_question(message: Message) -> None:
        if is_saved_meanwhile and isinstance(message, AttributesAsked):
            stage.when_asked = lambda message: None
            stage.preparation.changed("/a.py")

    stage.when_asked = on_question
    stage.serve("/a.py")
    assert [build.modules for build in stage.builds] == [["b", "c", "d"], ["d"]][: 1 + is_saved_meanwhile]


def test_who_tells_the_state_ends_when_nobody_is_going_to_ask(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of the size of a worker, also where the next attempt has to wait for the next reload."""
    monkeypatch.setattr(manager, "is_dear", lambda planning, cpu, differences: True)
    stage.exact[0].outlines["first", "x"] = [["on_a", "a"], ["on_b", "b"]]
    stage.prepared = state(first={"x": 2})
    stage.prepared.outlines["first", "x"] = [["on_b", "b"], ["on_a", "a"]]
    assert not stage.save("/a.py")
    reporter = stage.preparation._state_reporter
    stage.serve("/a.py")
    assert len(stage.builds) == 1
    assert reporter is not None
    assert reporter.ended


def test_where_the_start_fails_nothing_is_foreseen(stage: Stage) -> None:
    stage.preparation.served([], False, broken=True)
    stage.preparation.step(time.monotonic() + manager.FIRST_QUIET + 1)
    stage.play()
    assert (stage.builds, stage.dry_runs) == ([], 0)


def test_what_is_to_take_its_place_and_dies_does_no_harm(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devrunserver.supervisor.preparation.planning.UNKNOWN_SHARE", 0.5)
    look_at(stage, "/a.py")
    stage.save("/a.py")
    stage.are_held = True
    stage.serve("/a.py")
    stage.let_die("prepared")
    assert not stage.save("/a.py")
    stage.let_go()
    stage.serve("/a.py")
    assert stage.reload("/a.py")


def test_once_something_was_edited_no_page_counts(stage: Stage) -> None:
    stage.reload("/a.py")
    builds = len(stage.builds)
    stage.preparation.on_view(["/b.py", "/a.py"])
    assert len(stage.builds) == builds
    assert stage.preparation.due is None


def test_where_nothing_is_known_what_is_quick_is_left_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is saved first of that is prepared."""
    monkeypatch.setattr("devrunserver.supervisor.preparation.planning.UNKNOWN_SHARE", 0.5)
    stage.preparation.served([], False)
    stage.preparation.step(time.monotonic() + manager.FIRST_QUIET + 1)
    stage.play()
    assert stage.builds[0].modules == ["b", "d"]
    assert stage.save("/c.py")


def test_nothing_is_foreseen_on_battery(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "is_on_battery", lambda: True)
    look_at(stage, "/a.py")
    assert stage.builds == []
    assert stage.preparation.why_not == NOTHING_YET
    assert not stage.reload("/a.py")
    assert stage.reload("/a.py")


def test_what_spares_hardly_anything_is_not_made(early: Stage) -> None:
    """Nearly all that is imported depends on a model: a plan for the view, which spares most, is not spoilt by it."""
    edges = {**RECORD.edges, "urls": {"a", "b", "c", "d", "first"}, **{name: {"first"} for name in "abc"}}
    record = replace(RECORD, edges=edges, seconds=[0.1, 0.1, 1.0, 1.0, 1.0, 0.2])
    early.add_checkpoint(2, "urls", 1)
    planning = Planning(record=record, edited=["/a.py", "/first.py"])
    planning.on_save("/first.py", 0.0)
    assert planning.make(early.chain) == ""
    assert planning.plan is not None
    assert planning.plan.edited == ("/a.py",)
    planning = Planning(record=record, edited=["/first.py"])
    planning.on_save("/first.py", 0.0)
    assert planning.make(early.chain) == "hardly anything that is imported after /first.py does without it"


def test_what_turns_out_to_spare_hardly_anything_is_given_up_for_another() -> None:
    """While it is built, as a module cannot be imported ahead; and nothing more is spent on it."""
    edges = {**RECORD.edges, "urls": {"a", "b", "c", "d"}, **{name: {"first"} for name in "ab"}, "c": set[str]()}
    record = replace(RECORD, edges=edges, seconds=[0.1, 0.1, 1.0, 1.0, 2.0, 0.2])
    stage = Stage(base=0, record=record, at="first")
    stage.add_checkpoint(2, "urls", 1)
    stage.unfit = {"c": "it asks for what is not there"}
    stage.preparation._planning.record = record
    stage.reload("/first.py", "/a.py")
    excluded = [sorted(build.excluded) for build in stage.builds]
    stage.close()
    assert excluded[-2:] == [["a", "b", "first", "urls"], ["a", "c", "urls"]]


def test_a_base_from_which_less_is_left_to_import(stage: Stage) -> None:
    """What comes between an earlier one and the edited file is imported ahead, too."""
    stage.add_checkpoint(2, "b", 3)  # which would have to be imported after the save
    planning = Planning(record=RECORD, edited=["/d.py"])
    planning.on_save("/d.py", 0.0)
    assert planning.make(stage.chain) == ""
    assert planning.base is not None
    assert planning.base.number == 1


def test_it_waits_for_nothing_once_all_is_done(stage: Stage) -> None:
    stage.serve()
    assert stage.preparation.due is None
    stage.reload()
    assert stage.preparation.due is None
    assert RECORD.order[0] == "first"
