"""Whether an exact reload is worth more than what is prepared: only where it leaves a checkpoint that is missed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devrunserver.common.import_plan import Plan
from devrunserver.common.import_record import ImportRecord
from devrunserver.supervisor.preparation.missing_checkpoint import is_missing
from devrunserver.supervisor.preparation.planning import Planning
from tests.supervisor.preparation.stage import Stage

# The apps' configurations import models, then ``ready()`` of one imports a view, then the URLconf imports all others
ORDER = ["first", "models", "forms", "services", "view", "urls", "other"]
RECORD = ImportRecord(
    order=ORDER,
    phases=[0, 1, 2, 2, 2, 3, 3],
    seconds=[1.0, 1.0, 3.0, 3.0, 0.1, 0.2, 1.0],
    edges={"forms": {"models"}, "services": {"models"}, "view": {"forms"}, "urls": {"view", "other"}},
    files={f"/{name}.py": name for name in ORDER},
)
BROAD = Plan(["first"], edited=("/models.py",), remains=7.3)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage(1, RECORD, "models")
    yield stage
    stage.close()


def saved(*paths: str) -> Planning:
    planning = Planning(record=RECORD)
    for moment, path in enumerate(paths):
        planning.on_save(path, moment)
    return planning


@pytest.mark.parametrize(
    ("saves", "expected"),
    [
        (["/view.py"], False),  # he may never save it again
        (["/view.py", "/view.py"], True),
        (["/view.py", "/other.py", "/view.py"], True),
        (["/view.py", "/view.py", "/view.py"], False),  # it was tried, and has led to nothing
        (["/view.py"] * 4, False),
        (["/models.py", "/models.py"], False),  # all that is left depends on it
        (["/elsewhere.py", "/elsewhere.py"], False),  # no start imports it
        ([], False),
    ],
)
def test_it_is_missed_at_the_second_save_of_a_file(stage: Stage, saves: list[str], expected: bool) -> None:
    assert is_missing(saved(*saves), stage.chain, BROAD) == expected


@pytest.mark.parametrize("remains", [0.5, 1.2])
def test_where_little_would_be_gained(stage: Stage, remains: float) -> None:
    """Of 0.3 s that are left from there."""
    plan = Plan(["first", "forms", "services"], remains=remains)
    assert not is_missing(saved("/view.py", "/view.py"), stage.chain, plan)


@pytest.mark.parametrize(
    ("at", "saves", "expected"),
    [
        ("services", 2, False),
        ("services", 3, False),
        ("services", 4, True),  # it is not there yet
        ("services", 5, False),
        ("view", 2, False),
        ("view", 4, False),  # there it begins right before the file
    ],
)
def test_where_another_plan_will_do_it_comes_first(stage: Stage, at: str, saves: int, expected: bool) -> None:
    stage.add_checkpoint(2, at, ORDER.index(at))
    assert is_missing(saved(*["/view.py"] * saves), stage.chain, BROAD) is expected


def test_a_checkpoint_that_comes_too_late_is_none(stage: Stage) -> None:
    stage.add_checkpoint(2, "urls", ORDER.index("urls"), "/view.py")
    assert is_missing(saved("/view.py", "/view.py"), stage.chain, BROAD)


@pytest.mark.parametrize(
    ("ended_at", "expected"), [("services", False), ("view", False), ("urls", True), ("unknown", True)]
)
def test_where_no_start_can_leave_a_checkpoint(stage: Stage, ended_at: str, expected: bool) -> None:
    """As one is connected to a server from there on."""
    stage.chain.ended_at = ended_at
    assert is_missing(saved("/view.py", "/view.py"), stage.chain, BROAD) is expected


def test_before_anything_is_known(stage: Stage) -> None:
    planning = Planning()
    planning.on_save("/view.py", 1.0)
    planning.on_save("/view.py", 2.0)
    assert not is_missing(planning, stage.chain, BROAD)


@pytest.mark.parametrize(
    ("saves", "expected"),
    [
        (["/models.py", "/view.py", "/view.py", "/view.py", "/view.py"], True),
        (["/view.py", "/view.py", "/models.py", "/view.py", "/view.py"], False),
        (["/view.py", "/view.py", "/other.py", "/view.py", "/view.py"], True),
    ],
)
def test_not_where_the_next_save_of_another_file_takes_it_away(stage: Stage, saves: list[str], expected: bool) -> None:
    stage.add_checkpoint(2, "services", ORDER.index("services"))
    assert is_missing(saved(*saves), stage.chain, BROAD) is expected
