"""What the error page costs beside Django's: ``python -m tests.benchmarks.error_page [SETTINGS_MODULE]``.

The error is one of three, each raised while handling the one before, below as many frames as a large project has. With
the settings of another project (which must be importable) its settings are part of the page.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

import django
from django.conf import settings
from django.http import HttpRequest
from django.test import RequestFactory
from django.views.debug import ExceptionReporter

DEPTH = 40  # frames of each error
ROUNDS = 20
MILLISECONDS = 1000


def descend(depth: int, request: HttpRequest, table: dict[str, int]) -> int:
    """Fails after so many frames."""
    return descend(depth - 1, request, table) if depth else table["missing"]


def fail(request: HttpRequest) -> BaseException:
    table = {f"key {number}": number for number in range(1000)}
    try:
        try:
            try:
                descend(DEPTH, request, table)
            except KeyError as error:
                raise LookupError("the first") from error
        except LookupError:
            descend(DEPTH, request, {})
    except KeyError as error:
        return error
    raise AssertionError("nothing was raised")


def measure(name: str, make: Callable[[], str]) -> None:
    times = []
    page = ""
    for _ in range(ROUNDS):
        began = time.perf_counter()
        page = make()
        times.append((time.perf_counter() - began) * MILLISECONDS)
    size = len(page.encode()) / 1000
    print(f"{name}: {statistics.median(times[1:]):.0f} ms, the first {times[0]:.0f} ms, {size:.0f} kB")


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = sys.argv[1] if len(sys.argv) > 1 else "tests.settings"
    django.setup()
    settings.DEBUG = True
    request = RequestFactory().get("/a/path/?page=2")
    error = fail(request)

    def ours() -> str:
        from devrunserver.browser.errors.report import Report

        return Report(error, request).html()

    measure("devrunserver", ours)
    measure(
        "Django", lambda: str(ExceptionReporter(request, type(error), error, error.__traceback__).get_traceback_html())
    )


if __name__ == "__main__":
    main()
