"""What a database answers now: the same for the same content, and nothing where it cannot be told."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from devrunserver.common import database_answers
from devrunserver.common.database_answers import answer_to


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "a #?db.sqlite3"
    execute(path, "CREATE TABLE site (id INTEGER, name TEXT)", "INSERT INTO site VALUES (1, 'one')")
    return path


NAMES, COLUMNS, MISSING = "SELECT name FROM site", "PRAGMA table_info(site)", "SELECT * FROM missing"


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ("INSERT INTO site VALUES (2, 'two')", {NAMES}),
        ("UPDATE site SET name = 'uno'", {NAMES}),
        ("UPDATE site SET id = 7", set()),
        ("UPDATE site SET name = x'6f6e65'", {NAMES}),  # of another type
        ("ALTER TABLE site ADD COLUMN more TEXT", {COLUMNS}),
        ("CREATE TABLE missing (x)", {MISSING}),
        ("CREATE TABLE other (x)", set()),
    ],
)
def test_what_has_another_answer(database: Path, change: str, changed: set[str]) -> None:
    before = {statement: answer_to(str(database), statement) for statement in (NAMES, COLUMNS, MISSING)}
    assert None not in before.values()
    execute(database, change)
    assert {one for one, answer in before.items() if answer_to(str(database), one) != answer} == changed


@pytest.mark.parametrize(
    "statement",
    [
        *("INSERT INTO site VALUES (2, 'two')", "CREATE TABLE more (x)", "DELETE FROM site", "PRAGMA user_version = 5"),
        *("SELECT django_date_trunc('day', name) FROM site", "SELECT ?", "", "SELECT 1; SELECT 2"),
    ],
)
def test_what_has_no_answer(database: Path, statement: str) -> None:
    content = database.read_bytes()
    answers = {answer_to(str(database), statement), answer_to(str(database), statement)}
    assert answers == {None} or not statement
    assert database.read_bytes() == content


def test_no_answer_of_a_database_that_is_locked_or_gone(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert answer_to(str(database), NAMES) is None
    database.unlink()
    assert answer_to(str(database), NAMES) is None
    assert not database.exists()


def test_no_answer_that_is_long(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_answers, "MOST_ROWS", 1)
    assert answer_to(str(database), NAMES) is not None
    execute(database, "INSERT INTO site VALUES (2, 'two')")
    assert answer_to(str(database), NAMES) is None


def test_a_question_without_end_has_no_answer(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_answers, "PATIENCE", 0.0)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    assert answer_to(str(database), endless) is None
