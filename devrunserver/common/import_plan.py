"""What can be imported before the files that are being edited: pure.

Theory of operation
-------------------
A *base* is an exact checkpoint: what was imported before it is there, and some of it is *importing*: on the stack, not
complete. What came after it may be imported ahead of its turn if it imports none of the edited modules and nothing
that is not complete, directly or not. Django's set-up has parts: apps are made, models are imported, ``ready()`` is
called, the URLconf is imported. None of these is begun ahead. Modules that a later part has imported may ask Django
for what is not there yet. While apps are made no model may be imported, so only what does not import Django at all is
taken from later parts: it cannot tell. Once they are made Django refuses what it cannot answer yet (it raises
``AppRegistryNotReady``), so such modules are tried; where that fails the plan becomes *strict*, and leaves them out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from devrunserver.common.facts import Named
from devrunserver.common.import_record import ImportRecord, with_packages

KEPT_SHARE = 0.5  # of what a plan saves, that it must still save if another file that is edited in turn is added
SLOWER = 1.5  # how much longer a reload may take because of a file that was edited before, ...
SLOWER_BY = 0.1  # ... and that many seconds more
FRAMEWORK = "django"
APPS_PHASE = 0  # of Django's set-up: apps are made
URLCONF_PHASE = 3  # ... after apps, models and ``ready()``
URLCONF = "the URLconf"  # the place in a start where the project is set up, as it is told to the user


class Base(NamedTuple):
    """Where an exact checkpoint is.

    Attributes:
        imported: how many modules had been looked up.
        importing: those that were not complete, and the one that comes next.
        phase: of Django's set-up.
    """

    imported: int
    importing: Collection[str]
    phase: int


@dataclass(frozen=True)
class Plan:
    """What is imported ahead.

    Attributes:
        modules: in their order.
        excluded: what must not be imported meanwhile: the edited ones and their dependents.
        edited: the paths that it leaves out.
        saves: seconds of import.
        remains: seconds of import after the base that are left.
        after: what was importing at the base, and all that an exact start imports after that.
    """

    modules: list[str] = field(default_factory=list)
    excluded: Set[str] = frozenset()
    edited: tuple[str, ...] = ()
    saves: float = 0.0
    remains: float = 0.0
    after: Sequence[str] = field(default=(), compare=False)


def make(
    record: ImportRecord, base: Base, edited: Iterable[str], left_out: Collection[str] = (), is_strict: bool = False
) -> Plan:
    """The plan for these paths.

    Args:
        left_out: modules that have turned out to be in the way.
        is_strict: nothing that imports Django is taken from later parts of its set-up.
    """
    edited = tuple(edited)
    changed = {record.files[path] for path in edited if path in record.files}
    after = list(zip(record.order, record.phases, strict=True))[base.imported :]
    work = record.work(base.imported)
    in_the_way = {name for name, _ in after}.intersection(left_out)  # else it has come in its turn
    excluded = dependents({*changed, *base.importing, *in_the_way}, record.importers)
    later = {name for name, phase in after if phase > base.phase}
    if later and not is_strict and base.phase != APPS_PHASE:
        later.clear()
    if later:
        later &= dependents([FRAMEWORK], record.importers)
    planned = set(independent((name for name, _ in after), excluded | later))
    planned.difference_update(record.lost)
    return Plan(
        modules=[name for name in dict.fromkeys(name for name, _ in after) if name in planned],
        excluded=frozenset(excluded),
        edited=edited,
        saves=sum(seconds for name, seconds in work if name in planned),
        remains=sum(seconds for name, seconds in work if name not in planned),
        after=(*base.importing, *record.order[base.imported :]),
    )


def cost_without(record: ImportRecord, base: Base, plan: Plan, modules: Set[str]) -> float:
    """How many seconds more a start takes if a plan leaves these modules out as well."""
    planned = set(plan.modules)
    lost = planned.difference(independent(planned, dependents(modules, record.importers)))
    return sum(seconds for name, seconds in record.work(base.imported) if name in lost)


def named(record: ImportRecord, plan: Plan) -> list[Named]:
    """What is imported ahead although one edited file alone imports it: without its import it is not to be there."""
    paths = {record.files[path]: path for path in plan.edited if path in record.files}
    found = []
    for module in plan.modules:
        others = [one for one in record.importers.get(module, ()) if module not in with_packages(one)]
        if len(others) == 1 and others[0] in paths:
            found.append(Named(paths[others[0]], module))
    return found


def nearest(
    record: ImportRecord,
    plan: Plan,
    holders: Set[str],
    parts: Set[str] = frozenset(),
    parts_of_new: Set[str] = frozenset(),
) -> set[str]:
    """The planned modules that may have changed what some modules hold, where nothing there tells who it was.

    They are the holders themselves or the packages that these are in, such as one that has a logger; else those that
    import a holder; else those that import anything of its package, as what changes it may be at hand there as well;
    and else all that are the project's own, so that at least installed packages are imported ahead.

    Where one start has something that the other has not, it was made of what another module had changed already, or
    not yet. That module came after the holders, and imports what it has changed, if by others.

    Args:
        parts: the modules that what was changed comes from. Who imports one of these is nearer.
        parts_of_new: the modules that it is made of.
    """
    packages = {package for name in holders for package in with_packages(name)}
    around = {name.rpartition(".")[0] or name for name in holders}
    planned, own, places = set(plan.modules), set(record.files.values()), record.places
    first = min((places[name] for name in holders if name in places), default=len(places))
    at_hand = dependents(parts_of_new, record.importers)
    later = {name for name in own & at_hand if places.get(name, 0) > first}
    ranks = (holders, packages, later, _importers_of(record, holders), _importers_of(record, around), own)
    found: set[str] = next(filter(None, (planned & rank for rank in ranks)), set())
    return found & _importers_of(record, parts) or found


def _importers_of(record: ImportRecord, modules: Iterable[str]) -> set[str]:
    return {importer for name in modules for importer in record.importers.get(name, ())}


def displaced(record: ImportRecord, plan: Plan) -> set[str]:
    """The planned modules that would leave something before others that they came after.

    Only who has a registry at hand can have left something there himself; a list of what its own module imports is
    written there, whatever the order of imports; and where entries are in another order than imports, others made it.
    """
    planned, late, places = set(plan.modules), set(plan.after), record.places
    found: set[str] = set()
    for holders, left_by in record.traces:
        first = len(record.order)  # the place of the first that comes in his turn
        for name in left_by:
            if name not in places or not record.importers.get(name, frozenset()).isdisjoint(holders[:1]):
                continue
            if name not in planned:
                first = min(first, places[name]) if name in late else first
            elif first < places[name] and has_at_hand(record, name, holders):
                found.add(name)
    return found


def has_at_hand(record: ImportRecord, module: str, holders: Iterable[str]) -> bool:
    """Whether a module imports one that has something, or has it itself."""
    return any(module == holder or module in record.importers.get(holder, ()) for holder in holders)


def remaining(record: ImportRecord, base: Base) -> float:
    """Seconds of import that are left in an exact start from a base on."""
    return sum(record.seconds[base.imported :])


def is_kept(plan: Plan, without: Plan, total: float, in_turn: bool) -> bool:
    """Whether a plan that leaves out one more file is better than the one without.

    Args:
        without: the plan before.
        total: seconds of all imports of a start.
        in_turn: whether the file is edited in turn with those before, and not only was once.
    """
    if plan.remains <= SLOWER * without.remains + SLOWER_BY:
        return True
    return in_turn and total - plan.remains >= KEPT_SHARE * (total - without.remains)


def dependents(edited: Iterable[str], importers: Mapping[str, Collection[str]]) -> set[str]:
    """The modules that import one of the edited ones, directly or not, and these themselves.

    Args:
        importers: of each module, what imports it directly.
    """
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
