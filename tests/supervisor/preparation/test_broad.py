"""Two prepared checkpoints: before the models, and, forked from that, at the URLconf."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devrunserver.common import file_state
from devrunserver.common.facts import Read
from devrunserver.common.import_plan import URLCONF, Base, Plan, remaining
from devrunserver.common.import_record import ImportRecord
from devrunserver.common.messages import Message, StateAsked
from devrunserver.supervisor.preparation import build, planning
from devrunserver.supervisor.preparation.broad import is_quicker, late_files, later_files, own_early_files, with_later
from devrunserver.supervisor.preparation.build import Prepared, is_on_the_way, serves_others
from devrunserver.supervisor.preparation.jobs import Run
from devrunserver.supervisor.preparation.planning import Planning
from tests.supervisor.preparation.stage import Stage, state

APPS, MODELS, READY, URLS = range(4)
ORDER = ["first", "model", "w", "x", "y", "urls", "a", "b"]
RECORD = ImportRecord(
    order=ORDER,
    phases=[APPS, MODELS, MODELS, MODELS, READY, URLS, URLS, URLS],
    seconds=[1.0, 1.0, 1.0, 1.0, 1.0, 0.1, 0.1, 2.0],  # the model makes a reload of the view much slower
    edges={"urls": {"a", "b"}, "a": {"model"}},
    files={f"/{name}.py": name for name in ORDER},
)
LIKELY = ("/model.py", "/a.py")  # the view is likelier


@pytest.fixture(autouse=True)
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "is_memory_plentiful", lambda: True)
    monkeypatch.setattr(build, "is_memory_plentiful", lambda: True)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage(1, RECORD, "model")
    stage.add_checkpoint(2, URLCONF, 5, "/model.py")
    yield stage
    stage.close()


def reload_model(stage: Stage) -> bool:
    """A save of the model: the checkpoint at the URLconf has read it."""
    stage.chain.cut(1)
    return stage.reload("/model.py")


def after_broad(stage: Stage, happens: Callable[[], None]) -> None:
    """Something happens while what is built first is compared."""

    def on_question(message: Message) -> None:
        if isinstance(message, StateAsked) and len(stage.builds) == 1:
            stage.when_asked = lambda message: None
            happens()

    stage.when_asked = on_question


def hold(stage: Stage) -> None:
    """Dry runs that are made from now on do not get to their end."""
    stage.are_held = True


def test_both_are_made_before_anybody_saves(stage: Stage) -> None:
    stage.serve(*LIKELY)
    broad, narrow = stage.builds
    assert (broad.modules, broad.excluded, broad.at) == (["w", "x", "y", "b"], ["a", "model", "urls"], "")
    assert (narrow.modules, narrow.excluded, narrow.at) == (["b"], ["a", "the URLconf", "urls"], URLCONF)


def test_where_there_is_no_checkpoint_at_the_urlconf(stage: Stage) -> None:
    """Or none any more. It is compared with starts from the one before."""
    stage.chain.cut(1)
    stage.add_checkpoint(2, "y", 4, "/model.py")
    stage.add_checkpoint(3, "a", 6, "/model.py", "/urls.py")
    stage.serve(*LIKELY)
    assert [build.at for build in stage.builds] == ["", URLCONF]
    assert (stage.builds[1].modules, stage.builds[1].excluded) == (["b"], ["a", "the URLconf", "urls"])
    assert [stage.reload("/a.py"), stage.reload("/a.py"), reload_model(stage)] == [True] * 3
    assert stage.resumed_from == [stage.made[1], stage.made[2], stage.made[0]]  # one that begins right before the view


def test_a_view_that_the_broad_one_serves_is_prepared_at_the_urlconf() -> None:
    """Though a worker that was prepared leaves no checkpoint there: what is forked from the broad one comes to it."""
    seconds = [1.0, 1.0, 3.0, 3.0, 3.0, 0.1, 0.1, 2.0]
    both = replace(RECORD, seconds=seconds, edges={"urls": {"a", "b"}, "a": {"model"}, "b": {"model"}})
    stage = Stage(1, both, "model")
    stage.add_checkpoint(2, URLCONF, 5, "/model.py")
    stage.serve(*LIKELY)
    assert [build.modules for build in stage.builds] == [["w", "x", "y"], ["b"]]
    stage.chain.cut(1)
    assert stage.save("/b.py")
    stage.serve("/b.py")
    assert stage.resumed_from == [stage.made[0]]
    assert (stage.builds[-1].at, stage.builds[-1].modules) == (URLCONF, ["a"])
    assert stage.reload("/b.py")
    assert stage.resumed_from[-1] is stage.made[-1]
    stage.close()


def test_only_early_checkpoints_stand_for_the_urlconf(stage: Stage) -> None:
    model, at_urls = stage.chain.before(())
    assert [base.at for base in with_later([model], RECORD, [])] == ["model", URLCONF]
    assert with_later([model, at_urls], RECORD, []) == [model, at_urls]
    late = replace(at_urls, at="a")
    assert [base.at for base in with_later([model, late], RECORD, ["/a.py", "/unknown.py"])] == [
        "model",
        URLCONF,
        "a",
    ]
    assert with_later([late], RECORD, []) == [late]
    assert with_later([model], RECORD, ["/a.py", "/model.py"]) == [model]


@pytest.mark.parametrize(
    ("ended_at", "is_there"), [("", True), ("elsewhere", True), ("b", True), (URLCONF, False), ("y", False)]
)
def test_nothing_goes_on_to_where_the_last_start_could_leave_no_checkpoint(
    stage: Stage, ended_at: str, is_there: bool
) -> None:
    model = stage.chain.before(())[0]
    assert (with_later([model], RECORD, [], ended_at)[-1].at == URLCONF) is is_there


@pytest.mark.parametrize(("seconds", "early"), [(4.0, ["model", "w", "x", "y"]), (2.0, [])], ids=["half", "most"])
def test_where_no_model_is_likely_one_is_for_all_unless_that_leaves_most(seconds: float, early: list[str]) -> None:
    stage = Stage(1, replace(RECORD, seconds=[*RECORD.seconds[:-1], seconds]), "model")
    stage.add_checkpoint(2, URLCONF, 5, "/model.py")
    stage.serve("/a.py")
    assert [name for name in stage.builds[0].excluded if name in ORDER[:5]] == early
    stage.close()


def test_a_model_that_settings_import_is_no_model_of_these(stage: Stage) -> None:
    """No checkpoint is before it."""
    assert own_early_files(RECORD, stage.chain) == ("/model.py", "/w.py", "/x.py", "/y.py")
    first = stage.chain.before(())[0]
    assert first.facts is not None
    first.facts.append(Read("/w.py", None))
    assert own_early_files(RECORD, stage.chain) == ("/model.py", "/x.py", "/y.py")


def test_a_fork_of_an_early_checkpoint_comes_to_what_ready_imports(stage: Stage) -> None:
    """Where that is imported in a later part of the set-up; what imports it has begun by then."""
    model, at_urls = stage.chain.before(())
    record = replace(RECORD, edges={**RECORD.edges, "x": {"y"}, "b": {"y"}})
    there = with_later([model], record, ["/a.py", "/y.py", "/unknown.py"])[-1]
    assert (there.at, there.base, there.is_ahead) == ("y", Base(4, ("x", "y"), READY), True)
    assert with_later([model], record, ["/x.py", "/y.py"]) == [model], "one comes with the models"
    assert with_later([replace(model, base=Base(3, (), READY))], record, ["/y.py"])[-1].at != "y"
    assert is_on_the_way(model, there)
    assert not is_on_the_way(there, there)
    assert not is_on_the_way(replace(at_urls, number=1), there)


@pytest.mark.parametrize(
    ("earliest", "later"), [("/w.py", ["/y.py", "/a.py"]), ("/y.py", ["/a.py"]), ("/a.py", []), ("/unknown.py", [])]
)
def test_which_files_come_later(earliest: str, later: list[str]) -> None:
    paths = ["/model.py", "/y.py", "/a.py", "/unknown.py"]
    assert later_files(RECORD, paths, ["/unknown.py", "/b.py", earliest]) == later


def test_the_broad_one_stays_where_a_later_base_is_better(stage: Stage) -> None:
    stage.serve(*LIKELY)
    stage.add_checkpoint(3, "a", 6, "/model.py", "/urls.py")
    stage.preparation.changed("/a.py")
    stage.preparation._planning.forget_plan()
    stage.serve(*LIKELY)
    assert reload_model(stage)
    assert stage.resumed_from == [stage.made[0]]


@pytest.fixture
def slow_urls() -> Iterator[Stage]:
    """The URLconf takes long before it comes to the view: an exact checkpoint there is much the better base."""
    seconds = [1.0 if name == "urls" else one for name, one in zip(ORDER, RECORD.seconds, strict=True)]
    stage = Stage(1, replace(RECORD, seconds=seconds), "model")
    stage.add_checkpoint(2, "a", 6, "/model.py", "/urls.py")
    yield stage
    stage.close()


@pytest.mark.parametrize("is_plentiful", [True, False])
def test_the_broad_one_stays_beside_what_begins_later(
    slow_urls: Stage, monkeypatch: pytest.MonkeyPatch, is_plentiful: bool
) -> None:
    """Though it was not forked from it, and shares little with it."""
    monkeypatch.setattr(build, "is_memory_plentiful", lambda: is_plentiful)
    slow_urls.serve(*LIKELY)
    broad, narrow = slow_urls.made
    assert [slow_urls.reload("/a.py"), reload_model(slow_urls)] == [True, is_plentiful]
    assert slow_urls.resumed_from == [narrow, broad][: 1 + is_plentiful]
    assert slow_urls.differences == []


@pytest.mark.parametrize(("at", "is_kept"), [(1, False), (5, True)])
def test_it_stays_only_for_files_that_come_before_the_other_begins(stage: Stage, at: int, is_kept: bool) -> None:
    first, place = Base(0, (), APPS), Base(at, (), RECORD.phases[at])
    (base, *_) = stage.chain.before(())
    earlier = Prepared(Run(base.link), replace(base, base=first), Plan(edited=LIKELY))
    assert serves_others(RECORD, earlier, replace(base, base=place)) is is_kept
    assert not serves_others(None, earlier, replace(base, base=place))


def test_each_save_is_served_by_the_latest(stage: Stage) -> None:
    stage.serve(*LIKELY)
    broad, narrow = stage.made
    assert [stage.reload("/a.py"), stage.reload("/a.py"), reload_model(stage)] == [True] * 3
    assert stage.resumed_from == [narrow, narrow, broad]
    assert stage.differences == []


@pytest.fixture
def models(tmp_path: Path) -> Iterator[tuple[Stage, Callable[[], bool]]]:
    """A stage, and a save of the model, which all that begins at the URLconf has read."""
    model = tmp_path / "model.py"
    model.write_text("0")
    stage = Stage(1, replace(RECORD, files={**RECORD.files, str(model): "model"}), "model")

    def read_model() -> None:
        stage.facts = [Read(str(model), file_state.state_of(str(model)))]

    def save_model() -> bool:
        model.write_text(f"{model.read_text()}0")
        resumed = stage.save(str(model))
        if stage.builds:
            read_model()
        stage.serve("/a.py", str(model))
        return resumed

    after_broad(stage, read_model)
    yield stage, save_model
    stage.close()


@pytest.fixture
def in_turn(models: tuple[Stage, Callable[[], bool]]) -> tuple[Stage, Callable[[], bool]]:
    """Somebody has saved a view and a model."""
    stage, save_model = models
    assert not stage.save("/a.py")
    assert not save_model()
    return models


def test_a_view_that_is_edited_in_turn_with_a_model_has_a_plan_of_its_own(
    in_turn: tuple[Stage, Callable[[], bool]],
) -> None:
    """Forked from what is for both, again and again, as each save of the model takes it away."""
    stage, save_model = in_turn
    assert [(build.modules, build.at) for build in stage.builds] == [(["w", "x", "y", "b"], ""), (["b"], URLCONF)]
    saves = [save_model(), stage.reload("/a.py"), stage.reload("/a.py"), save_model(), save_model()]
    assert saves == [True] * 5
    both, _, second, *others = stage.made
    assert stage.resumed_from == [both, second, second, both, both]
    assert len(others) == 2
    assert (stage.dry_runs, stage.differences) == (1, []), "what follows is compared with the worker"


def test_what_was_foreseen_for_models_gives_way_once_one_is_saved(tmp_path: Path) -> None:
    """It begins early, so as to cover many files; also where views were saved before, by what begins later."""
    model = tmp_path / "model.py"
    model.write_text("0")
    record = replace(RECORD, seconds=[0.5, *RECORD.seconds[1:]], files={**RECORD.files, str(model): "model"})
    stage = Stage(0, record, "first")
    stage.add_checkpoint(2, "model", 1, "/first.py")
    after_broad(stage, lambda: stage.facts.append(Read(str(model), file_state.state_of(str(model)))))
    stage.serve(str(model), "/a.py")
    early = ["a", "first", "model", "urls"]
    assert [(build.excluded, build.at) for build in stage.builds] == [(early, ""), (["a", URLCONF, "urls"], URLCONF)]
    assert stage.reload("/a.py", str(model))
    model.write_text("00")
    stage.facts = []
    assert stage.reload(str(model), "/a.py")
    assert stage.resumed_from == [stage.made[1], stage.made[0]]
    assert [(build.excluded, build.at) for build in stage.builds[2:]] == [
        (["a", "model", "urls"], ""),
        (["a", URLCONF, "urls"], URLCONF),
    ]
    stage.close()


def test_not_where_only_models_are_edited(in_turn: tuple[Stage, Callable[[], bool]]) -> None:
    stage, save_model = in_turn
    assert [save_model() for _ in range(8)] == [True] * 8
    assert [build.at for build in stage.builds[1:]] == [URLCONF] * 3, "three saves after that of the view"


@pytest.mark.parametrize(("is_plentiful", "seconds"), [(False, 2.0), (True, 0.05)], ids=["memory", "not worth it"])
def test_otherwise_views_are_served_by_that_for_models(
    monkeypatch: pytest.MonkeyPatch, is_plentiful: bool, seconds: float
) -> None:
    monkeypatch.setattr(planning, "is_memory_plentiful", lambda: is_plentiful)
    stage = Stage(1, replace(RECORD, seconds=[1.0, seconds, *RECORD.seconds[2:]]), "model")
    assert not stage.save("/a.py")
    assert not stage.save("/model.py")
    stage.serve("/a.py", "/model.py")
    assert stage.reload("/model.py", "/a.py")
    assert [build.at for build in stage.builds] == [""]
    stage.close()


def test_after_the_first_save_the_likely_view_has_one_once(models: tuple[Stage, Callable[[], bool]]) -> None:
    """Who saves models alone does not pay for it again."""
    stage, save_model = models
    stage.serve(*LIKELY)
    before = len(stage.builds)
    assert [save_model() for _ in range(4)] == [True] * 4
    assert [build.at for build in stage.builds[before:]] == [URLCONF]


def test_what_is_for_views_may_come_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is not tried again and again, and what is for both serves."""
    monkeypatch.setattr(planning, "ATTEMPTS", 1)
    stage = Stage(1, RECORD, "model")
    assert not stage.save("/a.py")
    assert not stage.save("/model.py")
    stage.when_asked = lambda message: after_first(stage)
    stage.serve("/a.py", "/model.py")
    for path in ("/a.py", "/model.py") * 3:
        assert stage.reload(path, "/a.py", "/model.py")
    assert [build.at for build in stage.builds] == ["", URLCONF]
    stage.close()


