"""What comparisons have shown of the project's state, for the next ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from devrunserver.supervisor.preparation.outline_diff import Attribute


@dataclass
class Known:
    """What comparisons have shown.

    Attributes:
        volatile: what differs between exact starts, and whether it has an order all the same.
        judged: what has differed, so that modules were left out.
        is_undecided: one needed another exact start, and did not get to its end.
    """

    volatile: dict[Attribute, bool] = field(default_factory=dict)
    judged: set[Attribute] = field(default_factory=set)
    is_undecided: bool = False
