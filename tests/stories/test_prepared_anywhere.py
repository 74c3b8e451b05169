"""Prepared checkpoints of what is imported while apps are populated, beside all that might be in the way."""

from __future__ import annotations

import os
import re
import socketserver
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from devrunserver.common.memory import is_memory_plentiful
from tests.live import Server
from tests.stories.test_prepared import age, kinds, wait_until_prepared

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are checkpoints on Linux alone")

APPS = """
from django.apps import AppConfig

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        import passing
        from shop import marks
        import stamps
        import slow
"""
# What is over when it has been imported: a refused connection, a temporary file, a thread
PASSING = """
import socket, tempfile, threading

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
    free.bind(("127.0.0.1", 0))
    try:
        socket.create_connection(free.getsockname())
    except OSError:
        pass
tempfile.NamedTemporaryFile().close()
thread = threading.Thread(target=int)
thread.start()
thread.join()
"""
# What is another one at each start, or each second
STAMPS = """
import itertools, time, uuid

SECOND, MINUTE = time.strftime("%Y%m%d%H%M%S"), time.strftime("%d/%m/%Y %H:%M")
NOW, TOKEN, NUMBER = time.time(), uuid.uuid4().hex, next(itertools.count(time.time_ns()))
"""
SLOW = "import time\n\ntime.sleep(0.3)\n"


def test_views_that_are_imported_from_ready(project: Path) -> None:
    (project / "shop/apps.py").write_text(APPS)
    for name, text in {"passing.py": PASSING, "stamps.py": STAMPS, "slow.py": SLOW}.items():
        (project / name).write_text(text)
    age(project)
    with Server(project, "--explain-reload") as server:
        server.wait_for_body("mark-0")
        for number in (1, 2, 3):
            server.edit("shop/marks.py", f"mark-{number - 1}", f"mark-{number}")
            server.wait_for_body(f"mark-{number}")
            server.wait_for_log("marks.py changed: reloaded in", number)
            if number == 1:
                wait_until_prepared(server)
        assert kinds(server)[1:] == [True, True]
        assert "No checkpoints" not in server.log
        assert "once more" not in server.log


def test_models(project: Path) -> None:
    """What does not import Django is imported ahead, though the URLconf does."""
    (project / "slow.py").write_text(SLOW)
    with open(project / "bookshop/urls.py", "a") as urls:
        urls.write("\nimport slow\n")
    age(project)
    with Server(project, "--explain-reload") as server:
        server.wait_for_body("mark-0")
        for number in (1, 2, 3):
            server.edit("shop/models.py", f"MOST_COPIES = {19 + number}", f"MOST_COPIES = {20 + number}")
            server.wait_for_log("models.py changed: reloaded in", number)
            if number == 1:
                wait_until_prepared(server)
        assert kinds(server)[1:] == [True, True]


def make_slow(project: Path, urls: str, *edited: str) -> None:
    """What depends on the model takes its time, and so does what does not.

    Args:
        urls: what the URLconf imports besides.
        edited: the files that were right before the start, the last one last.
    """
    (project / "slow.py").write_text("import time\n\ntime.sleep(0.8)\n")
    (project / "shop/reports.py").write_text("import time\n\nfrom shop import models\n\ntime.sleep(0.4)\n")
    with open(project / "bookshop/urls.py", "a") as file:
        file.write(urls)
    age(project)
    for number, name in enumerate(reversed(edited), 1):
        os.utime(project / name, (time.time() - 3 * number,) * 2)


def resumed_late(server: Server, path: str) -> bool:
    """Whether the reload after a save of a file began behind all models: at the URLconf, or right before a view."""
    return bool(re.search(rf"{path} changed: reloaded in .*\(resumed at (the URLconf|shop\.marks), ", server.log))


