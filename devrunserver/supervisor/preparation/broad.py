"""The broad plan, for files that are imported before the URLconf, as models are: no process here.

Theory of operation
-------------------
A view that is likely to be saved first, and a model that is, too, have no good plan in common: what depends on a model
is much more. So there are two then, also where one would do for a model and spoil it for views. The *broad* one begins
before the models, and leaves out all of these files; where no model is likely, all that the project itself imports
before the URLconf. Once it is verified another one is forked from it that goes on with the start up to the URLconf,
imports there what does not depend on the views, and pauses: the *narrow* one. Where an exact checkpoint is that leaves
much less to import, it begins at that one instead, and shares less with the broad one. A save is served by the narrow
one where that has read nothing of what was saved, else by the broad one.

Who saves views and models in turn has both as well: each save of a model takes the narrow one away, and another is
forked from the broad one while he goes on. It goes on to right before the views where ``ready()`` imports these.

It is worth it where a reload by the broad plan is much quicker than an exact one, and where there is memory enough: two
lines of processes that have come from before the models share less than two from the URLconf on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from devrunserver.common import import_plan
from devrunserver.common.facts import Read
from devrunserver.common.import_plan import APPS_PHASE, URLCONF, Base, Plan, dependents
from devrunserver.common.import_record import ImportRecord
from devrunserver.supervisor.checkpoint_chain import Chain, Checkpoint

SHARE = 0.6  # of an exact reload, that one by a broad plan may take to be worth it
LEAVING = 0.05  # seconds that an exact reload takes to leave checkpoints
NARROW_SHARE = 0.5  # of a reload by the plan for all files, that one by the narrow plan may take to be worth it ...
NOTICED = 0.1  # ... and seconds that views must gain

# Plans for some files, from the best base
Planner = Callable[[Chain, tuple[str, ...]], tuple[Plan | None, Checkpoint | None]]


class Broad(Enum):
    """What has become of the broad plan."""

    UNTRIED = "nothing yet"
    TRIED = "it is what is being prepared"
    MADE = "it is prepared"
    FAILED = "it was given up, or was not worth it"


@dataclass
class Guesses:
    """What was planned before anybody saved, and whether what is prepared begins before the models.

    Attributes:
        view_plans: plans that were given up for a page that was looked at.
    """

    view_plans: int = 0
    broad: Broad = Broad.UNTRIED


def broad_plan(
    record: ImportRecord,
    edited: Sequence[str],
    chain: Chain,
    found: tuple[Plan | None, Checkpoint | None],
    plan_for: Planner,
) -> tuple[Plan, Checkpoint] | None:
    """A plan for files of which some are imported before the URLconf, and where it begins. None: it is not worth it.

    Args:
        edited: the files that may be edited, the likeliest last.
        found: the plan that there is without one, and where it begins.
    """
    best, at = found
    late = late_files(record, edited)
    likely = [path for path in edited if path in record.files and path not in late]
    early: list[tuple[str, ...]] = [(path,) for path in likely]
    early = early or [own_early_files(record, chain)]
    has_place = any(base.at == URLCONF for base in with_later(chain.before(late), record, late, chain.ended_at))
    if best is None or at is None or not has_place:
        return None
    if {path for paths in early for path in paths} <= set(best.edited):
        narrow, _ = plan_for(chain, tuple(late))
        return (best, at) if late and narrow is not None and is_worth(narrow, best) else None
    broad: tuple[Plan, Checkpoint] | None = None
    for paths in reversed(early):
        plan, base = plan_for(chain, (*(broad[0].edited if broad is not None else late), *paths))
        if plan is None or base is None or base.at == URLCONF:
            continue
        if plan.remains <= SHARE * import_plan.remaining(record, base.base):
            broad = plan, base
    return broad


def is_worth(narrow: Plan, plan: Plan) -> bool:
    """Whether views are reloaded so much quicker by a plan of their own that there is to be one."""
    return narrow.remains <= min(NARROW_SHARE * plan.remains, plan.remains - NOTICED)


def with_later(
    bases: list[Checkpoint], record: ImportRecord, paths: Sequence[str], ended_at: str = ""
) -> list[Checkpoint]:
    """Bases, and among them where no exact checkpoint is (any more), but a fork of an early one comes to: the URLconf,
    or right before the first of some files, where that is imported in a later part of Django's set-up than all bases.

    The exact starts that are compared with it are those from the checkpoint before.

    Args:
        paths: files that the plan is to leave out.
        ended_at: the place from which on a start can make no checkpoint; empty: there is none.
    """
    found = _with_later(bases, record, paths)
    end = place_of(record, ended_at)
    return [one for one in found if not one.is_ahead or one.base.imported < end]


def place_of(record: ImportRecord, at: str) -> int:
    """How many modules were looked up at a place in a start; more than there are where that is not known."""
    if at == URLCONF:
        return list(record.phases).index(record.phases[-1])
    return record.places.get(at, len(record.order))


def _with_later(bases: list[Checkpoint], record: ImportRecord, paths: Sequence[str]) -> list[Checkpoint]:
    last = record.phases[-1]
    names = [record.files.get(path, "") for path in paths]
    places = [record.places[name] for name in names if name in record.places]
    if places and bases and bases[-1].base.phase < record.phases[first := min(places)] < last:
        return [*bases, replace(bases[-1], at=record.order[first], base=right_before(record, first), is_ahead=True)]
    early = [base for base in bases if base.base.phase < last]
    is_late = len(late_files(record, paths)) == len([path for path in paths if path in record.files])
    if not early or not is_late or any(base.at == URLCONF for base in bases):
        return bases
    there = Base(place_of(record, URLCONF), (URLCONF,), last)
    return [*early, replace(early[-1], at=URLCONF, base=there, is_ahead=True), *bases[len(early) :]]


def right_before(record: ImportRecord, place: int) -> Base:
    """Where a module is about to be imported, among those that import it already."""
    name = record.order[place]
    importing = {one for one in dependents([name], record.importers) if record.places.get(one, place) < place}
    return Base(place, (*sorted(importing), name), record.phases[place])


def later_files(record: ImportRecord, paths: Sequence[str], earliest: Sequence[str]) -> list[str]:
    """Those of some files that are imported in a later part of Django's set-up than the earliest of others."""
    phases = {path: record.phases[record.places[name]] for path, name in record.files.items() if name in record.places}
    first = min((phases[path] for path in earliest if path in phases), default=record.phases[-1])
    return [path for path in paths if phases.get(path, first) > first]


