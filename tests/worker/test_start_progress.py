"""What a worker says of its start; the supervisor reads it from the page."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from devrunserver.common import progress_page, terminal_line
from devrunserver.common.progress_page import Phase, Place, ProgressPage
from devrunserver.common.role import Role
from devrunserver.worker import start_progress
from devrunserver.worker.start_progress import StartProgress

pytestmark = pytest.mark.skipif(os.name != "posix", reason="memory is not shared there")


class Play:
    """A process that starts, and the supervisor's side of the page."""

    def __init__(self, page: ProgressPage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.page = page
        self.role = Role.WORKER
        self.phase = 0
        self._monkeypatch = monkeypatch
        self.progress = StartProgress(
            os.dup(page.descriptor), lambda: self.role, lambda: self.phase, lambda file: file.startswith("/own/")
        )

    def imports(self, name: str, is_own: bool = False) -> Place:
        """The import of a module begins."""
        self.progress.on_import(name, f"/{'own' if is_own else 'lib'}/{name}.py")
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        module.__spec__._initializing = True  # type: ignore[attr-defined]
        self._monkeypatch.setitem(sys.modules, name, module)
        return self.page.read()

    def ends(self, name: str) -> None:
        sys.modules[name].__spec__._initializing = False  # type: ignore[union-attr]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    page = progress_page.make()
    assert page is not None
    made = Play(page, monkeypatch)
    yield made
    made.progress.end()
    page.close()


def test_the_projects_module_is_told_by_whose_import_all_else_happens(play: Play) -> None:
    assert play.imports("fx_urls", is_own=True) == Place(Phase.APPS, "fx_urls", "fx_urls")
    play.phase = 3
    assert play.imports("fx_views", is_own=True) == Place(Phase.URLCONF, "fx_views", "fx_views")
    assert play.imports("fx_library") == Place(Phase.URLCONF, "fx_views", "fx_library")
    play.ends("fx_library")
    play.ends("fx_views")
    assert play.imports("fx_other") == Place(Phase.URLCONF, "fx_urls", "fx_other")
    play.ends("fx_other")
    play.ends("fx_urls")
    assert play.imports("fx_last") == Place(Phase.URLCONF, "", "fx_last")
    play.progress.on_checks()
    assert play.page.read() == Place(Phase.CHECKS)


def test_the_first_worker_shows_it_until_the_supervisor_does(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(terminal_line, "show", lambda page, text: lines.append(text))
    monkeypatch.setattr(terminal_line, "is_capable", lambda environ: True)
    monkeypatch.setattr(start_progress, "INTERVAL", 0.0)
    play.progress.begin(time.time() + 1000.0)
    play.imports("fx_early")
    assert lines == [], "it has begun just now"
    play.progress.begin(time.time() - 1000.0)
    play.imports("fx_views", is_own=True)
    play.imports("fx_library")
    assert [line.rpartition(", ")[0] for line in lines] == [
        "Starting: apps, fx_views",
        "Starting: apps, fx_views (fx_library)",
    ]
    place = play.page.read()
    play.page.begin()
    assert play.page.read() == place, "what it has said stays"
    play.imports("fx_late")
    assert len(lines) == 2


def test_who_is_resumed_tells_where(play: Play) -> None:
    play.page.begin()
    place = play.imports("fx_views", is_own=True)
    play.page.begin()
    play.role = Role.DRY_RUN
    play.progress.on_resume()
    assert play.page.read() == Place()
    play.role = Role.WORKER
    play.progress.on_resume()
    assert play.page.read() == place


@pytest.mark.parametrize("role", [Role.BUILDER, Role.DRY_RUN, Role.STATE_REPORTER, Role.CHECKPOINT])
def test_what_works_in_the_background_says_nothing(play: Play, role: Role) -> None:
    play.imports("fx_views", is_own=True)
    play.role = role
    play.page.is_shown = True
    assert play.imports("fx_library") == Place(Phase.APPS, "fx_views", "fx_views")
    play.progress.on_program()
    assert play.page.is_shown and not play.page.is_hidden


def test_a_program_has_the_terminal_until_the_next_import(play: Play) -> None:
    play.progress.on_program()
    assert play.page.is_hidden
    play.imports("fx_views")
    assert not play.page.is_hidden


def test_after_the_end_nothing_is_told(play: Play) -> None:
    play.progress.end()
    assert play.page.is_hidden
    play.imports("fx_views")
    play.progress.on_checks()
    assert play.page.is_hidden and play.page.read() == Place()


def test_nobody_wants_to_know() -> None:
    progress = StartProgress(-1, lambda: Role.WORKER, lambda: 0, lambda file: True)
    progress.on_import("fx", "/own/fx.py")
    progress.on_checks()
    progress.end()
