"""Which facts a start relies on that reads a database, and what forbids checkpoints."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from devrunserver.checkpoints import database_reads
from devrunserver.checkpoints.database_reads import DJANGOS, SCHEMA, DatabaseReads, watch_writing
from devrunserver.common.facts import Fact, Queried, Read, path_of
from devrunserver.common.present import first_broken

Act = Callable[[sqlite3.Connection], object]


class Played:
    """A start that opens one database by Django."""

    def __init__(self, path: Path, module: str = DJANGOS) -> None:
        self.facts: list[Fact] = []
        self.forbidden: list[str] = []
        self.has_changed = False  # tables were about to be
        self.reads = DatabaseReads(self.facts.append, self.forbidden.append, nullcontext, on_change=self.on_change)
        self.reads.on_open(str(path), "shop.apps", module)
        self.connection = sqlite3.connect(path, isolation_level=None)
        if module == DJANGOS:
            self.reads.follow(self.connection)

    def close(self) -> None:
        self.reads.end()
        self.connection.close()

    def on_change(self) -> None:
        self.has_changed = True

    def kinds(self) -> list[str]:
        """What was relied on besides the version of the schema."""
        found = [one.statement if isinstance(one, Queried) else Path(path_of(one)).name for one in self.facts]
        return [one for one in found if one != SCHEMA]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        connection.execute("CREATE TABLE site (name)")
        connection.execute("CREATE TABLE page (id INTEGER PRIMARY KEY AUTOINCREMENT, name)")
        connection.execute("CREATE TRIGGER gone AFTER DELETE ON page BEGIN DELETE FROM site; END")
        connection.execute("INSERT INTO site VALUES (1)")
        connection.commit()
    return tmp_path / "db"


@pytest.fixture
def played(database: Path) -> Iterator[Played]:
    one = Played(database)
    yield one
    one.close()


FILE = ["db", "db-wal"]
SITE = ['SELECT * FROM "site"', "SELECT * FROM sqlite_sequence WHERE name = 'site'"]
PAGE = ['SELECT * FROM "page"', "SELECT * FROM sqlite_sequence WHERE name = 'page'"]


def asks_others(connection: sqlite3.Connection) -> list[object]:
    """A question that only the project can ask."""
    connection.create_function("f", 0, int)
    return [connection.execute("SELECT f(), name FROM site")]


@pytest.mark.parametrize(
    ("act", "facts", "is_forbidden"),
    [
        (lambda c: c.execute("SELECT name FROM site"), ["SELECT name FROM site"], False),
        (lambda c: [c.execute("SELECT name FROM site") for _ in range(2)], ["SELECT name FROM site"], False),
        (lambda c: c.execute("SELECT ?, * FROM site", ("it's",)), ["SELECT 'it''s', * FROM site"], False),
        (lambda c: c.execute("SELECT QUOTE('it')"), [], False),
        (lambda c: c.execute("PRAGMA table_info(site)"), ["PRAGMA table_info(site)"], False),
        (lambda c: [c.execute(one) for one in ("BEGIN", "SAVEPOINT s", "RELEASE s", "COMMIT")], [], False),
        (lambda c: [c.execute("PRAGMA foreign_keys = ON"), c.execute("PRAGMA journal_mode = WAL")], [], False),
        (lambda c: [c.create_function("f", 0, int), c.execute("SELECT f()")], FILE, False),
        (
            lambda c: c.execute("WITH n AS (SELECT name FROM site) SELECT * FROM n"),
            ["WITH n AS (SELECT name FROM site) SELECT * FROM n"],
            False,
        ),
        (lambda c: c.execute("INSERT INTO site VALUES (1)"), [*SITE], False),
        (lambda c: [c.execute("UPDATE site SET name = 2"), c.execute("SELECT name FROM site")], [*SITE], False),
        (
            lambda c: [c.execute("DELETE FROM site"), c.execute("SELECT * FROM site, page")],
            [*SITE, 'SELECT * FROM "page"'],
            False,
        ),
        (lambda c: c.execute("INSERT INTO site SELECT name FROM page"), ['SELECT * FROM "page"', *SITE], False),
        (lambda c: c.execute("DELETE FROM page"), [*PAGE, *SITE], False),  # what a trigger changes, too
        (lambda c: [c.create_function("f", 0, int), c.execute("UPDATE site SET name = f()")], [], True),
        (lambda c: [*asks_others(c), c.execute("UPDATE site SET name = 2")], FILE, True),
        (lambda c: [c.execute("UPDATE site SET name = 2"), *asks_others(c)], [*SITE, *FILE], True),
        (lambda c: c.execute("CREATE TEMPORARY TABLE t (x)"), [], True),
        (lambda c: c.execute("ATTACH ':memory:' AS other"), [], True),
        (lambda c: c.execute("WITH n AS (SELECT 1) INSERT INTO site SELECT * FROM n"), [*SITE], False),
        (lambda c: c.execute("PRAGMA user_version = 5"), [], True),
    ],
)
def test_statements(played: Played, act: Act, facts: list[str], is_forbidden: bool) -> None:
    act(played.connection)
    assert played.kinds() == facts
    assert played.has_changed is any("sqlite_sequence" in one for one in facts)
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


def test_where_there_are_many_tables_count(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_reads, "MOST", 2)  # with that for the schema
    statements = [f"SELECT {number}, name FROM site" for number in range(4)]
    for statement in statements:
        played.connection.execute(statement)
    assert played.kinds() == [statements[0], SITE[0]]


SAME = [
    ["UPDATE site SET name = 1"],
    ["UPDATE site SET name = 5", "UPDATE site SET name = 1"],
    ["INSERT OR IGNORE INTO page VALUES (1, 'a')"],
    ["BEGIN", "DELETE FROM site", "ROLLBACK"],
]
OTHER = [["UPDATE site SET name = 5"], ["DELETE FROM site"], ["INSERT INTO page (name) VALUES (1)", "DELETE FROM page"]]


@pytest.mark.parametrize(("statements", "is_same"), [*((one, True) for one in SAME), *((one, False) for one in OTHER)])
def test_tables_that_hold_the_same_again(database: Path, statements: list[str], is_same: bool) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO page VALUES (1, 'a')")
    one = Played(database)
    with closing(one):
        for statement in statements:
            one.connection.execute(statement)
    assert not one.forbidden
    assert one.reads.changed_now() == ("" if is_same else "it wrote to a database (shop.apps)")
    assert (first_broken(one.facts) is None) is is_same


def test_what_was_there_only_meanwhile_is_no_fact(database: Path) -> None:
    """A start that marks all, and takes the marks away one by one."""
    one = Played(database)
    with closing(one):
        one.connection.execute("UPDATE site SET name = 0")
        one.connection.execute("SELECT name FROM site").fetchall()
        one.connection.execute("UPDATE site SET name = 1")
    assert first_broken(one.facts) is None
    with closing(sqlite3.connect(database)) as other, other:
        other.execute("UPDATE site SET name = 7")
    assert first_broken(one.facts) == one.facts[1]  # the first is the version of the schema


def test_we_are_in_nobodys_way(database: Path) -> None:
    """A mode that only one connection may set."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    one = Played(database)
    with closing(one):
        one.connection.execute("SELECT name FROM site").fetchall()
        assert one.connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)


def test_of_others_connections_the_file_counts(database: Path) -> None:
    one = Played(database, "shop.apps")
    with closing(one):
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


@pytest.mark.parametrize(
    ("statement", "writes"),
    [
        ("SELECT max(name) FROM book WHERE name IN (SELECT name FROM book)", False),
        ("WITH RECURSIVE one(n) AS (SELECT 1 UNION SELECT n + 1 FROM one WHERE n < 3) SELECT n FROM one", False),
        ("PRAGMA table_info(book)", False),
        ("BEGIN", False),
        ("SAVEPOINT s", False),
        ("INSERT INTO book VALUES ('two')", True),
        ("UPDATE book SET name = 'two'", True),
        ("DELETE FROM book", True),
        ("CREATE TABLE author (name)", True),
        ("DROP TABLE book", True),
        ("ALTER TABLE book ADD COLUMN year", True),
    ],
)
def test_it_is_told_before_something_is_written(statement: str, writes: bool) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE book (name)")
        before: list[int] = []
        watch_writing(connection, lambda: before.append(connection.total_changes))
        connection.execute(statement).close()
        assert bool(before) is writes
        assert not any(before)
