"""Seconds from a save to the fresh answer, by size of the project: what the chart in README is drawn from.

Projects are generated. In each the same view module is saved several times, with a pause until the processes are calm;
each server starts once for each size. Measured are Django's command, the quickest peer that is installed, and ours,
whose first save may be one that was foreseen, and whose third resumes at a checkpoint prepared for that file.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks import processes
from tests.benchmarks.measure import CALM_PERCENT, PAUSE, free_port, poll
from tests.benchmarks.projects import APP_MODULES, Project, generated
from tests.live import REPOSITORY, Server, replace, wait_for

DATA = REPOSITORY / "docs/images/reload.json"
SIZES = (50, 200, 500, 1000, 2000)  # modules of the project's own, about
SAVES = 3  # of one file, on each server
CALM_PATIENCE = 120.0  # seconds
APPLICATION = "company.wsgi:application"

# In the order of how quick they are; the first that is installed is compared with
PEERS = {
    "gunicorn --reload": ["-m", "gunicorn", "--reload", "--bind=127.0.0.1:PORT", APPLICATION],
    "uvicorn --reload": ["-m", "uvicorn", "--reload", "--interface=wsgi", "--port=PORT", APPLICATION],
}


class Contestant(NamedTuple):
    """A server, and which of its saves become which line of the chart."""

    command: list[str]  # after the interpreter
    settings: str
    lines: dict[str, slice]
    ready: str = ""  # what its log says when the saves after the first are prepared


def contestants() -> list[Contestant]:
    every = slice(None)
    command = ["manage.py", "runserver", "PORT"]
    found = [Contestant(command, "benchmark_stock", {"Django's command": every})]
    for name, peer in PEERS.items():
        if importlib.util.find_spec(name.split()[0]) is not None:
            found.append(Contestant(peer, "benchmark_stock", {name: every}))
            break
    ours = {"devrunserver, first save": slice(0, 1), "devrunserver, third save": slice(SAVES - 1, SAVES)}
    command = [*command, "--explain-reload"]
    return [*found, Contestant(command, "benchmark_ours", ours, ready="Prepared the next reload")]


def measure(machine: str, modules: Iterable[int], progress: Callable[[str], None]) -> dict[str, Any]:
    """Measures all servers on projects of these sizes, one after the other."""
    sizes: list[int] = []
    lines: dict[str, list[float]] = {name: [] for one in contestants() for name in one.lines}
    for apps in (max(1, round(count / APP_MODULES)) for count in modules):
        sizes.append(apps * APP_MODULES)
        with tempfile.TemporaryDirectory(prefix="devrunserver-benchmark-") as folder:
            progress(f"{sizes[-1]} modules: making it")
            project = generated(Path(folder), apps)
            for one in contestants():
                progress(f"{sizes[-1]} modules: {', '.join(one.lines)}")
                seconds = saves(project, one)
                for name, which in one.lines.items():
                    lines[name].append(round(statistics.median(seconds[which]), 3))
    return {"machine": machine, "modules": sizes, "seconds": lines}


def saves(project: Project, contestant: Contestant) -> list[float]:
    """Starts a server and saves the view module; how long each fresh answer took."""
    port = free_port()
    command = [sys.executable, *(part.replace("PORT", str(port)) for part in contestant.command)]
    environ = {**project.environ, "DJANGO_SETTINGS_MODULE": contestant.settings}
    seconds = []
    with Server(project.directory, command=tuple(command), environ=environ) as server:
        poll(port, "mark-")
        for number in range(SAVES):
            if number:  # on a busy machine what is prepared looks calm
                wait_for(lambda: contestant.ready in server.log, contestant.ready, CALM_PATIENCE)
            wait_for(lambda: processes.cpu_percent(server.family, 1) < CALM_PERCENT, "calm", CALM_PATIENCE)
            time.sleep(PAUSE[0])
            began = time.monotonic()
            seconds.append(poll(port, project.view.save(replace)).moment - began)
    return seconds


def write(data: dict[str, Any]) -> None:
    """Keeps what was measured."""
    DATA.write_text(json.dumps(data, indent=2) + "\n")