def after_first(stage: Stage) -> None:
    """What is built after the first cannot be imported ahead."""
    if stage.builds:
        stage.unfit = {"b": "it fails"}


def test_the_broad_one_serves_where_the_other_has_read_what_was_saved(stage: Stage, tmp_path: Path) -> None:
    other = tmp_path / "b.py"
    other.write_text("one")
    read = Read(str(other), file_state.state_of(str(other)))
    after_broad(stage, lambda: stage.facts.append(read))
    stage.serve(*LIKELY)
    other.write_text("another")
    assert stage.save(str(other))
    assert stage.resumed_from == [stage.made[0]]


def test_the_broad_one_serves_while_the_other_is_replaced(stage: Stage) -> None:
    """What is to take its place is no reason to lose what both were forked from."""
    stage.serve(*LIKELY)
    stage.are_held = True
    stage.unfit = {}
    assert stage.save("/b.py")  # of what the narrow one has imported ahead
    stage.serve("/model.py", "/a.py", "/b.py")
    assert len(stage.made) == 3
    assert reload_model(stage)
    assert stage.resumed_from[-1] is stage.made[0]


def test_the_narrow_one_outlives_the_broad_one(stage: Stage) -> None:
    stage.serve(*LIKELY)
    stage.made[0].close()
    stage.play()
    assert stage.reload("/a.py")
    assert not reload_model(stage)


