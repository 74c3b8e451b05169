"""What is left out of watching: by name, by a marker file, by the user's patterns, by place."""

from __future__ import annotations

from pathlib import Path

import pytest

from devrunserver.supervisor.watching.exclusions import EXCLUDED_NAMES, Exclusions


@pytest.mark.parametrize("name", [".git", "node_modules", "__pycache__", ".venv", ".mypy_cache", ".tox", ".idea"])
def test_directories_that_hold_no_code(tmp_path: Path, name: str) -> None:
    assert Exclusions().excludes(str(tmp_path / name))
    assert name in EXCLUDED_NAMES


@pytest.mark.parametrize("name", ["shop", "git", "build", "dist", "venv", "env", "static", "media", ".github", "data"])
def test_directories_that_may_hold_code(tmp_path: Path, name: str) -> None:
    assert not Exclusions().excludes(str(tmp_path / name))


@pytest.mark.parametrize(("marker", "excluded"), [("pyvenv.cfg", True), ("CACHEDIR.TAG", True), ("setup.cfg", False)])
def test_a_file_marks_a_directory(tmp_path: Path, marker: str, excluded: bool) -> None:
    directory = tmp_path / "anything"
    directory.mkdir()
    (directory / marker).touch()
    assert Exclusions().excludes(str(directory)) is excluded


@pytest.mark.parametrize(
    ("pattern", "path", "excluded"),
    [
        ("data", "/srv/app/data", True),
        ("data/", "/srv/app/data", True),
        ("data", "/srv/app/data2", False),
        ("data", "/srv/data/app", False),  # what is below is left out by not going there
        ("dump*", "/srv/app/dumps", True),
        ("*.log", "/srv/app/x.log", True),
        ("*.log", "/srv/app/x.py", False),
        ("/srv/*/dumps", "/srv/app/dumps", True),
        ("/srv/*/dumps", "/opt/app/dumps", False),
        ("/srv/app/data", "/srv/app/data", True),
    ],
)
def test_patterns(pattern: str, path: str, excluded: bool) -> None:
    exclusions = Exclusions([pattern])
    assert exclusions.excludes_file(path) is excluded
    assert exclusions.excludes(path) is excluded


def test_directories_are_excluded_by_place_and_through_links(tmp_path: Path) -> None:
    media, link = tmp_path / "files" / "media", tmp_path / "link"
    media.mkdir(parents=True)
    link.symlink_to(media)
    exclusions = Exclusions(directories=["", str(link)])
    assert exclusions.excludes(str(media))
    assert not exclusions.excludes(str(tmp_path / "media"))
    assert not exclusions.excludes_file(str(media))


@pytest.mark.parametrize(
    ("path", "excluded"),
    [
        ("/srv/app/shop/views.py", False),
        ("/srv/app/views.py", False),
        ("/srv/app/node_modules/a/b/index.js", True),
        ("/srv/app/shop/.git/index", True),
        ("/srv/app/shop/debug.log", True),
        ("/srv/app/.git", False),  # a file of that name, as in linked work trees
    ],
)
def test_below_a_root(path: str, excluded: bool) -> None:
    assert Exclusions(["*.log"]).excludes_below("/srv/app", path) is excluded


def test_the_root_and_what_is_above_it_do_not_count() -> None:
    assert not Exclusions(["app", "srv"]).excludes_below("/srv/app", "/srv/app/shop/views.py")
