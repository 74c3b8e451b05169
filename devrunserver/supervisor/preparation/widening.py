"""Which modules a plan can leave out besides those that are edited, as that costs next to nothing: pure.

Theory of operation
-------------------
What is imported ahead is of no use once it is saved; what was left out may be saved. A view that only the URLconf
imports costs its own import and no more where it is left out, as the URLconf is imported after the save in any case. So
modules that nothing imports but what is left out are left out as well, the quickest first, while their time together is
within a budget. Each may let others follow: the forms that no other view has. Then the save of a file that nobody has
thought of, the first one after a start above all, finds the reload prepared too.

Only what is imported with the URLconf is considered: what comes before (models, what ``ready()`` imports) leaves its
traces in registries, where the order would show.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import replace

from devrunserver.common.import_plan import Plan
from devrunserver.common.import_record import ImportRecord, with_packages


def widened(plan: Plan, record: ImportRecord, imported: int, budget: float) -> Plan:
    """A plan that leaves out more of the project's modules, such that this costs no more than a budget.

    Args:
        imported: how many modules had been looked up where the plan begins.
        budget: seconds of import.
    """
    planned = set(plan.modules)
    seconds = _seconds(record, imported)
    users = _users(record, planned, _own_of_last_phase(record) & planned)
    free = [(seconds[name], name) for name, left in users.items() if not left]
    heapq.heapify(free)
    left_out: set[str] = set()
    spent = 0.0
    while free and spent + free[0][0] <= budget:
        cost, name = heapq.heappop(free)
        left_out.add(name)
        spent += cost
        for other in {part for one in (name, *record.edges.get(name, ())) for part in with_packages(one)}:
            if left := users.get(other):
                left.discard(name)
                if not left:
                    heapq.heappush(free, (seconds[other], other))
    return replace(
        plan,
        modules=[name for name in plan.modules if name not in left_out],
        excluded=plan.excluded | left_out,
        saves=plan.saves - spent,
        remains=plan.remains + spent,
    )


def _seconds(record: ImportRecord, imported: int) -> Mapping[str, float]:
    """What each module takes from some point on."""
    found: defaultdict[str, float] = defaultdict(float)
    for name, seconds in record.work(imported):
        found[name] += seconds
    return found


def _users(record: ImportRecord, planned: Set[str], modules: Set[str]) -> dict[str, set[str]]:
    """Of some modules, which of those that are imported ahead need each: they import it, or are in that package."""
    found = {name: set(record.importers.get(name, frozenset()) & planned) - {name} for name in modules}
    for name in planned:
        for package in with_packages(name)[:-1]:
            if package in found:
                found[package].add(name)
    return found


def _own_of_last_phase(record: ImportRecord) -> set[str]:
    phases = dict(zip(record.order, record.phases, strict=True))
    last = max(record.phases, default=0)
    return {name for name in record.files.values() if phases.get(name) == last}
