"""HTTPS: ``python -m tests.benchmarks.https`` (needs ``.[tests,peers]``).

First whether it is fresh: pairs of a save and a request of all kinds, then clients that post all the time through
many saves, as ``tests.benchmarks.freshness`` does without TLS. Then how quick it is beside uvicorn and gunicorn with
the same certificate, and beside ours without TLS; every server has its turn on every figure in each round.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import ssl
import statistics
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from devrunserver.https import authority, certificate
from tests.benchmarks.__main__ import machine, progress
from tests.benchmarks.freshness import CLIENTS, LONGEST, count_posts
from tests.benchmarks.load import load
from tests.benchmarks.processes import end_in_order, running
from tests.benchmarks.server import environment, free_port, make_project
from tests.live import Server, copy_testproject, replace, wait_for
from tests.pairs import PARTS, Client, Connection, add_probe, stories

OURS = "devrunserver --https"
PLAIN = "devrunserver, no TLS"
ASGI = """\
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmark_stock"
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

application = ASGIStaticFilesHandler(get_asgi_application())
"""
PATHS = {"trivial view": "/trivial/", "admin login": "/admin/login/", "static file": "/static/file_1.css"}
# Whether connections are kept, and how many there are. Not many new ones at a time: one thread makes the load, and its
# handshakes would wait for a server that waits for it
WAYS = ((True, 1), (True, 8), (False, 1))
Line = tuple[str, bool, int]  # of the table: what is asked for, and how
REQUESTS = {"trivial view": 800, "admin login": 150, "static file": 800}


def main() -> None:
    options = parse_options()
    end_in_order()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="devrunserver-benchmark-") as folder:
        if options.pairs:
            print(freshness(Path(folder), options.pairs, options.reloads), flush=True)
    with tempfile.TemporaryDirectory(prefix="devrunserver-benchmark-") as folder:
        if options.rounds:
            print(speed(Path(folder), options.rounds), flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.https", description=__doc__)
    parser.add_argument("--pairs", type=int, default=2000, help="of a save and a request, of all kinds together")
    parser.add_argument("--reloads", type=int, default=100, help=f"through which {CLIENTS} clients post")
    parser.add_argument("--rounds", type=int, default=5, help="of the figures; 0: none")
    return parser.parse_args()


# Fresh?


def freshness(folder: Path, pairs: int, reloads: int) -> str:
    """What came of the pairs, and of the clients' requests, as lines of Markdown."""
    project, posted = copy_testproject(folder), folder / "posted.log"
    add_probe(project)
    posted.touch()
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    environ = {"PROBE_LOG": str(posted), **private(folder)}
    with Server(project, "--https", environ=environ) as server:
        server.wait_for_log("Listening on")
        context, numbers = trusting(folder), itertools.count(1)
        kinds = stories()
        for number, story in enumerate(kinds):
            progress(f"{story.part}, {story.save}, {story.connection}")
            count = pairs * (number + 1) // len(kinds) - pairs * number // len(kinds)
            story.run(project, server.port, count, numbers, context)
            outcomes[story.part] += story.outcomes
        outcomes["POST"] = count_posts(posted, outcomes["Python, POST"].total())
        before = outcomes["Python, POST"].total()
        outcomes[f"{CLIENTS} clients"], outcomes["saves meanwhile"], kept = through_reloads(
            server, reloads, numbers, context
        )
        outcomes[f"POST of {CLIENTS} clients"] = count_posts(posted, outcomes[f"{CLIENTS} clients"].total() + before)
        outcomes["TLS connections of the clients"] = kept
    rows = [f"| {row} | {', '.join(f'{what} {count}' for what, count in sorted(found.items()))} |"
            for row, found in outcomes.items()]  # fmt: skip
    return "\n".join(["| | devrunserver --https |", "| --- | --- |", *rows])


