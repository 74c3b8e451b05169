"""For each kind of error the first screen names the user's file and line, in every form."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import pytest
from django.core.signals import got_request_exception
from django.test import RequestFactory
from django.urls import clear_url_caches

from devrunserver.browser.errors import technical_500
from devrunserver.browser.errors.report import Report
from tests.browser.errors.kinds import KINDS, MARK, Kind

if TYPE_CHECKING:
    from pytest_django import Settings

MAX_SIZE = 60_000  # bytes of a page


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Path]:
    """The directory of a project, from which is imported; what was imported is forgotten afterwards."""
    settings.DEBUG = True  # the test runner has set it otherwise
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shelf.settings")
    importlib.invalidate_caches()
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "shelf":
            del sys.modules[name]
    clear_url_caches()


def write(root: Path, kind: Kind) -> tuple[str, int]:
    """Writes the files; returns the one that is marked, and its line."""
    marked = kind.marked
    for name, text in kind.files.items():
        content = text if isinstance(text, bytes) else text.encode()
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        for number, line in enumerate(content.splitlines(), 1):
            if MARK.encode() in line:
                marked = name, number
    return marked or ("shelf/views.py", 0)


def caught(root: Path, kind: Kind) -> BaseException:
    errors: list[BaseException] = []

    def on_exception(**kwargs: object) -> None:
        error = sys.exc_info()[1]
        assert error is not None
        errors.append(error)

    got_request_exception.connect(on_exception)
    try:
        kind.run(root)
    except BaseException as error:
        return error.with_traceback(beyond_tests(error.__traceback__))
    finally:
        got_request_exception.disconnect(on_exception)
    assert errors, "nothing was raised"
    return errors[0]


def beyond_tests(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback without the first frames, which are those of the tests."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(str(Path(__file__).parent)):
        traceback = traceback.tb_next
    return traceback


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_first_screen_names_the_users_file_and_line(root: Path, name: str) -> None:
    kind = KINDS[name]
    file, line = write(root, kind)
    if kind.is_request:
        with technical_500.replaced():
            response = kind.run(root)
        page = response.content.decode()  # type: ignore[attr-defined]
        assert response.status_code in (400, 500)  # type: ignore[attr-defined]
    else:
        report = Report(caught(root, kind), RequestFactory().get("/"))
        page = report.html()
        assert report.description.place is not None
        if line:
            assert (report.description.place.file, report.description.place.line) == (str(root / file), line)
        for text in (report.text(), report.markdown(), json.loads(report.json())["traceback"]):
            assert unescape(kind.says) in text.replace("\\", "")
            assert f"line {line}" in text
            assert "frozen importlib" not in text
    first_screen = page.partition('<details class="stack"')[0].partition("<h2>More</h2>")[0]
    assert f"{file}:{line or ''}" in first_screen
    assert kind.says in unescape(page) or kind.says in page
    assert "frozen importlib" not in page
    assert len(page.encode()) < MAX_SIZE


def test_there_are_enough_kinds() -> None:
    assert len(KINDS) >= 40
