"""Compares servers of ASGI, side by side and in turn: ``python -m tests.benchmarks.asgi`` (needs ``.[tests,peers]``).

Ours, uvicorn (httptools, websockets), daphne and hypercorn serve the same project (DEBUG, static files by Django's
handler or ours), in one process each. In each round every server has its turn on every figure; the medians of the
rounds are shown. ``--idle`` measures in addition what open WebSockets and streams cost ours, and what Ctrl-C takes.
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
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from websockets.asyncio.client import ClientConnection, connect

from tests.benchmarks.load import Result, load
from tests.benchmarks.processes import ending
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


class Figure(NamedTuple):
    """One line of the table; ``higher`` is better, or else lower."""

    title: str
    higher: bool
    measure: Callable[[int], float]


def servers() -> dict[str, list[str]]:
    """The command lines of the servers that there are, by name; each takes the port as ``PORT``."""
    found = {
        OURS: ["manage.py", "runserver", "--noreload", "--asgi", "PORT", "--settings=benchmark_ours"],
        "uvicorn": ["-m", "uvicorn", "--port=PORT", "--http=httptools", "benchmark_asgi:stock"],
        "daphne": ["-m", "daphne", "-p", "PORT", "-v", "1", "--access-log", "-", "benchmark_asgi:stock"],
        "hypercorn": ["-m", "hypercorn", "--bind=127.0.0.1:PORT", "--access-logfile=-", "benchmark_asgi:stock"],
    }
    return {name: line for name, line in found.items() if line[0] != "-m" or importlib.util.find_spec(line[1])}


def figures(seconds: float) -> list[Figure]:
    """The lines of the table, each measured for about so many seconds."""
    lines = []
    for title, path in (
        ("plain ASGI", "/plain/"),
        ("async view", "/trivial/"),
        ("sync view", "/sync/"),
        ("static file", "/static/file_1.css"),
    ):
        for connections in (1, 8):
            count = int(seconds * 800)
            name = f"{title}, {connections} connection{'s' if connections > 1 else ''}"
            lines.append(Figure(f"{name}, requests/s", True, _rate(path, count, connections)))
            if connections == 1:
                lines.append(Figure(f"{name}, p50 ms", False, _percentile(path, count, 50)))
                lines.append(Figure(f"{name}, p99 ms", False, _percentile(path, count, 99)))
    lines.append(Figure(f"page and {FILES} files, ms", False, _page))
    lines += [Figure(f"WebSocket echoes/s, {count} at a time", True, _echoes(count, seconds)) for count in (1, 20)]
    return lines


def _rate(path: str, count: int, connections: int) -> Callable[[int], float]:
    def measure(port: int) -> float:
        load(port, [path] * 20, connections)
        return checked(load(port, [path] * count, connections)).rate

    return measure


def _percentile(path: str, count: int, percent: float) -> Callable[[int], float]:
    return lambda port: checked(load(port, [path] * count, 1)).percentile(percent) * MILLISECONDS


def _page(port: int) -> float:
    paths = ["/trivial/", *(f"/static/file_{number}.css" for number in range(FILES))]
    return checked(load(port, paths, PAGE_CONNECTIONS)).seconds * MILLISECONDS


def _echoes(count: int, seconds: float) -> Callable[[int], float]:
    async def measure(port: int) -> float:
        ends = time.perf_counter() + seconds
        began = time.perf_counter()
        counts = await asyncio.gather(*(_echo(port, ends) for _ in range(count)))
        return sum(counts) / (time.perf_counter() - began)

    return lambda port: asyncio.run(measure(port))


async def _echo(port: int, ends: float) -> int:
    echoed = 0
    async with connect(f"ws://127.0.0.1:{port}/", compression=None, open_timeout=PATIENCE) as one:
        while time.perf_counter() < ends:
            await one.send("hello")
            assert await one.recv() == "hello"
            echoed += 1
    return echoed


def checked(result: Result) -> Result:
    assert result.statuses == {200}, result.statuses
    return result


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
def serving(project: Path, line: list[str]) -> Iterator[int]:
    """The port on which a server answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, *(part.replace("PORT", str(port)) for part in line)]
    variables = {**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{project}", "PYTHONUNBUFFERED": "1"}
    with (
        (project / "benchmark.log").open("wb") as log,
        ending(subprocess.Popen(command, cwd=project, env=variables, stdout=log, stderr=log)),
    ):
        wait_for(lambda: get(port, "/trivial/").status == 200, f"{line} answers")
        yield port


def compare(rounds: int, seconds: float) -> None:
    """Prints the table."""
    lines, names = figures(seconds), servers()
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        project = prepare(Path(folder))
        with contextlib.ExitStack() as stack:
            ports = {name: stack.enter_context(serving(project, line)) for name, line in names.items()}
            for number in range(rounds):
                for figure in lines:
                    print(f"round {number + 1}: {figure.title}", file=sys.stderr, flush=True)
                    for name, port in ports.items():
                        found[figure.title, name].append(figure.measure(port))
    print(f"| | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    for figure in lines:
        medians = [statistics.median(found[figure.title, name]) for name in names]
        print(f"| {figure.title} | {' | '.join(f'{one:,.2f}' if one < 100 else f'{one:,.0f}' for one in medians)} |")


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each figure, about")
    parser.add_argument("--idle", action="store_true", help="measures what open connections cost, and nothing else")
    options = parser.parse_args()
    if options.idle:
        asyncio.run(idle())
    else:
        compare(options.rounds, options.seconds)


if __name__ == "__main__":
    main()
