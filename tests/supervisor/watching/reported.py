"""What a watcher reports, whichever its means."""

from __future__ import annotations

import select
import time
from pathlib import Path

from devrunserver.supervisor.watching.watcher import Watcher

PATIENCE = 30.0  # seconds for an event to come


def paths_until(watcher: Watcher, *expected: Path) -> set[str]:
    """The paths of all events until those of the expected ones are among them."""
    paths: set[str] = set()
    deadline = time.monotonic() + PATIENCE
    while not {str(path) for path in expected} <= paths:
        readable, _, _ = select.select(watcher.filenos, [], [], max(0.0, deadline - time.monotonic()))
        assert readable, f"not reported: {expected}; reported: {paths}"
        paths |= {event.path for event in watcher.read()}
    return paths


def make_change_and_delete(watcher: Watcher, path: Path) -> None:
    """Each of the three is reported."""
    path.touch()
    paths_until(watcher, path)
    path.write_text("changed\n")
    paths_until(watcher, path)
    path.unlink()
    paths_until(watcher, path)
