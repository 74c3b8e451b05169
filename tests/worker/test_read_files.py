"""Which files that a start has read start a reload."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from devrunserver.worker.read_files import ReadFiles, is_edited_by_people


def known(paths: list[str], roots: list[str]) -> ReadFiles:
    read = ReadFiles()
    read.know(paths, roots)
    return read


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("shop/data/countries.json", True),
        ("shop/data/prices.csv", True),
        ("config/features.yaml", True),
        ("VERSION", True),
        ("shop/templates/shop/mail.txt", True),
        ("shop/schema.graphql", True),
        ("shop/views.py", False),  # modules have their own ways
        ("shop/__pycache__/views.cpython-311.pyc", False),
        ("locale/de/LC_MESSAGES/django.mo", False),
        ("debug.log", False),
        ("logs/requests.txt", False),
        ("db.sqlite3", False),
        ("db.sqlite3-wal", False),
        ("var/cache/answer.json", False),
        ("tmp/state.json", False),
        (".mypy_cache/3.11/a.json", False),
        (".env", True),
        ("notes.txt~", False),
        ("server.pid", False),
    ],
)
def test_is_edited_by_people(path: str, expected: bool) -> None:
    assert is_edited_by_people(path) is expected


@pytest.mark.parametrize(
    ("path", "roots", "expected"),
    [
        ("/tmp/site/data.json", ["/tmp/site"], True),  # what is above the project says nothing
        ("/tmp/site/tmp/data.json", ["/tmp/site"], False),
        ("/tmp/site/app/logs/data.json", ["/tmp/site", "/tmp/site/app/logs"], True),
        ("/etc/mime.types", ["/tmp/site"], False),  # not the project's
        ("/tmp/sites/data.json", ["/tmp/site"], False),
    ],
)
def test_what_counts_is_below_the_projects_directories(path: str, roots: list[str], expected: bool) -> None:
    assert (path in known([path], roots)) is expected


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return Path(os.path.realpath(tmp_path))


def test_a_database_of_any_name_is_none(home: Path) -> None:
    path = home / "store.dat"
    with sqlite3.connect(path) as database:
        database.execute("create table one (a)")
    database.close()
    other = home / "other.dat"
    other.write_text("text")
    read = known([str(path), str(other), str(home / "gone.dat")], [str(home)])
    assert read.paths == [str(home / "gone.dat"), str(other)]


@pytest.mark.parametrize(
    ("event", "args", "left"),
    [
        ("open", ("{home}/a.json", "w", os.O_WRONLY | os.O_CREAT), False),
        ("open", ("{home}/a.json", None, os.O_RDWR), False),
        ("open", ("{home}/a.json", "r", os.O_RDONLY), True),
        ("open", ("{home}/b.json", "w", os.O_WRONLY), True),
        ("open", (7, "w", os.O_WRONLY), True),
        ("os.rename", ("{home}/new", "{home}/a.json", -1, -1), False),
        ("os.rename", ("{home}/a.json", "{home}/old", -1, -1), True),
    ],
)
def test_what_the_process_writes_itself_counts_no_more(
    home: Path, event: str, args: tuple[object, ...], left: bool
) -> None:
    path = str(home / "a.json")
    read = known([path], [str(home)])
    read.handlers[event](tuple(one.format(home=home) if isinstance(one, str) else one for one in args))
    assert (path in read) is left


def test_where_nothing_was_read_nothing_is_looked_at() -> None:
    assert known([], []).handlers == {}


def test_what_is_written_before_it_is_known_what_counts(home: Path) -> None:
    read = ReadFiles()
    assert read.paths == []
    read.handlers["open"]((f"{home}/a.json", "w", os.O_WRONLY))
    read.handlers["os.rename"]((f"{home}/new", f"{home}/b.json", -1, -1))
    read.know([f"{home}/{name}.json" for name in "abc"], [str(home)])
    assert read.paths == [f"{home}/c.json"]
