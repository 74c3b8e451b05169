"""Temporary files: which are there, and which a process removes that ends without a word to the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devrunserver.checkpoints.temporary_files import TemporaryFiles


@pytest.fixture
def files() -> TemporaryFiles:
    return TemporaryFiles()


def test_existing_is_what_was_made_and_is_still_there(files: TemporaryFiles, tmp_path: Path) -> None:
    file, directory = tmp_path / "file", tmp_path / "directory"
    files.on_make(os.fsencode(file), "a file")
    files.on_make(str(directory), "a directory")
    assert files.existing() == ""
    files.on_make(str(file), "a file")
    file.touch()
    assert files.existing() == "a file"
    file.unlink()
    assert files.existing() == ""


def test_what_this_process_has_made_is_removed(files: TemporaryFiles, tmp_path: Path) -> None:
    made = [tmp_path / name for name in ("file", "directory", "link", "dangling", "gone")]
    for one in made:
        files.on_make(str(one), "")
    target = tmp_path / "target"
    (target / "of").mkdir(parents=True)
    made[0].touch()
    (made[1] / "in").mkdir(parents=True)
    made[2].symlink_to(target)
    made[3].symlink_to(tmp_path / "nowhere")
    files.remove()
    assert list(tmp_path.iterdir()) == [target]
    assert (target / "of").exists()


def test_what_had_the_name_before_stays(files: TemporaryFiles, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    files.on_make(str(file), "a file")
    files.remove()
    assert file.exists()
    assert files.existing() == ""


def test_what_another_process_has_made_stays(
    files: TemporaryFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of the worker, which a process was forked from that checks or reports."""
    file = tmp_path / "file"
    files.on_make(str(file), "a file")
    file.touch()
    monkeypatch.setattr(os, "getpid", lambda: 0)
    files.remove()
    assert file.exists()
    assert files.existing() == "a file"
