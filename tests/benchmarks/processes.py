"""What the processes of a server cost, read from ``/proc``."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

NANOSECONDS = 1e9
KILOBYTES_IN_MB = 1024
END_PATIENCE = 5.0  # seconds for a server to end


@contextlib.contextmanager
def ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Ends a process that was started."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(END_PATIENCE)


class Footprint(NamedTuple):
    """``pss`` is in MB: each page that several processes share is counted once, divided among them."""

    pss: float
    processes: int
    threads: int
    watches: int


def footprint(pids: set[int]) -> Footprint:
    pss, threads = 0, 0
    # processes that inherited one inotify descriptor show the same watches: they count once
    watches: set[tuple[str, ...]] = set()
    for pid in pids:
        process = Path(f"/proc/{pid}")
        with contextlib.suppress(OSError):
            pss += int(re.findall(r"^Pss:\s+(\d+)", (process / "smaps_rollup").read_text(), re.MULTILINE)[0])
        threads += len(list(process.glob("task/*")))
        for descriptor in process.glob("fdinfo/*"):
            with contextlib.suppress(OSError):
                watches.add(tuple(re.findall(r"^inotify .*", descriptor.read_text(), re.MULTILINE)))
    return Footprint(pss / KILOBYTES_IN_MB, len(pids), threads, sum(len(lines) for lines in watches))


def cpu_percent(family: Callable[[], set[int]], seconds: float) -> float:
    """How much of one core the processes use over some seconds; those that end meanwhile do not count."""
    began, before = time.monotonic(), _cpu_seconds(family())
    time.sleep(seconds)
    after = _cpu_seconds(family())
    used = sum(total - before.get(thread, 0) for thread, total in after.items())
    return 100 * used / (time.monotonic() - began)


def _cpu_seconds(pids: set[int]) -> dict[str, float]:
    """By thread, in nanoseconds of precision: ``stat`` counts hundredths, too coarse for a process that idles."""
    used = {}
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*"):
            with contextlib.suppress(OSError):
                used[thread.name] = int((thread / "schedstat").read_text().split()[0]) / NANOSECONDS
    return used
