"""From a save to the new content on the screen: ``python -m tests.benchmarks.page`` (needs Chromium and chromedriver).

Ours, and Django's command with django-browser-reload, each with a page open in a browser of its own, in turn. The page
itself notes in each frame what it shows. What requests cost is measured by ``page_cost.py``.

Another project than the bookshop is named by ``--project`` and what follows it. It is copied. Its page has to have an
element with the id ``mark`` that shows ``template-0`` from its template and ``code-0`` from its code, in the colour
``rgb(0, 0, 1)`` from its style sheet; these are what is changed.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.__main__ import machine, progress
from tests.benchmarks.processes import end_in_order
from tests.benchmarks.server import free_port
from tests.browser.conftest import chromium
from tests.browser.probe import CODE, SHEET, TEMPLATE, make_project
from tests.live import REPOSITORY, Server, get, replace, wait_for

MILLISECONDS = 1000
WARM_UP = 2  # saves of a kind that do not count
PAUSE = 3.0  # seconds between two saves: somebody looks at the page
PATIENCE = 120.0  # seconds for a project to start, or to be on the screen
SHEET_PATIENCE = 20.0  # seconds for a style sheet to be there; what takes longer does not show it
SHEETS = re.compile(r'<link[^>]*\shref="([^"]+\.css\b[^"]*)"')
OURS, THEIRS = "devrunserver", "Django's command, django-browser-reload"
MORE, ALONE = "of that without the page's requests", "a request at once"
COLUMNS = (OURS, MORE, ALONE, THEIRS)
MARKS = {"template": "template-0", "code": "code-0", "sheet": "rgb(0, 0, 1)"}

OUR_SETTINGS = """\
from {settings} import *

INSTALLED_APPS = ["devrunserver", *(app for app in INSTALLED_APPS if app != "devrunserver")]
ALLOWED_HOSTS = ["*"]
"""
THEIR_SETTINGS = """\
from {settings} import *

INSTALLED_APPS = [*(app for app in INSTALLED_APPS if app != "devrunserver"), "django_browser_reload"]
MIDDLEWARE = [*MIDDLEWARE, "django_browser_reload.middleware.BrowserReloadMiddleware"]
ALLOWED_HOSTS = ["*"]
"""
THEIR_URLS = """

from django.urls import include, path

urlpatterns = [path("__reload__/", include("django_browser_reload.urls")), *urlpatterns]
"""
# Runs in each document before anything else; a frame is on the screen when the task after it runs
NOTE = """
const look = () => {
  const mark = document.getElementById("mark");
  const shown = mark && `${mark.textContent} ${getComputedStyle(mark).color}`;
  setTimeout(() => { if (shown && window.shown !== shown) { window.shown = shown; window.shownAt = Date.now(); } });
  requestAnimationFrame(look);
};
look();
"""
# How long the page has waited for answers since a moment: for itself, and for style sheets after that
WAITED = """
const asked = performance.getEntriesByType("resource").filter(
  (one) => performance.timeOrigin + one.startTime >= arguments[0],
);
const [begins, ends] = [asked.map((one) => one.startTime), asked.map((one) => one.responseEnd)];
return asked.length && Math.max(...ends) - Math.min(...begins);
"""


@dataclass(frozen=True)
class Subject:
    """A project, and what is changed in it.

    Attributes:
        make: puts it into an empty folder; returns where it is.
        files: what is changed, by kind; below the project.
    """

    make: Callable[[Path], Path]
    command: tuple[str, ...]
    settings: str
    urls: str
    page: str
    files: dict[str, str]

    def start(self, folder: Path, name: str, port: int) -> Server:
        """A server of one side."""
        project = self.make(folder)
        settings = OUR_SETTINGS if name == OURS else THEIR_SETTINGS
        (project / "benchmark_settings.py").write_text(settings.format(settings=self.settings))
        if name == THEIRS:
            urls = project / self.urls
            urls.write_text(urls.read_text() + THEIR_URLS)
        path = os.pathsep.join(filter(None, [str(project), str(REPOSITORY), os.environ.get("PYTHONPATH")]))
        environ = {"DJANGO_SETTINGS_MODULE": "benchmark_settings", "PYTHONPATH": path}
        return Server(project, str(port), command=(*self.command, "runserver"), environ=environ)


class Side:
    """One server, with a page of it open in a browser."""

    def __init__(self, subject: Subject, server: Server, port: int, browser: Any) -> None:
        self._browser, self._page, self._port, self._number = browser, subject.page, port, 0
        self._files = {kind: server.project / name for kind, name in subject.files.items()}
        self._texts = {kind: file.read_text() for kind, file in self._files.items()}
        wait_for(lambda: get(self._port, self._page, patience=PATIENCE).status == 200, "the server", PATIENCE)
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": NOTE})
        browser.get(f"http://127.0.0.1:{self._port}{self._page}")
        wait_for(lambda: browser.execute_script("return window.shown"), "the page", PATIENCE)

    def save(self, kind: str) -> str:
        """Changes a file; returns what the page shows then."""
        self._number += 1
        mark = f"rgb({self._number}, 5, 5)" if kind == "sheet" else f"{kind}-{self._number}"
        replace(self._files[kind], self._texts[kind].replace(MARKS[kind], mark))
        return mark

    def measure(self, kind: str) -> tuple[float, float]:
        """Milliseconds from a save to what it brings on the screen; and those without a wait for an answer."""
        began = time.time()
        mark = self.save(kind)

        def seen() -> bool:
            with contextlib.suppress(Exception):  # the document is being replaced
                return mark in self._browser.execute_script("return window.shown")
            return False

        try:
            wait_for(seen, mark, SHEET_PATIENCE if kind == "sheet" else PATIENCE)
        except AssertionError:
            if kind != "sheet":
                raise
            return math.inf, math.inf
        took = float(self._browser.execute_script("return window.shownAt")) - began * MILLISECONDS
        return took, took - float(self._browser.execute_script(WAITED, began * MILLISECONDS))

    def answer_time(self, kind: str) -> float:
        """Milliseconds from a save to the answers to requests that are sent at once; the open page asks too."""
        known = set() if kind != "sheet" else self._sheets()
        began = time.perf_counter()
        mark = self.save(kind)
        if kind != "sheet":
            assert mark in get(self._port, self._page, patience=PATIENCE).body
        elif self._files[kind].suffix == ".css":
            get(self._port, next(one for one in known if self._files[kind].name in one), patience=PATIENCE)
        else:  # it is compiled with the page, to a file of another name
            for sheet in self._sheets() - known:
                get(self._port, sheet, patience=PATIENCE)
        return (time.perf_counter() - began) * MILLISECONDS

    def _sheets(self) -> set[str]:
        """The style sheets that the server's page has now."""
        return set(SHEETS.findall(get(self._port, self._page, patience=PATIENCE).body))