@pytest.mark.deep
@pytest.mark.skipif(not is_memory_plentiful(), reason="it is not worth the memory")
def test_a_view_and_a_model_before_anybody_has_saved(project: Path) -> None:
    """What depends on the model takes its time: neither save has to wait for what the other one needs."""
    make_slow(project, "\nimport shop.reports\nimport slow\n", "shop/models.py", "shop/marks.py")
    with Server(project, "--explain-reload") as server:
        server.wait_for_body("mark-0")
        server.wait_for_log("Prepared the next reload", 2)
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")
        server.wait_for_log("marks.py changed: reloaded in")
        server.edit("shop/models.py", "MOST_COPIES = 20", "MOST_COPIES = 21")
        server.wait_for_log("models.py changed: reloaded in")
        server.wait_for_body("mark-1")
        assert kinds(server) == [True, True]
        assert resumed_late(server, "shop/marks.py")
        assert not resumed_late(server, "shop/models.py")
        assert "once more" not in server.log


READY_IMPORTS = """
from django.apps import AppConfig

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        from shop import reports, marks
"""


@pytest.mark.deep
@pytest.mark.skipif(not is_memory_plentiful(), reason="it is not worth the memory")
def test_a_view_that_is_imported_from_ready_in_turn_with_a_model(project: Path) -> None:
    """The save of the model takes the checkpoint right before the view away; a fork of what is prepared comes there."""
    (project / "shop/apps.py").write_text(READY_IMPORTS)
    make_slow(project, "\nimport slow\n", "shop/marks.py", "shop/models.py")
    with Server(project, "--explain-reload") as server:
        server.wait_for_body("mark-0")
        server.wait_for_log("Prepared the next reload")
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")
        server.wait_for_log("marks.py changed: reloaded in")
        wait_until_prepared(server)
        server.edit("shop/models.py", "MOST_COPIES = 20", "MOST_COPIES = 21")
        server.wait_for_log("models.py changed: reloaded in")
        count = server.log.count("Prepared the next reload")
        for number in (2, 3, 4):  # what is for the model may be made anew first
            if (is_there := server.log.count("Prepared the next reload") - count) < 2:
                server.wait_for_log("Prepared the next reload", count + is_there + 1)
            server.edit("shop/marks.py", f"mark-{number - 1}", f"mark-{number}")
            server.wait_for_body(f"mark-{number}")
            server.wait_for_log("marks.py changed: reloaded in", number)
            if "resumed at shop.marks, prepared" in server.log.rpartition("changed: reloaded in")[2]:
                break
        else:
            pytest.fail("the view has no prepared reload of its own")
        server.edit("shop/models.py", "MOST_COPIES = 21", "MOST_COPIES = 22")
        server.wait_for_log("models.py changed: reloaded in", 2)
        assert kinds(server)[-1]
        assert "once more" not in server.log


# Its start writes another row each time, and reads before that, as one that looks whether the row is there
WRITER = """
import os
from django.db import connection, transaction
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS start (pid)")
    cursor.execute("SELECT count(*) FROM start")
    cursor.execute("INSERT INTO start VALUES (%s)", [os.getpid()])
"""

LATE_IN_SUPERVISOR = """
import os, time
if os.environ.get("RUN_MAIN") != "true":
    time.sleep(1)
"""


def write_app(project: Path, ready: str) -> None:
    """Has ``ready()`` do something, and import what takes a while."""
    apps = APPS.replace("        import passing\n", indent(ready, " " * 8)).replace("        import stamps\n", "")
    (project / "shop/apps.py").write_text(apps)
    (project / "slow.py").write_text(SLOW)


