"""A reload, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reload:
    """The reload that is under way, to tell the user of."""

    path: str | None  # what changed; None: too much at once
    began: float  # when it changed, in seconds of the supervisor's clock
    obstacle: str = ""  # why what was resumed for it first could not be used, in words
    reason: str = ""  # why it is a fresh start, or why it was not resumed later, in words