def late_files(record: ImportRecord, paths: Sequence[str]) -> list[str]:
    """Those of some files that are imported with the URLconf."""
    late = {name for name, phase in zip(record.order, record.phases, strict=True) if phase == record.phases[-1]}
    early = {name for name, phase in zip(record.order, record.phases, strict=True) if phase < record.phases[-1]}
    return [path for path in paths if record.files.get(path) in late - early]


def own_early_files(record: ImportRecord, chain: Chain) -> tuple[str, ...]:
    """The project's models, and what ``ready()`` imports of it: all that comes between the apps and the URLconf.

    Where all but a few modules are of installed packages, one plan leaves out all of them. What is imported while apps
    are made would have it begin so early that it is of no use.
    """
    first = chain.before(())[:1]
    imported = first[0].base.imported if first else 0
    read = {fact.path for one in first for fact in one.facts or () if isinstance(fact, Read)}  # settings import some
    phases = dict(reversed([*zip(record.order, record.phases, strict=True)][imported:]))  # of each the first time
    between = {name for name, phase in phases.items() if APPS_PHASE < phase < record.phases[-1]}
    return tuple(path for path, name in record.files.items() if name in between and path not in read)


def is_quicker(plan: Plan, record: ImportRecord | None, checkpoints: Sequence[Checkpoint]) -> bool:
    """Whether a start by a plan takes less than an exact one from the last of some checkpoints, which leaves others."""
    if record is None or not checkpoints:
        return True
    return plan.remains <= import_plan.remaining(record, checkpoints[-1].base) + LEAVING
