"""What a spare does in databases, where it pauses, and when it cannot wait."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devrunserver.checkpoints import spare_databases
from devrunserver.checkpoints.spare_databases import SpareDatabases, cursors_of
from devrunserver.common import process_exit
from devrunserver.common.facts import Fact, Opened, Queried

Act = Callable[[sqlite3.Connection], object]

NAMES = "SELECT name FROM site"
WRITING = "what may write to a database of "
TRANSACTION = "a transaction of "


class Played:
    """A start that connects to a database by Django."""

    def __init__(self, path: Path) -> None:
        self.facts: list[Fact] = []
        self.paused: list[str] = []
        self.why_not: list[str] = []  # it could not have waited, at each pause
        self.databases = SpareDatabases(self.facts.append, self.pause, self.let_go)
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.databases.on_connection(self.connection)
        self.is_let_go = False

    def pause(self, at: str) -> None:
        self.paused.append(at)
        self.why_not.append(self.databases.why_not_to_wait())
        self.databases.stop()

    def let_go(self) -> None:
        self.is_let_go = True
        if not cursors_of(self.connection):
            self.connection.close()

    @property
    def statements(self) -> list[str]:
        return [one.statement for one in self.facts if isinstance(one, Queried)][1:]  # after the schema's version


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        connection.execute("CREATE TABLE site (name)")
        connection.execute("INSERT INTO site VALUES (1), (2)")
        connection.commit()
    return tmp_path / "db"


@pytest.fixture
def played(path: Path) -> Iterator[Played]:
    one = Played(path)
    yield one
    one.databases.end()
    one.connection.close()


@pytest.mark.parametrize(
    ("act", "paused", "statements"),
    [
        (lambda c: c.execute(NAMES).fetchall(), [], [NAMES]),
        (lambda c: c.execute("PRAGMA foreign_keys = ON"), [], []),
        (lambda c: c.execute("INSERT INTO site VALUES (3)"), [WRITING], []),
        (lambda c: [c.execute(NAMES).fetchall(), c.execute("DELETE FROM site")], [WRITING], [NAMES]),
        (lambda c: c.execute("BEGIN"), [TRANSACTION], []),
        (lambda c: [c.execute("BEGIN IMMEDIATE"), c.execute("DELETE FROM site")], [TRANSACTION], []),
        (lambda c: c.execute("SAVEPOINT one"), [TRANSACTION], []),
        (lambda c: [c.execute("BEGIN"), c.execute(NAMES).fetchall()], [TRANSACTION], []),  # recorded no more
    ],
)
def test_where_it_pauses(played: Played, path: Path, act: Act, paused: list[str], statements: list[str]) -> None:
    act(played.connection)
    assert played.paused == paused
    assert played.statements == statements
    assert played.why_not == [""] * len(paused)
    assert not played.is_let_go, "a statement is being executed"
    status = os.stat(path)
    opened = [one for one in played.facts if isinstance(one, Opened)]
    assert opened == [Opened(str(path.resolve()), (status.st_dev, status.st_ino))] * len(paused)


def test_what_is_written_after_the_pause_is_written_once(played: Played) -> None:
    played.connection.execute("INSERT INTO site VALUES (3)")
    assert played.connection.execute(NAMES).fetchall() == [(1,), (2,), (3,)]


def test_it_waits_without_a_connection(played: Played) -> None:
    played.connection.execute(NAMES).fetchall()
    played.pause("shop.views")
    assert played.why_not == [""]
    assert played.is_let_go
    assert not any(isinstance(one, Opened) for one in played.facts)


def test_it_cannot_wait_with_a_query_that_has_not_ended(played: Played) -> None:
    """Whoever waits so keeps others from writing."""
    cursor = played.connection.execute(NAMES)
    cursor.fetchone()
    played.pause("shop.views")
    assert all(played.why_not)
    played.connection.execute("BEGIN")
    assert all(played.why_not)
    cursor.close()


def test_a_pause_that_fails_ends_the_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite would go on, and a second worker with it."""
    left: list[int] = []

    def fail(at: str) -> None:
        raise RuntimeError(at)

    monkeypatch.setattr(process_exit, "leave", left.append)
    databases = SpareDatabases(lambda fact: None, fail, lambda: None)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        databases.on_connection(connection)
        connection.execute("BEGIN")
        databases.end()
    assert left == [process_exit.FAILURE]


def test_another_kind_of_database_is_paused_at() -> None:
    paused: list[str] = []
    spare_databases.SpareDatabases(lambda fact: None, paused.append, lambda: None).on_connection(object())
    assert paused == ["a database connection"]
