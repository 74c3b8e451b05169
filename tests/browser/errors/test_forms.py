"""The forms of a description: what must not be lost, run or shown in them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.core import checks
from django.core.management.base import BaseCommand, SystemCheckError
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils.safestring import SafeString
from django.views import debug
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from devrunserver.browser.errors import report, technical_500
from devrunserver.browser.errors.description import Attempt, Description, Frame, FrameGroup, Hint, Issue, Place
from devrunserver.browser.errors.editor import SCHEMES, EditorLinks
from devrunserver.browser.errors.markdown import markdown_of
from devrunserver.browser.errors.page import Page
from devrunserver.browser.errors.report import Report, preferred
from devrunserver.browser.errors.text import excerpt, json_of, text_of
from devrunserver.browser.errors.values import MAX_TEXT
from devrunserver.browser.errors.values import text_of as value_text

if TYPE_CHECKING:
    from pytest_django import Settings

PLACE = Place("/srv/shop/views.py", 3, 3, 5, 8, 2, ("def a():", "    bad & <b>", "# ``` end"))
FULL = Description(
    "ValueError",
    "no <script>alert(1)</script> `x`\nsecond line",
    "builtins",
    hint=Hint("Try <this>", ("python manage.py migrate",)),
    place=PLACE,
    stack=(
        Frame(PLACE, "a.<locals>", "shop.views", True, (("x", "'<i>'"),)),
        FrameGroup("2 frames in django", (Frame(Place("/lib/d.py", 1), "get"), Frame(Place("/lib/e.py", 2), "inner"))),
    ),
    notes=("a <note>",),
    attempts=(Attempt("/srv/a.html", "Source does not exist"),),
    related=(Description("KeyError", "'a'", relation="cause"),),
)
CHECKS = Description(
    "SystemCheckError", "Some", issues=(Issue("error", "fields.E1", "shop.Book", "bad <b>", "do this", PLACE),)
)


def test_the_page_runs_nothing_of_the_error_and_loads_nothing() -> None:
    for description in (FULL, CHECKS):
        html = Page(EditorLinks("", {}), [("Request", "GET /<x>")], markdown_of(description)).html(description)
        body = html[html.index("<body>") : html.index('<script type="module">')]
        assert not re.search(r"<(script|b|i|note|this|x)>", body)
        assert not re.search(r"""(src|srcset|href)=["']?(https?:)?//""", html)
        assert "@import" not in html and "url(" not in html
        assert 'style="' not in body  # a Content-Security-Policy would forbid it in the overlay


def test_the_page_names_the_editor() -> None:
    html = Page(EditorLinks(SCHEMES["vscode"], {"/srv": "/home/me"})).html(FULL)
    assert 'href="vscode://file/home/me/shop/views.py:3:5"' in html
    assert "DJANGO_EDITOR" not in html
    assert "DJANGO_EDITOR" in Page(EditorLinks("", {})).html(FULL)


def test_marked_columns() -> None:
    assert "    <mark>bad</mark> &amp; &lt;b&gt;" in Page(EditorLinks("", {})).html(FULL)
    assert list(excerpt(PLACE, 1)) == ["    2 def a():", "  > 3     bad & <b>", "          ^^^", "    4 # ``` end"]


def test_markdown() -> None:
    text = markdown_of(FULL, [("Request", "GET /a`b")])
    assert text.startswith("# ValueError: no \\<script\\>alert(1)\\</script\\> \\`x\\`\n")
    assert "````python\n  2 def a():\n> 3     bad & <b>\n        ^^^\n  4 # ``` end\n````" in text
    assert "```shell\npython manage.py migrate\n```" in text
    assert "- Request: ``GET /a`b``" in text
    assert "## Which was caused by: KeyError: 'a'" in text
    assert "- 2 frames in django" in text
    assert "fields.E1" in markdown_of(CHECKS)


def test_text_and_json() -> None:
    text = text_of(FULL)
    assert text.splitlines()[:3] == ["ValueError: no <script>alert(1)</script> `x`", "second line", "a <note>"]
    assert '  File "/srv/shop/views.py", line 3, in a.<locals>\n' in text
    assert "(2 frames in django)" in text and "    python manage.py migrate" in text
    data = json.loads(json.dumps(json_of(FULL)))
    assert (data["error"], data["message"], data["place"]["line"]) == ("ValueError", FULL.message, 3)
    assert data["traceback"] == text
    assert "error: shop.Book: (fields.E1) bad <b>" in text_of(CHECKS)


