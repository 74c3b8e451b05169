"""What a watcher reports: one noun for every system's file events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    WRITTEN = "written"  # created, saved, replaced or back-dated: there is something to read
    REMOVED = "removed"  # deleted or renamed away
    OVERFLOW = "overflow"  # events were lost: anything may have changed


@dataclass(frozen=True)
class Event:
    """One thing that happened to one path (a file's, or a directory's that vanished)."""

    kind: Kind
    path: str
