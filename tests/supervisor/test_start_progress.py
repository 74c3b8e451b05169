"""What is told of a start that is under way."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devrunserver.common import progress_page, terminal_line
from devrunserver.common.progress_page import INTERVAL, PATIENCE, Phase, Place, ProgressPage
from devrunserver.common.remembered_file import REMEMBERED, RememberedFile
from devrunserver.supervisor.start_progress import SUFFIX, Start, StartProgress, describe
from tests.supervisor.stage import PlayedClock

OWN = Place(Phase.URLCONF, "shop.views", "shop.views")
INNER = Place(Phase.MODELS, "shop.models", "django.db.models")


@pytest.mark.parametrize(
    ("place", "start", "line"),
    [
        (Place(), Start(0.0, False, False, None), "Starting: settings, 3.2 s"),
        (OWN, Start(0.0, False, False, 8.1), "Starting: URLconf, shop.views, 3.2 of about 8 s"),
        (INNER, Start(0.0, True, True, 0.4), "Reloading: models, shop.models (django.db.models), 3.2 s"),
        (Place(Phase.READY, "", "asyncio"), Start(0.0, True, False, None), "Reloading: ready(), asyncio, 3.2 s"),
    ],
)
def test_the_line(place: Place, start: Start, line: str) -> None:
    assert describe(place, start, 3.2) == line


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProgressPage]:
    made = progress_page.make()
    if made is None:
        pytest.skip("memory is not shared there")
    yield made
    made.close()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is shown."""
    found: list[str] = []
    monkeypatch.setattr(terminal_line, "show", lambda page, text: found.append(text))
    return found


def test_a_start_is_told_of_after_a_while_and_no_more_often_than_it_can_be_read(
    page: ProgressPage, lines: list[str]
) -> None:
    clock = PlayedClock()
    progress = StartProgress(page, is_shown=True, clock=clock)
    assert progress.due is None and progress.as_json() is None and progress.text() == ""
    progress.begin(clock.now, is_reload=False, is_resumed=False)
    assert progress.due == clock.now + PATIENCE
    progress.step(clock.now)
    assert lines == []
    clock.now += PATIENCE
    page.tell(*OWN)
    progress.step(clock.now)
    progress.step(clock.now)
    assert lines == ["Starting: URLconf, shop.views, 0.5 s"]
    assert progress.due == clock.now + INTERVAL
    progress.finish()
    assert progress.due is None


def test_nothing_wakes_up_without_a_terminal(page: ProgressPage, lines: list[str]) -> None:
    clock = PlayedClock()
    progress = StartProgress(page, is_shown=False, clock=clock)
    progress.begin(clock.now, is_reload=True, is_resumed=True)
    page.tell(*INNER)
    clock.now += 2.0
    assert progress.due is None
    assert progress.as_json() == {
        "phase": "models",
        "module": "django.db.models",
        "own_module": "shop.models",
        "seconds": 2.0,
        "expected_seconds": None,
    }
    progress.step(clock.now)
    assert lines == []


def test_when_a_start_has_come_further(page: ProgressPage) -> None:
    progress = StartProgress(page)
    assert progress.moved_at is None, "nothing starts"
    progress.begin(0.0, is_reload=False, is_resumed=False)
    before = time.monotonic()
    page.tell(*OWN)
    assert progress.moved_at is not None and before <= progress.moved_at <= time.monotonic()


def test_without_a_page_nothing_is_told() -> None:
    progress = StartProgress(None, is_shown=True)
    progress.begin(0.0, is_reload=False, is_resumed=False)
    assert progress.due is None and progress.as_json() is None and progress.moved_at is None
    progress.finish()


def test_what_the_last_one_took(page: ProgressPage, tmp_path: Path) -> None:
    """Fresh starts and resumed ones are compared with their like; a fresh one also with that of another day."""
    clock, memory = PlayedClock(), tmp_path / "key.seconds"

    def expected(progress: StartProgress) -> object:
        return (progress.as_json() or {})["expected_seconds"]

    progress = StartProgress(page, memory=RememberedFile(memory), clock=clock)
    progress.begin(clock.now, is_reload=False, is_resumed=False)
    assert expected(progress) is None
    clock.now += 8.0
    progress.finish()
    progress.begin(clock.now, is_reload=True, is_resumed=True)
    assert expected(progress) is None
    clock.now += 0.5
    progress.finish()
    progress.begin(clock.now, is_reload=True, is_resumed=True)
    assert expected(progress) == 0.5
    progress.stop()
    progress.begin(clock.now, is_reload=True, is_resumed=False)
    assert expected(progress) == 8.0
    another = StartProgress(page, memory=RememberedFile(memory), clock=clock)
    another.begin(clock.now, is_reload=False, is_resumed=False)
    assert expected(another) == 8.0
    memory.write_text("junk")
    StartProgress(page, memory=RememberedFile(memory), clock=clock)


def test_projects_that_nobody_has_started_for_long_are_forgotten(page: ProgressPage, tmp_path: Path) -> None:
    clock, memory = PlayedClock(), tmp_path / f"key{SUFFIX}"
    others = [tmp_path / name for name in (f"old{SUFFIX}", f"new{SUFFIX}", "old.json")]
    for path in others:
        path.write_text("8.0")
        if path.name.startswith("old"):
            os.utime(path, (time.time() - REMEMBERED - 1,) * 2)
    progress = StartProgress(page, memory=RememberedFile(memory), clock=clock)
    progress.begin(clock.now, is_reload=False, is_resumed=False)
    progress.finish()
    assert {path.name for path in tmp_path.iterdir()} == {memory.name, f"new{SUFFIX}", "old.json"}