def test_where_the_broad_one_dies_before_the_other_is_verified(stage: Stage) -> None:
    after_broad(stage, lambda: hold(stage))
    stage.serve(*LIKELY)
    stage.made[0].close()
    stage.let_go()
    assert len(stage.builds) == 2
    assert stage.reload("/a.py")


def test_what_differs_in_the_narrow_one_leaves_the_broad_one_alone(stage: Stage) -> None:
    stage.serve(*LIKELY)
    stage.prepared = state(first={"x": 2})
    stage.reload("/a.py")
    assert len(stage.differences) == 1
    stage.prepared = state()
    assert reload_model(stage)
    assert stage.resumed_from[-1] is stage.made[0]


def test_where_the_broad_one_is_given_up_there_is_the_other(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "ATTEMPTS", 1)
    stage.unfit = {"x": "it fails"}
    stage.serve(*LIKELY)
    assert [build.at for build in stage.builds] == ["", ""]
    assert stage.builds[1].modules == ["b"]
    assert stage.reload("/a.py")


def test_what_is_saved_meanwhile_decides_what_follows(stage: Stage) -> None:
    stage.when_asked = lambda message: hold(stage)  # what is imported
    stage.serve(*LIKELY)
    assert [build.at for build in stage.builds] == [""]
    assert not stage.save("/a.py")
    stage.when_asked = lambda message: None
    stage.let_go()
    stage.serve(*LIKELY)
    assert [build.modules for build in stage.builds] == [["w", "x", "y", "b"], ["b"]]
    assert stage.reload("/a.py")


