"""What is imported ahead of its turn, with lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devrunserver.common.import_plan import Plan, best, dependents, independent, with_packages, without

EDGES = {"urls": {"a.views", "b.views"}, "a.views": {"a.forms"}, "b.views": {"b"}, "c": {"a"}, "d": {"d.part"}}


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        ([], set()),
        (["unknown"], {"unknown"}),
        (["a.views"], {"a.views", "urls"}),
        (["a.forms"], {"a.forms", "a.views", "urls"}),
        (["b"], {"b", "b.views", "urls"}),  # a.b would be imported by way of a
        (["a"], {"a", "a.views", "urls", "c"}),
        (["d.part"], {"d.part", "d"}),
    ],
)
def test_dependents(edited: list[str], expected: set[str]) -> None:
    assert dependents(edited, EDGES) == expected


def test_dependents_in_a_circle() -> None:
    assert dependents(["a"], {"a": {"b"}, "b": {"a"}}) == {"a", "b"}


@pytest.mark.parametrize(
    ("order", "excluded", "expected"),
    [
        (["a", "b"], set(), ["a", "b"]),
        (["a", "b", "c"], {"b"}, ["a", "c"]),
        (["a", "a.b", "ab"], {"a"}, ["ab"]),  # what is in a package that is left out
        (["a", "b", "a"], set(), ["a", "b"]),
    ],
)
def test_independent(order: list[str], excluded: set[str], expected: list[str]) -> None:
    assert independent(order, excluded) == expected


def test_with_packages() -> None:
    assert with_packages("a.b.c") == ["a", "a.b", "a.b.c"]


def test_without() -> None:
    edges = {"b": {"a"}, "c": {"b"}, "d": set()}
    assert without(["a", "b", "c", "d"], ["b"], edges) == ["a", "d"]
    assert without(["a", "b"], [], edges) == ["a", "b"]


SECONDS = {"a": 1.0, "b": 2.0, "c": 3.0, "base": 0.5}
ORDER = ["base", "a", "b", "c"]
ON_BASE = {"a": {"base"}, "b": {"base"}, "c": {"base"}}


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        ([], Plan([], set(), 0.0)),
        (["a"], Plan(["base", "b", "c"], {"a"}, 5.5)),
        (["a", "b"], Plan(["base", "c"], {"a", "b"}, 3.5)),
        (["a", "base"], Plan(["base", "b", "c"], {"a"}, 5.5)),  # on which all depends
        (["base", "a"], Plan([], {"base", "a", "b", "c"}, 0.0)),  # unless it was the last
    ],
)
def test_best(edited: list[str], expected: Plan) -> None:
    assert best(ORDER, ON_BASE, edited, SECONDS) == expected


names = st.sampled_from(["a", "b", "b.c", "b.d", "e", "e.f"])


@given(st.lists(names), st.dictionaries(names, st.sets(names)), st.sets(names, min_size=1))
def test_nothing_in_a_plan_needs_what_is_edited(order: list[str], edges: dict[str, set[str]], edited: set[str]) -> None:
    planned = independent(order, dependents(edited, edges))
    assert set(planned) <= set(order)
    for name in planned:
        imported = {part for one in edges.get(name, ()) for part in with_packages(one)}
        assert not edited & {*imported, *with_packages(name)}
