"""A running server and a browser: errors come over the open page and go with the save that mends them."""

from __future__ import annotations

import random
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from devrunserver.browser.error_page import SCRIPT
from devrunserver.common.state_file import running_servers
from devrunserver.control.client import ask
from tests.live import Server, replace, wait_for

pytestmark = pytest.mark.live

HOST = "devrunserver-overlay"
# What is broken in the view module: the text, what stands there instead, and what the overlay then says
BREAKS = [
    ("def order(", "def order(:", "SyntaxError"),
    ("    form = OrderForm(", "    form = OrdrForm(", "Did you mean OrderForm?"),
    ("from .forms import", "from .formz import", "Did you mean shop.forms?"),
]
STATE = """return JSON.stringify([document.activeElement.name, scrollY, location.pathname,
    ...[...document.querySelectorAll("main input:not([type=hidden])")].map((one) => one.value)])"""
FILL = """const [name, email] = arguments; const by = (one) => document.querySelector(`[name=${one}]`);
    by("name").value = name; by("email").value = email; by("email").focus();"""


def overlay_text(browser: Any) -> str:
    return str(browser.execute_script(f"return document.querySelector('{HOST}')?.shadowRoot.textContent ?? ''"))


def is_over_the_page(browser: Any, text: str) -> bool:
    return text in overlay_text(browser)


def open_order(browser: Any, server: Server) -> None:
    server.wait_for_body("mark-0")
    slug = re.search(r'href="/books/([^/]+)/"', server.get("/").body)
    assert slug is not None
    browser.get(f"http://127.0.0.1:{server.port}/books/{slug[1]}/order/")


def break_and_mend(browser: Any, server: Server, count: int) -> None:
    views = server.project / "shop/views.py"
    healthy = views.read_text()
    seeded = random.Random(count)
    open_order(browser, server)
    for number in range(count):
        browser.execute_script(FILL, f"name {number}", f"{seeded.random()}@example.org")
        before = browser.execute_script(STATE)
        for old, new, said in seeded.sample(BREAKS, seeded.randint(1, 2)):
            replace(views, healthy.replace(old, new, 1))
            wait_for(partial(is_over_the_page, browser, said), f"{said!r} over the page")
            assert browser.execute_script(STATE) == before
        replace(views, healthy)
        wait_for(lambda: not overlay_text(browser), "the page without an error")
        assert browser.execute_script(STATE) == before


def test_an_error_comes_and_goes_with_the_saves_and_the_form_is_kept(browser: Any, project: Path) -> None:
    with Server(project) as server:
        break_and_mend(browser, server, 2)


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_an_error_comes_and_goes_many_times(browser: Any, project: Path) -> None:
    with Server(project) as server:
        break_and_mend(browser, server, 50)


def test_a_page_that_shows_an_error_heals_by_itself(browser: Any, project: Path) -> None:
    views = project / "shop/views.py"
    healthy = views.read_text()
    with Server(project) as server:
        server.wait_for_body("mark-0")
        for old, new, _ in BREAKS[:2]:
            broken = healthy.replace(old, new, 1).replace(
                "def book_list(request: HttpRequest)", "def book_list(request)"
            )
            replace(views, broken.replace("    return render(request, ", "    return rendr(request, ", 1))
            server.wait_for_body("Error", "/", "Accept: text/plain\r\n")
            browser.get(f"http://127.0.0.1:{server.port}/")
            assert browser.execute_script("return document.documentElement.className") == "error-page"
            replace(views, healthy)
            wait_for(
                lambda: browser.execute_script("return document.querySelectorAll('a[href^=\"/books/\"]').length"),
                "books",
            )


LATE = """

import itertools
from pathlib import Path

COUNT = itertools.count()


def late(request):
    return HttpResponse(Path({page!r}).read_text() if next(COUNT) == 0 else "mended")
"""


def test_a_page_that_asks_too_late_heals_by_itself(browser: Any, project: Path) -> None:
    """The worker that shows the error has gone before the page has asked it to tell when it does."""
    page = f"<script>setTimeout(() => {{ {SCRIPT} }}, 100)</script>error"
    (project / "late.html").write_text(page)
    with open(project / "shop/views.py", "a") as views:
        views.write(LATE.format(page=str(project / "late.html")))
    urls = project / "shop/urls.py"
    urls.write_text(urls.read_text().replace("urlpatterns = [", 'urlpatterns = [\n    path("late/", views.late),'))
    with Server(project) as server:
        server.wait_for_body("mark-0")
        browser.get(f"http://127.0.0.1:{server.port}/late/")
        wait_for(lambda: "mended" in browser.execute_script("return document.body.textContent"), "the page anew")


def test_errors_in_the_browser_are_shown_in_the_terminal_and_told_to_tools(browser: Any, project: Path) -> None:
    settings = project / "bookshop/settings.py"
    settings.write_text(settings.read_text() + '\nDEVRUNSERVER = {"BROWSER_CONSOLE": True}\n')
    with Server(project) as server:
        open_order(browser, server)
        # a script of the page: what the driver runs itself is none to the browser, which hides its errors
        browser.execute_script(
            "const script = document.createElement('script'); script.textContent = arguments[0];"
            "document.head.append(script)",
            "console.error('told', {a: 1}); Promise.reject(new Error('later')); undefinedName();",
        )
        for said in ("error: .*undefinedName is not defined", "unhandled rejection: Error: later", 'told {"a":1}'):
            server.wait_for_log(rf"\[browser\] /books/.*{said}")
        (running,) = (one for one in running_servers() if one.pid == server.pid)
        told: list[dict[str, Any]] = []

        def has_told_all() -> bool:  # who asks does not wait for a worker that is slow to answer
            told[:] = ask(running, "errors")["browser"]
            return {one["kind"] for one in told} == {"error", "unhandled rejection", "console.error"}

        wait_for(has_told_all, "all that the browser has said")
        assert all(one["page"].startswith("/books/") for one in told)
