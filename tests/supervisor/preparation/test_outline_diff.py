from __future__ import annotations

import pytest

from devrunserver.supervisor.preparation.outline_diff import (
    Outline,
    out_of_order,
    parts_of_first,
    parts_of_what_is_new,
)

# After the base an exact start imports, in this order, ...
PLACES = {name: number for number, name in enumerate(("shop", "tasks", "tasks_admin", "ml", "ml_admin"))}
PLANNED = {"tasks", "ml", "ml_admin"}  # ... of which these are imported ahead, as they do not depend on shop


def one(*entries: str) -> list[list[str]]:
    """A container: of each entry what it is, and modules."""
    return [entry.split() for entry in entries]


@pytest.mark.parametrize(
    ("exact", "prepared", "culprits"),
    [
        # a list of plug-ins
        ([one("S shop", "M ml")], [one("M ml", "S shop")], {"ml"}),
        # planned ones among themselves
        ([one("S shop", "M ml")], [one("S shop", "M ml")], set()),
        # what was there at the base is another one, too: it may be importing still
        ([one("R receiver", "M ml")], [one("M ml", "R receiver")], {"ml"}),
        # a registry of models: in his turn that one was entered who was not imported ahead, though its model was
        (
            [one("Task tasks tasks_admin", "Net ml ml_admin")],
            [one("Net ml ml_admin", "Task tasks tasks_admin")],
            {"ml_admin"},
        ),
        # nobody who comes after the base has entered it
        ([one("Task django", "Net django")], [one("Net django", "Task django")], set()),
        # what follows from it, as another way leads there
        (
            [one("S shop", "M ml"), one("Field tasks"), one("Field shop")],
            [one("M ml", "S shop"), one("Field shop"), one("Field tasks")],
            {"ml"},
        ),
        # two that hold the same, of which one is as it should be
        (
            [one("S shop", "M ml"), one("M ml", "S shop")],
            [one("M ml", "S shop"), one("M ml", "S shop")],
            {"ml"},
        ),
        # one thing in place of another: whoever came last
        ([one("patched shop")], [one("patched ml")], {"ml"}),
        ([one("S shop", "T tasks")], [one("M ml", "S shop", "T tasks")], {"ml"}),
        # a library's object, of which nobody knows who has made it: not before "shop", and not after "tasks_admin"
        (
            [one("S shop", "Storage django", "A tasks_admin")],
            [one("Storage django", "S shop", "A tasks_admin")],
            {"tasks"},
        ),
        (
            [one("S shop", "Storage django")],
            [one("Storage django", "S shop")],
            {"tasks", "ml", "ml_admin"},
        ),
        # what "tasks" defines, made when somebody called it in his turn: others came before that ahead
        (
            [one("Made tasks", "M ml", "A ml_admin")],
            [one("M ml", "A ml_admin", "Made tasks")],
            {"ml", "ml_admin"},
        ),
        (  # of several that are alike nobody knows which has moved
            [one("Made tasks", "M ml", "Made tasks")],
            [one("M ml", "Made tasks", "Made tasks")],
            set(),
        ),
        ([], [], set()),
    ],
)
def test_who_is_to_blame(exact: Outline, prepared: Outline, culprits: set[str]) -> None:
    assert out_of_order([(exact, prepared)], PLANNED, PLACES) == culprits


def test_what_would_be_in_the_way_nevertheless() -> None:
    """Had "tasks" been imported ahead, what it left would have come first; what "ml" left before it was called not."""
    passed_over = [one("T tasks", "M ml")], [one("M ml", "T tasks")]
    called = [one("Made ml", "A ml_admin")], [one("A ml_admin", "Made ml")]
    planned = PLANNED - {"tasks"}
    assert out_of_order([passed_over], planned, PLACES) == {"ml"}
    assert out_of_order([passed_over], planned, PLACES, {"tasks"}) == set()
    assert out_of_order([called], planned, PLACES, {"tasks"}) == {"ml_admin"}


def test_where_one_list_has_another_order_no_other_way_counts() -> None:
    """In hundreds of attributes something is reached that is out of order."""
    first = [one("S shop", "M ml")], [one("M ml", "S shop")]
    follows = [one("T tasks"), one("S shop")], [one("S shop"), one("T tasks")]
    assert out_of_order([follows], PLANNED, PLACES) == {"tasks"}
    assert out_of_order([follows, first], PLANNED, PLACES) == {"ml"}


def test_what_came_too_early_is_made_of() -> None:
    """Where nothing tells who has left it, who knows of these may have."""
    exact, prepared = one("A early", "A early", "B rules"), one("A early", "B rules", "A early")
    same = one("C shop")
    assert parts_of_first([([exact], [prepared]), ([same], [same])]) == {"rules"}
    assert parts_of_first([([same, exact], [prepared, same]), ([same], [exact])]) == {"rules"}, "of what holds the same"
    assert parts_of_first([]) == set()


def test_what_only_one_start_has_is_made_of() -> None:
    new, same = one("options library.views", "kwargs schema"), one("C shop")
    assert parts_of_what_is_new([([], [new]), ([same], [same])]) == {"library.views", "schema"}
    assert parts_of_what_is_new([([new], [])]) == {"library.views", "schema"}
    assert parts_of_what_is_new([([same], [new])]) == set(), "both have something"