@pytest.mark.deep
@pytest.mark.parametrize("ready", [WRITER, "from shop import writer\n"], ids=["when called", "when imported"])
def test_workers_alone_write_to_a_database(project: Path, ready: str) -> None:
    """Another process would be in their way: SQLite refuses where two have read, and want to write."""
    write_app(project, ready)
    (project / "shop/writer.py").write_text(WRITER)
    age(project)

    def starts() -> int:
        with closing(sqlite3.connect(project / "db.sqlite3")) as database:
            return int(database.execute("SELECT count(*) FROM start").fetchone()[0])

    with Server(project, "--explain-reload", environ={"DEVRUNSERVER_TRACE": "1"}) as server:
        server.wait_for_body("mark-0")
        server.wait_until_still()
        before = starts()
        for number in (1, 2, 3):  # the second may be exact, once, so that a checkpoint is left right before the file
            server.edit("shop/marks.py", f"mark-{number - 1}", f"mark-{number}")
            server.wait_for_body(f"mark-{number}")
            server.wait_for_log("marks.py changed: reloaded in", number)
            if number == 1:
                wait_until_prepared(server)
            server.wait_until_still()
            if kinds(server)[-1]:
                break
        assert kinds(server)[-1] is True
        assert starts() == before + server.reloads
        # A build does not come to what writes where it begins right before that, as on a machine that is slow just then
        is_before = ready != WRITER and "resumed at shop.writer, prepared" not in server.log
        assert bool(re.search(r"BuildFailed\(.*reason='it writes to a database'", server.log)) is is_before
        assert "once more" not in server.log


@pytest.mark.deep
def test_the_supervisor_writes_before_its_worker(project: Path) -> None:
    """As with Django's reloader, which starts the one when the other is done; here they import at the same time."""
    write_app(project, LATE_IN_SUPERVISOR + WRITER)
    with open(project / "bookshop/settings.py", "a") as settings:
        settings.write('\nDEVRUNSERVER = {"SUPERVISOR_SETUP": True}\n')
    with Server(project) as server:
        server.wait_for_body("mark-0")
        server.wait_until_still()
        with closing(sqlite3.connect(project / "db.sqlite3")) as database:
            pids = [pid for (pid,) in database.execute("SELECT pid FROM start")]
        assert pids.index(server.process.pid) == len(pids) - 2


# As one that asks a server of its own
CACHE = """
import socket
from django.core.cache.backends.base import BaseCache

class Cache(BaseCache):
    def __init__(self, location, params):
        super().__init__(params)
        self.port, self.sock = int(location), None

    def ask(self, what):
        self.sock = self.sock or socket.create_connection(("127.0.0.1", self.port))
        self.sock.sendall(what)
        self.sock.recv(1)

    def clear(self):
        self.ask(b"c")

    def get(self, key, default=None, version=None):
        self.ask(b"g")

    def close(self, **kwargs):
        if self.sock is not None:
            self.sock.close()
            self.sock = None
"""
CACHES = """
CACHES = {{"default": {{"BACKEND": "shop.remote.Cache", "LOCATION": "{port}"}}}}
"""
CLEAR = "from django.core.cache import cache\ncache.clear()\n"


@pytest.fixture
def cache_server() -> Iterator[socketserver.ThreadingTCPServer]:
    """A server that a cache asks; ``asked`` is what."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while (asked := self.request.recv(1)) != b"":
                server.asked.append(asked)  # type: ignore[attr-defined]
                self.request.sendall(b"!")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []  # type: ignore[attr-defined]
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


@pytest.mark.deep
@pytest.mark.parametrize("learns", [False, True], ids=["clears alone", "asks as well"])
def test_a_cache_on_a_server_that_is_cleared(project: Path, cache_server: Any, learns: bool) -> None:
    """There are checkpoints after that, as nothing was learnt; and it is cleared for each worker all the same."""
    write_app(project, CLEAR + ("cache.get('name')\n" if learns else ""))
    (project / "shop/remote.py").write_text(CACHE)
    with open(project / "bookshop/settings.py", "a") as settings:
        settings.write(CACHES.format(port=cache_server.server_address[1]))
    age(project)
    with Server(project, "--explain-reload") as server:
        server.wait_for_body("mark-0")
        for number in (1, 2):
            server.wait_until_still()
            before = cache_server.asked.count(b"c")
            server.edit("shop/marks.py", f"mark-{number - 1}", f"mark-{number}")
            server.wait_for_body(f"mark-{number}")
            server.wait_for_log("marks.py changed: reloaded in", number)
            assert cache_server.asked.count(b"c") > before
        last = server.log.rpartition("changed: reloaded in")[2]
        assert ("it connected to a server" in server.log) is learns
        assert ("resumed at shop.models" in last or "resumed at shop.remote" in last) is learns
        assert "once more" not in server.log
