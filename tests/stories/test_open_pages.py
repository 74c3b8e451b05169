"""Streams of open pages, by plain sockets: what they cost, and that nothing waits for them."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.announcements import Announcements
from tests.live import Server, descriptors, get, wait_for

DOCUMENT = "Sec-Fetch-Dest: document\r\n"
STREAMS = 200
PATIENCE = 30.0  # seconds; only a failing test waits so long
END_LIMIT = 5.0  # seconds for Ctrl-C; a stream that is waited for would take for ever


def tag(server: Server) -> dict[str, str]:
    """What a page carries; empty where it has no tag."""
    page = get(server.port, "/", DOCUMENT).body
    found = re.search(r"<script ([^>]*data-devrunserver[^>]*)></script>", page)
    return dict(re.findall(r'data-(\w+)="([^"]*)"', found[1])) if found else {}


class Stream:
    """One that a page has opened."""

    def __init__(self, port: int, token: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        request = f"GET /__devrunserver__/stream?token={token} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
        self.socket.sendall(request.encode())
        self.next = Announcements(self.socket).next

    def wait_for(self, kind: str) -> Any:
        """The last change, once it is of this kind."""
        while (told := self.next()) is not None:
            if told["changes"] and told["changes"][-1]["kind"] == kind:
                return told
        raise AssertionError("the stream has ended")


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


@pytest.mark.deep
def test_streams_cost_nothing_and_nothing_waits_for_them(project: Path) -> None:
    with Server(project) as server:
        server.wait_for_body("mark-0")
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")
        token = tag(server)["token"]
        worker = server.worker_pid()
        before = threads(server.pid)
        streams = [Stream(server.port, token) for _ in range(STREAMS)]
        generations = {stream.next()["generation"] for stream in streams}
        assert len(generations) == 1
        assert threads(server.pid) < before + STREAMS / 10
        held = [one for one in descriptors(server.pid) if one.startswith("socket:")]
        assert len(held) >= STREAMS
        wait_for(lambda: len(descriptors(worker)) < STREAMS, "the worker has given them away")
        # they outlive the worker, and are told of the next one
        server.edit("shop/marks.py", "mark-1", "mark-2")
        server.wait_for_body("mark-2")
        for stream in streams:
            assert stream.wait_for("page")["generation"] > max(generations)
        assert tag(server)["generation"] >= str(max(generations))
        (project / "shop/static/shop/shop.css").write_text("a { color: red }")
        told = streams[0].wait_for("css")
        assert told["changes"][-1]["files"] == ["/static/shop/shop.css"]
        began = time.monotonic()
        server.process.send_signal(2)
        server.wait_for_end()
        assert time.monotonic() - began < END_LIMIT
        for stream in streams:
            stream.socket.close()


def test_a_change_that_comes_with_a_reload_is_told_too(project: Path) -> None:
    """A style sheet and a module that are saved at once."""
    with Server(project) as server:
        server.wait_for_body("mark-0")
        stream = Stream(server.port, tag(server)["token"])
        stream.next()
        server.edit("shop/marks.py", "mark-0", "mark-1")
        (project / "shop/static/shop/shop.css").write_text("a { color: red }")
        kinds: set[str] = set()
        while not kinds >= {"page", "css"}:
            told = stream.next()
            assert told is not None
            kinds |= {one["kind"] for one in told["changes"]}
        stream.socket.close()


@pytest.mark.measured
def test_broken_code_is_told_and_its_mending(project: Path) -> None:
    with Server(project) as server:
        server.wait_for_body("mark-0")
        stream = Stream(server.port, tag(server)["token"])
        server.edit("shop/marks.py", 'MARK = "mark-0"', "MARK =")
        error = stream.wait_for("error")
        server.edit("shop/marks.py", "MARK =", 'MARK = "mark-1"')
        assert stream.wait_for("page")["generation"] > error["generation"]
        server.wait_for_body("mark-1")
        stream.socket.close()


SETTINGS = "from bookshop.settings import *\n"
OFF = [
    (["--noreload"], ""),
    ([], "INSTALLED_APPS = [*INSTALLED_APPS, 'django_browser_reload']"),
    pytest.param(["--no-browser-reload"], "", marks=pytest.mark.deep),
    pytest.param([], "DEVRUNSERVER = {'BROWSER_RELOAD': False}", marks=pytest.mark.deep),
    pytest.param([], "DEBUG, ALLOWED_HOSTS = False, ['*']", marks=pytest.mark.deep),
]


@pytest.mark.parametrize(("options", "setting"), OFF)
def test_where_it_is_off(project: Path, options: list[str], setting: str) -> None:
    (project / "bookshop/other.py").write_text(f"{SETTINGS}{setting}\n")
    with Server(project, *options, environ={"DJANGO_SETTINGS_MODULE": "bookshop.other"}) as server:
        server.wait_for_body("mark-0")
        assert not tag(server)
        assert get(server.port, "/__devrunserver__/live_reload.js").status == 404
        assert server.log.count("Open pages are left to django_browser_reload") == ("django_browser_reload" in setting)
