"""Sources that each start writes before its first word."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from devrunserver.supervisor.written_at_start import TIMES, WrittenAtStart

BEFORE, AFTER = 10.0, 20.0  # seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written = tmp_path / "version.py"
    written.touch()
    return written


def start(written: WrittenAtStart, path: Path, spawned: float = -BEFORE, joined: float = AFTER) -> None:
    """A worker is spawned and says its first word, in seconds from when the file was changed."""
    changed = os.stat(path).st_ctime
    written.on_spawn(changed + spawned)
    written.on_joined(changed + joined)
    written.on_joined(changed + joined + 1000)  # where it has left a checkpoint behind


def test_what_is_written_in_start_after_start(path: Path) -> None:
    written = WrittenAtStart()
    for _ in range(TIMES):
        start(written, path)
        assert not written.writes(str(path))
        assert not written.writes(str(path)), "it is the same start"
    for _ in range(2):
        start(written, path)
        assert written.writes(str(path))
    start(written, path, spawned=1.0)
    assert not written.writes(str(path)), "it was saved before"
    start(written, path)
    assert not written.writes(str(path)), "not in a row any more"


@pytest.mark.parametrize(
    "happens",
    [
        lambda written, path: start(written, path, spawned=1.0),
        lambda written, path: start(written, path, joined=-1.0),
        lambda written, path: written.on_spawn(0.0),  # it has not said anything yet
        lambda written, path: written.on_resume(),
        lambda written, path: path.unlink(),
    ],
    ids=["saved before the start", "saved later", "no word yet", "resumed", "gone"],
)
def test_what_a_user_has_saved(path: Path, happens: Callable[[WrittenAtStart, Path], None]) -> None:
    written = WrittenAtStart()
    for _ in range(TIMES + 1):
        path.touch()
        start(written, path)
        happens(written, path)
        assert not written.writes(str(path))


def test_it_is_about_sources(path: Path) -> None:
    written, data = WrittenAtStart(), path.with_suffix(".json")
    path.rename(data)
    for _ in range(TIMES + 1):
        start(written, data)
        assert not written.writes(str(data))
