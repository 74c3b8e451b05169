"""What a start in the background writes to a database gets into no file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devrunserver.background import private_database
from devrunserver.background.dry_run import DryRunTeller
from devrunserver.background.private_database import make_private


@pytest.fixture(params=["delete", "wal"])
def owner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a database with one row, by either way in which SQLite writes."""
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode={request.param}")
        connection.execute("CREATE TABLE book (name)")
        connection.execute("INSERT INTO book VALUES ('one')")
        yield connection


@pytest.fixture
def database(owner: sqlite3.Connection, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None, timeout=0.01)) as connection:
        connection.create_function("twice", 1, lambda number: 2 * number)
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection


def names(database: sqlite3.Connection) -> list[str]:
    return [name for (name,) in database.execute("SELECT name FROM book")]


def test_it_goes_on_with_a_copy(owner: sqlite3.Connection, database: sqlite3.Connection) -> None:
    assert make_private(database)
    database.execute("INSERT INTO book VALUES ('two')")
    owner.execute("INSERT INTO book VALUES ('three')")
    assert names(database) == ["one", "two"]
    assert names(owner) == ["one", "three"]


def test_nobody_is_refused(owner: sqlite3.Connection, database: sqlite3.Connection) -> None:
    """Both have read, and write then."""
    assert make_private(database)
    for connection in (database, owner):
        connection.execute("BEGIN")
        names(connection)
    for connection in (database, owner):
        connection.execute("INSERT INTO book VALUES ('two')")
    for connection in (database, owner):
        connection.execute("COMMIT")
    assert names(owner) == ["one", "two"]


def test_it_is_the_same_connection(database: sqlite3.Connection) -> None:
    assert make_private(database)
    assert database.execute("SELECT twice(2)").fetchone() == (4,)
    assert database.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_what_is_in_memory_already_stays_as_it_is() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE book (name)")
        assert make_private(database)
        assert names(database) == []


def test_not_where_it_is_large(database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_database, "MOST_BYTES", 1000)
    assert not make_private(database)
    assert names(database) == ["one"]


def test_not_where_it_is_locked(owner: sqlite3.Connection, database: sqlite3.Connection) -> None:
    owner.execute("PRAGMA journal_mode=delete")
    owner.execute("BEGIN EXCLUSIVE")
    assert not make_private(database)


def test_where_there_is_no_copy_a_dry_run_ends_before_it_writes(
    owner: sqlite3.Connection, database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_database, "MOST_BYTES", 1000)

    told: list[str] = []
    teller = DryRunTeller.__new__(DryRunTeller)
    monkeypatch.setattr(teller, "give_up", told.append)
    teller.keep_private(database)
    assert names(database) == ["one"]
    assert told == []
    database.execute("INSERT INTO book VALUES ('two')")
    assert told[0] == "a start writes to a database that cannot be copied"
