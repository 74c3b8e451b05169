"""What following the save costs a server under load: ``python -m tests.benchmarks.page_load`` (Linux).

Two servers of the bookshop, supervisor and worker, one with the tag in its pages and one with ``BROWSER_RELOAD`` off.
Each round puts the same load on both, as a browser asks, in turn and the other way round the next time. Counted is the
processor time of the worker, from the first byte that it reads of a request to the last of its answer: what else runs
on the machine costs both the same. All is started anew now and then, for a process may be a little quicker than
another for all its life. ``page_cost.py`` measures what is ours of it alone.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.__main__ import machine, progress
from tests.benchmarks.load import load
from tests.benchmarks.server import PAGE, PAGE_CONNECTIONS, STATIC, make_project
from tests.live import Server

MICROSECONDS = 1_000_000
WARM_UP = 100  # requests to each page before anything is counted
SETTINGS = 'from benchmark_ours import *\n\nDEVRUNSERVER = {{"BROWSER_RELOAD": {is_on}}}\n'
DOCUMENT, FILE = "Sec-Fetch-Dest: document\r\n", "Sec-Fetch-Dest: style\r\n"
SCHEDULER_CLOCK = 2  # of clock_getcpuclockid(3): time that the scheduler has given, in nanoseconds


def processor_time(pid: int) -> float:
    """Seconds that a process has used, all its threads and those that have ended."""
    return time.clock_gettime(~pid << 3 | SCHEDULER_CLOCK)


def pages(path: str, count: int) -> Callable[[int], int]:
    """A load of one page again and again, on one connection; returns how many times."""

    def run(port: int) -> int:
        load(port, [path] * count, 1, fields=lambda path: DOCUMENT)
        return count

    return run


def page_with_files(count: int) -> Callable[[int], int]:
    """A load of pages with all their files, as a browser has them the first time; returns how many pages."""

    def run(port: int) -> int:
        for _ in range(count):
            load(port, PAGE, 1, fields=lambda path: DOCUMENT)
            load(port, STATIC, PAGE_CONNECTIONS, fields=lambda path: FILE)
        return count

    return run


LOADS = {
    "five bytes of a trivial view": ("/trivial/", pages("/trivial/", 1000)),
    "the bookshop's list": ("/", pages("/", 250)),
    "the admin's login": ("/admin/login/", pages("/admin/login/", 150)),
    "the admin's login and 60 files": ("/admin/login/", page_with_files(10)),
}


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
    workers = {server: server.worker_pid() for server in (on, off)}
    for path, _ in LOADS.values():
        for server in (on, off):
            load(server.port, [path] * WARM_UP, 1, fields=lambda path: DOCUMENT)
    for number in range(rounds):
        for title, (_, run) in LOADS.items():
            progress(f"{where}, round {number + 1} of {rounds}: {title}")
            costs: dict[Server, float] = {}
            for server in (on, off) if number % 2 else (off, on):
                began = processor_time(workers[server])
                count = run(server.port)
                costs[server] = (processor_time(workers[server]) - began) / count * MICROSECONDS
            found[title].append((costs[on], costs[off]))


def row(title: str, pairs: list[tuple[float, float]]) -> str:
    """Markdown: the medians, and the median of what the tag adds with the quarters around it."""
    low, middle, high = (100 * (one - 1) for one in statistics.quantiles([on / off for on, off in pairs], n=4))
    on, off = (statistics.median(values) for values in zip(*pairs, strict=True))
    return f"| {title} | {off:,.0f} | {on:,.0f} | {middle:+.1f} % | {low:+.1f} to {high:+.1f} % |"


def main() -> None:
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
