"""Who waits for an event loop that is stuck is told where."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from devrunserver.server.asgi import loop_watch
from devrunserver.server.asgi.loop_watch import LoopWatch, Place, description
from tests.live import wait_for
from tests.server.asgi.conftest import RunAsgi
from tests.server.conftest import messages
from tests.server.wire import PATIENCE

ASYNCIO = Place("asyncio.events", "_run", asyncio.events.__file__, 80)
LIBRARY = Place("requests.api", "get", "/srv/venv/lib/python3.13/site-packages/requests/api.py", 73)
VIEW = Place("shop.views", "book_list", "/srv/shop/views.py", 12)
OURS = Place("devrunserver.server.asgi.turn", "_run", loop_watch.__file__, 1)


@pytest.mark.parametrize(
    ("stack", "told"),
    [
        ([LIBRARY, VIEW, OURS, ASYNCIO], "The event loop has been at /srv/shop/views.py:12 (book_list) for 3 seconds"),
        ([VIEW, VIEW._replace(line=1), ASYNCIO], "/srv/shop/views.py:12 "),
        ([LIBRARY, OURS, ASYNCIO], ""),
        ([Place("json", "loads", json.__file__, 1), ASYNCIO], ""),
        ([Place("<frozen importlib>", "load", "<frozen importlib>", 1), ASYNCIO], ""),
        ([Place("cmd", "cmdloop", "/usr/lib/cmd.py", 1), Place("pdb", "interaction", "/usr/lib/pdb.py", 1), VIEW], ""),
        ([], ""),
    ],
)
def test_what_is_told(stack: list[Place], told: str) -> None:
    said = description(stack)
    assert told in said if told else said == ""
    assert "\n" not in said


def test_nobody_looks_while_nothing_waits() -> None:
    watch = LoopWatch(threading.current_thread())
    assert watch.urge() is None
    watch.expect()
    due = watch.urge()
    assert due is not None and 0 < due <= loop_watch.PATIENCE
    watch.on_call()
    assert watch.urge() is None


def test_a_view_that_does_not_await(run_asgi: RunAsgi, monkeypatch: pytest.MonkeyPatch, records: Any) -> None:
    monkeypatch.setattr(loop_watch, "PATIENCE", 0.05)
    may_go_on, began = threading.Event(), threading.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise ValueError(scope["type"])
        if scope["path"] == "/stuck":
            began.set()
            may_go_on.wait(PATIENCE)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    running = run_asgi(application)
    with running.wire() as stuck, running.wire() as waiting:
        stuck.send("GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n")
        assert began.wait(PATIENCE)
        waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_for(lambda: records, "it is told", PATIENCE)
        may_go_on.set()
        assert stuck.answer().body == waiting.answer().body == b"hello"
    assert "test_loop_watch.py:" in messages(records)[0] and "(application)" in messages(records)[0]
