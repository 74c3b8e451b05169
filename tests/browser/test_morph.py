"""The morph, in a browser: a table of pages, and random ones that have to end equal to a plain load."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from devrunserver.browser import live_reload
from tests.browser.morph_cases import CASES, Case

FILES = {
    "/morph.js": live_reload.SCRIPTS / "morph.js",
    "/bench.js": Path(__file__).with_name("morph_bench.js"),
}
RUN_CASES = """
const [cases, done] = arguments;
import("/bench.js").then(async ({ runCase }) => {
  const failures = {};
  for (const one of cases) failures[one.name] = await runCase(one);
  done(failures);
}).catch((error) => done(String(error.stack)));
"""
RUN_RANDOM = """
const [seed, count, done] = arguments;
import("/bench.js").then(({ runRandom }) => runRandom(seed, count)).then(done, (error) => done([String(error.stack)]));
"""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        file = FILES.get(self.path)
        content = file.read_bytes() if file else b"<!doctype html><title>bench</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if file else "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def bench(browser: Any) -> Iterator[Any]:
    """The browser, with a page that can run cases."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        browser.get(f"http://127.0.0.1:{server.server_port}/")
        yield browser
        browser.get("about:blank")
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def failures(bench: Any) -> Any:
    found = bench.execute_async_script(RUN_CASES, [case._asdict() for case in CASES])
    assert isinstance(found, dict), found
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_page_becomes_what_is_sent(failures: dict[str, str], case: Case) -> None:
    assert not failures[case.name], failures[case.name]


@pytest.mark.parametrize("seed", range(5))
def test_random_pages_become_what_is_sent(bench: Any, seed: int) -> None:
    assert bench.execute_async_script(RUN_RANDOM, seed, 40) == []


@pytest.mark.deep
def test_many_random_pages_become_what_is_sent(bench: Any) -> None:
    for seed in range(100, 150):
        assert bench.execute_async_script(RUN_RANDOM, seed, 100) == [], seed
