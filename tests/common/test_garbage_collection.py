"""How often Python looks for garbage while a project starts."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from devrunserver.common.garbage_collection import LOOKS, YOUNG, StartCollection

Thresholds = tuple[int, int, int]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)  # whatever the tests before have come to
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.parametrize(
    ("before", "during"),
    [
        ((700, 10, 10), (YOUNG, LOOKS, 10)),
        ((2000, 10, 0), (YOUNG, LOOKS, 0)),
        ((0, 10, 10), (0, 10, 10)),  # never
        ((YOUNG * 2, 5, 5), (YOUNG * 2, 5, 5)),
    ],
)
def test_what_was_set_before_holds_after_the_start(before: Thresholds, during: Thresholds) -> None:
    gc.set_threshold(*before)
    before = gc.get_threshold()  # some versions of Python know fewer
    collection = StartCollection()
    collection.begin()
    assert gc.get_threshold()[:2] == during[:2]
    collection.end()
    assert gc.get_threshold() == before


def test_what_a_project_sets_while_it_starts_holds() -> None:
    collection = StartCollection()
    collection.begin()
    gc.set_threshold(5000, 20, 20)
    own = gc.get_threshold()
    collection.end()
    assert gc.get_threshold() == own


def test_what_is_there_at_the_end_is_not_looked_at_again() -> None:
    gc.unfreeze()
    collection = StartCollection()
    collection.begin()
    collection.end()
    assert gc.get_freeze_count()


def test_the_end_may_come_twice() -> None:
    before = gc.get_threshold()
    collection = StartCollection()
    collection.begin()
    collection.end()
    gc.set_threshold(5000, 20, 20)
    collection.end()
    assert gc.get_threshold()[0] == 5000
    assert before[0] != 5000
