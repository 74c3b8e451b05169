"""What comparisons have shown of the project's state, for the next ones."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from devrunserver.supervisor.preparation.outline_diff import Attribute


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
        unfit: modules whose import has failed ahead, and in which part of Django's set-up: earlier it fails as well.
        hopeless: plans that have led to nothing: where each begins, and the files that it leaves out.
    """

    volatile: dict[Attribute, bool] = field(default_factory=dict)
    judged: set[Attribute] = field(default_factory=set)
    needs_twin: bool = False
    settled: int = sys.maxsize
    width_shows: bool = False
    unfit: dict[str, int] = field(default_factory=dict)
    hopeless: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)

    def unfit_at(self, phase: int) -> set[str]:
        """The modules that cannot be imported ahead in this part of Django's set-up."""
        return {name for name, latest in self.unfit.items() if phase <= latest}
