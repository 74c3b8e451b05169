"""What following the save costs a request: ``python -m tests.benchmarks.page_cost``.

The project's application is called as the server calls it, once with ours around it and once without, in turn, in one
process: so what else runs on the machine costs both the same. Counted is the processor time of each call, without what
the server needs to read the request and to send the answer. The median difference counts.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.__main__ import machine
from tests.browser.probe import make_project

PAGES = {
    "document of 200 bytes": "/probe/small/",
    "document of 200 kB": "/probe/large/",
    "document with a policy": "/probe/policy/",
    "packed document": "/probe/packed/",
    "no document": "/version/",
}
NANOSECONDS = 1000  # in a microsecond


def make_environ(path: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost:8000",
        "HTTP_ACCEPT_ENCODING": "gzip",
        "HTTP_SEC_FETCH_DEST": "document",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
    }


def call(application: Callable[..., Any], path: str) -> int:
    """Nanoseconds of this thread's processor time for one request."""
    environ = make_environ(path)
    began = time.thread_time_ns()
    result = application(environ, lambda status, headers, exc_info=None: lambda data: None)
    _ = result.content if getattr(result, "streaming", None) is False else b"".join(result)
    result.close()
    return time.thread_time_ns() - began


def measure(calls: int) -> dict[str, tuple[float, float]]:
    """For each page microseconds of a call without ours, and how many more it takes with it."""
    import django

    django.setup()
    from django.core.wsgi import get_wsgi_application

    from devrunserver.browser.live_reload import LiveReload

    plain = get_wsgi_application()
    following = LiveReload(plain, lambda: 1, print)
    found = {}
    for page, path in PAGES.items():
        costs = [(call(plain, path), call(following, path), call(plain, path)) for _ in range(calls)]
        without = statistics.median(one for one, _, _ in costs)
        more = statistics.median(one - (before + after) / 2 for before, one, after in costs)
        found[page] = without / NANOSECONDS, more / NANOSECONDS
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.page_cost", description=__doc__)
    parser.add_argument("--calls", type=int, default=2000, help="of each page; default: 2000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="devrunserver-benchmark-") as folder:
        project = make_project(Path(folder))
        os.environ["DJANGO_SETTINGS_MODULE"] = "bookshop.probe_settings"
        sys.path.insert(0, str(project))
        os.chdir(project)
        print(machine(), flush=True)
        print("| processor time of a request, µs (median) | without | more | |\n|---|---:|---:|---:|")
        for page, (without, more) in measure(options.calls).items():
            print(f"| {page} | {without:.0f} | {more:.1f} | {more / without:.1%} |")


if __name__ == "__main__":
    main()