def through_reloads(
    server: Server, reloads: int, numbers: itertools.count[int], context: ssl.SSLContext
) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """What the clients got, whether each save was shown at once, and whether their connections have stayed."""
    part, ended, shown = PARTS["Python"], threading.Event(), Counter[str]()
    clients = [Client(server.port, number, ended, context) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        wait_for(lambda: all(client.outcomes for client in clients), "all clients ask")
        addresses = [client._connection.address for client in clients]
        for number in itertools.islice(numbers, reloads):
            progress(f"reload {number}")
            replace(server.project / part.file, part.text(number))
            with contextlib.closing(Connection(server.port, context)) as connection:
                answer = connection.ask("GET", "/probe/")
            shown["at once" if part.mark(number) in answer else "stale"] += 1
        kept = Counter("kept" if one._connection.address == address else "made anew"
                       for one, address in zip(clients, addresses, strict=True))  # fmt: skip
    finally:
        ended.set()
        for client in clients:
            client.join(LONGEST)
    return sum((client.outcomes for client in clients), Counter()), shown, kept


def private(folder: Path) -> dict[str, str]:
    """An environment with an authority of its own."""
    return {"XDG_DATA_HOME": str(folder / "data"), "CAROOT": str(folder / "none")}


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.own(folder / "data/devrunserver").root))


# Quick?


def servers(file: str) -> dict[str, list[str]]:
    """The command lines of the servers that there are, by name; each takes the port as ``PORT``."""
    ours = ["manage.py", "runserver", "--noreload", "PORT", "--settings=benchmark_ours"]
    found = {
        OURS: [*ours, "--https"],
        PLAIN: ours,
        "uvicorn": [
            "-m", "uvicorn", "--port=PORT", f"--ssl-certfile={file}", f"--ssl-keyfile={file}", "--log-level=warning",
            "benchmark_asgi:application",
        ],
        "gunicorn": [
            "-m", "gunicorn", "--worker-class=gthread", "--threads=8", "--keep-alive=60", "--bind=127.0.0.1:PORT",
            f"--certfile={file}", f"--keyfile={file}", "benchmark_wsgi:application",
        ],
    }  # fmt: skip
    # as in daily use: TLS in the supervisor's process, the project in the worker's
    found[f"{OURS}, reloader"] = [one for one in found[OURS] if one != "--noreload"]
    return {name: line for name, line in found.items() if line[0] != "-m" or importlib.util.find_spec(line[1])}


@contextlib.contextmanager
def serving(project: Path, name: str, line: list[str], context: ssl.SSLContext) -> Iterator[int]:
    """Runs a server; gives its port."""
    port = free_port()
    command = [sys.executable, *(part.replace("PORT", str(port)) for part in line)]
    environ = {**environment(), **private(project.parent)}
    with (project.parent / "servers.log").open("ab") as log, running(command, project, environ, log):
        wait_for(lambda: answers(port, name, context), f"{name} answers")
        yield port


def answers(port: int, name: str, context: ssl.SSLContext) -> bool:
    with contextlib.closing(Connection(port, None if name == PLAIN else context)) as connection:
        try:
            return connection.ask("GET", "/trivial/").startswith("200")
        except OSError:
            return False


def speed(folder: Path, rounds: int) -> str:
    """A table of requests a second."""
    project, data = make_project(folder), folder / "data/devrunserver"
    (project / "benchmark_asgi.py").write_text(ASGI)
    certificate.OwnCertificates(data, [], print, environ=private(folder))
    context = trusting(folder)
    lines = [(title, *how) for title, how in itertools.product(PATHS, WAYS)]
    samples: dict[tuple[Line, str], list[float]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        names = servers(str(data / certificate.FILE))
        ports = {name: stack.enter_context(serving(project, name, line, context)) for name, line in names.items()}
        for number in range(rounds):
            for line in lines:
                title, keep, count = line
                progress(f"round {number + 1} of {rounds}: {line}")
                asked = [PATHS[title]] * (REQUESTS[title] // (1 if keep else 4))
                for name, port in ports.items():
                    result = load(port, asked, count, keep, context=None if name == PLAIN else context)
                    samples[line, name].append(result.rate)
    rows = [f"| requests/s | {' | '.join(ports)} |", f"| --- |{' ---: |' * len(ports)}"]
    for line in lines:
        title, keep, count = line
        cells = [f"{statistics.median(samples[line, name]):,.0f}" for name in ports]
        rows.append(f"| {title}, {'kept' if keep else 'new'} connections, {count} | {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
