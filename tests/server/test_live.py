"""The server as a user runs it: with the command, a project, and browsers that keep connections to have them."""

from __future__ import annotations

import re
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live import Server, get
from tests.marks import plainly

pytestmark = pytest.mark.live

NOTE_END = """
import atexit, os
from pathlib import Path
if os.environ.get("RUN_MAIN"):
    atexit.register(lambda: Path("ended").write_text(f"{os.getpid()}"))
"""


@pytest.mark.parametrize("arguments", [("--nothreading",), ()], ids=["nothreading", "threads"])
def test_a_reload_with_connections_that_say_nothing(project: Path, arguments: tuple[str, ...]) -> None:
    """The worker ends by itself, and is not killed for being late: what it has to do at its end is done."""
    manage = project / "manage.py"
    manage.write_text(NOTE_END + manage.read_text())
    with Server(project, *arguments) as server, ExitStack() as stack:
        server.wait_for_body("mark-0")
        worker = server.worker_pid()
        silent, half = (stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10)) for _ in range(2))
        half.sendall(b"GET /version/ HTTP/1.1\r\nHo")
        assert server.get().status == 200
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")
        assert (project / "ended").read_text() == str(worker)
        # they are served by the next worker, with what the first one had received
        half.sendall(b"st: localhost\r\nConnection: close\r\n\r\n")
        silent.sendall(b"GET /version/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"mark-1" in _everything(half)
        assert b"mark-1" in _everything(silent)


def _everything(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize(
    "arguments", plainly([(), ("--noreload", "--nothreading"), ("--noreload",), ("--nothreading",)], 2), ids=" ".join
)
def test_ctrl_c_with_connections_open(project: Path, arguments: tuple[str, ...]) -> None:
    with Server(project, *arguments) as server, ExitStack() as stack:
        port = server.port
        silent, idle, streaming = (
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(3)
        )
        idle.sendall(b"GET /version/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(65_536).startswith(b"HTTP/1.1 200 ")
        if "--nothreading" not in arguments:
            streaming.sendall(b"GET /stream/?lines=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"line 1" in streaming.recv(65_536) + streaming.recv(65_536)
        server.process.send_signal(signal.SIGINT)
        assert server.wait_for_end(5) == 0
        assert silent.recv(1) == b""
        assert get(port).error == "refused"


def test_what_is_logged_is_the_users_choice(project: Path) -> None:
    with (project / "bookshop/settings.py").open("a") as settings:
        settings.write('\nDEVRUNSERVER = {"LOG_DURATION": True, "LOG_FILES": False, "LOG_IGNORE": ["/api/"]}\n')
    with Server(project) as server:
        for path in ("/static/shop/shop.css", "/static/missing.css", "/api/books/", "/version/"):
            server.get(path)
        server.wait_for_log(r"GET /version/")
        lines = re.findall(r'"GET (\S+) HTTP/1.1" (\d+) \d+( \d+ ms)', server.log)
        assert [line[:2] for line in lines] == [("/static/missing.css", "404"), ("/version/", "200")]
        assert all(line[2] for line in lines)


def test_a_truncated_upload_is_one_line_and_no_traceback(project: Path) -> None:
    """Although Django would print one, of its view that was reading."""
    with Server(project, "--noreload") as server:
        with socket.create_connection(("127.0.0.1", server.port), 10) as client:
            client.sendall(b"POST /echo/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhello")
            client.shutdown(socket.SHUT_WR)
            assert client.recv(65_536).startswith(b"HTTP/1.1 400 ")
        server.wait_for_log(r'"POST /echo/ HTTP/1.1" 400 ')
        assert server.get().status == 200
        assert "Traceback" not in server.log
        assert len(re.findall("/echo/", server.log)) == 1


@pytest.mark.parametrize("kind", ["--noasgi", "--asgi"])
def test_persistent_database_connections_persist(project: Path, kind: str) -> None:
    with (project / "bookshop/settings.py").open("a") as settings:
        settings.write('\nDATABASES["default"]["CONN_MAX_AGE"] = None\n')
    (project / "shop/opened.py").write_text(OPENED)
    with (project / "bookshop/urls.py").open("a") as urls:
        urls.write("\nfrom shop.opened import opened\nurlpatterns.append(path('opened/', opened))\n")
    with Server(project, "--noreload", kind) as server:
        threads = [server.get("/opened/").body.split() for _ in range(10)][-1]  # each on a connection of its own
        assert len(threads) < 10
        assert len(set(threads)) == len(threads), "no thread opened a second one"


OPENED = """
import threading

from django.db import connection
from django.db.backends.signals import connection_created
from django.http import HttpResponse

threads = []
connection_created.connect(lambda **kwargs: threads.append(threading.get_ident()), weak=False)


def opened(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse(" ".join(map(str, threads)))
"""
