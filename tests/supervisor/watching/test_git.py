"""Where git keeps its state, and how long to wait for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devrunserver.supervisor.watching.git import LOCK_PATIENCE, STEP_PATIENCE, git_directory, patience


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    for name in (".git/worktrees/linked", "project/app", "linked/app", "relative", "stray", "unreadable"):
        (root / name).mkdir(parents=True)
    (root / "linked/.git").write_text(f"gitdir: {root}/.git/worktrees/linked\n")
    (root / "relative/.git").write_text("gitdir: ../.git/worktrees/linked\n")
    (root / "stray/.git").write_text("something else\n")
    (root / "unreadable/.git").write_bytes(b"\xff\xfe")
    return root


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ("", ".git"),
        ("project", ".git"),
        ("project/app", ".git"),
        ("linked", ".git/worktrees/linked"),
        ("linked/app", ".git/worktrees/linked"),
        ("relative", ".git/worktrees/linked"),
        ("stray", None),
        ("unreadable", None),
    ],
)
def test_git_directory(repository: Path, directory: str, expected: str | None) -> None:
    found = git_directory(str(repository / directory))
    assert found == (expected and repository / expected)


def test_outside_of_any_repository() -> None:
    assert git_directory("/") is None


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([], 0.0),
        (["HEAD", "index"], 0.0),
        (["index.lock"], LOCK_PATIENCE),
        (["rebase-merge/"], STEP_PATIENCE),
        (["rebase-apply/"], STEP_PATIENCE),
        (["rebase-merge"], 0.0),  # a file of that name is no rebase
        (["rebase-merge/", "index.lock"], LOCK_PATIENCE),
    ],
)
def test_patience(tmp_path: Path, entries: list[str], expected: float) -> None:
    for entry in entries:
        (tmp_path / entry).mkdir() if entry.endswith("/") else (tmp_path / entry).touch()
    assert patience(tmp_path) == expected


def test_patience_without_a_directory(tmp_path: Path) -> None:
    assert patience(tmp_path / "nowhere") == 0.0
