"""Which files were edited, by when they were modified."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devrunserver.supervisor import edited_files
from devrunserver.supervisor.edited_files import (
    CANDIDATES,
    GUESSED,
    KEPT,
    MANY,
    VIEWED,
    EditedFiles,
    likely_first,
    recently_edited,
)

SECOND = 1_000_000_000
CHECKOUT = {f"checkout/{number}.py": 1000 * SECOND + number for number in range(50)}


@pytest.mark.parametrize(
    ("modified", "count", "expected"),
    [
        ({}, 3, []),
        ({"a": 10 * SECOND, "b": 30 * SECOND, "c": 20 * SECOND}, 2, ["c", "b"]),
        ({"a": 10 * SECOND}, 3, ["a"]),
        (CHECKOUT, 3, []),
        ({**CHECKOUT, "a": 2000 * SECOND, "b": 10 * SECOND}, 3, ["a"]),  # not as far back as b
        ({**CHECKOUT, "a": 2000 * SECOND}, 1, ["a"]),
        ({f"{number}": 5 * SECOND for number in range(MANY)}, 2, ["1", "0"]),
        ({f"{number}": 5 * SECOND for number in range(MANY + 1)}, 2, []),
    ],
)
def test_recently_edited(modified: dict[str, int], count: int, expected: list[str]) -> None:
    assert recently_edited(modified, count) == expected


def test_what_may_be_edited_first_is_looked_for_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["old.py", "shop/models.py", "shop/views.py", "readme.md", "node_modules/tool.py"]
    for number, name in enumerate(names):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
        os.utime(file, (number * 100, number * 100))
    link = tmp_path.with_name(f"{tmp_path.name}-link")
    link.symlink_to(tmp_path)
    found = [os.path.join(os.path.realpath(tmp_path), name) for name in names[:3]]
    assert likely_first([str(tmp_path), str(link), str(tmp_path / "nowhere")]) == found
    monkeypatch.setattr(edited_files, "MOST_DIRECTORIES", 1)
    assert likely_first([str(tmp_path)]) == []


def test_the_last_one_is_last() -> None:
    edited = EditedFiles()
    edited.guess({"a": 10 * SECOND, "b": 30 * SECOND})
    assert edited.paths == ["a", "b"]
    for path in ("a", "c", "a"):
        edited.on_edit(path)
    assert edited.paths == ["b", "c", "a"]
    edited.guess({"z": 99 * SECOND})
    assert edited.paths == ["b", "c", "a"], "what is known is no guess"


def test_others_are_less_likely_until_somebody_edits() -> None:
    """Which of them a start imports is not known here."""
    edited = EditedFiles()
    edited.guess({str(number): number * 100 * SECOND for number in range(CANDIDATES + 2)})
    modified = [str(number) for number in range(2, CANDIDATES + 2)]
    assert edited.paths == modified[-GUESSED:]
    assert edited.likely == modified
    edited.on_view("2")
    edited.on_view("viewed")
    assert edited.likely == [*modified[1:-GUESSED], "2", "viewed", *modified[-GUESSED:]]
    edited.on_edit("edited")
    assert edited.likely == ["2", "viewed", *modified[-GUESSED:], "edited"]


def test_few_are_kept() -> None:
    edited = EditedFiles()
    for number in range(KEPT + 3):
        edited.on_edit(str(number))
    assert edited.paths == [str(number) for number in range(3, KEPT + 3)]


def test_what_was_edited_is_likelier_than_what_was_looked_at() -> None:
    edited = EditedFiles()
    for path in ("a", "b", "a"):
        edited.on_view(path)
    assert edited.likely == ["b", "a"]
    edited.on_edit("b")
    assert edited.likely == ["a", "b"]
    assert edited.paths == ["b"]
    for number in range(VIEWED):
        edited.on_view(str(number))
    assert edited.likely == [*map(str, range(VIEWED)), "b"]