@contextlib.contextmanager
def sides(subject: Subject, folder: Path) -> Iterator[dict[str, Side]]:
    with contextlib.ExitStack() as stack:
        found = {}
        for number, name in enumerate((OURS, THEIRS)):
            place = folder / str(number)
            place.mkdir()
            port = free_port()  # by name, as Django's command would take another one with each reload
            server = stack.enter_context(subject.start(place, name, port))
            found[name] = Side(subject, server, port, stack.enter_context(chromium()))
        yield found


def measure_pages(subject: Subject, rounds: int, tell: Callable[[dict[tuple[str, str], list[float]]], None]) -> None:
    """Tells all samples before anything is ended: a server that leaves a process behind is not to cost them."""
    samples: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="devrunserver-benchmark-") as folder, sides(subject, Path(folder)) as both:
        for number in range(rounds):
            for kind in subject.files:
                for name, side in both.items():
                    progress(f"round {number + 1} of {rounds}: {kind}, {name}")
                    took, more = side.measure(kind)
                    samples[kind, name].append(took)
                    if name == OURS:
                        samples[kind, MORE].append(more)
                    time.sleep(PAUSE)
                samples[kind, ALONE].append(both[OURS].answer_time(kind))
                time.sleep(PAUSE)
        tell(samples)


def bookshop() -> Subject:
    files = {"template": TEMPLATE, "code": CODE, "sheet": SHEET}
    command = (sys.executable, "manage.py")
    return Subject(make_project, command, "bookshop.probe_settings", "bookshop/probe_urls.py", "/probe/plain/", files)


def other(options: argparse.Namespace) -> Subject:
    """The project that the options name."""

    def make(folder: Path) -> Path:
        ignore = shutil.ignore_patterns("__pycache__", ".git", "node_modules")
        return Path(shutil.copytree(options.project, folder / "project", ignore=ignore))

    files = {kind: getattr(options, kind) for kind in MARKS if getattr(options, kind)}
    command = (options.python, *options.manage.split())
    return Subject(make, command, options.settings, options.urls, options.page, files)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=7, help="default: 7; the first two are not counted")
    parser.add_argument("--project", type=Path, help="a directory; default: the bookshop. The files below are in it")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that it runs by")
    parser.add_argument("--manage", default="manage.py", help='what follows, such as "-m pretix"; default: manage.py')
    parser.add_argument("--settings", help="the module of its settings")
    parser.add_argument("--urls", help="the file of its URLconf")
    parser.add_argument("--page", help="the path of the page")
    for kind in MARKS:
        parser.add_argument(f"--{kind}", help=f"the file with {MARKS[kind]!r}")
    return parser.parse_args()


def main() -> None:
    end_in_order()
    options = parse_options()
    print(machine(), flush=True)
    subject = other(options) if options.project else bookshop()

    def tell(samples: dict[tuple[str, str], list[float]]) -> None:
        counted = f"the median of {options.rounds - WARM_UP} (least to most)"
        print(f"| save to screen, ms, {counted} | {' | '.join(COLUMNS)} |\n|---|---:|---:|---:|---:|")
        for kind in subject.files:
            cells = [cell(samples[kind, name][WARM_UP:]) for name in COLUMNS]
            print(f"| {kind} | {' | '.join(cells)} |", flush=True)

    measure_pages(subject, options.rounds, tell)


def cell(values: list[float]) -> str:
    if not values or math.isinf(statistics.median(values)):
        return f"not in {SHEET_PATIENCE:.0f} s" if values else ""
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


if __name__ == "__main__":
    main()
