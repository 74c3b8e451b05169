"""Where checkpoints are made, and which of them are given up."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devrunserver.checkpoints.policy import FORK_SHARE, INTERVAL, CheckpointPolicy
from devrunserver.common.import_plan import APPS_PHASE

ROUNDING = 1e-9  # seconds


def policy(*made: tuple[float, float], limit: int = 10) -> CheckpointPolicy:
    """A start that began at 0 and made checkpoints at these times, at these costs."""
    policy = CheckpointPolicy(["/edited.py"], limit, now=0.0)
    for now, cost in made:
        policy.made(now, cost, APPS_PHASE)
    return policy


@pytest.mark.parametrize(
    ("made", "limit", "file", "now", "due"),
    [
        ([], 10, "/first.py", 0.0, True),  # before the first module of the project
        ([(0.0, 0.0)], 10, "/a.py", 0.0, False),
        ([(0.0, 0.0)], 10, "/a.py", INTERVAL / 2, False),
        ([(0.0, 0.0)], 10, "/a.py", INTERVAL, True),
        ([(0.0, 0.0)], 10, "/edited.py", 0.0, True),
        ([(0.0, 0.0)], 10, "/edited.pyc", 0.0, False),
        ([(5.0, 0.0)], 10, "/a.py", 5.0 + INTERVAL / 2, False),  # counted from the last
        ([(5.0, 0.0)], 10, "/a.py", 5.0 + 2 * INTERVAL, True),
        ([(0.0, 0.02)], 10, "/a.py", 0.02 / FORK_SHARE / 2, False),  # a dear fork
        ([(0.0, 0.02)], 10, "/a.py", 0.02 / FORK_SHARE, True),
        ([(0.0, 9.0), (1.0, 0.0)], 10, "/a.py", 1.0 + INTERVAL, True),  # the last fork tells what the next costs
        ([(0.0, 0.0)] * 4, 10, "/a.py", INTERVAL, True),
        ([(0.0, 0.0)] * 5, 10, "/a.py", INTERVAL, False),  # half of the limit: twice the distance
        ([(0.0, 0.0)] * 5, 10, "/a.py", 2 * INTERVAL, True),
        ([(0.0, 0.0)] * 10, 10, "/a.py", 2 * INTERVAL, False),
        ([(0.0, 0.0)] * 10, 10, "/a.py", 4 * INTERVAL, True),
        ([(0.0, 0.0)] * 10, 10, "/edited.py", 0.0, True),
        ([(0.0, 0.0)], 1, "/a.py", 3 * INTERVAL, False),
        ([(0.0, 0.0)], 1, "/a.py", 4 * INTERVAL, True),
    ],
)
def test_is_due(made: list[tuple[float, float]], limit: int, file: str, now: float, due: bool) -> None:
    assert policy(*made, limit=limit).is_due(file, now, APPS_PHASE) is due


def test_where_none_can_be_made_the_next_place_is_looked_at_after_a_while() -> None:
    one = policy()
    one.postponed(1.0)
    assert not one.is_due("/a.py", 1.0 + INTERVAL / 2, APPS_PHASE)
    assert one.is_due("/a.py", 1.0 + INTERVAL, APPS_PHASE)
    assert one.is_due("/edited.py", 1.0, APPS_PHASE)


def test_the_edited_files_may_change() -> None:
    one = policy((0.0, 0.0))
    one.edited = {"/other.py"}
    assert one.is_due("/other.py", 0.0, APPS_PHASE)
    assert not one.is_due("/edited.py", 0.0, APPS_PHASE)


def test_once_apps_are_made_the_next_module_is_worth_one() -> None:
    one = policy((1.0, 0.0))
    models, ready = APPS_PHASE + 1, APPS_PHASE + 2
    assert one.is_due("/models.py", 1.0, models)
    one.made(1.0, 0.0, models)
    assert not one.is_due("/models.py", 1.0, models)
    assert not one.is_due("/ready.py", 1.0, ready)
    one.postponed(1.0)
    assert not one.is_due("/ready.py", 1.0, ready)


def test_elapsed() -> None:
    assert policy().elapsed(3.0) == 3.0
    assert policy((1.0, 0.5), (2.0, 0.5)).elapsed(3.5) == 1.5


durations = st.floats(0.0, 0.5)
costs = st.floats(0.0, 0.05)


@given(st.lists(st.tuples(durations, costs), max_size=200), st.integers(1, 12))
def test_checkpoints_are_few_and_cheap(modules: list[tuple[float, float]], limit: int) -> None:
    """A start of modules that take some time each, and what a fork before each would cost."""
    now, one = 0.0, CheckpointPolicy((), limit, 0.0)
    made: list[tuple[float, float]] = []
    for duration, cost in modules:
        if one.is_due("/module.py", now, APPS_PHASE):
            now += cost
            one.made(now, cost, APPS_PHASE)
            made.append((now, cost))
        now += duration
    for (before, cost), (after, next_cost) in pairwise(made):
        work = after - next_cost - before
        assert work >= INTERVAL - ROUNDING
        assert cost <= FORK_SHARE * work + ROUNDING
    # each half of the limit takes twice as long as the one before
    doublings = max(0, 2 * (len(made) - 1) // limit - 1)
    assert now >= INTERVAL * (2**doublings - 1) * limit / 2 - ROUNDING


def test_one_before_a_module_that_is_looked_for_and_then_imported() -> None:
    one = policy((0.0, 0.0))
    assert one.is_due("/edited.py", 0.01, APPS_PHASE)
    one.made(0.02, 0.0, APPS_PHASE)
    assert not one.is_due("/edited.py", 0.02, APPS_PHASE)
    assert one.is_due("/edited.py", 0.02 + INTERVAL, APPS_PHASE), "much has happened since"
    one.made(1.0, 0.0, APPS_PHASE)
    assert not one.is_due("/a.py", 1.0, APPS_PHASE)
    assert not one.is_due("/edited.py", 1.0, APPS_PHASE)
    one.postponed(1.0)
    assert one.is_due("/edited.py", 1.0, APPS_PHASE), "none was made"
