"""Compares servers of ASGI, side by side and in turn: ``python -m tests.benchmarks.asgi`` (needs ``.[tests,peers]``).

Ours, uvicorn (httptools, websockets), daphne and hypercorn serve the same project (DEBUG, static files by Django's
handler or ours), in one process each. In each round every server has its turn on every case; the medians of the rounds
are shown, and beside the figures of the clock the CPU time (user and system, of all processes of the server) that one
request has cost, which holds on a busy machine too. ``--idle`` measures in place of that what open WebSockets and
streams cost ours, and what Ctrl-C takes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import os
import re
import resource
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from websockets.asyncio.client import ClientConnection, connect

from tests.benchmarks.load import load
from tests.benchmarks.processes import cpu_seconds, end_in_order, running
from tests.live import REPOSITORY, Server, copy_testproject, get, wait_for

FILES = 60
FILE_SIZE = 8_000  # bytes
PAGE_CONNECTIONS = 6  # as browsers have to one host
MILLISECONDS = 1000
PATIENCE = 30.0  # seconds for an answer
OURS = "devrunserver"
SOCKETS, STREAMS, QUITTING = 1_000, 200, 100
IDLE_SECONDS = 10.0  # during which wake-ups are counted
DESCRIPTORS = 4_096  # that this process needs for that

SETTINGS = """\
from bookshop.settings import *

INSTALLED_APPS = [{first}*(app for app in INSTALLED_APPS if app != "devrunserver")]
ROOT_URLCONF = "benchmark_urls"
ALLOWED_HOSTS = ["*"]
STATICFILES_DIRS = [BASE_DIR / "benchmark_static"]
ASGI_APPLICATION = "benchmark_asgi.application"
"""

URLS = """\
import asyncio

from bookshop.urls import urlpatterns as project_urlpatterns
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path


async def trivial(request):
    return HttpResponse("hello")


async def events():
    yield "data: first\\n\\n"
    await asyncio.sleep(3600)


async def quiet_events(request):
    return StreamingHttpResponse(events(), content_type="text/event-stream")


def sync(request):
    return HttpResponse("hello")


urlpatterns = [path("trivial/", trivial), path("sync/", sync), path("quiet-events/", quiet_events)]
urlpatterns += project_urlpatterns
"""

ASGI = """\
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmark_stock")
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

django = get_asgi_application()


async def application(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
    elif scope["path"] == "/plain/":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})
    else:
        await django(scope, receive, send)


