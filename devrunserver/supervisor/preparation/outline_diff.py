"""In which order modules have left their traces: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence, Set

Attribute = tuple[str, str]  # a module and what is in its namespace


def out_of_order(exact: Iterable[Sequence[str]], prepared: Iterable[Sequence[str]], planned: Set[str]) -> set[str]:
    """The planned modules that have left something before what others left, or after, in one list and not in the other.

    Args:
        exact: what is in one list, each by its module and name.
        prepared: what is in the other.
        planned: the modules that were imported ahead.
    """
    before, after = _places(exact, planned), _places(prepared, planned)
    return {module for module in {**before, **after} if before.get(module) != after.get(module)}


def _places(outline: Iterable[Sequence[str]], planned: Set[str]) -> dict[str, list[int]]:
    """Of each planned module, how many things of others come before each of its own."""
    places: dict[str, list[int]] = {}
    others = 0
    for module, _ in outline:
        if module in planned:
            places.setdefault(module, []).append(others)
        else:
            others += 1
    return places


def explain(differences: Collection[Attribute], culprits: Collection[str]) -> str:
    """What differed, for the user."""
    module, attribute = min(differences)
    more = f" and {len(differences) - 1} more" if len(differences) > 1 else ""
    why = f", because of {', '.join(sorted(culprits)[:3])}" if culprits else ""
    return f"the order of imports shows in {module}.{attribute}{more}{why}"
