"""Which files somebody has been editing: a guess by when they were modified. Pure."""

from __future__ import annotations

from collections.abc import Mapping

BURST = 2_000_000_000  # nanoseconds within which a program, as of version control, writes many files
MANY = 10  # files in a burst that nobody has edited by hand


def recently_edited(modified: Mapping[str, int], count: int) -> list[str]:
    """The files that were modified last, the very last one last.

    Args:
        modified: when each file was, in nanoseconds.
        count: how many at most.
    """
    latest = sorted(modified.items(), key=lambda item: item[1], reverse=True)
    times = [time for _, time in latest]
    found: list[str] = []
    for place, (path, time) in enumerate(latest):
        if len(found) == count or place > count * MANY:
            break
        near = times[max(0, place - MANY) : place + MANY + 1]
        if sum(abs(one - time) <= BURST for one in near) <= MANY:
            found.append(path)
    return found[::-1]
