"""Compares HTTP servers, side by side and in turn: ``python -m tests.benchmarks.server`` (needs ``.[peers]``).

Django's command, ours, waitress and gunicorn serve the same project (DEBUG, static files by Django's handler or ours),
in one process each. In each round every server has its turn on every figure; the medians of the rounds are shown.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.__main__ import machine, progress
from tests.benchmarks.load import Result, load
from tests.benchmarks.processes import end_in_order, running
from tests.live import REPOSITORY, copy_testproject, get, wait_for

FILES = 60
FILE_SIZE = 8_000  # bytes
PAGE_CONNECTIONS = 6  # as browsers have to one host
MILLISECONDS = 1000
OURS = "devrunserver"

SETTINGS = """\
from bookshop.settings import *

INSTALLED_APPS = [{first}*(app for app in INSTALLED_APPS if app != "devrunserver")]
ROOT_URLCONF = "benchmark_urls"
ALLOWED_HOSTS = ["*"]
STATICFILES_DIRS = [BASE_DIR / "benchmark_static"]
"""

URLS = """\
from bookshop.urls import urlpatterns as project_urlpatterns
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("trivial/", lambda request: HttpResponse("hello")), *project_urlpatterns]
"""

WSGI = """\
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmark_stock"
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

application = StaticFilesHandler(get_wsgi_application())
"""


class Figure(NamedTuple):
    """One line of the table.

    Attributes:
        measure: puts load on a port.
        unit: "1/s" where more is better, "ms" where less is.
        target: how many times the best other server ours has to be.
    """

    title: str
    unit: str
    measure: Callable[[int], list[Result]]
    target: float = 1.0


def servers() -> dict[str, list[str]]:
    """The command lines of the servers that there are, by name; each takes the port as ``PORT``."""
    found = {
        "Django's command": ["manage.py", "runserver", "--noreload", "PORT", "--settings=benchmark_stock"],
        OURS: ["manage.py", "runserver", "--noreload", "PORT", "--settings=benchmark_ours"],
        "waitress": ["-m", "waitress", "--listen=127.0.0.1:PORT", "benchmark_wsgi:application"],
        "gunicorn": [
            "-m", "gunicorn", "--worker-class=gthread", "--threads=8", "--keep-alive=60", "--bind=127.0.0.1:PORT",
            "benchmark_wsgi:application",
        ],
    }  # fmt: skip
    return {name: line for name, line in found.items() if line[0] != "-m" or importlib.util.find_spec(line[1])}


def figures(seconds: float) -> list[Figure]:
    """The lines of the table, each measured for about so many seconds."""
    lines = []
    targets = {"static file": 1.5}
    for title, path, cost in (
        ("trivial view", "/trivial/", 0.0006),
        ("admin login", "/admin/login/", 0.006),
        ("static file", "/static/file_1.css", 0.0006),
    ):
        for keep_alive in (True, False):
            for connections in (1, 8):
                count = int(seconds / (cost + (0.0004 if not keep_alive else 0)))
                kind = "keep-alive" if keep_alive else "new connections"
                target = targets.get(title, 1.0)
                lines.append(
                    Figure(
                        f"{title}, {kind}, {connections}", "1/s", _loop(path, count, connections, keep_alive), target
                    )
                )
    lines.append(Figure(f"page and {FILES} files, first", "ms", _page, 1.3))
    lines.append(Figure(f"page and {FILES} files, revalidated", "ms", _page_again, 1.3))
    return lines


def _loop(path: str, count: int, connections: int, keep_alive: bool) -> Callable[[int], list[Result]]:
    def measure(port: int) -> list[Result]:
        # a server that waits for the client's acknowledgement would take minutes
        trial = load(port, [path] * 10, connections, keep_alive)
        bounded = min(count, max(20, int(count * 0.002 / max(0.002, statistics.median(trial.latencies)))))
        return [load(port, [path] * bounded, connections, keep_alive)]

    return measure


PAGE = ["/admin/login/"]
STATIC = [f"/static/file_{number}.css" for number in range(FILES)]


def _page(port: int) -> list[Result]:
    return [load(port, PAGE, 1), load(port, STATIC, PAGE_CONNECTIONS)]


def _page_again(port: int) -> list[Result]:
    _, first = _page(port)
    known = {path: _conditions(head) for path, head in first.heads.items()}
    again = load(port, STATIC, PAGE_CONNECTIONS, fields=known.__getitem__)
    assert again.statuses == {304}
    return [load(port, PAGE, 1), again]


def _conditions(head: bytes) -> str:
    """What a browser asks with that has the file already."""
    fields = ""
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        condition = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}.get(name.lower())
        fields += f"{condition}: {value}\r\n" if condition else ""
    return fields


def main() -> None:
    options = parse_options()
    end_in_order()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="devrunserver-benchmark-") as folder, contextlib.ExitStack() as stack:
        project = make_project(Path(folder))
        ports = {name: stack.enter_context(serving(project, name, line)) for name, line in servers().items()}
        lines = [one for one in figures(options.seconds) if options.only in one.title]
        samples: dict[tuple[str, str], list[list[Result]]] = defaultdict(list)
        for number in range(options.rounds):
            for figure in lines:
                progress(f"round {number + 1} of {options.rounds}: {figure.title}")
                for name, port in ports.items():
                    samples[figure.title, name].append(figure.measure(port))
        print(table(lines, list(ports), samples), flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.server", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure of each server; default: 1")
    parser.add_argument("--only", default="", metavar="TEXT", help="the figures in whose title this is")
    return parser.parse_args()


def make_project(folder: Path) -> Path:
    project = copy_testproject(folder)
    (project / "benchmark_urls.py").write_text(URLS)
    (project / "benchmark_wsgi.py").write_text(WSGI)
    for name, first in (("stock", ""), ("ours", '"devrunserver", ')):
        (project / f"benchmark_{name}.py").write_text(SETTINGS.format(first=first))
    (project / "benchmark_static").mkdir()
    for number in range(FILES):
        (project / "benchmark_static" / f"file_{number}.css").write_text("a { color: red }\n" * (FILE_SIZE // 17))
    run = [sys.executable, "manage.py", "migrate", "-v0", "--settings=benchmark_ours"]
    subprocess.run(run, cwd=project, check=True, env=environment())
    return project


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


@contextlib.contextmanager
def serving(project: Path, name: str, line: list[str]) -> Iterator[int]:
    """Runs a server; gives its port."""
    port = free_port()
    command = [sys.executable, *(part.replace("PORT", str(port)) for part in line)]
    with (project.parent / "servers.log").open("ab") as log, running(command, project, environment(), log):
        wait_for(lambda: get(port, "/trivial/").status == 200, f"{name} answers")
        yield port


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def table(lines: list[Figure], names: list[str], samples: dict[tuple[str, str], list[list[Result]]]) -> str:
    """Markdown: a line for each figure; the last column tells how many times the best other server ours is."""
    rows = [f"| requests/s (p50 / p99 in ms), or ms | {' | '.join(names)} | ours to the best other | target |"]
    rows.append(f"| --- |{' ---: |' * len(names)} ---: | ---: |")
    for figure in lines:
        values, cells = {}, []
        for name in names:
            runs = samples[figure.title, name]
            if figure.unit == "ms":
                values[name] = statistics.median(sum(one.seconds for one in run) for run in runs) * MILLISECONDS
                cells.append(f"{values[name]:.1f}")
            else:
                values[name] = statistics.median(run[0].rate for run in runs)
                low, high = (
                    statistics.median(run[0].percentile(percent) for run in runs) * MILLISECONDS for percent in (50, 99)
                )
                cells.append(f"{values[name]:,.0f} ({low:.2f} / {high:.2f})")
        others = [value for name, value in values.items() if name != OURS]
        ratio = ""
        if others and OURS in values:
            ratio = f"{min(others) / values[OURS] if figure.unit == 'ms' else values[OURS] / max(others):.2f}"
        rows.append(f"| {figure.title} | {' | '.join(cells)} | {ratio} | {figure.target:g} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
