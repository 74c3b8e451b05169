"""The prompt in the page's frames: for whom it is, and for how long."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from django.test import RequestFactory

from devrunserver.browser.errors import frame_consoles
from devrunserver.browser.errors.frame_consoles import MAX_ERRORS, PATH, FrameConsoles, around
from devrunserver.browser.errors.report import Report

if TYPE_CHECKING:
    from pytest_django import Settings

debug = pytest.importorskip("werkzeug.debug")

PIN = "123-456-789"
MOST_WRONG_PINS = 10  # Werkzeug's


def project(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"the project's"]


def failure(secret: int) -> BaseException:
    try:
        raise ValueError(secret)
    except ValueError as error:
        return error


class Browser:
    """Asks the consoles, and keeps their cookie."""

    def __init__(self, consoles: FrameConsoles, host: str = "localhost") -> None:
        self._consoles, self._host, self._cookie = consoles, host, ""

    def get(self, path: str = PATH, **query: object) -> tuple[int, str]:
        answers: list[tuple[str, list[tuple[str, str]]]] = []
        environ = RequestFactory().get("/", headers={"host": self._host, "cookie": self._cookie}).environ
        environ |= {"PATH_INFO": path, "QUERY_STRING": urlencode({"__debugger__": "yes", **query})}
        environ["wsgi.errors"] = io.StringIO()
        start: Any = lambda status, headers, *rest: answers.append((status, headers))  # noqa: E731
        body = b"".join(self._consoles(environ, start))
        [(status, headers)] = answers
        self._cookie = dict(headers).get("Set-Cookie", self._cookie).partition(";")[0]
        return int(status[:3]), body.decode()


@pytest.fixture
def consoles(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> FrameConsoles:
    settings.DEBUG, settings.ALLOWED_HOSTS = True, ["shop.example", "*"]
    monkeypatch.setenv("WERKZEUG_DEBUG_PIN", PIN)
    monkeypatch.setattr(debug.time, "sleep", lambda seconds: None)  # after a wrong PIN
    made = around(project)
    assert made is not None
    return made


def opened(consoles: FrameConsoles, secret: int = 42) -> dict[str, Any]:
    """What a page knows of the console in the frame that has failed."""
    known = consoles.open(failure(secret), RequestFactory().get("/"))
    [number] = known.ids.values()
    return {"s": known.secret, "frm": number}


def test_the_pin_opens_it(consoles: FrameConsoles) -> None:
    known = opened(consoles)
    browser = Browser(consoles)
    assert browser.get(cmd="secret", **known)[0] == 403
    assert json.loads(browser.get(cmd="pinauth", pin=PIN, **known)[1]) == {"auth": True, "exhausted": False}
    status, text = browser.get(cmd="secret", **known)
    assert status == 200 and "42" in text
    assert Browser(consoles).get(cmd="secret", **known)[0] == 403, "who has no cookie needs the PIN"


def test_wrong_pins_lock_it_for_good(consoles: FrameConsoles) -> None:
    known = opened(consoles)
    browser = Browser(consoles)
    for _ in range(MOST_WRONG_PINS):
        assert json.loads(browser.get(cmd="pinauth", pin="000-000-000", **known)[1])["auth"] is False
    assert json.loads(browser.get(cmd="pinauth", pin=PIN, **known)[1]) == {"auth": False, "exhausted": True}
    assert browser.get(cmd="secret", **known)[0] == 403


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", 200), ("127.0.0.1:8000", 200), ("shop.example", 200), ("evil.example", 400)]
)
def test_hosts(consoles: FrameConsoles, host: str, status: int) -> None:
    assert Browser(consoles, host).get(cmd="pinauth", pin=PIN, **opened(consoles))[0] == status


def test_the_secret_is_needed(consoles: FrameConsoles) -> None:
    known = opened(consoles)
    browser = Browser(consoles)
    browser.get(cmd="pinauth", pin=PIN, **known)
    status, text = browser.get(cmd="secret", **{**known, "s": "guessed"})
    assert (status, text) == (410, frame_consoles.GONE.decode())


def test_frames_of_older_errors_are_gone(consoles: FrameConsoles) -> None:
    first = opened(consoles)
    browser = Browser(consoles)
    browser.get(cmd="pinauth", pin=PIN, **first)
    for number in range(MAX_ERRORS - 1):
        opened(consoles, number)
    assert browser.get(cmd="secret", **first)[0] == 200
    opened(consoles)
    assert browser.get(cmd="secret", **first)[0] == 410


def test_all_else_is_the_projects(consoles: FrameConsoles) -> None:
    assert Browser(consoles).get("/any/path") == (200, "the project's")


def test_the_page_has_a_console_for_each_frame(consoles: FrameConsoles, capsys: pytest.CaptureFixture[str]) -> None:
    request = RequestFactory().get("/")
    page = Report(failure(1), request, consoles=consoles).html()
    assert page.count('<details class="console"') == 1
    assert f'data-consoles="{PATH}"' in page and 'data-trusted="no"' in page
    assert capsys.readouterr().err == f"{frame_consoles.PIN.format(PIN)}\n"
    assert 'class="console"' not in Report(failure(1), request).html()


def test_none_without_debug(settings: Settings) -> None:
    settings.DEBUG = False
    assert around(project) is None


def test_none_without_a_pin(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.DEBUG = True
    monkeypatch.setenv("WERKZEUG_DEBUG_PIN", "off")
    assert around(project) is None
    assert capsys.readouterr().err == f"{frame_consoles.NO_PIN}\n"


def test_none_without_werkzeug(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.DEBUG = True
    monkeypatch.setitem(sys.modules, "werkzeug.debug", None)
    assert around(project) is None
    assert capsys.readouterr().err == f"{frame_consoles.MISSING}\n"