@pytest.mark.parametrize(
    ("likely", "is_plentiful", "seconds"),
    [
        (["/a.py"], True, 1.0),
        (LIKELY, False, 1.0),
        (LIKELY, True, 8.0),  # of the model: it would take too long even so
    ],
    ids=["no model is likely", "memory", "not worth it"],
)
def test_otherwise_there_is_one(
    monkeypatch: pytest.MonkeyPatch, likely: list[str], is_plentiful: bool, seconds: float
) -> None:
    monkeypatch.setattr(planning, "is_memory_plentiful", lambda: is_plentiful)
    stage = Stage(1, replace(RECORD, seconds=[1.0, seconds, *RECORD.seconds[2:]]), "model")
    stage.add_checkpoint(2, URLCONF, 5, "/model.py")
    stage.serve(*likely)
    assert [(build.modules, build.at) for build in stage.builds] == [(["b"], "")]
    stage.close()


def test_where_no_model_is_likely_all_are_left_out_if_they_are_few(stage: Stage) -> None:
    """As in a project most of which is installed packages."""
    own = {"/first.py": "first", "/model.py": "model", "/a.py": "a", "/urls.py": "urls"}
    small = Stage(0, replace(RECORD, files=own), "first")
    small.add_checkpoint(1, "model", 1, "/first.py")
    small.add_checkpoint(2, URLCONF, 5, "/model.py")
    small.serve("/a.py")
    broad, narrow = small.builds
    assert (broad.modules, broad.excluded) == (["w", "x", "y", "b"], ["a", "model", "urls"])
    assert narrow.at == URLCONF
    assert [small.reload("/a.py"), reload_model(small)] == [True, True]
    small.close()


