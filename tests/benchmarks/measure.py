"""One server measured on one project: from its start, over some edits, to what it costs when idle."""

from __future__ import annotations

import random
import socket
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks import processes
from tests.benchmarks.projects import MARK_PATH, Module, Project
from tests.live import Server, get, replace, wait_for

SERVERS = {"stock": "Django's command", "ours": "devrunserver"}
POLL_INTERVAL = 0.005
LONGEST = 60.0  # seconds for a fresh answer
CALM_PERCENT = 30.0  # of a core: more is work that an edit left behind

# Python trusts cached bytecode when the modification time in whole seconds and the size of the source are those of the
# last time: Django's command would serve old code for ever where two edits of equal size fall into one second. That
# is not what is compared here, so edits are further apart; by a random time, as Django's command looks once a second.
PAUSE = (1.2, 2.2)

# Outside the range from which the kernel chooses the clients' ports: a client that asks again and again for a port
# there, while nobody listens on it, is sooner or later connected to itself.
PORTS = range(20_000, 30_000)


class Figure(NamedTuple):
    title: str
    digits: int
    summary: Callable[[Iterable[float]], float] = statistics.median


START = Figure("start to first answer, s", 2)
START_CPU = Figure("CPU of all processes until then, s", 2)
START_MEMORY = Figure("memory of all processes after the start (PSS), MB", 0)
SETTLED = 8.0  # seconds after the first answer until what goes along with a start has ended
VIEW = Figure("save of a view module to fresh answer, s", 2)
VIEW_IN_PLACE = Figure("the same, written in place, s", 2)
VIEW_AGAIN = Figure("a view module saved again and again, median of five, s", 2)
MODEL = Figure("save of a model module to fresh answer, s", 2)
AGAIN = 5  # saves in a row
LOST = Figure("refused, reset or empty answers per edit", 1, statistics.fmean)
STALE = Figure("answers of the old code per edit", 1, statistics.fmean)
ERRORS = Figure("answers 5xx per edit", 1, statistics.fmean)
IDLE = Figure("CPU when idle, % of a core", 2)
MEMORY = Figure("memory of all processes (PSS), MB", 0)
PROCESSES = Figure("processes", 0)
THREADS = Figure("threads", 0)
WATCHES = Figure("inotify watches", 0)
FIGURES = (
    START,
    START_CPU,
    START_MEMORY,
    VIEW,
    VIEW_IN_PLACE,
    VIEW_AGAIN,
    MODEL,
    LOST,
    STALE,
    ERRORS,
    IDLE,
    MEMORY,
    PROCESSES,
    THREADS,
    WATCHES,
)

Samples = defaultdict[Figure, list[float]]


def measure(project: Project, name: str, edits: int, idle: float, samples: Samples) -> None:
    """Adds what one run of a server shows to the samples."""
    port = free_port()
    began = time.monotonic()
    with Server(project.directory, str(port), f"--settings=benchmark_{name}", environ=project.environ) as server:
        seen = poll(port, "mark-")
        samples[START].append(seen.moment - began)
        samples[START_CPU].append(processes.cpu_seconds(server.pid))
        time.sleep(SETTLED)
        samples[START_MEMORY].append(processes.footprint(server.family()).pss)
        for _ in range(edits):
            _edit(port, project.view, replace, samples, VIEW)
            _edit(port, project.view, Path.write_text, samples, VIEW_IN_PLACE)
            _edit(port, project.model, replace, samples, MODEL)
        for _ in range(AGAIN):
            _edit(port, project.view, replace, samples, VIEW_AGAIN)
        wait_for(lambda: processes.cpu_percent(server.family, 1) < CALM_PERCENT, "calm")
        samples[IDLE].append(processes.cpu_percent(server.family, idle))
        footprint = processes.footprint(server.family())
        for figure, value in zip((MEMORY, PROCESSES, THREADS, WATCHES), footprint, strict=True):
            samples[figure].append(value)


def _edit(port: int, module: Module, write: Callable[[Path, str], object], samples: Samples, figure: Figure) -> None:
    time.sleep(random.uniform(*PAUSE))
    began = time.monotonic()
    seen = poll(port, module.save(write))
    samples[figure].append(seen.moment - began)
    samples[LOST].append(seen.counts["lost"])
    samples[STALE].append(seen.counts["stale"])
    samples[ERRORS].append(seen.counts["5xx"])


class Seen(NamedTuple):
    moment: float
    counts: Counter[str]


def poll(port: int, mark: str) -> Seen:
    """Asks on new connections until an answer holds the mark; returns when that was, and what else was seen."""
    counts: Counter[str] = Counter()
    deadline = time.monotonic() + LONGEST
    while (asked := time.monotonic()) < deadline:
        answer = get(port, MARK_PATH, patience=LONGEST)
        if answer.status == 200 and mark in answer.body:
            return Seen(time.monotonic(), counts)
        counts["lost" if answer.error else "5xx" if answer.status >= 500 else "stale"] += 1
        time.sleep(max(0.0, asked + POLL_INTERVAL - time.monotonic()))
    raise AssertionError(f"no fresh answer in {LONGEST} s: {dict(counts)}")


def free_port() -> int:
    for port in random.sample(PORTS, 20):
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise AssertionError("no free port")
