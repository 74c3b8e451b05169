"""What is read in databases on a server: what counts, what forbids checkpoints, and what is asked again."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import DatabaseError, ProgrammingError, transaction
from django.db.backends.signals import connection_created
from django.db.utils import ConnectionHandler

from devrunserver.common.facts import AskedServer, Fact
from devrunserver.worker import server_reads
from devrunserver.worker.server_reads import ServerReads
from tests.database_server import DatabaseServer
from tests.live import wait_for
from tests.mysql import MySqlServer
from tests.postgres import PostgresServer

pytest.importorskip("psycopg")
pymysql = pytest.importorskip("pymysql")
dict_row = pytest.importorskip("psycopg.rows").dict_row
DictCursorMixin = pytest.importorskip("pymysql.cursors").DictCursorMixin

ALIAS = "remote"
NAMES = "SELECT name FROM books ORDER BY id"


class Shop:
    """A start that has a connection to a server, and is followed."""

    def __init__(self, server: DatabaseServer, handler: ConnectionHandler) -> None:
        self.server = server
        self.connection: Any = handler[ALIAS]
        self.facts: list[Fact] = []
        self.reasons: list[str] = []
        self.changes = 0
        self.reads = ServerReads()
        self.reads.begin(self.facts.append, self.reasons.append, self._before_change)

    def _before_change(self) -> None:
        self.changes += 1

    def on_connection(self, connection: Any, **kwargs: Any) -> None:
        if connection is self.connection:
            self.reads.follow(connection)

    def ask(self, statement: str = NAMES, params: Any = None) -> list[Any]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, params)
            return list(cursor.fetchall())

    @property
    def statements(self) -> list[str]:
        """What was noted, but for our own question."""
        assert all(isinstance(one, AskedServer) for one in self.facts)
        return [one.statement for one in self.facts if isinstance(one, AskedServer)][1:]


@pytest.fixture(params=[PostgresServer, MySqlServer])
def shop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, django_db_blocker: Any) -> Iterator[Shop]:
    monkeypatch.setitem(sys.modules, "MySQLdb", pymysql)  # as Django knows it
    monkeypatch.setattr(pymysql, "version_info", (2, 2, 7, "final", 0))
    with request.param() as server, django_db_blocker.unblock():
        server.execute("CREATE TABLE books (id INTEGER PRIMARY KEY, name TEXT, price INTEGER)")
        server.execute("INSERT INTO books (name, price) VALUES ('Emma', 7), ('Persuasion', 8)")
        handler = ConnectionHandler({"default": {"ENGINE": "django.db.backends.dummy"}, ALIAS: server.settings})
        monkeypatch.setattr("django.db.connections", handler)
        monkeypatch.setattr("django.db.transaction.connections", handler)
        shop = Shop(server, handler)
        connection_created.connect(shop.on_connection)
        try:
            yield shop
        finally:
            connection_created.disconnect(shop.on_connection)
            shop.connection.close()


def test_queries_are_facts_and_their_rows_are_the_projects(shop: Shop) -> None:
    assert shop.ask() == [("Emma",), ("Persuasion",)]
    assert shop.ask("SELECT id FROM books WHERE name = %s", ["Emma"]) == [(1,)]
    assert shop.ask("SELECT id FROM books WHERE name = %s", ["Nobody"]) == []
    assert shop.ask() == [("Emma",), ("Persuasion",)]  # again: no other fact
    assert shop.statements == [NAMES, *["SELECT id FROM books WHERE name = %s"] * 2]
    assert not shop.reasons
    assert shop.server.asked.count(NAMES) == 2, "nothing is asked twice at the start"


def test_what_was_asked_is_what_is_asked_again(shop: Shop) -> None:
    """Whatever becomes of the parameters."""
    params = [1, 2]
    shop.ask("SELECT name FROM books WHERE id IN (%s, %s) ORDER BY id", params)
    params[:] = [7, 8]
    assert shop.reads.first_changed() is None


def test_another_answer_is_told(shop: Shop) -> None:
    shop.ask()
    shop.ask("SELECT price FROM books WHERE id = %s", (2,))
    assert shop.reads.first_changed() is None
    shop.server.execute("INSERT INTO books (name, price) VALUES ('Mansfield Park', 9)")
    changed = shop.reads.first_changed()
    assert changed is not None
    assert (changed.database, changed.statement) == (ALIAS, NAMES)
    assert changed in shop.facts
    shop.server.execute("DELETE FROM books WHERE id = 3")
    assert shop.reads.first_changed() is None
    shop.server.execute("UPDATE books SET price = 1 WHERE id = 2")
    assert shop.reads.first_changed() == shop.facts[-1]


def test_a_table_that_is_not_there_is_an_answer(shop: Shop) -> None:
    with pytest.raises(ProgrammingError):
        shop.ask("SELECT name FROM authors")
    assert shop.statements == ["SELECT name FROM authors"]
    assert shop.reads.first_changed() is None
    shop.server.execute("CREATE TABLE authors (name TEXT)")
    assert shop.reads.first_changed() is not None
    assert not shop.reasons


def test_a_server_that_is_down_is_another_answer(shop: Shop) -> None:
    shop.ask()
    shop.reads.close_idle()
    shop.server.is_up = False
    assert shop.reads.first_changed() is not None
    shop.server.is_up = True
    assert shop.reads.first_changed() is None


def write(shop: Shop) -> None:
    with shop.connection.cursor() as cursor:
        cursor.execute("INSERT INTO books (name) VALUES ('Lady Susan')")


def write_many(shop: Shop) -> None:
    is_up_to_it = isinstance(shop.server, MySqlServer)  # the tests' PostgreSQL is not
    with shop.connection.cursor() as cursor, nullcontext() if is_up_to_it else pytest.raises(DatabaseError):
        cursor.executemany("SELECT %s", [("a",), ("b",)])


def go_past_django(shop: Shop) -> None:
    shop.connection.ensure_connection()
    with shop.connection.connection.cursor() as cursor:
        cursor.execute(NAMES)


def go_past_the_wrapper(shop: Shop) -> None:
    with shop.connection.cursor() as cursor:
        cursor.cursor.execute(NAMES)


def ask_a_function(shop: Shop) -> None:
    shop.ask("SELECT random()")


def set_something(shop: Shop) -> None:
    with shop.connection.cursor() as cursor:
        cursor.execute("SET statement_timeout TO 5")


def ask_for_an_answer_that_changes(shop: Shop) -> None:
    shop.ask()
    shop.server.execute("DELETE FROM books")
    shop.ask()


def ask_for_rows_of_another_kind(shop: Shop) -> None:
    with shop.connection.cursor() as cursor:
        if isinstance(shop.server, PostgresServer):
            cursor.cursor.row_factory = dict_row
        else:
            of_driver = cursor.cursor.cursor
            of_driver.__class__ = type("Dictionaries", (DictCursorMixin, type(of_driver)), {})
        cursor.execute(NAMES)
        assert cursor.fetchone() == {"column0": "Emma"}


def ask_for_too_many_rows(shop: Shop) -> None:
    shop.ask(f"WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i <= {server_reads.MOST_ROWS})"
             " SELECT i FROM n")  # fmt: skip


def ask_by_something_without_a_value(shop: Shop) -> None:
    class Text(str):
        def __repr__(self) -> str:
            return object.__repr__(self)

    shop.ask("SELECT id FROM books WHERE name = %s", [Text("Emma")])


@pytest.mark.parametrize(
    ("do", "reason", "changes"),
    [
        (write, "what cannot be asked twice", 1),
        (write_many, "what cannot be asked twice", 1),
        (set_something, "what cannot be asked twice", 1),
        (ask_a_function, "what cannot be asked twice", 1),
        (go_past_django, "past Django", 1),
        (go_past_the_wrapper, "past Django", 1),
        (ask_for_an_answer_that_changes, "another answer each time", 0),
        (ask_for_rows_of_another_kind, "not known", 0),
        (ask_for_too_many_rows, "more than", 0),
        (ask_by_something_without_a_value, "not known", 0),
    ],
)
def test_what_forbids_checkpoints(shop: Shop, do: Callable[[Shop], None], reason: str, changes: int) -> None:
    do(shop)
    assert len(shop.reasons) == 1
    assert reason in shop.reasons[0]
    assert shop.changes == changes
    count = len(shop.facts)
    if do is not write_many:
        shop.ask("SELECT 1")
        assert len(shop.facts) == count, "nothing counts any more"
    shop.reads.close_idle()
    assert shop.connection.connection is not None, "it may hold what the project has set"


def set_nothing(cursor: Any, value: int) -> None:
    """Nobody knows it."""


def test_rows_that_are_still_on_the_server_stay_there(shop: Shop) -> None:
    """As those of ``SSCursor``, of which nobody knows how many there are: they can be fetched once."""
    with shop.connection.cursor() as cursor:
        of_driver = cursor.cursor if isinstance(shop.server, PostgresServer) else cursor.cursor.cursor
        of_driver.__class__ = type(
            "Unbuffered", (type(of_driver),), {"rowcount": property(lambda cursor: -1, set_nothing)}
        )
        cursor.execute(NAMES)
        assert cursor.fetchone() == ("Emma",)
    assert "not known" in shop.reasons[0]


def test_an_error_of_the_server_forbids_and_reaches_the_project(shop: Shop) -> None:
    with pytest.raises(DatabaseError):
        shop.ask("SELECT count(name, id) FROM books")
    assert "did not answer" in shop.reasons[0]


def test_what_each_connection_executes_is_no_concern_of_ours(shop: Shop) -> None:
    def on_connection(connection: Any, **kwargs: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout TO 5")

    connection_created.connect(on_connection)
    try:
        shop.ask()
        shop.reads.close_idle()
        shop.ask()
    finally:
        connection_created.disconnect(on_connection)
    assert not shop.reasons
    assert shop.server.asked.count("SET statement_timeout TO 5") == 2


def test_connections_that_nobody_uses_are_closed(shop: Shop) -> None:
    shop.ask()
    shop.reads.close_idle()
    assert shop.connection.connection is None
    wait_for(lambda: shop.server.connections == 0, "no connection")
    assert shop.ask() == [("Emma",), ("Persuasion",)]
    assert shop.reads.first_changed() is None


def test_connections_that_are_used_stay(shop: Shop) -> None:
    cursor = shop.connection.cursor()
    cursor.execute(NAMES)
    shop.reads.close_idle()
    assert cursor.fetchone() == ("Emma",)
    cursor.close()
    del cursor
    held = shop.connection.connection
    shop.reads.close_idle()
    assert shop.connection.connection is held, "the project may use it past Django"
    del held
    with transaction.atomic(ALIAS):
        shop.reads.close_idle()
        assert shop.ask() == [("Emma",), ("Persuasion",)]
    shop.connection.set_autocommit(False)
    shop.reads.close_idle()
    assert shop.connection.connection is not None
    shop.connection.rollback()
    shop.connection.set_autocommit(True)
    shop.reads.close_idle()
    assert shop.connection.connection is None


def test_another_driver_or_one_that_is_not_trusted_forbids(shop: Shop) -> None:
    reasons: list[str] = []
    reads = ServerReads()
    reads.begin(shop.facts.append, reasons.append, is_trusted=False)
    shop.connection.ensure_connection()
    reads.follow(shop.connection)
    assert "it opened a database connection" in reasons[0]

    class Other:
        connection = object()

    reads = ServerReads()
    reads.begin(shop.facts.append, reasons.append)
    other: Any = Other()
    reads.follow(other)
    assert "it opened a database connection" in reasons[1]


def test_another_thread_is_seen_while_one_executes(shop: Shop) -> None:
    def other() -> None:
        go_past_django(shop)

    def wrap(execute: Any, *args: Any) -> Any:  # Django executes something of this thread just now
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return execute(*args)

    shop.connection.inc_thread_sharing()
    shop.connection.ensure_connection()
    with shop.connection.execute_wrapper(wrap):
        shop.ask()
    shop.connection.dec_thread_sharing()
    assert "past Django" in shop.reasons[0]


def test_at_the_end_all_is_as_it_was(shop: Shop) -> None:
    shop.ask()
    held = shop.connection.connection
    driver = server_reads.driver_of(held)
    assert driver is not None
    attribute = driver.cursors
    before = getattr(held, attribute)
    shop.reads.end()
    assert shop.connection.execute_wrappers == []
    assert getattr(held, attribute) is before.__mro__[1]
    write(shop)
    go_past_django(shop)
    assert not shop.reasons
    assert shop.reads.first_changed() is None