def test_where_nothing_is_likely_a_plan_begins_at_the_urlconf() -> None:
    """Though there is no checkpoint: a fork of one before the models goes on to there. What is cheap is left out."""
    stage = Stage(1, RECORD, "model")
    stage.add_checkpoint(2, "b", 7, "/model.py", "/urls.py")
    stage.serve("/tests.py")  # which no start imports
    (build,) = stage.builds
    assert (build.at, build.modules, build.excluded) == (URLCONF, ["b"], ["a", "the URLconf", "urls"])
    assert stage.reload("/a.py")
    assert stage.differences == []
    stage.close()


def test_what_no_start_imports_is_not_likely(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "MOST_LIKELY", 2)
    stage.serve(*LIKELY, "/tests.py", "/manage.py")
    assert [build.modules for build in stage.builds] == [["w", "x", "y", "b"], ["b"]]


def test_once_somebody_has_saved_there_is_one(stage: Stage) -> None:
    stage.preparation.changed("/a.py")
    stage.serve(*LIKELY)
    assert [build.at for build in stage.builds] == [""]


def test_what_is_imported_again_later_is_early() -> None:
    record = replace(RECORD, order=[*ORDER, "model"], phases=[*RECORD.phases, URLS], seconds=[1.0] * 9)
    assert late_files(record, ["/model.py", "/a.py", "/unknown.py", "/y.py"]) == ["/a.py"]


