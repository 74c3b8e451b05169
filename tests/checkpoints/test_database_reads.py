"""Which facts a start relies on that reads a database, and what forbids checkpoints."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from devrunserver.checkpoints import database_reads
from devrunserver.checkpoints.database_reads import DJANGOS, SCHEMA, DatabaseReads
from devrunserver.common.facts import Fact, Queried, Read, path_of
from devrunserver.common.present import first_broken

Act = Callable[[sqlite3.Connection], object]


class Played:
    """A start that opens one database by Django."""

    def __init__(self, path: Path, module: str = DJANGOS) -> None:
        self.facts: list[Fact] = []
        self.forbidden: list[str] = []
        self.reads = DatabaseReads(self.facts.append, self.forbidden.append, nullcontext)
        self.reads.on_open(str(path), "shop.apps", module)
        self.connection = sqlite3.connect(path, isolation_level=None)
        if module == DJANGOS:
            self.reads.follow(self.connection)

    def kinds(self) -> list[str]:
        """What was relied on besides the version of the schema."""
        found = [one.statement if isinstance(one, Queried) else Path(path_of(one)).name for one in self.facts]
        return [one for one in found if one != SCHEMA]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        connection.execute("CREATE TABLE site (name)")
    return tmp_path / "db"


@pytest.fixture
def played(database: Path) -> Iterator[Played]:
    one = Played(database)
    yield one
    one.connection.close()


FILE = ["db", "db-wal"]


@pytest.mark.parametrize(
    ("act", "facts", "is_forbidden"),
    [
        (lambda c: c.execute("SELECT name FROM site"), ["SELECT name FROM site"], False),
        (lambda c: [c.execute("SELECT 1"), c.execute("SELECT 1")], ["SELECT 1"], False),
        (lambda c: c.execute("SELECT ?, ?", ("it's", 2)), ["SELECT 'it''s', 2"], False),
        (lambda c: c.execute("PRAGMA table_info(site)"), ["PRAGMA table_info(site)"], False),
        (lambda c: [c.execute(one) for one in ("BEGIN", "SAVEPOINT s", "RELEASE s", "COMMIT")], [], False),
        (lambda c: [c.execute("PRAGMA foreign_keys = ON"), c.execute("PRAGMA journal_mode = WAL")], [], False),
        (lambda c: [c.create_function("f", 0, int), c.execute("SELECT f()")], FILE, False),
        (lambda c: c.execute("INSERT INTO site VALUES (1)"), [], True),
        (lambda c: c.execute("CREATE TEMPORARY TABLE t (x)"), [], True),
        (lambda c: c.execute("ATTACH ':memory:' AS other"), [], True),
        (lambda c: c.execute("WITH n AS (SELECT 1) INSERT INTO site SELECT * FROM n"), [], True),
        (lambda c: c.execute("PRAGMA user_version = 5"), [], True),
    ],
)
def test_statements(played: Played, act: Act, facts: list[str], is_forbidden: bool) -> None:
    act(played.connection)
    assert played.kinds() == facts
    assert played.forbidden[:1] == (["it wrote to a database (shop.apps)"] if is_forbidden else [])


def test_a_statement_that_fails_relies_on_the_schema(database: Path, played: Played) -> None:
    """SQLite does not begin to execute it."""
    with pytest.raises(sqlite3.OperationalError):
        played.connection.execute("SELECT * FROM missing")
    (fact,) = played.facts
    assert first_broken([fact]) is None
    with closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE missing (x)")
    assert first_broken([fact]) == fact


def test_where_there_are_many_the_file_counts(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_reads, "MOST", 3)  # with that for the schema
    for number in range(4):
        played.connection.execute(f"SELECT {number}")
    assert played.kinds() == ["SELECT 0", "SELECT 1", *FILE]


def test_of_others_connections_the_file_counts(database: Path) -> None:
    one = Played(database, "shop.apps")
    with closing(one.connection):
        assert one.kinds() == FILE
        assert isinstance(one.facts[0], Read)
        assert not one.forbidden


@pytest.mark.parametrize("name", ["file:db?mode=rw", "", 7])
def test_a_database_that_is_not_known(name: object) -> None:
    forbidden: list[str] = []
    DatabaseReads(print, forbidden.append, nullcontext).on_open(name, "shop.apps", DJANGOS)
    assert forbidden == ["it opened a database (shop.apps)"]


def test_it_has_an_end(played: Played) -> None:
    played.reads.end()
    played.connection.execute("SELECT 1")
    assert played.kinds() == []
