"""The page in place of a project that does not start: who sees what of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from django.core.management.base import SystemCheckError
from django.test import RequestFactory

from devrunserver.browser import error_page
from devrunserver.browser.error_page import RELOAD_PATH, TERSE, ErrorPage, terminal_text
from devrunserver.browser.errors import stack
from devrunserver.browser.errors.stack import PACKAGE

if TYPE_CHECKING:
    from pytest_django import Settings


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Answer(NamedTuple):
    status: str
    headers: dict[str, str]
    body: str


def caught(raising: Callable[[], object]) -> Exception:
    """The exception, with its traceback, as the worker gets it."""
    try:
        raising()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def import_broken() -> None:
    raise ImportError("No module named 'größe' <script>")


def ask(app: ErrorPage, path: str = "/", method: str = "GET", **headers: str) -> Answer:
    """One request, as a WSGI server makes it (which leaves out the body that answers HEAD)."""
    answers: list[tuple[str, list[tuple[str, str]]]] = []
    environ = RequestFactory().generic(method, path, headers={"host": "localhost", **headers}).environ
    content = b"".join(app(environ, lambda status, items: answers.append((status, items))))
    [(status, items)] = answers
    assert len(content) == int(dict(items)["Content-Length"])
    return Answer(status, dict(items), content.decode())


@pytest.fixture(autouse=True)
def _for_developers(settings: Settings) -> None:
    settings.DEBUG, settings.ALLOWED_HOSTS = True, []  # the test runner has set them otherwise


@pytest.fixture
def page() -> ErrorPage:
    return ErrorPage(caught(import_broken))


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
        ("text/plain", "text/plain"),
        ("text/plain, application/json", "text/plain"),
        ("application/json", "application/json"),
        ("image/png", "text/plain"),
        ("text/markdown", "text/markdown"),
        ("text/markdown, text/html, */*", "text/markdown"),
        ("*/*", "text/html"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
def test_the_form_follows_what_is_accepted(page: ErrorPage, accept: str, content_type: str, method: str) -> None:
    answer = ask(page, "/any/path/?q=1", method, accept=accept)
    assert answer.status == "500 Internal Server Error"
    assert answer.headers["Content-Type"].partition(";")[0] == content_type
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Retry-After"] == "1"
    assert "ImportError" in answer.body
    assert "import_broken" in answer.body


def test_the_page_waits_for_the_next_start(page: ErrorPage) -> None:
    body = ask(page, accept=BROWSER).body
    assert "No module named &#x27;größe&#x27; &lt;script&gt;" in body
    assert body.count(RELOAD_PATH) == 1
    assert body.index(RELOAD_PATH) < body.index("</body>")


def test_plain_text_is_what_the_terminal_shows(page: ErrorPage) -> None:
    body = ask(page, accept="text/plain").body
    assert body == terminal_text(caught(import_broken))
    assert body.startswith("ImportError: No module named 'größe' <script>\n")
    assert str(Path(__file__)) in body


def test_json(page: ErrorPage) -> None:
    data = json.loads(ask(page, accept="application/json").body)
    assert data["error"] == "ImportError"
    assert data["message"] == "No module named 'größe' <script>"
    assert data["traceback"] == ask(page, accept="text/plain").body


@pytest.mark.parametrize("accept", [BROWSER, "text/plain", "application/json"])
@pytest.mark.parametrize(
    ("debug", "allowed", "host", "details"),
    [
        (True, [], "localhost", True),
        (True, [], "127.0.0.1:8000", True),
        (True, [], "shop.localhost", True),
        (True, [], "evil.example", False),
        (True, ["shop.example"], "shop.example", True),
        (True, ["shop.example"], "evil.example", False),
        (True, ["*"], "evil.example", True),
        (True, ["*"], "not a host", False),
        (False, ["*"], "localhost", False),
        (False, ["localhost"], "localhost", False),
        (False, [], "localhost", False),
    ],
)
def test_details_are_for_those_who_would_see_them_on_a_failing_view(
    page: ErrorPage, settings: Settings, accept: str, debug: bool, allowed: list[str], host: str, details: bool
) -> None:
    settings.DEBUG, settings.ALLOWED_HOSTS = debug, allowed
    answer = ask(page, accept=accept, host=host)
    assert answer.status.startswith("500 ")
    assert ("ImportError" in answer.body) is details
    if not details:
        assert answer.body == TERSE
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert answer.headers["Cache-Control"] == "no-store"


def test_waiting_for_the_next_start() -> None:
    waited: list[bool] = []
    app = ErrorPage(caught(import_broken), lambda: waited.append(True))
    assert ask(app, "/").status.startswith("500 ")
    assert waited == []
    answer = ask(app, RELOAD_PATH)
    assert (answer.status, answer.body, waited) == ("204 No Content", "", [True])


def test_failed_system_checks_have_no_frames() -> None:
    def check() -> None:
        raise SystemCheckError(
            "SystemCheckError: System check identified some issues:\n\nERRORS:\n?: (models.E001) bad"
        )

    app = ErrorPage(caught(check))
    plain, html = ask(app, accept="text/plain").body, ask(app, accept=BROWSER).body
    assert "(models.E001) bad" in plain
    assert __file__ not in plain
    assert "(models.E001) bad" in html
    assert __file__ not in html
    assert json.loads(ask(app, accept="application/json").body)["error"] == "SystemCheckError"


def raising(*files: str) -> Exception:
    """An error whose frames are in these files, the outermost first."""
    code = "raise ValueError('the innermost')"
    for file in reversed(files[1:]):
        code = f"exec(compile({code!r}, {file!r}, 'exec'))"
    return caught(lambda: exec(compile(code, files[0], "exec")))


OURS = f"{PACKAGE}worker.py"
SIBLING = f"{PACKAGE.rstrip(os.sep)}_site/settings.py"  # a project next to an editable checkout


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        (["/srv/views.py"], ["/srv/views.py"]),
        ([OURS, "/srv/views.py"], ["/srv/views.py"]),
        ([OURS, f"{PACKAGE}server/http.py", "/srv/a.py", "/srv/b.py"], ["/srv/a.py", "/srv/b.py"]),
        ([OURS, "/srv/a.py", OURS, "/srv/b.py"], ["/srv/a.py", "/srv/b.py"]),
        ([SIBLING, "/srv/b.py"], [SIBLING, "/srv/b.py"]),
    ],
)
def test_our_own_frames_are_left_out(files: list[str], shown: list[str]) -> None:
    found = [step.tb_frame.f_code.co_filename for step in stack.steps(raising(*files).__traceback__)]
    assert [file for file in found if file != __file__] == shown


def test_our_own_error_has_its_frames() -> None:
    frames = raising(OURS, OURS).__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    assert len(stack.steps(frames)) == 2


@pytest.mark.parametrize(
    ("error", "first_line"),
    [
        (SyntaxError("invalid syntax", ("/srv/views.py", 3, 5, "x = = 1\n")), "SyntaxError: invalid syntax"),
        (KeyError("SECRET"), "KeyError: 'SECRET'"),
        (SystemExit("settings say no"), "SystemExit: settings say no"),
        (Exception(), "Exception"),
    ],
)
def test_errors_of_every_kind_can_be_shown(error: BaseException, first_line: str) -> None:
    assert terminal_text(error).splitlines()[0] == first_line
    for accept in (BROWSER, "text/plain", "application/json"):
        assert type(error).__name__ in ask(ErrorPage(error), accept=accept).body


def test_a_cause_is_shown_too() -> None:
    def chained() -> None:
        try:
            import_broken()
        except ImportError as error:
            raise RuntimeError("settings") from error

    body = ask(ErrorPage(caught(chained)), accept="text/plain").body
    assert body.index("RuntimeError: settings") < body.index("Which was caused by") < body.index("ImportError: No")


@pytest.mark.parametrize("urlconf", ["no.such.urls", "tests.broken_urls"])
def test_a_broken_urlconf_does_not_break_the_page(settings: Settings, urlconf: str) -> None:
    settings.ROOT_URLCONF = urlconf
    assert urlconf not in sys.modules
    answer = ask(ErrorPage(caught(import_broken)), accept=BROWSER)
    assert answer.status == "500 Internal Server Error"
    assert "import_broken" in answer.body


def test_the_script_does_not_reach_what_needs_no_page(page: ErrorPage) -> None:
    assert error_page.SCRIPT.strip() in ask(page, accept=BROWSER).body
    for accept in ("text/plain", "text/markdown", "application/json"):
        assert RELOAD_PATH not in ask(page, accept=accept).body


@pytest.mark.parametrize("accept", [BROWSER, "text/plain", "text/markdown"])
def test_names_of_files_in_a_locale_of_ascii_are_readable(accept: str) -> None:
    name = "größe.py".encode().decode("ascii", "surrogateescape")
    answer = ask(ErrorPage(ValueError(f"{name} \ud800 is wrong")), accept=accept)
    assert "größe.py" in answer.body
    assert "\\ud800" in answer.body
