"""In which order modules have left their traces: pure.

Theory of operation
-------------------
An outline is the containers that an attribute is made of; each entry is told by the modules that what it is made of
comes from (``background/outline.py``). If none of these but planned ones come after the base, the last of them has left
the entry, ahead. If there is another one, somebody has left the entry in his turn: a model that was imported ahead may
be in a registry because of an admin module that was not.

Where the same entries are in two containers in another order, who has left them is to blame. One that is out of order
makes what is behind it, or is reached through it, look different as well, in hundreds of attributes. So only where no
container holds the same in another order, all that is found on the way is compared as one list.

A planned module may also have left something later, when somebody else called it in his turn: then it stands behind
what other planned modules have left that was before it. That is somebody else's doing, and these came too early.

Where nothing tells who has left what moved (a method of an object of a library, as Django's storages connect to a
signal), whoever was imported between those who have left what is beside it is to blame.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set

Attribute = tuple[str, str]  # a module and what is in its namespace
Entry = Sequence[str]  # what it is, and modules
Outline = Sequence[Sequence[Entry]]
Leaver = Callable[[Entry], str | None]


def out_of_order(
    outlines: Collection[tuple[Outline, Outline]],
    planned: Set[str],
    places: Mapping[str, int],
    passed_over: Set[str] = frozenset(),
) -> set[str]:
    """The planned modules that have left something before what others left, or after, in one of two starts only.

    Args:
        outlines: of what differs, as an exact and as a prepared start tell it.
        planned: the modules that were imported ahead.
        places: of all that an exact start imports after the base, in which order.
        passed_over: modules that could have been imported ahead, too: what is found would be in the way nevertheless.
    """
    planned = planned | passed_over

    def leaver(entry: Entry) -> str | None:
        late = [name for name in entry[1:] if name in places]
        return max(late, key=places.__getitem__) if late and set(late) <= planned else None

    found: set[str] = set()
    permuted = [pair for exact, prepared in outlines for pair in _permuted(exact, prepared)]
    for before, after in permuted:
        found |= _displaced(before, after, leaver)
    if not found:
        for before, after in permuted:
            late = _left_late(before, after, lambda entry: leaver(entry) not in {None, *passed_over})
            found |= _displaced(before, after, _but_for(late, leaver))
    if not found:
        for exact, prepared in outlines:
            found |= _displaced(_as_one(exact), _as_one(prepared), leaver)
    if not found:
        for before, after in permuted:
            found |= _imported_meanwhile(before, after, planned, places)
    return found


def _permuted(exact: Outline, prepared: Outline) -> Iterable[tuple[Sequence[Entry], Sequence[Entry]]]:
    """The containers that hold the same in another order."""
    before, after = _by_entries(exact), _by_entries(prepared)
    for members in before.keys() & after.keys():
        yield from zip(before[members] - after[members], after[members] - before[members], strict=False)


def _by_entries(outline: Outline) -> dict[tuple[Entry, ...], Counter[tuple[Entry, ...]]]:
    found: defaultdict[tuple[Entry, ...], Counter[tuple[Entry, ...]]] = defaultdict(Counter)
    for container in outline:
        entries = tuple(map(tuple, container))
        found[tuple(sorted(entries))][entries] += 1
    return found


def _but_for(late: Set[Entry], leaver: Leaver) -> Leaver:
    return lambda entry: None if entry in late else leaver(entry)


def _left_late(before: Sequence[Entry], after: Sequence[Entry], is_of_planned: Callable[[Entry], bool]) -> set[Entry]:
    """What planned modules have left before what others of them left, and the second time after that."""
    counts = Counter(before)
    places = {entry: place for place, entry in enumerate(after)}
    first, late = len(after), set[Entry]()
    for entry in reversed([one for one in before if counts[one] == 1 and is_of_planned(one)]):
        if places[entry] > first:
            late.add(entry)
        first = min(first, places[entry])
    return late


def _as_one(outline: Outline) -> list[Entry]:
    return [entry for container in outline for entry in container]


def _displaced(before: Iterable[Entry], after: Iterable[Entry], leaver: Leaver) -> set[str]:
    one, other = _places(before, leaver), _places(after, leaver)
    return {module for module in {**one, **other} if one.get(module) != other.get(module)}


def _places(entries: Iterable[Entry], leaver: Leaver) -> dict[str, list[int]]:
    """Of each planned module, how many things of others come before each of its own."""
    places: dict[str, list[int]] = {}
    others = 0
    for entry in entries:
        module = leaver(entry)
        if module is None:
            others += 1
        else:
            places.setdefault(module, []).append(others)
    return places


def _imported_meanwhile(
    before: Sequence[Entry], after: Sequence[Entry], planned: Set[str], places: Mapping[str, int]
) -> set[str]:
    """The planned modules that were imported when that was left which moved, and of which nothing tells who did it."""

    def late(entry: Entry) -> list[int]:
        return [places[name] for name in entry[1:] if name in places]

    def mover(entry: Entry) -> str | None:
        return None if late(entry) else " ".join(entry)

    moved, found = _displaced(before, after, mover), set[str]()
    for index, entry in enumerate(before):
        if mover(entry) in moved:
            first = max(next(filter(None, map(late, reversed(before[:index]))), [-1]))
            last = max(next(filter(None, map(late, before[index:])), [len(places)]))
            found |= {name for name in planned if first < places[name] < last}
    return found


def parts_of_first(outlines: Iterable[tuple[Outline, Outline]]) -> set[str]:
    """The modules that what came too early is made of: the first of each container that is in another order."""
    found: set[str] = set()
    for exact, prepared in outlines:
        for before, after in _permuted(exact, prepared):
            found.update(next(early[1:] for late, early in zip(before, after, strict=True) if late != early))
    return found


def parts_of_what_is_new(outlines: Iterable[tuple[Outline, Outline]]) -> set[str]:
    """The modules that those attributes are made of which only one of two starts has.

    Who has made it has found something that was not there in the other start, or has missed it: a decorator of classes
    looks at what others have decorated.
    """
    lone = [exact or prepared for exact, prepared in outlines if not (exact and prepared)]
    return {module for outline in lone for container in outline for entry in container for module in entry[1:]}


def explain(differences: Collection[Attribute], culprits: Collection[str]) -> str:
    """What differed, for the user."""
    module, attribute = min(differences)
    more = f" and {len(differences) - 1} more" if len(differences) > 1 else ""
    why = f", because of {', '.join(sorted(culprits)[:3])}" if culprits else ""
    return f"the order of imports shows in {module}.{attribute}{more}{why}"
