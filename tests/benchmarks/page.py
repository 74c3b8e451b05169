"""From a save to the new content on the screen: ``python -m tests.benchmarks.page`` (needs Chromium and chromedriver).

Ours, and Django's command with django-browser-reload, each with a page open in a browser of its own, in turn. The page
itself notes in each frame what it shows. What requests cost is measured by ``page_cost.py``.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.__main__ import machine, progress
from tests.benchmarks.server import free_port
from tests.browser.conftest import chromium
from tests.browser.probe import Probe, make_project
from tests.live import Server, get, wait_for

MILLISECONDS = 1000
PAUSE = 3.0  # seconds between two saves: somebody looks at the page
OURS, THEIRS = "devrunserver", "Django's command, django-browser-reload"
PAGE = "/probe/plain/"

THEIR_SETTINGS = """\
from bookshop.probe_settings import *

INSTALLED_APPS = [*(app for app in INSTALLED_APPS if app != "devrunserver"), "django_browser_reload"]
MIDDLEWARE = [*MIDDLEWARE, "django_browser_reload.middleware.BrowserReloadMiddleware"]
ROOT_URLCONF = "bookshop.reload_urls"
"""
THEIR_URLS = """\
from django.urls import include, path

from bookshop.probe_urls import urlpatterns as others

urlpatterns = [path("__reload__/", include("django_browser_reload.urls")), *others]
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


class Side:
    """One server, with a page of it open in a browser."""

    def __init__(self, server: Server, browser: Any, probe: Probe) -> None:
        self.server, self.browser, self.probe = server, browser, probe
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": NOTE})
        browser.get(f"http://127.0.0.1:{server.port}{PAGE}")
        wait_for(lambda: browser.execute_script("return window.shown"), "the page")

    def measure(self, save: Callable[[], str]) -> float:
        """Milliseconds from a save to what it brings on the screen."""
        began = time.time()
        mark = save()

        def seen() -> bool:
            with contextlib.suppress(Exception):  # the document is being replaced
                return mark in self.browser.execute_script("return window.shown")
            return False

        wait_for(seen, mark)
        return float(self.browser.execute_script("return window.shownAt")) - began * MILLISECONDS


@contextlib.contextmanager
def sides(folder: Path) -> Iterator[dict[str, Side]]:
    with contextlib.ExitStack() as stack:
        found = {}
        for name in (OURS, THEIRS):
            project = make_project(folder / name.split()[0].strip("'"))
            (project / "bookshop/reload_settings.py").write_text(THEIR_SETTINGS)
            (project / "bookshop/reload_urls.py").write_text(THEIR_URLS)
            settings = "probe_settings" if name == OURS else "reload_settings"
            environ = {"DJANGO_SETTINGS_MODULE": f"bookshop.{settings}"}
            port = free_port()  # Django's command would take another one with each reload
            server = stack.enter_context(Server(project, str(port), environ=environ))
            wait_for(lambda port=port: get(port, PAGE).status == 200, name)  # type: ignore[misc]
            found[name] = Side(server, stack.enter_context(chromium()), Probe(project))
        yield found


def measure_pages(rounds: int) -> dict[tuple[str, str], list[float]]:
    samples: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="devrunserver-benchmark-") as folder, sides(Path(folder)) as both:
        for number in range(rounds):
            for kind in ("template", "code", "sheet"):
                for name, side in both.items():
                    progress(f"round {number + 1} of {rounds}: {kind}, {name}")
                    save = getattr(side.probe, f"save_{kind}")
                    if name == THEIRS and kind == "sheet":
                        continue  # it does not look at style sheets that no template names
                    samples[kind, name].append(side.measure(save))
                    time.sleep(PAUSE)
                side = both[OURS]
                if kind != "sheet":
                    samples[kind, "the server alone"].append(answer_time(side, getattr(side.probe, f"save_{kind}")))
                    time.sleep(PAUSE)
    return samples


def answer_time(side: Side, save: Callable[[], str]) -> float:
    """Milliseconds from a save to the answer to a request that is sent at once; the open page asks too."""
    began = time.perf_counter()
    mark = save()
    assert mark in get(side.server.port, PAGE).body
    return (time.perf_counter() - began) * MILLISECONDS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.page", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="default: 7; the first two are not counted")
    options = parser.parse_args()
    print(machine(), flush=True)
    samples = measure_pages(options.rounds)
    print("| save to screen, ms (median, from the third save on) | " + " | ".join((OURS, "the server alone", THEIRS)))
    for kind in ("template", "code", "sheet"):
        cells = []
        for name in (OURS, "the server alone", THEIRS):
            values = samples[kind, name][2:]
            cells.append(f"{statistics.median(values):.0f}" if values else "")
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
