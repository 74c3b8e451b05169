"""The error page and the overlay in a browser: seen at once, in the dark too, copied, and gone without a trace."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from devrunserver.browser.errors.description import Description, Frame, Hint
from devrunserver.browser.errors.editor import SCHEMES, EditorLinks
from devrunserver.browser.errors.markdown import markdown_of
from devrunserver.browser.errors.page import Page
from devrunserver.browser.errors.source import place_at

SCRIPTS = Path(__file__).parents[2] / "devrunserver/browser"
FILE = Path(__file__)
HOST = "devrunserver-overlay"

FORM = """<!DOCTYPE html><html><head><title>Form</title><style>* { color: red; font-size: 40px }</style></head><body>
<form><input id="name" value=""><textarea id="text"></textarea><select id="kind"><option>a<option>b</select>
<input type="checkbox" id="box"></form><details id="more"><summary>More</summary>x</details>
<dialog id="dialog"><button id="inner">in it</button></dialog><div style="height: 3000px"></div>
<script type="module">import * as overlay from "/overlay.js"; window.overlay = overlay;</script></body></html>"""


def error_page(line: int = 10, kind: str = "ValueError") -> str:
    place = place_at(str(FILE), line, columns=(1, 5))
    hint = Hint("There are migrations to apply.", ("python manage.py migrate",))
    description = Description(kind, "it is wrong", hint=hint, place=place, stack=(Frame(place, "view", is_own=True),))
    facts = [("Request", "GET /"), ("Python", "3")]
    return Page(EditorLinks(SCHEMES["vscode"], {}), facts, markdown_of(description, facts)).html(description)


class Handler(BaseHTTPRequestHandler):
    """The form, the scripts, and error pages."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {"Content-Type": "text/html; charset=utf-8"}
        if path.endswith(".js"):
            body = (SCRIPTS / path[1:]).read_text()
            headers["Content-Type"] = "text/javascript"
        elif path == "/error":
            body = error_page()
        else:
            body = FORM
            if query:
                headers["Content-Security-Policy"] = POLICIES[query]
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        """Says nothing."""