def test_warnings_of_checks_are_told_with_the_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [checks.Warning("a warning", id="x.W1"), checks.Error("an error", hint="do this", obj="shop", id="x.E1")]
    monkeypatch.setattr(checks, "run_checks", lambda **kwargs: found)
    with pytest.raises(SystemCheckError) as caught:
        BaseCommand().check()
    text = Report(caught.value).text()
    assert text == (
        "SystemCheckError: Some system checks have failed.\n\n"
        "error: shop: (x.E1) an error\n  Hint: do this\n\nwarning: (x.W1) a warning\n"
    )


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("*/*", "text/html"),
        ("", "text/plain"),
        ("text/*", "text/html"),
        ("text/plain", "text/plain"),
        ("text/markdown", "text/markdown"),
        ("text/markdown, text/html, */*", "text/markdown"),
        ("text/html, text/markdown", "text/html"),
        ("text/html;q=0.5, text/markdown;q=0.9", "text/markdown"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/html;q=0, */*", "text/plain"),
        ("image/avif,image/webp,*/*;q=0.8", "text/html"),
        ("image/png", "text/plain"),
        ("text/html;q=nonsense, application/json", "application/json"),
        ("TEXT/HTML; charset=utf-8", "text/html"),
    ],
)
def test_which_form(accept: str, kind: str) -> None:
    assert preferred(accept) == kind


class Bad:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class QuerySet:
    _result_cache = None

    def __repr__(self) -> str:
        raise AssertionError("the database is asked")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        ("a", "'a'"),
        (None, "None"),
        ([1, "a"], "[1, 'a']"),
        (list(range(100)), str(list(range(20)))[:-1] + ", ...]"),
        ({"b": 1, "a": 2}, "{'b': 1, 'a': 2}"),
        (dict.fromkeys(range(30), 0), ", ... 10 more}"),
        (set(), "set()"),
        ({1}, "{1}"),
        (frozenset(), "frozenset()"),
        (Bad(), "<Bad: its repr() raises RuntimeError>"),
        ([Bad()], "[<Bad: its repr() raises RuntimeError>]"),
        (QuerySet(), "<QuerySet: not evaluated>"),
        (b"a", "b'a'"),
        (b"a" * 10**7, "aaa"),
        ("x" * 10**7, "xxx"),
        ([[[[[[1]]]]]], "[[[[[...]]]]]"),
    ],
)
def test_values(value: object, text: str) -> None:
    shown = value_text(value)
    assert text in shown
    assert len(shown) < 5 * MAX_TEXT


def failing(request: HttpRequest) -> BaseException:
    password = SECRET_KEY = "s3cr3t"  # noqa: N806
    try:
        raise ValueError(len(password + SECRET_KEY))
    except ValueError as error:
        return error


@pytest.fixture
def request_(settings: Settings) -> HttpRequest:
    settings.DEBUG = True
    settings.API_TOKEN = "t0k3n"
    return RequestFactory().get("/a/?q=1", headers={"accept": "text/html"}, HTTP_COOKIE="sessionid=c00k13; a=b")


def test_nothing_that_django_hides_is_shown(request_: HttpRequest) -> None:
    html = Report(failing(request_), request_).html()
    assert "API_TOKEN" in html and "sessionid" in html
    assert "t0k3n" not in html and "c00k13" not in html


def test_what_looks_like_a_setting_is_hidden_in_modules(request_: HttpRequest) -> None:
    code = "SECRET_KEY = 'h1' + 'dd3n'\nvisible = 'sh' + 'own'\n1 / 0\n"
    try:
        exec(compile(code, __file__, "exec"), {"__name__": "shop.settings"})
    except ZeroDivisionError as error:
        html = Report(error, request_).html()
    assert "&#x27;shown&#x27;" in html
    assert "h1dd3n" not in html


class Strict(SafeExceptionReporterFilter):
    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> Any:
        return [("hidden", "by the project")]


def test_a_filter_of_the_project_is_asked(request_: HttpRequest) -> None:
    request_.exception_reporter_filter = Strict()
    html = Report(failing(request_), request_).html()
    assert (
        "by the project" in html and "s3cr3t" not in html.partition('data-source="markdown"')[0].partition("<pre>")[0]
    )


class Own(ExceptionReporter):
    def get_traceback_html(self) -> SafeString:
        return SafeString("the project's own page")


def respond(request: HttpRequest) -> HttpResponse:
    error = failing(request)
    with technical_500.replaced():
        response: HttpResponse = debug.technical_500_response(request, type(error), error, error.__traceback__)
    return response


def test_a_reporter_of_the_project_is_left_alone(request_: HttpRequest, settings: Settings) -> None:
    assert b'class="error-page"' in respond(request_).content
    settings.DEFAULT_EXCEPTION_REPORTER = f"{__name__}.Own"
    assert respond(request_).content == b"the project's own page"


def test_a_failing_page_of_ours_is_replaced_by_djangos(
    request_: HttpRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(report, "describe", fail)
    response = respond(request_)
    assert response.status_code == 500 and b"ValueError" in response.content
    assert capsys.readouterr().err.splitlines() == [
        "The error page has failed (RuntimeError: ours); Django's is shown until the next start."
    ]


def test_django_is_as_it_was_afterwards() -> None:
    original = debug.technical_500_response
    with technical_500.replaced():
        assert debug.technical_500_response is not original
    assert debug.technical_500_response is original


def test_nothing_is_imported_before_the_first_error() -> None:
    code = (
        "import sys, devrunserver.browser.errors.technical_500, devrunserver.management.commands.runserver\n"
        "print([one for one in sys.modules if one.startswith('devrunserver.browser.errors.')])"
    )
    path = os.pathsep.join(filter(None, sys.path))
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=True)
    assert done.stdout.strip() == "['devrunserver.browser.errors.technical_500']"
