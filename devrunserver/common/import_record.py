"""What a start has imported, when, and who imports whom: pure."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple


class Trace(NamedTuple):
    """What modules have left in one list or dictionary.

    Attributes:
        holders: the modules that have it at hand, the first that was looked up first.
        left_by: who has left each entry, most likely, in their order.
    """

    holders: Sequence[str]
    left_by: Sequence[str]


class Returned(NamedTuple):
    """A module has gone on after what it has imported was there.

    Attributes:
        place: of the look-up that was the last one by then.
        seconds: until the next look-up, or until what has imported this module went on.
    """

    place: int
    name: str
    seconds: float


@dataclass(frozen=True)
class ImportRecord:
    """What one exact start has imported.

    Attributes:
        order: the modules, in the order of their look-ups.
        phases: of each, in which part of Django's set-up it was imported; they only grow.
        seconds: from each look-up to the next.
        edges: of each module, what it imports, whether that was loaded before or not.
        files: the modules of the project by path.
        lost: those of ``order`` that are not there in the end: their import failed, or somebody took them away.
        traces: what modules have left in common, if that was asked for.
        returned: of ``seconds``, what was not that module's own time.
    """

    order: Sequence[str]
    phases: Sequence[int]
    seconds: Sequence[float]
    edges: Mapping[str, Collection[str]]
    files: Mapping[str, str]
    lost: Collection[str] = ()
    traces: Sequence[Trace] = ()
    returned: Sequence[Returned] = ()

    @functools.cached_property
    def _work(self) -> Sequence[Returned]:
        own = list(self.seconds)
        for place, _, seconds in self.returned:
            own[place] -= seconds
        return [*map(Returned, range(len(own)), self.order, own), *self.returned]

    def work(self, imported: int) -> list[tuple[str, float]]:
        """Which modules have worked for how many seconds from a point on, some of them more than once.

        Args:
            imported: how many modules had been looked up there.
        """
        return [(name, seconds) for place, name, seconds in self._work if place >= imported]

    @functools.cached_property
    def importers(self) -> Mapping[str, Set[str]]:
        """Of each module, what imports it, or what is in it, directly."""
        return importers(self.edges)

    @functools.cached_property
    def places(self) -> Mapping[str, int]:
        """Where each module has come first."""
        return {name: place for place, name in reversed([*enumerate(self.order)])}


def importers(edges: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Edges the other way round; who imports a module imports the packages that it is in, too."""
    found: dict[str, set[str]] = {}
    for importer, imported in edges.items():
        for name in imported:
            for part in with_packages(name):
                found.setdefault(part, set()).add(importer)
    return found


def with_packages(name: str) -> list[str]:
    """A module's name and those of the packages that it is in, which are imported before it."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def to_json(record: ImportRecord) -> dict[str, Any]:
    """A record as a message carries it: each name once."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(record.order))}
    edges: dict[int, list[int]] = {}
    for importer, imported in record.edges.items():
        number = numbers.setdefault(importer, len(numbers))
        edges[number] = [numbers.setdefault(name, len(numbers)) for name in imported]
    returned = [(one.place, numbers.setdefault(one.name, len(numbers)), one.seconds) for one in record.returned]
    traces = [[[numbers.setdefault(name, len(numbers)) for name in part] for part in one] for one in record.traces]
    return {
        "names": list(numbers),
        "order": [numbers[name] for name in record.order],
        "phases": list(record.phases),
        "seconds": [round(one, 5) for one in record.seconds],
        "edges": [[number, *imported] for number, imported in edges.items()],
        "files": {path: numbers[name] for path, name in record.files.items() if name in numbers},
        "lost": [numbers[name] for name in record.lost if name in numbers],
        "traces": traces,
        "returned": [[place, number, round(seconds, 5)] for place, number, seconds in returned],
    }


def from_json(data: Mapping[str, Any]) -> ImportRecord:
    """The reverse of ``to_json``."""
    names = data["names"]
    return ImportRecord(
        order=[names[number] for number in data["order"]],
        phases=data["phases"],
        seconds=data["seconds"],
        edges={names[number]: {names[one] for one in imported} for number, *imported in data["edges"]},
        files={path: names[number] for path, number in data["files"].items()},
        lost=tuple(names[number] for number in data["lost"]),
        returned=tuple(Returned(place, names[number], seconds) for place, number, seconds in data["returned"]),
        traces=tuple(Trace(*([names[number] for number in part] for part in one)) for one in data["traces"]),
    )
