"""What it costs to count the queries of a request: ``python -m tests.benchmarks.queries``.

Three servers in one process serve the same project: ``LOG_QUERIES`` off, on, and off again, which shows what is noise.
Each request is asked of all of them in turn, so what else runs on the machine costs them the same. Counted is the
processor time of the process for each request, without the client's; the median of the differences counts.

Another project than the bookshop is named by ``--project`` and what follows it. It is served where it is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.load import Client, Result
from tests.live import REPOSITORY, copy_testproject

MICROSECONDS = 1_000_000
PATIENCE = 30.0  # seconds for a server to end
WARM = 30  # requests before anything is counted
OFF, ON, AGAIN = SIDES = ("off", "on", "off again")
SLOW = """

def slow_list(request):
    return render(request, "shop/book_list.html", {"books": Book.objects.all()})
"""
SLOW_URL = '\nurlpatterns.append(path("slow/", views.slow_list))\n'


class Sample(NamedTuple):
    """Microseconds of one request: of processor time in the server, and until the client had its answer."""

    cpu: float
    wall: float


Samples = dict[tuple[str, str], list[Sample]]  # by page and side


class Side:
    """A server of the project, as the worker has it, in a thread."""

    def __init__(self, application: Any, records: bool) -> None:
        from devrunserver.management import request_log
        from devrunserver.server import ThreadedWSGIServer, WSGIRequestHandler
        from devrunserver.server.django.queries import QueryLog
        from devrunserver.worker.history import RequestHistory

        self.queries = QueryLog(_is_own, slow=0.1) if records else None
        self._server: Any = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
        self._server.set_app(application)
        self._server.log = replace(request_log.of({}, _no_style()), queries=self.queries)
        RequestHistory(_is_own, lambda message: None).begin(self._server)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self._client = Client(self._server.server_address[1], keep_alive=True)

    def ask(self, path: str) -> Sample:
        """One request, while no other server has one."""
        from django.db.backends.signals import connection_created

        if self.queries is not None:
            self.queries.install()
        result = Result()
        server, client, began = time.process_time(), time.thread_time(), time.perf_counter()
        self._client.ask(path, "")
        while not self._client.receive(result):
            pass
        used = time.process_time() - server - (time.thread_time() - client)
        took = time.perf_counter() - began
        connection_created.disconnect(dispatch_uid="devrunserver-queries")  # the others' connections are without
        assert result.statuses == {200}, path
        return Sample(used * MICROSECONDS, took * MICROSECONDS)

    def close(self) -> None:
        self._client.close()
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()


def _is_own(file: str) -> bool:
    from devrunserver import project

    return project.Files().is_own(file)


def _no_style() -> Any:
    from django.core.management.color import no_style

    return no_style()


def measure(pages: Iterable[str], requests: int) -> Samples:
    """Asks in this process, whose settings are those of the project."""
    import django

    django.setup()
    from django.core.wsgi import get_wsgi_application

    samples: Samples = defaultdict(list)
    application = get_wsgi_application()
    sides = {name: Side(application, name == ON) for name in SIDES}
    for page in pages:
        for number in range(-WARM, requests):
            for name in SIDES[:: 1 if number % 2 else -1]:
                sample = sides[name].ask(page)
                if number >= 0:
                    samples[page, name].append(sample)
    for side in sides.values():
        side.close()
    return samples


def table(samples: Samples) -> Iterator[str]:
    """Markdown: a line for each page and side."""
    yield "| processor time of a request (median) | LOG_QUERIES | µs | more | requests/s |\n|---|---|---:|---:|---:|"
    for (page, name), found in samples.items():
        base = samples[page, OFF]
        cpu, wall = (statistics.median(values) for values in zip(*found, strict=True))
        more = statistics.median(one.cpu - off.cpu for one, off in zip(found, base, strict=True))
        share = f"{more:+.0f} ({more / statistics.median(off.cpu for off in base):+.1%})" if name != OFF else ""
        yield f"| {page} | {name} | {cpu:.0f} | {share} | {MICROSECONDS / wall:.0f} |"


def make_bookshop(folder: Path) -> Path:
    """Its list is there a second time, with a query for each book."""
    project = copy_testproject(folder)
    for name, more in (("shop/views.py", SLOW), ("shop/urls.py", SLOW_URL)):
        (project / name).write_text((project / name).read_text() + more)
    return project


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.queries",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--requests", type=int, default=1000, help="of each page and server; default: 1000")
    parser.add_argument("--project", type=Path, help="the directory in which it runs; default: the bookshop")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that it runs by")
    parser.add_argument("--settings", default="bookshop.settings", help="the module of its settings")
    parser.add_argument("--page", action="append", help="the path of a page; may be repeated")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def run(options: argparse.Namespace, project: Path, pages: list[str]) -> Samples:
    """Measures in a process of the project's."""
    path = os.pathsep.join(filter(None, (str(project), str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    environ = {**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": options.settings}
    argv = [options.python, "-m", "tests.benchmarks.queries", "--inside", f"--requests={options.requests}"]
    with tempfile.TemporaryFile("w+") as log:
        done = subprocess.run(
            [*argv, *(f"--page={page}" for page in pages)],
            cwd=project,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        log.seek(0)
        assert done.returncode == 0, log.read()[-5000:]
    return {(page, name): [Sample(*one) for one in found] for page, name, found in json.loads(done.stdout)}


def main() -> None:
    options = parse_options()
    if options.inside:
        samples = measure(options.page, options.requests)
        print(json.dumps([(*key, found) for key, found in samples.items()]))
        return
    from tests.benchmarks.__main__ import machine

    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="devrunserver-benchmark-") as folder:
        project, pages = options.project, options.page
        if project is None:
            project, pages = make_bookshop(Path(folder)), ["/", "/slow/"]
            migrate = [options.python, "manage.py", "migrate", "-v0"]
            subprocess.run(migrate, cwd=project, check=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
        for line in table(run(options, project, pages)):
            print(line, flush=True)


if __name__ == "__main__":
    main()
