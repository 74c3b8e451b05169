"""Stories of projects that read a database on a server while they start."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devrunserver.supervisor.worker_cycle import MOST_ANSWERS_CHANGED
from tests.database_server import DatabaseServer
from tests.live import Server, replace
from tests.mysql import MySqlServer
from tests.postgres import PostgresServer
from tests.stories.test_checkpoints import (
    MARKS,
    NOTE_MARK,
    RELOADED,
    append,
    last_reload,
    serve,
)  # fmt: skip

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each reload is a fresh start")

pytest.importorskip("psycopg")
pytest.importorskip("pymysql")

# As PyMySQL's documentation says; the number is that of the driver that Django expects
MYSQL = "import pymysql\npymysql.version_info = (2, 2, 7, 'final', 0)\npymysql.install_as_MySQLdb()\n"
READS = 'cursor.execute("SELECT text FROM note WHERE id = %s", [1])'
APP = """
from django.apps import AppConfig
from django.db import connections

class ShopConfig(AppConfig):
    name = "shop"
    note = "none"

    def ready(self):
        with connections["remote"].cursor() as cursor:
            {asks}
            ShopConfig.note = cursor.fetchone()[0]
"""
RESUMED_LATE = "resumed at shop.marks"


@pytest.fixture(params=[PostgresServer])
def database(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    with request.param() as database:
        database.execute("CREATE TABLE note (id INTEGER, text TEXT)")
        database.execute("INSERT INTO note VALUES (1, 'first'), (2, 'other')")
        yield database


def prepare(project: Path, database: DatabaseServer, asks: str = READS, more: str = "") -> None:
    driver = MYSQL if isinstance(database, MySqlServer) else ""
    append(project / "bookshop/settings.py", f'{driver}DATABASES["remote"] = {database.settings!r}\n{more}')
    append(project / "shop/apps.py", APP.format(asks=asks))


def save(server: Server, number: int, text: str) -> None:
    replace(server.project / MARKS, NOTE_MARK.format(number=number))
    server.wait_for_body(f"mark-{number} {text}")
    server.wait_for_log(RELOADED, number)
    server.wait_until_still()


EXACT = 'DEVRUNSERVER = {"PREPARE": False}\n'


@pytest.mark.parametrize("database", [PostgresServer, MySqlServer], indirect=True)
def test_checkpoints_after_a_query_are_resumed_while_it_has_the_same_answer(
    project: Path, database: DatabaseServer
) -> None:
    prepare(project, database, more=EXACT)
    with serve(project, "--explain-reload") as server:
        server.wait_for_body("mark-0")
        for number, text in enumerate(("first", "first", "second", "second"), 1):
            database.execute(f"UPDATE note SET text = '{text}' WHERE id = 1")
            database.execute(f"UPDATE note SET text = '{number}' WHERE id = 2")
            save(server, number, text)
            if number in (2, 4):
                assert last_reload(server) == RESUMED_LATE
        assert re.search(r"not resumed later: the database 'remote' has another answer to SELECT text FROM", server.log)
        assert "No checkpoints" not in server.log
        assert "ended by" not in server.log, "that a process leaves is no death"


def test_a_server_that_is_down_breaks_the_next_start_as_it_should(project: Path, database: DatabaseServer) -> None:
    prepare(project, database, more=EXACT)
    with serve(project) as server:
        server.wait_for_body("mark-0")
        save(server, 1, "first")
        database.is_up = False
        replace(project / MARKS, NOTE_MARK.format(number=2))
        server.wait_for_body("OperationalError", headers="Accept: text/plain\r\n")
        database.is_up = True
        replace(project / MARKS, NOTE_MARK.format(number=3))
        server.wait_for_body("mark-3 first")


@pytest.mark.deep
def test_where_answers_change_all_the_time_nothing_relies_on_them(project: Path, database: DatabaseServer) -> None:
    prepare(project, database, more=EXACT)
    with serve(project, "--explain-reload") as server:
        server.wait_for_body("mark-0")
        for number in range(1, MOST_ANSWERS_CHANGED + 4):
            database.execute(f"UPDATE note SET text = 'text-{number}' WHERE id = 1")
            save(server, number, f"text-{number}")
        assert server.log.count("has another answer to SELECT") == MOST_ANSWERS_CHANGED + 1
        assert re.search(r"No checkpoints from .* on: it opened a database connection \(shop\.apps\)", server.log)


@pytest.mark.parametrize(
    ("asks", "line"),
    [
        (
            "cursor.execute(\"INSERT INTO note VALUES (3, 'more')\"); " + READS,
            r"it asked a database what cannot be asked twice: INSERT INTO note VALUES \(3, 'more'\) \(shop.apps\)",
        ),
        ("cursor = cursor.cursor; " + READS, r"it asked a database past Django \(shop.apps\)"),
    ],
    ids=["write", "past Django"],
)
def test_what_cannot_be_asked_again_is_told_and_no_checkpoint_is_after_it(
    project: Path, database: DatabaseServer, asks: str, line: str
) -> None:
    prepare(project, database, asks, more=EXACT)
    with serve(project) as server:
        server.wait_for_body("mark-0")
        for number, text in enumerate(("first", "second"), 1):
            database.execute(f"UPDATE note SET text = '{text}' WHERE id = 1")
            save(server, number, text)
            assert last_reload(server) != RESUMED_LATE
        assert re.search(rf"No checkpoints from .* on: {line}", server.log)


@pytest.mark.deep
def test_what_is_prepared_after_a_query_serves_while_it_has_the_same_answer(
    project: Path, database: DatabaseServer
) -> None:
    prepare(project, database)
    prepared = rf"{RELOADED}resumed at .*, prepared\)"
    with serve(project, "--explain-reload") as server:
        server.wait_for_body("mark-0")
        number = 0

        def save_until_prepared(text: str) -> None:
            nonlocal number
            before = len(re.findall(prepared, server.log))
            while len(re.findall(prepared, server.log)) == before:
                number += 1
                assert number < 12, "nothing is prepared"
                save(server, number, text)

        save_until_prepared("first")
        database.execute("UPDATE note SET text = 'second' WHERE id = 1")
        number += 1
        save(server, number, "second")
        save_until_prepared("second")
        assert "once more" not in server.log
