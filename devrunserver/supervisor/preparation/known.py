"""What comparisons have shown of the project's state, for the next ones.

What was in the way of plans is remembered from one start of a server to the next, as to find it out again takes the
time of several starts; for a day, as it may not be in the way any more, or never was. It decides on nothing but what is
imported ahead; that is compared as any other.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

from devrunserver.common.remembered_file import RememberedFile
from devrunserver.supervisor.preparation.outline_diff import Attribute

REMEMBERED = 24 * 3600.0  # seconds


@dataclass
class Known:
    """What comparisons have shown.

    Attributes:
        volatile: what differs between exact starts, and whether it has an order all the same.
        judged: what has differed, so that modules were left out.
        needs_twin: one needed another exact start, and none has come to a good end since.
        settled: how many modules had been looked up at the earliest base from which one came to its end: what is
            volatile after that is known, most likely.
        width_shows: it shows in an order, or keeps something from being imported ahead, where modules are left out that
            nobody has edited.
        left_out: modules that are in the way of any plan, by where it begins.
        unfit: modules whose import has failed ahead, and in which part of Django's set-up: earlier it fails as well.
        hopeless: plans that have led to nothing: where each begins, and the files that it leaves out.
        file: where it is remembered.
        since: when the first of that was, in seconds since the epoch.
    """

    volatile: dict[Attribute, bool] = field(default_factory=dict)
    judged: set[Attribute] = field(default_factory=set)
    needs_twin: bool = False
    settled: int = sys.maxsize
    width_shows: bool = False
    left_out: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    unfit: dict[str, int] = field(default_factory=dict)
    hopeless: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)
    file: RememberedFile = field(default_factory=RememberedFile)
    since: float = 0.0

    @classmethod
    def recall(cls, file: RememberedFile) -> Known:
        """What was known when a server was started before; nothing where that cannot be read."""
        known = cls(file=file)
        try:
            told = json.loads(file.read() or "{}")
            known.since = float(told["since"])
            known.left_out.update({str(at): set(map(str, modules)) for at, modules in told["left_out"].items()})
            known.unfit.update({str(module): int(phase) for module, phase in told["unfit"].items()})
            known.needs_twin = bool(told["needs_twin"])
        except (AttributeError, KeyError, TypeError, ValueError):
            return cls(file=file)
        return known if known.since > time.time() - REMEMBERED else cls(file=file)

    def remember(self, at: str) -> None:
        """Remembers what was in the way of plans that begin there."""
        recalled = Known.recall(self.file)
        left_out = recalled.left_out | {at: self.left_out[at]}
        told = {
            "since": recalled.since or time.time(),
            "left_out": {place: sorted(modules) for place, modules in sorted(left_out.items()) if modules},
            "unfit": dict(sorted(self.unfit.items())),
            "needs_twin": bool(self.volatile),
        }
        if (text := json.dumps(told)) != self.file.read():
            self.file.write(text)

    def of_next(self) -> Known:
        """What is known where everything starts anew."""
        known = Known.recall(self.file)
        known.volatile = self.volatile
        return known

    def unfit_at(self, phase: int) -> set[str]:
        """The modules that cannot be imported ahead in this part of Django's set-up."""
        return {name for name, latest in self.unfit.items() if phase <= latest}
