"""What the processes of a server cost, read from ``/proc``."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from tests.live import pids

NANOSECONDS = 1e9
KILOBYTES_IN_MB = 1024
ENDS_WITH_US = ("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()
END_PATIENCE = 5.0  # seconds for a server to end
PARENT, USED = 1, slice(11, 15)  # fields of proc_pid_stat(5) behind the name: pid; user, system, and of ended children


def end_in_order() -> None:
    """Whoever ends this benchmark, as ``timeout`` does, ends its servers and folders as well."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background jobs


@contextlib.contextmanager
def running(
    command: list[str], cwd: Path, environ: dict[str, str] | None = None, log: IO[bytes] | int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends when it is not needed any more, or at the latest with this one, however that ends."""
    process = subprocess.Popen([*ENDS_WITH_US, *command], cwd=cwd, env=environ, stdout=log, stderr=log)
    try:
        yield process
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


def cpu_seconds(pid: int) -> float:
    """What a process and those below it have used so far, user and system; with threads that have ended."""
    stats = {one: _stat(one) for one in pids()}
    family = {pid}
    while more := {one for one, stat in stats.items() if stat and int(stat[PARENT]) in family} - family:
        family |= more
    return sum(float(one) for member in family for one in stats[member][USED]) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields of a process from its state on; none where it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []
