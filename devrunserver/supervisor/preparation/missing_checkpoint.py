"""Where an exact reload is worth more than the prepared one that there is: it leaves a checkpoint that is missed.

A prepared reload leaves none. Where it begins far before the file that is worked on, as what was foreseen does for a
view that is imported by an app's ``ready()``, each save of that file would cost the same for ever. Once it was saved
again, one exact reload leaves a checkpoint right before it, and the next are prepared from there. Where a plan from
another checkpoint would do, that comes first; but where it begins early it may take many attempts, or lead to nothing.
"""

from __future__ import annotations

from devrunserver.common import import_plan
from devrunserver.common.import_plan import Plan
from devrunserver.supervisor.checkpoint_chain import Chain
from devrunserver.supervisor.edited_files import IN_TURN
from devrunserver.supervisor.preparation.broad import place_of, right_before
from devrunserver.supervisor.preparation.planning import Planning, bases_for, is_right_before, saved_last

AGAIN = 2  # saves of a file: now it is likely that more follow; and only then, as it may lead to nothing
STILL = 4  # the same where another plan would do, and is not there yet
SHARE = 0.5  # of what is left to import now, that may be left from there, for it to be worth an exact reload ...
GAIN = 0.1  # ... and of all imports of a start, that must be gained


def is_missing(planning: Planning, chain: Chain, plan: Plan) -> bool:
    """Whether from a checkpoint right before the file that was saved last much less would be left than by a plan."""
    module, record = planning.saved, planning.record
    if module is None or record is None or module not in record.places or is_right_before(planning, chain):
        return False
    path = planning.saves[-1].path
    count = sum(save.path == path for save in planning.saves)
    if count not in (AGAIN, STILL):
        return False
    most = min(SHARE * plan.remains, plan.remains - GAIN * sum(record.seconds))
    place = record.places[module]
    if place >= place_of(record, chain.ended_at):  # none can be there
        return False
    bases = bases_for(planning, chain, (path,))
    will_do = any(import_plan.make(record, one.base, [path]).remains <= most for one in bases)
    if will_do is (count == AGAIN):  # another plan comes first; and without one it was tried the first time
        return False
    recent = [record.files.get(one, module) for one in saved_last(planning.saves, IN_TURN)]
    if will_do and any(record.places.get(one, place) < place for one in recent):  # their next save takes it away
        return False
    base = right_before(record, place)
    # of what has begun by then some is left as well
    begun = sum(record.seconds[record.places[name]] for name in base.importing if name != module)
    return import_plan.make(record, base, [path]).remains + begun <= most