stock = ASGIStaticFilesHandler(application)
"""


class Run(NamedTuple):
    """What one measurement has seen.

    Attributes:
        count: requests, or echoes.
        seconds: of all of them.
        latencies: seconds of each, where they are told apart.
    """

    count: int  # type: ignore[assignment]
    seconds: float
    latencies: Sequence[float] = ()


class Case(NamedTuple):
    """What is asked of each server, and what of it is shown: rows of the table."""

    title: str
    rows: tuple[str, ...]
    measure: Callable[[int], Run]


RATE, P50, P99, TOTAL, CPU = "requests/s", "p50 ms", "p99 ms", "ms", "CPU ms each"


def servers() -> dict[str, list[str]]:
    """The command lines of the servers that there are, by name; each takes the port as ``PORT``."""
    found = {
        OURS: ["manage.py", "runserver", "--noreload", "--asgi", "PORT", "--settings=benchmark_ours"],
        "uvicorn": ["-m", "uvicorn", "--port=PORT", "--http=httptools", "benchmark_asgi:stock"],
        "daphne": ["-m", "daphne", "-p", "PORT", "-v", "1", "--access-log", "-", "benchmark_asgi:stock"],
        "hypercorn": ["-m", "hypercorn", "--bind=127.0.0.1:PORT", "--access-logfile=-", "benchmark_asgi:stock"],
    }
    return {name: line for name, line in found.items() if line[0] != "-m" or importlib.util.find_spec(line[1])}


def cases(seconds: float) -> list[Case]:
    """What is asked, each for about so many seconds."""
    found = []
    count = int(seconds * 800)
    for title, path in (
        ("plain ASGI", "/plain/"),
        ("async view", "/trivial/"),
        ("sync view", "/sync/"),
        ("static file", "/static/file_1.css"),
    ):
        found.append(Case(f"{title}, kept connection", (RATE, P50, P99, CPU), _asking([path] * count, 1)))
        found.append(Case(f"{title}, 8 at a time", (RATE, CPU), _asking([path] * count, 8)))
        found.append(Case(f"{title}, new connections", (RATE, CPU), _asking([path] * count, 1, keep_alive=False)))
    page = ["/trivial/", *(f"/static/file_{number}.css" for number in range(FILES))]
    found.append(Case(f"page and {FILES} files", (TOTAL, CPU), _asking(page, PAGE_CONNECTIONS)))
    for clients in (1, 20):
        found.append(Case(f"WebSocket echoes, {clients} at a time", (RATE, CPU), _echoing(clients, seconds)))
    return found


def _asking(paths: list[str], connections: int, keep_alive: bool = True) -> Callable[[int], Run]:
    def measure(port: int) -> Run:
        result = load(port, paths, connections, keep_alive)
        assert result.statuses == {200}, result.statuses
        return Run(len(paths), result.seconds, sorted(result.latencies))

    return measure


def _echoing(clients: int, seconds: float) -> Callable[[int], Run]:
    async def measure(port: int) -> Run:
        began = time.perf_counter()
        counts = await asyncio.gather(*(_echo(port, began + seconds) for _ in range(clients)))
        return Run(sum(counts), time.perf_counter() - began)

    return lambda port: asyncio.run(measure(port))


def shown(run: Run, cpu: float) -> dict[str, float]:
    """The rows of one measurement.

    Args:
        cpu: seconds of a core that the server has used for it.
    """
    values = {
        RATE: run.count / run.seconds,
        TOTAL: run.seconds * MILLISECONDS,
        CPU: cpu / run.count * MILLISECONDS,
    }
    if run.latencies:
        values[P50] = run.latencies[len(run.latencies) // 2] * MILLISECONDS
        values[P99] = run.latencies[len(run.latencies) * 99 // 100] * MILLISECONDS
    return values


async def _echo(port: int, ends: float) -> int:
    echoed = 0
    async with connect(f"ws://127.0.0.1:{port}/", compression=None, open_timeout=PATIENCE) as one:
        while time.perf_counter() < ends:
            await one.send("hello")
            assert await one.recv() == "hello"
            echoed += 1
    return echoed


def prepare(folder: Path) -> Path:
    """A project for all servers."""
    project = copy_testproject(folder)
    (project / "benchmark_stock.py").write_text(SETTINGS.format(first=""))
    (project / "benchmark_ours.py").write_text(SETTINGS.format(first='"devrunserver", '))
    (project / "benchmark_urls.py").write_text(URLS)
    (project / "benchmark_asgi.py").write_text(ASGI)
    (project / "benchmark_static").mkdir()
    for number in range(FILES):
        (project / f"benchmark_static/file_{number}.css").write_bytes(b"/* */" * (FILE_SIZE // 5))
    return project


@contextlib.contextmanager
def serving(project: Path, line: list[str]) -> Iterator[tuple[int, int]]:
    """The port on which a server answers, and its pid."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, *(part.replace("PORT", str(port)) for part in line)]
    variables = {**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{project}", "PYTHONUNBUFFERED": "1"}
    with (project / "benchmark.log").open("wb") as log, running(command, project, variables, log) as process:
        wait_for(lambda: get(port, "/trivial/").status == 200, f"{line} answers")
        yield port, process.pid


def compare(rounds: int, seconds: float, wanted: str) -> None:
    """Prints the table."""
    asked, names = [one for one in cases(seconds) if wanted in one.title], servers()
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        project = prepare(Path(folder))
        served = {name: stack.enter_context(serving(project, line)) for name, line in names.items()}
        for number in range(rounds + 1):  # in the first one everything warms up
            for case in asked:
                print(f"round {number}: {case.title}", file=sys.stderr, flush=True)
                for name, (port, pid) in served.items():
                    before = cpu_seconds(pid)
                    run = case.measure(port)
                    used = cpu_seconds(pid) - before
                    if number:
                        for row, value in shown(run, used).items():
                            found[case.title, row, name].append(value)
    print(f"| | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    for case in asked:
        for row in case.rows:
            medians = [statistics.median(found[case.title, row, name]) for name in names]
            cells = [f"{one:,.0f}" if one >= 100 else f"{one:.2f}" for one in medians]
            print(f"| {case.title}, {row} | {' | '.join(cells)} |")


# What open connections cost


async def _hold(port: int, count: int) -> list[ClientConnection]:
    return [
        await connect(f"ws://127.0.0.1:{port}/", ping_interval=None, open_timeout=PATIENCE, close_timeout=PATIENCE)
        for _ in range(count)
    ]


def _switches(pids: set[int]) -> int:
    """How often the threads of some processes were woken."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*"):
            with contextlib.suppress(OSError):
                counts = re.findall(r"voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text())
                total += sum(map(int, counts))
    return total


def _worker(port: int, server: Server) -> tuple[int, int, float]:
    """Of the process that answers: its pid, its threads, and its memory (RSS) in MB."""
    pid = server.worker_pid()
    status = Path(f"/proc/{pid}/status").read_text()
    threads = int(re.findall(r"^Threads:\s+(\d+)", status, re.MULTILINE)[0])
    return pid, threads, int(re.findall(r"^VmRSS:\s+(\d+)", status, re.MULTILINE)[0]) / 1024


async def idle() -> None:
    """Prints what idle WebSockets and streams cost, and what Ctrl-C takes."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as folder:
        project = prepare(Path(folder))
        with Server(project, "--asgi", environ={"DJANGO_SETTINGS_MODULE": "benchmark_ours"}) as server:
            await asyncio.to_thread(wait_for, lambda: get(server.port).status == 200, "it answers")
            before = await asyncio.to_thread(_worker, server.port, server)
            held = await _hold(server.port, SOCKETS)
            streams = [socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(STREAMS)]
            for stream in streams:
                stream.sendall(b"GET /quiet-events/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await asyncio.to_thread(stream.recv, 65_536)
            after = await asyncio.to_thread(_worker, server.port, server)
            await asyncio.sleep(IDLE_SECONDS)  # what is left of the start ends
            began = _switches(server.family())
            await asyncio.sleep(IDLE_SECONDS)
            woken = _switches(server.family()) - began
            print(f"{SOCKETS} WebSockets and {STREAMS} streams: {after[2] - before[2]:.0f} MB more in the worker,")
            print(f"threads {before[1]} -> {after[1]}, {woken} wake-ups of all processes in {IDLE_SECONDS:.0f} s")
            for one in held[QUITTING:]:
                await one.close()
            for stream in streams:
                stream.close()
            pressed = time.perf_counter()
            os.killpg(server.pid, signal.SIGINT)
            await asyncio.to_thread(server.wait_for_end)
            print(f"Ctrl-C with {QUITTING} WebSockets: {time.perf_counter() - pressed:.2f} s")


def main() -> None:
    end_in_order()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement, about")
    parser.add_argument("--only", default="", help="a part of the titles of what is measured")
    parser.add_argument("--idle", action="store_true", help="measures what open connections cost, and nothing else")
    options = parser.parse_args()
    if options.idle:
        asyncio.run(idle())
    else:
        compare(options.rounds, options.seconds, options.only)


if __name__ == "__main__":
    main()
