"""What following the save costs a server under load: ``python -m tests.benchmarks.page_load`` (Linux).

Two servers of the bookshop, supervisor and worker, one with the tag in its pages and one with ``BROWSER_RELOAD`` off.
They are asked in turn, request by request, as a browser asks. Counted is the processor time of the worker from one
answer to the next, so what else runs on the machine costs both the same; of each round the median. All is started
anew now and then, for a process may be a little quicker than another for all its life. ``page_cost.py`` measures what
is ours of it alone.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

from tests.benchmarks.__main__ import machine, progress
from tests.benchmarks.load import Client, Result
from tests.benchmarks.processes import end_in_order
from tests.benchmarks.server import PAGE, STATIC, make_project
from tests.live import Server

MICROSECONDS = 1_000_000
SETTINGS = 'from benchmark_ours import *\n\nDEVRUNSERVER = {{"BROWSER_RELOAD": {is_on}}}\n'
DOCUMENT, FILE = "Sec-Fetch-Dest: document\r\n", "Sec-Fetch-Dest: style\r\n"
SCHEDULER_CLOCK = 2  # of clock_getcpuclockid(3): time that the scheduler has given, in nanoseconds


def processor_time(pid: int) -> float:
    """Seconds that a process has used, all its threads and those that have ended."""
    return time.clock_gettime(~pid << 3 | SCHEDULER_CLOCK)


LOADS = {  # what is asked for as one, on a connection that is kept, and how many times in a round
    "five bytes of a trivial view": (["/trivial/"], 200),
    "the bookshop's list": (["/"], 60),
    "the admin's login": (["/admin/login/"], 60),
    "the admin's login and 60 files": ([*PAGE, *STATIC], 8),
}


class Side:
    """One of the two servers, with a connection to it."""

    def __init__(self, server: Server) -> None:
        self._worker, self._client = server.worker_pid(), Client(server.port, keep_alive=True)

    def ask(self, paths: list[str]) -> float:
        """Microseconds of the worker since it was asked last: what it does after an answer counts for the next one."""
        for path in paths:
            self._client.ask(path, FILE if path in STATIC else DOCUMENT)
            while not self._client.receive(Result()):
                pass
        return processor_time(self._worker) * MICROSECONDS


def measure(rounds: int, starts: int) -> dict[str, list[tuple[float, float]]]:
    """For each load microseconds of a page with the tag and without, of each round."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="devrunserver-benchmark-") as folder:
        projects = [_make_project(Path(folder) / name, is_on) for name, is_on in (("on", True), ("off", False))]
        for start in range(starts):
            with contextlib.ExitStack() as stack:
                on, off = (stack.enter_context(_serving(project)) for project in projects)
                measure_pair(on, off, rounds, f"start {start + 1} of {starts}", found)
    return found


def _make_project(folder: Path, is_on: bool) -> Path:
    folder.mkdir()
    project = make_project(folder)
    (project / "benchmark_page_load.py").write_text(SETTINGS.format(is_on=is_on))
    return project


def _serving(project: Path) -> Server:
    return Server(project, "--settings=benchmark_page_load", environ={"PYTHONHASHSEED": "0"})


def measure_pair(on: Server, off: Server, rounds: int, where: str, found: dict[str, list[tuple[float, float]]]) -> None:
    """One server after the other, request by request: so the machine is the same to both."""
    sides = Side(on), Side(off)
    for number in range(-1, rounds):
        for title, (paths, count) in LOADS.items():
            progress(f"{where}, round {number + 1} of {rounds}: {title}")
            used: dict[Side, list[float]] = {side: [] for side in sides}
            for turn in range(count):
                for side in sides if turn % 2 else reversed(sides):
                    used[side].append(side.ask(paths))
            on_cost, off_cost = (
                statistics.median(later - one for one, later in pairwise(used[side])) for side in sides
            )
            if number >= 0:  # the one before the first warms up
                found[title].append((on_cost, off_cost))


def row(title: str, pairs: list[tuple[float, float]]) -> str:
    """Markdown: the medians, and the median of what the tag adds with the quarters around it."""
    low, middle, high = (100 * (one - 1) for one in statistics.quantiles([on / off for on, off in pairs], n=4))
    on, off = (statistics.median(values) for values in zip(*pairs, strict=True))
    return f"| {title} | {off:,.0f} | {on:,.0f} | {middle:+.1f} % | {low:+.1f} to {high:+.1f} % |"


def main() -> None:
    end_in_order()
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.page_load", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each start; default: 5")
    parser.add_argument("--starts", type=int, default=5, help="of both servers; default: 5")
    options = parser.parse_args()
    print(machine(), flush=True)
    found = measure(options.rounds, options.starts)
    counted = f"the median of {options.rounds * options.starts} rounds"
    print(f"| processor time of the worker for one, µs, {counted} | off | on | more | middle half |")
    print("|---|---:|---:|---:|---:|")
    for title, pairs in found.items():
        print(row(title, pairs), flush=True)


if __name__ == "__main__":
    main()
