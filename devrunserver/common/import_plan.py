"""What can be imported before the files that are being edited: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import NamedTuple

KEPT_SHARE = 0.5  # of what a plan saves, that it must still save if another file is taken as edited too


class Plan(NamedTuple):
    """What is imported ahead.

    Attributes:
        modules: in their order.
        excluded: the edited ones and their dependents.
        saves: seconds.
    """

    modules: list[str]
    excluded: set[str]
    saves: float


def best(
    order: Sequence[str], edges: Mapping[str, Collection[str]], edited: Iterable[str], seconds: Mapping[str, float]
) -> Plan:
    """The plan for as many of the edited modules as do not spoil it.

    Args:
        order: all modules that were imported.
        edges: of each, what it imports.
        edited: the most important first.
        seconds: that each took.
    """
    chosen: list[str] = []
    kept = Plan([], set(), 0.0)
    for name in edited:
        excluded = dependents([*chosen, name], edges)
        modules = independent(order, excluded)
        saves = sum(seconds.get(one, 0.0) for one in modules)
        if not chosen or saves >= KEPT_SHARE * kept.saves:
            chosen.append(name)
            kept = Plan(modules, excluded, saves)
    return kept


def dependents(edited: Iterable[str], edges: Mapping[str, Collection[str]]) -> set[str]:
    """The modules that import one of the edited ones, directly or not, and these themselves."""
    importers: dict[str, set[str]] = {}
    for importer, imported in edges.items():
        for name in imported:
            for part in with_packages(name):
                importers.setdefault(part, set()).add(importer)
    found = set()
    waiting = list(edited)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += importers.get(name, ())
    return found


def independent(order: Iterable[str], excluded: Set[str]) -> list[str]:
    """Which modules to import beforehand, in their order.

    Args:
        order: all that were imported.
        excluded: the edited ones and their dependents.
    """
    return [name for name in dict.fromkeys(order) if excluded.isdisjoint(with_packages(name))]


def with_packages(name: str) -> list[str]:
    """A module's name and those of the packages that it is in, which are imported before it."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def without(modules: Iterable[str], names: Collection[str], edges: Mapping[str, Collection[str]]) -> list[str]:
    """A plan without some modules and all that import them."""
    left_out = dependents(names, edges)
    return [name for name in modules if left_out.isdisjoint(with_packages(name))]
