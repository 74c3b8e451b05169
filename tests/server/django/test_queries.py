"""Queries are counted, and those in a loop are named with the line of the project that made them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections
from django.db.backends.signals import connection_created
from django.template import Context, Engine, Origin
from django.template.base import Template

from devrunserver.server.django import sql_text
from devrunserver.server.django.queries import LONGEST_SQL, MOST_DISTINCT, MOST_NAMED, QueryLog, Recorder

DATABASE = """
class Database:
    def __init__(self):
        self.execute_wrappers = []

    def execute(self, sql, fail=False):
        (wrapper,) = self.execute_wrappers

        def send(*args):
            if fail:
                raise ValueError(sql)

        wrapper(send, sql, (), False, {})

    @property
    def author(self):
        self.execute("SELECT author")
        return "Ada"
"""
namespace: dict[str, Any] = {"__name__": "orm"}
exec(compile(DATABASE, "/usr/lib/orm.py", "exec"), namespace)  # what makes a query is no file of the project
Database: Any = namespace["Database"]  # a connection, as far as wrappers are concerned


@pytest.fixture
def log() -> QueryLog:
    return QueryLog(lambda file: file == __file__ or file.endswith(".html"), slow=1000.0)


@pytest.fixture
def database(log: QueryLog) -> Any:
    one = Database()
    log._on_connection(connection=one)
    log._on_connection(connection=one)  # opened again
    return one


@pytest.fixture
def recorder(log: QueryLog, database: Any) -> Iterator[Recorder]:
    yield log.begin()
    log.end()


def test_nothing_is_recorded_outside_a_request(log: QueryLog, database: Any) -> None:
    database.execute("SELECT 1")
    recorder = log.begin()
    log.end()
    database.execute("SELECT 1")
    assert recorder.count == 0 and recorder.summary() == "0 queries 0 ms"


def test_a_query_in_a_loop_is_named_with_its_line(recorder: Recorder, database: Any) -> None:
    database.execute("SELECT 1")
    for _ in range(4):
        database.execute("SELECT 2")  # here
    line = next(number for number, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "# here" in text)
    assert (recorder.count, recorder.repeated) == (5, 3)
    assert recorder.summary() == "5 queries 0 ms, 3 repeated"
    (told,) = recorder.lines(1000.0)
    assert told.startswith("  N+1: 4 times 0 ms at ") and told.endswith(f"test_queries.py:{line}: SELECT 2")
    (named,) = recorder.as_json(1000.0)["named"]
    assert (named["count"], named["sql"]) == (4, "SELECT 2") and named["place"].endswith(f":{line}")


def test_what_is_repeated_once_and_what_is_slow(recorder: Recorder, database: Any, log: QueryLog) -> None:
    database.execute("SELECT 1")
    database.execute("SELECT 1")
    log.slow = 0.0
    database.execute("SELECT 2")
    told = {line.split(":")[0].strip() for line in recorder.lines(0.0)}
    assert told == {"repeated", "slow"}
    assert [line.split(":")[0].strip() for line in recorder.lines(1000.0)] == ["repeated"]


def test_a_query_that_fails_counts(recorder: Recorder, database: Any) -> None:
    with pytest.raises(ValueError, match="SELECT"):
        database.execute("SELECT 1", fail=True)
    assert recorder.count == 1


def test_there_are_bounds(recorder: Recorder, database: Any) -> None:
    for number in range(MOST_DISTINCT + 5):
        for _ in range(2):
            database.execute(f"SELECT {number} {'x' * LONGEST_SQL}")
    assert recorder.count == 2 * (MOST_DISTINCT + 5) and len(recorder.queries) == MOST_DISTINCT
    lines = list(recorder.lines(1000.0))
    assert len(lines) == MOST_NAMED and all(len(line) < LONGEST_SQL + 200 for line in lines)


def test_the_line_of_a_template_is_named(recorder: Recorder, database: Any) -> None:
    source = "<ul>\n{% for book in books %}\n{{ book.author }}\n{% endfor %}"
    template = Template(source, Origin("/srv/shop/list.html"), "list.html", Engine(debug=True))
    template.render(Context({"books": [database] * 3}))
    (told,) = recorder.lines(1000.0)
    assert "N+1: 3 times" in told and " at /srv/shop/list.html:3: SELECT author" in told


def test_threads_of_a_view_and_async_views_count(recorder: Recorder, database: Any) -> None:
    @async_to_sync
    async def view() -> None:
        await sync_to_async(database.execute)("SELECT 1")
        await sync_to_async(database.execute, thread_sensitive=False)("SELECT 1")

    view()
    assert recorder.count == 2
    thread = threading.Thread(target=database.execute, args=("SELECT 1",))  # of the view's own: not its request
    thread.start()
    thread.join()
    assert recorder.count == 2


def test_a_query_of_async_code_is_named_where_it_is_awaited(recorder: Recorder, log: QueryLog) -> None:
    database = Database()  # what asks is no code of the project's
    log._on_connection(connection=database)

    async def part() -> None:
        await sync_to_async(database.execute)("SELECT 1")  # first

    @async_to_sync
    async def view() -> None:
        await asyncio.gather(part(), asyncio.sleep(0))
        await part()
        for _ in range(2):
            await sync_to_async(database.execute, thread_sensitive=False)("SELECT 2")  # second

    view()
    lines = Path(__file__).read_text().splitlines()
    for sql, mark in (("SELECT 1", "# first"), ("SELECT 2", "# second")):
        line = next(number for number, text in enumerate(lines, 1) if text.endswith(mark))
        assert recorder.queries[sql].place.endswith(f"test_queries.py:{line}")


@pytest.mark.django_db
def test_on_a_real_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    log = QueryLog(lambda file: file == __file__, slow=1000.0, prints=True)
    log.install()
    try:
        recorder = log.begin()
        for number in range(3):
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT %s", [number])
    finally:
        log.end()
        connection_created.disconnect(dispatch_uid="devrunserver-queries")
        for connection in connections.all(initialized_only=True):
            connection.execute_wrappers.remove(log._record)
    assert recorder.count == 3 and [sql for sql, _ in recorder.printed] == ["SELECT 0", "SELECT 1", "SELECT 2"]


def test_sql_as_people_read_it() -> None:
    assert sql_text.formatted("select a from b where c = 1") == "SELECT a\nFROM b\nWHERE c = 1"
    painted = sql_text.formatted("select a from b", lambda word: f"<{word}>")
    assert painted == "<SELECT> a\n<FROM> b"
    assert len(sql_text.formatted("select " + "a, " * 10_000)) == sql_text.LONGEST + 1
