"""What becomes of an event; watcher and worker are played, files are real."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import pytest

from devrunserver.common.facts import Fact, Read
from devrunserver.common.freshness import Notice
from devrunserver.supervisor import kept_changes
from devrunserver.supervisor.change_review import ChangeReview
from devrunserver.supervisor.file_events import FileEvents
from devrunserver.supervisor.lifecycle import Attempt
from devrunserver.supervisor.relevance import Concerns
from devrunserver.supervisor.watching.events import Event, Kind
from devrunserver.supervisor.worker_handle import WorkerHandle
from tests.supervisor.stage import PlayedWatcher

LONG_AGO = 1_000_000_000  # seconds since the epoch
A_MINUTE = 60.0  # seconds


class Stage:
    def __init__(self) -> None:
        self.watcher = PlayedWatcher()
        self.review = ChangeReview()
        self.notice = Notice(None)
        self.events = 0
        self.look_for_git()

    def look_for_git(self) -> None:
        """As the supervisor does once, when it starts."""
        watcher: Any = self.watcher
        self.files = FileEvents(watcher, self.notice, self.review, self._count, lambda: 50.0)
        self.files.audience = WorkerHandle(None, None, Attempt.NORMAL, 0.0)

    def _count(self) -> None:
        self.events += 1

    def happen(self, *paths: object, kind: Kind = Kind.WRITTEN) -> list[str]:
        """These files changed: the changes that somebody has to be shown."""
        self.watcher.happened += [Event(kind, str(path)) for path in paths]
        self.files.read()
        return self.review.changes.paths


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.notice.close()
    stage.watcher.close()


def source(directory: Path, name: str = "views.py") -> Path:
    file = directory / name
    file.write_text("")
    os.utime(file, (LONG_AGO, LONG_AGO))
    return file


def test_what_is_read_is_undecided(stage: Stage) -> None:
    stage.notice.undecided = False
    stage.files.read()
    assert stage.notice.undecided


def test_a_source_is_a_change_and_its_bytecode_is_gone(stage: Stage, tmp_path: Path) -> None:
    file = source(tmp_path)
    bytecode = Path(cache_from_source(str(file)))
    bytecode.parent.mkdir()
    bytecode.touch()
    assert stage.happen(file) == [str(file)]
    assert not bytecode.exists()
    assert stage.events == 1


def test_the_same_state_is_no_news(stage: Stage, tmp_path: Path) -> None:
    file = source(tmp_path)
    stage.happen(file)
    stage.review.take()
    assert stage.happen(file) == []
    assert stage.events == 2, "but an event: what was foreseen may not hold"


def test_a_state_that_the_worker_has_read_is_no_news(stage: Stage, tmp_path: Path) -> None:
    file = source(tmp_path)
    assert str(file) in stage.files.learn([str(tmp_path)], since=time.time() + A_MINUTE)
    assert stage.happen(file) == []


def test_what_has_changed_since_the_worker_began_is_news(stage: Stage, tmp_path: Path) -> None:
    file = source(tmp_path)
    stage.files.learn([str(tmp_path)], since=time.time() - A_MINUTE)
    assert stage.review.changes.paths == [str(file)]


def test_what_nobody_wants_is_an_event_alone(stage: Stage, tmp_path: Path) -> None:
    assert stage.happen(source(tmp_path, "db.sqlite3"), source(tmp_path, "debug.log")) == []
    assert stage.events == 2


@pytest.mark.parametrize(
    ("name", "configures"), [(".env", True), ("a.toml", True), ("a.json", False), ("b.json", True)]
)
def test_what_settings_may_have_been_read_from(stage: Stage, tmp_path: Path, name: str, configures: bool) -> None:
    stage.files.settings_names.add("b.json")
    file = source(tmp_path, name)
    assert stage.happen(file) == [], "the worker that serves has not asked for it"
    assert stage.files.configured_by == (str(file) if configures else None)


def test_a_broken_start_is_mended_by_its_configuration(stage: Stage, tmp_path: Path) -> None:
    stage.files.audience = None
    file = source(tmp_path, ".env")
    assert stage.happen(file, tmp_path) == [str(file), str(tmp_path)]


def test_what_changes_before_a_worker_says_what_concerns_it_is_shown_then(stage: Stage, tmp_path: Path) -> None:
    """Also what has changed while another one, that never said so, was replaced, or was broken."""
    names = ["a.css", "b.css", "db.sqlite3", "c.css"]
    sheets = [str(source(tmp_path, name)) for name in names]
    stage.files.audience = None
    assert stage.happen(sheets[0]) == []
    for name in names[1:]:
        stage.files.start_over()
        stage.files.audience = WorkerHandle(None, None, Attempt.NORMAL, 0.0)
        assert stage.happen(tmp_path / name) == []
    stage.notice.undecided = False
    assert stage.files.audience is not None
    stage.files.audience.concerns = Concerns(patterns=[(str(tmp_path), "*.css")])
    stage.files.show_unheard()
    assert stage.review.changes.paths == [*sheets[:2], sheets[3]]
    assert stage.review.changes.before == set(sheets[:2]), "the worker that says so has started after them"
    assert stage.notice.undecided
    stage.files.audience.concerns = replace(stage.files.audience.concerns, are_known=True)
    stage.review.take()
    stage.files.show_unheard()
    assert stage.review.changes.paths == []


def test_of_very_much_that_nobody_has_asked_for_the_oldest_is_forgotten(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_changes, "MOST", 2)
    stage.happen(*(tmp_path / f"{number}.css" for number in range(4)))
    assert stage.files.audience is not None
    assert stage.files.audience is not None
    stage.files.audience.concerns = Concerns(patterns=[(str(tmp_path), "*.css")])
    stage.files.show_unheard()
    assert stage.review.changes.paths == [str(tmp_path / "2.css"), str(tmp_path / "3.css")]


def test_an_overflow(stage: Stage) -> None:
    assert stage.happen("", kind=Kind.OVERFLOW) == []
    assert stage.review.everything_since == 50.0
    assert stage.events == 1


def test_the_work_of_git_is_waited_for(stage: Stage, tmp_path: Path) -> None:
    lock = tmp_path / ".git" / "index.lock"
    lock.parent.mkdir()
    stage.watcher.project_roots.append(str(tmp_path))
    stage.look_for_git()
    assert stage.files.git_patience == 0.0
    lock.touch()
    assert stage.files.git_patience > 0.0
    assert stage.happen(lock) == [], "its own files are nobody's"


def test_a_new_worker_reads_everything(stage: Stage, tmp_path: Path) -> None:
    """Also what has happened and was not read yet."""
    file = source(tmp_path)
    stage.happen(file)
    stage.watcher.happened += [Event(Kind.WRITTEN, str(source(tmp_path, "b.py"))), Event(Kind.OVERFLOW, "")]
    stage.files.start_over()
    assert not stage.review.is_open


def test_changes_that_come_with_a_reload_are_shown_to_the_worker_that_serves_next(stage: Stage, tmp_path: Path) -> None:
    sheet, page, late = (str(source(tmp_path, name)) for name in ("a.css", "b.html", "c.css"))
    stage.files.kept.keep_unanswered([sheet, str(source(tmp_path)), str(tmp_path / "package")])
    stage.review.changes.add(page, (1, 1, 1), 1.0)
    stage.files.start_over()
    stage.files.kept.keep_unanswered([late])
    stage.files.show_unanswered()
    assert stage.review.changes.paths == [sheet, page, late]
    assert stage.review.changes.before == {sheet, page}
    stage.review.take()
    stage.files.show_unanswered()
    assert not stage.review.is_open


def test_notes_are_taken_once(stage: Stage) -> None:
    stage.watcher.notes += ["a", "b"]
    assert stage.files.take_notes() == ["a", "b"]
    stage.watcher.notes.append("c")
    assert stage.files.take_notes() == ["c"]
    assert stage.files.take_notes() == []


def test_where_a_start_has_read_sources_is_watched_ahead(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has changed since the worker was spawned is no less a change for that."""

    def add(directory: str) -> list[str]:
        added = [] if directory in stage.watcher.directories else [directory]
        stage.watcher.directories += added
        return added

    monkeypatch.setattr(stage.watcher, "add_directory", add)
    stage.files.audience = None
    file = source(tmp_path)
    facts: list[Fact] = [Read(str(file), None), Read(str(tmp_path / "data/a.yaml"), None)]
    stage.files.watch_ahead(facts, since=time.time() - A_MINUTE)
    assert stage.watcher.directories == [str(tmp_path)], "not those of data"
    assert stage.review.changes.paths == [str(file)]
    stage.review.take()
    stage.files.watch_ahead(facts, since=time.time() - A_MINUTE)
    assert not stage.review.is_open, "it is watched already"
