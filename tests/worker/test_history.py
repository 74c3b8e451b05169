"""What a worker remembers of requests and errors, and the routes that it tells."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path
from django.views.generic import TemplateView

from devrunserver.browser.console_messages import Message as ConsoleMessage
from devrunserver.common.messages import MOST_CONSOLE_MESSAGES, MOST_REQUESTS, History, Message
from devrunserver.worker.history import (
    LARGEST_DESCRIPTION,
    LONGEST_TEXT,
    RequestHistory,
    summary,
    without_secrets,
)
from devrunserver.worker.routes import routes


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("/", "/"),
        ("/?q=1&page=2", "/?q=1&page=2"),
        ("/?token=abc", "/?token=********"),
        ("/?a=1&api_key=abc&b=2", "/?a=1&api_key=********&b=2"),
        ("/?Password=a;SECRET=b", "/?Password=********;SECRET=********"),
        ("/token=abc", "/token=abc"),
        ("/?token", "/?token"),
    ],
)
def test_without_secrets(told: str, shown: str) -> None:
    assert without_secrets(told) == shown


def test_a_history_is_taken_once_and_bounded() -> None:
    history = RequestHistory(lambda file: True, lambda message: None)
    for number in range(MOST_REQUESTS + 5):
        history.on_request({"path": f"/{number}?key=1"})
        history.on_console_message(ConsoleMessage("/", "error", f"{number}: /?token=abc is gone", "", 0))
    requests, errors, browser = history.take()
    assert len(requests) == MOST_REQUESTS and errors == []
    assert requests[-1]["path"] == f"/{MOST_REQUESTS + 4}?key=********"
    assert len(browser) == MOST_CONSOLE_MESSAGES
    assert browser[-1]["text"] == f"{MOST_REQUESTS + 4}: /?token=******** is gone"
    assert history.take() == ([], [], [])


def test_what_was_taken_is_told() -> None:
    told: list[Message] = []
    history = RequestHistory(lambda file: True, told.append)
    history.on_console_message(ConsoleMessage("/", "error", "no", "/static/a.js", 3))
    history.tell(5)
    ((message,),) = (one.browser for one in told if isinstance(one, History))
    assert {**message, "time": 0} == {
        "time": 0, "page": "/", "kind": "error", "text": "no", "source": "/static/a.js", "line": 3,
    }  # fmt: skip


def fail() -> None:
    raise ValueError("no")


def test_an_error_of_a_view() -> None:
    history = RequestHistory(lambda file: file == __file__, lambda message: None)
    request = HttpRequest()
    request.path = "/a/"
    history.on_exception()  # there is none
    try:
        fail()
    except ValueError:
        history.on_exception(request=request)
    (), (error,), () = map(tuple, history.take())
    line = fail.__code__.co_firstlineno + 1
    expected = {"at": "request", "path": "/a/", "type": "ValueError", "message": "no", "file": __file__, "line": line}
    assert {name: error[name] for name in expected} == expected
    assert error["text"].startswith("ValueError: no\n")
    place = error["description"]["place"]
    assert (place["file"], place["line"]) == (__file__, line) and "raise ValueError" in str(place["lines"])
    assert all(not one.get("variables") for one in error["description"]["stack"])
    assert json.loads(json.dumps(error))["path"] == "/a/"


def test_a_description_is_bounded() -> None:
    error = ValueError("no")
    for _ in range(200):
        error.add_note("x" * 1000)
    found = summary(error, lambda file: True)
    assert len(json.dumps(found)) < LONGEST_TEXT + LARGEST_DESCRIPTION + 1000


def test_the_place_is_the_projects() -> None:
    with pytest.raises(OSError, match="nowhere") as caught:
        Path("/nowhere/at/all").read_text()
    assert summary(caught.value, lambda file: file == __file__)["file"] == __file__
    with pytest.raises(SyntaxError) as wrong:
        compile("a = = b", "/srv/shop/a.py", "exec")
    found = summary(wrong.value, lambda file: False)
    assert (found["file"], found["line"]) == ("/srv/shop/a.py", 1)
    assert summary(ValueError("x" * 100_000), lambda file: True)["file"] is None


def plain(request: HttpRequest, number: int = 0) -> HttpResponse:
    return HttpResponse()


class Page(TemplateView):
    pass


class Callable:
    def __call__(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse()


inner = ([path("page/", Page.as_view(), name="page"), path("call/", Callable())], "inner")
urlpatterns = [
    path("", plain),
    path("p/<int:n>/", functools.partial(plain, number=1), name="p"),
    path("i/", include(inner)),
]


def test_routes() -> None:
    with override_settings(ROOT_URLCONF=__name__):
        found = routes()
    assert [(one["route"], one["name"], one["view"].rpartition(".")[2]) for one in found] == [
        ("/", None, "plain"),
        ("/p/<int:n>/", "p", "plain"),
        ("/i/page/", "inner:page", "Page"),
        ("/i/call/", None, "Callable"),
    ]
    source = Path(__file__).read_text().splitlines()
    for one in found:
        assert one["file"] == __file__
        assert source[one["line"] - 1].startswith(("def plain", "class Page", "class Callable"))
