"""What a spare does in databases, where it pauses, and when it cannot wait."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from devrunserver.checkpoints import spare_databases
from devrunserver.checkpoints.spare_databases import SpareDatabases, queries_of
from devrunserver.common import process_exit
from devrunserver.common.facts import Fact, Opened, Queried

Act = Callable[[sqlite3.Connection], object]

NAMES = "SELECT name FROM site"
WRITING = f"what may write to a database of {__name__}"
TRANSACTION = f"a transaction of {__name__}"


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
        self.is_kept = False  # somebody holds a cursor

    def pause(self, at: str) -> None:
        self.paused.append(at.partition(",")[0])  # what is being imported depends on how the tests are run
        self.why_not.append(self.databases.why_not_to_wait())
        self.databases.stop()

    def let_go(self) -> None:
        self.is_let_go = True
        if not self.is_kept:
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


def test_it_goes_on_where_django_looks_what_sqlite_can_do(played: Played) -> None:
    """In a transaction that reads; whoever writes there is paused at as ever."""
    look = "def look(connection):\n    connection.execute('BEGIN')\n    connection.execute('SELECT name FROM site')"
    features: dict[str, Any] = {"__name__": spare_databases.LOOKS}
    exec(look + ".fetchall()\n    connection.execute('COMMIT')\n", features)
    features["look"](played.connection)
    assert not played.paused
    assert played.statements == [NAMES]
    played.connection.execute("BEGIN")
    assert played.paused == [TRANSACTION]


def test_the_name_of_that_module_is_djangos() -> None:
    assert importlib.util.find_spec(spare_databases.LOOKS)


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
    played.is_kept = True
    cursor = played.connection.execute(NAMES)
    cursor.fetchone()
    played.pause("shop.views")
    played.pause("shop.urls")
    assert all(played.why_not)
    cursor.close()


def test_a_query_that_nobody_can_reach_is_ended(played: Played) -> None:
    played.is_kept = True
    cycle: list[object] = [played.connection.execute(NAMES)]
    cycle.append(cycle)
    del cycle
    played.pause("shop.views")
    assert played.why_not == [""]


def test_it_cannot_wait_before_a_transaction_with_one_either(played: Played) -> None:
    cursor = played.connection.execute(NAMES)
    played.connection.execute("BEGIN")
    assert all(played.why_not)
    cursor.close()


@pytest.mark.parametrize(
    ("act", "count"),
    [
        (lambda c: c.cursor(), 0),
        (lambda c: c.execute(NAMES), 1),
        (lambda c: [c.execute(NAMES), c.execute(NAMES)], 2),
        (lambda c: [one := c.execute(NAMES), one.fetchone()], 1),
        (lambda c: [one := c.execute(NAMES), one.fetchall()], 0),
        (lambda c: [one := c.execute(NAMES), one.close()], 0),
        (lambda c: c.execute("SELECT 1 WHERE 0"), 0),
        (lambda c: c.blobopen("site", "name", 3), 1),
    ],
)
def test_queries_that_have_not_ended(path: Path, act: Act, count: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO site VALUES ('blob')")
        held = act(connection)
        assert queries_of(connection) == count
        del held


def test_a_cursor_alone_is_harmless(played: Played) -> None:
    played.is_kept = True
    cursor = played.connection.execute(NAMES)
    cursor.fetchall()
    played.pause("shop.views")
    assert played.why_not == [""]
    assert [one for one in played.facts if isinstance(one, Opened)]


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