POLICIES = {
    "strict": "default-src 'none'; script-src 'self' 'unsafe-inline'; connect-src 'self'; style-src 'none'",
    "trusted-types": "require-trusted-types-for 'script'",
    "no-policy": "require-trusted-types-for 'script'; trusted-types none-of-ours",
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def open_form(browser: Any, address: str, query: str = "") -> None:
    browser.get(f"{address}/?{query}" if query else f"{address}/")
    browser.execute_async_script(
        "const done = arguments[0]; (function look() { window.overlay ? done() : setTimeout(look, 5) })()"
    )


def show(browser: Any, page: str) -> bool:
    return bool(
        browser.execute_async_script("overlay.show({html: arguments[0]}).then(arguments[1], arguments[1])", page)
    )


def is_shown(browser: Any) -> bool:
    return bool(browser.execute_script(f"return Boolean(document.querySelector('{HOST}'))"))


STATE = """const by = (id) => document.getElementById(id);
    return JSON.stringify([document.activeElement.id, scrollY, by("name").value, by("name").selectionStart,
    by("text").value, by("kind").value, by("box").checked, by("more").open, document.body.outerHTML.length])"""
FILL = """const [text, number] = arguments; const by = (id) => document.getElementById(id);
    by("name").value = text; by("text").value = text + text; by("kind").value = number % 2 ? "a" : "b";
    by("box").checked = number % 3 == 0; by("more").open = number % 5 == 0; scrollTo(0, number * 3);
    by("name").focus({preventScroll: true}); by("name").setSelectionRange(1, 2);"""


def break_and_mend(browser: Any, address: str, count: int) -> None:
    seeded = random.Random(count)
    open_form(browser, address)
    for _ in range(count):
        browser.execute_script(FILL, f"text {seeded.random()}", seeded.randrange(100))
        before = browser.execute_script(STATE)
        for line in seeded.sample(range(5, 60), seeded.randint(1, 3)):
            assert show(browser, error_page(line))
            assert f"{FILE.name}:{line}" in browser.execute_script(
                f"return document.querySelector('{HOST}').shadowRoot.textContent"
            )
            assert browser.execute_script(STATE) == before
        browser.execute_script("overlay.hide()")
        assert not is_shown(browser)
        assert browser.execute_script(STATE) == before


def test_the_overlay_comes_and_goes_and_the_page_stays_as_it_is(browser: Any, address: str) -> None:
    break_and_mend(browser, address, 5)


@pytest.mark.deep
def test_the_overlay_comes_and_goes_many_times(browser: Any, address: str) -> None:
    break_and_mend(browser, address, 50)


def test_neither_style_reaches_the_other(browser: Any, address: str) -> None:
    open_form(browser, address)
    style = "return getComputedStyle(document.getElementById('name')).fontSize"
    assert browser.execute_script(style) == "40px"
    show(browser, error_page())
    assert browser.execute_script(style) == "40px"
    inner = f"getComputedStyle(document.querySelector('{HOST}').shadowRoot.querySelector('pre code'))"
    assert browser.execute_script(f"return {inner}.fontSize") == "13px"
    browser.execute_script("overlay.hide()")


@pytest.mark.parametrize("policy", ["strict", "trusted-types"])
def test_a_policy_of_the_page_does_not_matter(browser: Any, address: str, policy: str) -> None:
    open_form(browser, address, policy)
    assert show(browser, error_page())
    root = f"document.querySelector('{HOST}').shadowRoot"
    assert browser.execute_script(f"return getComputedStyle({root}.querySelector('pre code')).fontSize") == "13px"
    assert "it is wrong" in browser.execute_script(f"return {root}.textContent")


def test_where_nothing_can_be_shown_it_says_so(browser: Any, address: str) -> None:
    open_form(browser, address, "no-policy")
    assert show(browser, error_page())
    assert "the terminal tells it" in browser.execute_script(
        f"return document.querySelector('{HOST}').shadowRoot.textContent"
    )


def test_what_is_closed_stays_closed_until_another_error(browser: Any, address: str) -> None:
    open_form(browser, address)
    show(browser, error_page(10))
    browser.execute_script("dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))")
    assert not is_shown(browser)
    show(browser, error_page(10))
    assert not is_shown(browser)
    show(browser, error_page(11))
    assert is_shown(browser)
    browser.execute_script(f"document.querySelector('{HOST}').shadowRoot.querySelector('.close').click()")
    assert not is_shown(browser)
    browser.execute_script("overlay.hide()")  # it was mended, and is broken again
    show(browser, error_page(11))
    assert is_shown(browser)


def test_what_is_no_error_page_is_not_shown(browser: Any, address: str) -> None:
    open_form(browser, address)
    assert not show(browser, "<!DOCTYPE html><html><body class='error'>Not found</body></html>")
    assert not is_shown(browser)


def test_over_a_modal_dialog_it_can_be_clicked(browser: Any, address: str) -> None:
    open_form(browser, address)
    browser.execute_script("document.getElementById('dialog').showModal()")
    show(browser, error_page())
    browser.execute_script("window.found = document.elementFromPoint(innerWidth / 2, 60)")
    assert browser.execute_script("return window.found.localName") == HOST
    browser.execute_script("overlay.hide()")
    assert browser.execute_script("return document.getElementById('dialog').open")


def test_the_server_is_asked_for_the_error(browser: Any, address: str) -> None:
    open_form(browser, address)
    browser.execute_script("history.replaceState(null, '', '/error')")
    assert browser.execute_async_script("overlay.show().then(arguments[0])")
    assert is_shown(browser)


LUMINANCE = """const parts = (color) => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
const luminance = (color) => parts(color).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, index) => sum + v * [0.2126, 0.7152, 0.0722][index], 0);
const back = (one) => { while (one && getComputedStyle(one).backgroundColor.endsWith(", 0)")) one = one.parentElement;
    return getComputedStyle(one ?? document.documentElement).backgroundColor; };
return [luminance(back(document.querySelector("main"))), Math.min(...[...document.querySelectorAll(
    "h1, .kind, .quiet, a, code, .hint p, .hint code, button, mark, summary, .meant")].map((one) => {
        const [a, b] = [luminance(getComputedStyle(one).color), luminance(back(one))].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05); }))];"""
MIN_CONTRAST = 4.5  # WCAG 2.2, 1.4.3


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_the_page_can_be_read_in_the_dark_and_in_the_light(
    browser: Any, address: str, scheme: str, is_dark: bool
) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        browser.get(f"{address}/error")
        background, contrast = browser.execute_script(LUMINANCE)
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert (background < 0.1) is is_dark
    assert contrast >= MIN_CONTRAST


def test_the_buttons_copy(browser: Any, address: str) -> None:
    browser.get(f"{address}/error")
    # the clipboard itself is the desktop's, and wants a window that has the focus
    browser.execute_script("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    copied = []
    for selector in ("button[data-copy=markdown]", ".hint button"):
        browser.execute_script("document.querySelector(arguments[0]).click()", selector)
        browser.execute_async_script(
            "const [button, done] = [document.querySelector(arguments[0]), arguments[1]];"
            "(function look() { button.textContent === 'Copied' ? done() : setTimeout(look, 5) })()",
            selector,
        )
        copied.append(browser.execute_script("return window.copied"))
    assert copied[0].startswith("# ValueError: it is wrong\n\n") and "- Request: `GET /`" in copied[0]
    assert copied[1] == "python manage.py migrate"


def test_the_links_open_the_editor(browser: Any, address: str) -> None:
    browser.get(f"{address}/error")
    links = browser.execute_script("return [...document.querySelectorAll('main a')].map((one) => one.href)")
    assert links == [f"vscode://file{FILE}:10:1"]


def test_the_line_is_on_the_first_screen(browser: Any, address: str) -> None:
    browser.get(f"{address}/error")
    place = browser.execute_script("return document.querySelector('.meant').getBoundingClientRect().bottom")
    assert place < 700
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert [one for one in loaded if not one.endswith("/favicon.ico")] == []