def test_an_exact_start_may_be_quicker(stage: Stage) -> None:
    assert remaining(RECORD, Base(5, (), URLS)) == pytest.approx(2.2)
    checkpoints = stage.chain.before(())
    assert is_quicker(Plan(remains=2.24), RECORD, checkpoints)
    assert not is_quicker(Plan(remains=2.3), RECORD, checkpoints)
    assert is_quicker(Plan(remains=2.3), None, checkpoints)
    assert is_quicker(Plan(remains=2.3), RECORD, [])


def test_only_the_broad_plan_is_followed_by_another() -> None:
    assert not Planning().narrow(None)


def test_what_gains_views_nothing_is_not_made() -> None:
    """What ``ready()`` imports is edited, and a model that most depends on: what is prepared begins late anyway."""
    seconds = [1.0, 1.0, 1.0, 1.0, 0.04, 0.1, 0.1, 2.0]
    record = replace(RECORD, seconds=seconds, edges={"w": {"model"}, "x": {"model"}, "a": {"model"}})
    stage = Stage(1, record, "model")
    stage.add_checkpoint(2, "y", 4, "/model.py")
    stage.serve("/model.py", "/y.py")
    assert len(stage.builds) == 1
    stage.close()


@pytest.mark.parametrize(("view", "are_two"), [(1.0, False), (0.1, True)])
def test_a_view_has_a_plan_of_its_own_though_that_of_a_model_would_do(view: float, are_two: bool) -> None:
    """Where the model is the likelier one, and the view adds little to what depends on that."""
    seconds = [1.0, 1.0, 1.0, 1.0, 1.0, 0.1, view, 2.0]
    stage = Stage(1, replace(RECORD, seconds=seconds), "model")
    stage.add_checkpoint(2, URLCONF, 5, "/model.py")
    stage.serve("/a.py", "/model.py")
    assert stage.builds[0].excluded == ["a", "model", "urls"], "both"
    assert [build.at for build in stage.builds] == ["", URLCONF][: 1 + are_two]
    assert [stage.reload("/a.py"), reload_model(stage)] == [True] * 2
    stage.close()
