"""The debugger after an exception: where it was raised, and only where there is a terminal."""

from __future__ import annotations

import io

import pytest

from devrunserver.browser.errors import technical_500
from devrunserver.worker.post_mortem import NO_TERMINAL, PostMortem


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def error() -> BaseException:
    local = "where it was raised"
    try:
        raise ValueError(len(local))
    except ValueError as error:
        return error


def test_the_debugger_is_where_it_was_raised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("p local.upper()\nq\n"))
    PostMortem()(error())
    written = capsys.readouterr()
    assert "WHERE IT WAS RAISED" in written.out
    assert written.err.startswith("ValueError: 19\n")


def test_without_a_terminal_it_says_so_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    debug = PostMortem()
    debug(error())
    debug(error())
    assert capsys.readouterr().err == f"{NO_TERMINAL}\n"


def test_the_page_comes_after_the_debugger(settings: object) -> None:
    from django.test import RequestFactory
    from django.views import debug

    seen: list[BaseException] = []
    broken = error()
    request = RequestFactory().get("/")
    with technical_500.replaced(seen.append):
        debug.technical_500_response(request, type(broken), broken, broken.__traceback__)
    assert seen == [broken]
