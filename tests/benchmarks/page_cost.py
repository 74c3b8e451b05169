"""What following the save costs a request: ``python -m tests.benchmarks.page_cost`` (Linux).

Two servers, one with ``--no-browser-reload``; both are asked for the same documents, as a browser asks, in turn. What
counts is the processor time of the worker, the least of several rounds: other programs on the machine only add to it.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.benchmarks.__main__ import machine, progress
from tests.benchmarks.load import load
from tests.browser.probe import make_project
from tests.live import Server

PAGES = {
    "document of 200 bytes": "/probe/small/",
    "document of 200 kB": "/probe/large/",
    "the bookshop": "/",
    "no document": "/version/",
}
MICROSECONDS = 1_000_000
SAME_CLOCK = 2  # of Linux' clock of a process: its scheduled time, as in linux/posix-timers.h


def cpu_time(pid: int) -> float:
    """Seconds that a process has run, all its threads, also those that have ended."""
    return time.clock_gettime(~pid << 3 | SAME_CLOCK)


def measure(rounds: int, batch: int) -> dict[tuple[str, str], list[float]]:
    """Microseconds of the worker's processor time for each request: by page, and by whether pages follow."""
    costs: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="devrunserver-benchmark-") as folder, contextlib.ExitStack() as stack:
        servers = {}
        for name, options in (("on", []), ("off", ["--no-browser-reload"])):
            project = make_project(Path(folder) / name)
            environ = {"DJANGO_SETTINGS_MODULE": "bookshop.probe_settings"}
            server = stack.enter_context(Server(project, *options, environ=environ))
            server.wait_for_body("template-0", "/probe/plain/")
            servers[name] = server.port, server.worker_pid()
        for number in range(rounds):
            for page, path in PAGES.items():
                progress(f"round {number + 1} of {rounds}: {page}")
                for name, (port, pid) in list(servers.items())[:: 1 if number % 2 else -1]:
                    began = cpu_time(pid)
                    load(port, [path] * batch, 1, fields=lambda path: "Sec-Fetch-Dest: document\r\n")
                    costs[page, name].append((cpu_time(pid) - began) / batch * MICROSECONDS)
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.page_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11, help="default: 11")
    parser.add_argument("--batch", type=int, default=500, help="requests in a round and page; default: 500")
    options = parser.parse_args()
    print(machine(), flush=True)
    costs = measure(options.rounds, options.batch)
    print("| processor time of a request, µs (least) | on | off | more |\n|---|---:|---:|---:|")
    for page in PAGES:
        on, off = (min(costs[page, name]) for name in ("on", "off"))
        print(f"| {page} | {on:.0f} | {off:.0f} | {100 * (on / off - 1):+.1f} % |")


if __name__ == "__main__":
    main()
