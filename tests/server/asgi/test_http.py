"""One request by ASGI: what the application is told, what it may say, and what becomes of the connection."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from devrunserver.server.access_log import AccessLog
from devrunserver.server.asgi import turn
from devrunserver.server.asgi.lifespan import StartupFailed
from devrunserver.server.django.queries import QueryLog
from tests.live import wait_for
from tests.server.application import Application
from tests.server.asgi.conftest import RunAsgi
from tests.server.conftest import messages
from tests.server.wire import PATIENCE, Answer, Wire

PLAIN = [(b"content-type", b"text/plain")]
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


class Views:
    """An application that does what the path says."""

    def __init__(self) -> None:
        self.scope: Any = None
        self.received: list[Any] = []
        self.told = threading.Event()  # that the client is gone
        self.cancelled = threading.Event()
        self.may_go_on = threading.Event()
        self.at_once = self.most_at_once = 0
        self.query: Any = None  # makes one

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise ValueError(scope["type"])
        self.scope = scope
        await getattr(self, f"do_{scope['path'].strip('/').partition('/')[0]}")(receive, send)

    async def answer(self, send: Any, body: bytes, headers: Any = PLAIN, status: int = 200) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def do_hello(self, receive: Any, send: Any) -> None:
        await self.answer(send, b"hello")

    async def do_scope(self, receive: Any, send: Any) -> None:
        kept = {key: value for key, value in self.scope.items() if key not in ("headers", "state")}
        await self.answer(send, json.dumps(kept, default=lambda value: value.decode("latin-1")).encode())

    async def do_state(self, receive: Any, send: Any) -> None:
        said = self.scope["state"].get("said", "nothing")
        self.scope["state"]["said"] = "changed"
        await self.answer(send, said.encode())

    async def do_queries(self, receive: Any, send: Any) -> None:
        """Makes as many as it says, each on a thread."""
        for _ in range(int(self.scope["query_string"])):
            await sync_to_async(self.query, thread_sensitive=False)("SELECT 1")
        await self.answer(send, b"made")

    async def do_context(self, receive: Any, send: Any) -> None:
        said = VARIABLE.get()
        VARIABLE.set("set")
        await self.answer(send, said.encode())

    async def do_body(self, receive: Any, send: Any) -> None:
        """Tells how the body came."""
        while True:
            message = await receive()
            self.received.append(message)
            if message["type"] == "http.disconnect":
                return
            if not message["more_body"]:
                break
        await self.answer(send, b"".join(message["body"] for message in self.received))

    async def do_both(self, receive: Any, send: Any) -> None:
        """Answers each block of the body as it comes."""
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": True})
        await send({"type": "http.response.body"})

    async def do_stream(self, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        for number in range(3):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
            await asyncio.to_thread(self.may_go_on.wait, PATIENCE)
        await send({"type": "http.response.body"})

    async def do_head_first(self, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        await asyncio.to_thread(self.may_go_on.wait, PATIENCE)
        await send({"type": "http.response.body", "body": b"late"})

    async def do_events(self, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await self._wait_for_end(receive)

    async def do_wait(self, receive: Any, send: Any) -> None:
        await self._wait_for_end(receive)

    async def _wait_for_end(self, receive: Any) -> None:
        try:
            message = {"type": ""}
            while message["type"] != "http.disconnect":
                message = await receive()
            self.told.set()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def do_deaf(self, receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(10 * PATIENCE)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def do_flood(self, receive: Any, send: Any) -> None:
        """Sends without an end, and counts how much."""
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            self.received.append(1)

    async def do_file(self, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        await send({"type": "http.response.pathsend", "path": "/" + self.scope["path"].partition("/file/")[2]})

    async def do_after(self, receive: Any, send: Any) -> None:
        """Goes on when all is said."""
        await receive()
        await self.answer(send, b"hello")
        assert (await receive())["type"] == "http.disconnect"
        await asyncio.to_thread(self.may_go_on.wait, PATIENCE)
        self.told.set()

    async def do_slow(self, receive: Any, send: Any) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        for _ in range(20):
            await asyncio.sleep(0)
        self.at_once -= 1
        await self.answer(send, b"slow")

    async def do_fail(self, receive: Any, send: Any) -> None:
        raise RuntimeError("before anything")

    async def do_exit(self, receive: Any, send: Any) -> None:
        raise SystemExit(1)

    async def do_nothing(self, receive: Any, send: Any) -> None:
        """Ends without an answer."""

    async def do_half(self, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("in the middle")

    async def do_twice(self, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})
        await send({"type": "http.response.start", "status": 200, "headers": PLAIN})

    async def do_early(self, receive: Any, send: Any) -> None:
        await send({"type": "http.response.body", "body": b"no head"})

    async def do_text(self, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [("content-type", "text/plain")]})

    async def do_split(self, receive: Any, send: Any) -> None:
        await self.answer(send, b"", [(b"x-a", b"b\r\nset-cookie: c=d")])

    async def do_trailers(self, receive: Any, send: Any) -> None:
        headers = [
            (b"trailer", b"x-sum"),
            *([(b"content-length", b"5")] if b"long" in self.scope["query_string"] else []),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
        await send({"type": "http.response.body", "body": b"hello"})
        fields: list[list[Any]] = [[(b"x-sum", b"5")], [(b"Content-Length", b"9"), (b"x-b", b"c")]]
        for more, one in zip((True, False), fields, strict=True):
            await send({"type": "http.response.trailers", "headers": one, "more_trailers": more})

    async def do_status(self, receive: Any, send: Any) -> None:
        await self.answer(send, b"hello", status=int(self.scope["path"].rpartition("/")[2]))


@pytest.fixture
def views() -> Views:
    return Views()


def request(path: str, fields: str = "", method: str = "GET") -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"


def ask(wire: Wire, path: str, fields: str = "", method: str = "GET") -> Answer:
    wire.send(request(path, fields, method))
    return wire.answer(method)


def test_the_scope(run_asgi: RunAsgi, views: Views) -> None:
    running = run_asgi(views)
    with running.wire() as wire:
        fields = "X-A: 1\r\nx-a: 2\r\nX_A: posing\r\n"
        told = json.loads(ask(wire, "/scope/%C3%A9%2F/?q=%20&r", fields).body)
        client = wire.socket.getsockname()
    assert told == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/scope/é//",
        "raw_path": "/scope/%C3%A9%2F/",
        "query_string": "q=%20&r",
        "root_path": "",
        "client": list(client),
        "server": [running.server.server_name, running.port],
        "extensions": {"http.response.pathsend": {}, "http.response.trailers": {}},
    }
    assert views.scope["headers"] == [(b"host", b"a"), (b"x-a", b"1"), (b"x-a", b"2")]


def test_each_request_has_a_context_of_its_own(run_asgi: RunAsgi, views: Views) -> None:
    with run_asgi(views).wire() as wire:
        assert [ask(wire, "/context").body for _ in range(3)] == [b"unset"] * 3


def test_a_body_comes_block_by_block(run_asgi: RunAsgi, views: Views) -> None:
    """And what is answered goes out meanwhile."""
    with run_asgi(views).wire() as wire:
        wire.send(request("/both", "Transfer-Encoding: chunked\r\n", "POST"))
        assert b"200 OK" in wire._until(b"\r\n\r\n")
        for word in (b"one", b"two", b"three"):
            wire.send(b"%x\r\n%s\r\n" % (len(word), word))
            assert wire._until(b"\r\n") == b"%x" % len(word)
            assert wire._until(b"\r\n") == word
        wire.send("0\r\n\r\n")
        assert wire._until(b"\r\n\r\n") == b"0"


def test_a_large_body(run_asgi: RunAsgi, views: Views) -> None:
    body = bytes(range(256)) * 8_192
    with run_asgi(views).wire() as wire:
        wire.send(request("/body", f"Content-Length: {len(body)}\r\n", "POST"))
        thread = threading.Thread(target=wire.socket.sendall, args=(body,))
        thread.start()
        assert wire.answer().body == body
        thread.join(PATIENCE)
    assert len(views.received) > 10
    assert max(len(message["body"]) for message in views.received) <= 65_536


def test_a_stream_is_sent_as_it_is_yielded(run_asgi: RunAsgi, views: Views) -> None:
    with run_asgi(views).wire() as wire:
        wire.send(request("/stream"))
        wire._until(b"0\r\n")  # while it waits
        views.may_go_on.set()
        wire._until(b"0\r\n\r\n")


def test_a_head_does_not_wait_for_content(run_asgi: RunAsgi, views: Views) -> None:
    with run_asgi(views).wire() as wire:
        wire.send(request("/head_first"))
        assert b"Transfer-Encoding: chunked" in wire._until(b"\r\n\r\n")
        views.may_go_on.set()
        assert wire._until(b"0\r\n\r\n") == b"4\r\nlate\r\n"


def test_an_answer_that_is_all_there_is_one_packet(run_asgi: RunAsgi, views: Views) -> None:
    with run_asgi(views).wire() as wire:
        answer = ask(wire, "/hello")
        assert answer["Content-Length"] == "5"
        assert answer["Transfer-Encoding"] is None
        assert ask(wire, "/hello").body == b"hello"


@pytest.mark.parametrize("path", ["/wait", "/events"])
def test_the_application_learns_that_the_client_is_gone(run_asgi: RunAsgi, views: Views, path: str) -> None:
    running = run_asgi(views)
    with running.wire() as wire:
        wire.send(request(path))
        wait_for(lambda: views.scope is not None, "it was called", PATIENCE)
    assert views.told.wait(PATIENCE)
    wait_for(lambda: not running.server.connections, "nothing is left", PATIENCE)


def test_a_client_that_closes_its_side_only(run_asgi: RunAsgi, views: Views) -> None:
    with run_asgi(views).wire() as wire:
        wire.send(request("/slow"))
        wire.end_sending()
        assert wire.answer().body == b"slow"


def _stands_still(views: Views, other: Wire) -> bool:
    """Whether nothing more is sent while others are answered."""
    before = len(views.received)
    assert all(ask(other, "/hello").body == b"hello" for _ in range(5))
    return len(views.received) == before


def test_who_does_not_read_slows_the_application_down(run_asgi: RunAsgi, views: Views) -> None:
    running = run_asgi(views)
    with running.wire(receive_buffer=4_096) as wire:
        wire.send(request("/flood"))
        wait_for(lambda: views.received, "it sends", PATIENCE)
        with running.wire() as other:
            wait_for(lambda: _stands_still(views, other), "it has to wait", PATIENCE)
        assert len(views.received) < 1_000
    wait_for(lambda: not running.server.connections, "nothing is left", PATIENCE)


@pytest.mark.parametrize(
    ("fields", "status", "count"),
    [("", 200, 300_000), ("Range: bytes=5-9\r\n", 206, 5), ("Range: bytes=-1\r\n", 206, 1)],
)
def test_a_file_by_its_path(
    run_asgi: RunAsgi, views: Views, tmp_path: Path, fields: str, status: int, count: int
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789" * 30_000)
    running = run_asgi(_with_modified(views))
    with running.wire() as wire:
        answer = ask(wire, f"/file{file}", fields)
        assert (answer.status, len(answer.body)) == (status, count)
        assert ask(wire, f"/file{file}", fields, "HEAD")["Content-Length"] == "300000"  # ranges are of GET alone
        assert ask(wire, f"/file{file}.none").status == 500


def _with_modified(views: Views) -> Views:
    """Of what has a date a part may be sent."""
    dated = [*PLAIN, (b"last-modified", b"Thu, 01 Jan 2026 00:00:00 GMT")]

    async def do_file(receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": dated})
        await send({"type": "http.response.pathsend", "path": "/" + views.scope["path"].partition("/file/")[2]})

    views.do_file = do_file  # type: ignore[method-assign]
    return views


def test_an_application_may_go_on_when_all_is_said(run_asgi: RunAsgi, views: Views) -> None:
    with run_asgi(views).wire() as wire:
        assert ask(wire, "/after").body == b"hello"
        assert ask(wire, "/hello").body == b"hello"
        views.may_go_on.set()
        assert views.told.wait(PATIENCE)


@pytest.mark.parametrize("path", ["/fail", "/exit", "/nothing", "/twice", "/early", "/text", "/split", "/status/99"])
def test_what_goes_wrong(run_asgi: RunAsgi, views: Views, path: str) -> None:
    running = run_asgi(views)
    with running.wire() as wire:
        answer = ask(wire, path)
        assert answer.status == 500
        assert answer["Set-Cookie"] is None
    with running.wire() as wire:
        assert ask(wire, "/hello").body == b"hello"


def test_what_breaks_in_the_middle_shows(run_asgi: RunAsgi, views: Views) -> None:
    with run_asgi(views).wire() as wire:
        wire.send(request("/half"))
        answer = wire.answer()
        assert answer.body == b"half"
        assert not answer.complete


@pytest.mark.parametrize(
    ("status", "said"), [(200, b"hello"), (204, b""), (304, b""), (404, b"hello"), (599, b"hello")]
)
def test_statuses(run_asgi: RunAsgi, views: Views, status: int, said: bytes) -> None:
    with run_asgi(views).wire() as wire:
        answer = ask(wire, f"/status/{status}")
        assert (answer.status, answer.body) == (status, said)
        assert ask(wire, "/hello").body == b"hello"


def test_one_at_a_time(run_asgi: RunAsgi, views: Views) -> None:
    running = run_asgi(views, is_threaded=False)
    wires = [running.wire() for _ in range(5)]
    for wire in wires:
        wire.send(request("/slow"))
    for wire in wires:
        assert wire.answer().body == b"slow"
        wire.socket.close()
    assert views.most_at_once == 1


def test_an_application_that_takes_too_long(run_asgi: RunAsgi, views: Views) -> None:
    with run_asgi(views, http_timeout=0.05).wire() as wire:
        assert ask(wire, "/wait").status == 503
    assert views.told.wait(PATIENCE) and not views.cancelled.is_set()


def test_one_that_does_not_end_by_itself_either(
    run_asgi: RunAsgi, views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "LEARN_PATIENCE", 0.01)
    with run_asgi(views, http_timeout=0.05).wire() as wire:
        assert ask(wire, "/deaf").status == 503
    assert views.cancelled.wait(PATIENCE)


def test_idle_connections_leave_the_loop(run_asgi: RunAsgi, views: Views) -> None:
    """Nothing is on the loop then, so that nothing wakes it; and they are of use afterwards."""
    running = run_asgi(views)
    with running.wire() as one, running.wire() as other:
        for wire in (one, other):
            assert ask(wire, "/hello").body == b"hello"
        wait_for(lambda: len(running.server.idle) == 2, "they wait elsewhere", PATIENCE)
        assert not running.server.asgi.turns
        assert running.server.asgi._sweep is None
        for wire in (one, other):
            assert ask(wire, "/hello").body == b"hello"


def test_the_end_cuts_event_streams_and_lets_answers_end(run_asgi: RunAsgi, views: Views) -> None:
    running = run_asgi(views)
    with running.wire() as events, running.wire() as stream:
        events.send(request("/events"))
        events._until(b"data: 1\n\n")
        stream.send(request("/head_first"))
        stream._until(b"\r\n\r\n")
        running.server.stop()
        while events.socket.recv(65_536):
            pass  # until it is cut
        assert views.told.wait(PATIENCE)
        views.may_go_on.set()
        assert stream._until(b"\r\n0\r\n\r\n") == b"4\r\nlate"


def test_the_log(run_asgi: RunAsgi, views: Views, records: Any) -> None:
    with run_asgi(views).wire() as wire:
        ask(wire, "/hello?a=b")
        ask(wire, "/status/404")
    wait_for(lambda: len(records) == 2, "both are logged", PATIENCE)
    assert messages(records) == ['"GET /hello?a=b HTTP/1.1" 200 5', '"GET /status/404 HTTP/1.1" 404 5']
    assert records[0].__dict__["status_code"] == 200
    assert isinstance(records[0].__dict__["request"], socket.socket)


class Living(Views):
    """An application that has a life."""

    def __init__(self, start: str = "complete") -> None:
        super().__init__()
        self.lived: list[str] = []
        self._start = start

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await super().__call__(scope, receive, send)
            return
        if self._start == "unknown":
            raise ValueError("Django can only handle ASGI/HTTP connections, not lifespan.")
        self.lived.append((await receive())["type"])
        if self._start == "error":
            raise LookupError("no cache")
        scope["state"]["said"] = "kept"
        await asyncio.to_thread(self.may_go_on.wait, PATIENCE)
        self.background = asyncio.create_task(self._work())
        await send({"type": f"lifespan.startup.{self._start}", "message": "no database"})
        self.lived.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})

    async def _work(self) -> None:
        try:
            await asyncio.sleep(PATIENCE * 10)
        finally:
            self.lived.append("background task ended")


def test_a_life(run_asgi: RunAsgi) -> None:
    living = Living()
    running = run_asgi(living)
    with running.wire() as wire:
        wire.send(request("/state"))  # waits until the application has started
        living.may_go_on.set()
        assert wire.answer().body == b"kept"
        assert ask(wire, "/state").body == b"kept"
    running.server.shutdown()
    running.server.server_close()
    assert living.lived == ["lifespan.startup", "lifespan.shutdown", "background task ended"]


def test_an_application_without_a_life(run_asgi: RunAsgi, capfd: pytest.CaptureFixture[str]) -> None:
    with run_asgi(Living("unknown")).wire() as wire:
        assert ask(wire, "/hello").body == b"hello"
    assert "lifespan" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("start", "kind", "cause"), [("failed", StartupFailed, "no database"), ("error", LookupError, "no cache")]
)
def test_an_application_that_cannot_start(run_asgi: RunAsgi, start: str, kind: type[Exception], cause: str) -> None:
    """The server leaves, or who keeps it serves the error: also to who has asked meanwhile."""
    living = Living(start)
    living.may_go_on.set()
    running = run_asgi(living)
    running.thread.join(PATIENCE)
    failure = running.server.asgi.lifespan.failure
    assert isinstance(failure, kind)
    assert str(failure) == cause


def test_what_is_served_in_place_of_an_application_that_cannot_start(run_asgi: RunAsgi) -> None:
    living = Living("failed")
    running = run_asgi(living)
    running.server.on_failure = lambda error: running.server.set_app(Application())
    with running.wire() as wire:
        wire.send(request("/echo"))
        wait_for(lambda: living.lived, "it starts", PATIENCE)
        living.may_go_on.set()
        assert wire.answer().body == b"hello"
        assert ask(wire, "/told/REQUEST_METHOD").body == b"GET"


def test_queries_are_counted_for_each_request(run_asgi: RunAsgi, views: Views, records: Any) -> None:
    log = QueryLog(lambda file: file == __file__, slow=1000.0)
    views.query = lambda sql: log._record(lambda *args: None, sql, (), False, {})
    running = run_asgi(views)
    running.server.log = AccessLog(queries=log)
    with running.wire() as wire, running.wire() as other:
        for one, count in ((wire, 3), (other, 2), (wire, 0)):
            ask(one, f"/queries?{count}")
    wait_for(lambda: len(records) == 5, "all are logged", PATIENCE)
    first, below, second, below_too, third = messages(records)
    assert '"GET /queries?3 HTTP/1.1" 200 4 3 queries 0 ms, 2 repeated' in first and "N+1: 3 times" in below
    assert "2 queries 0 ms, 1 repeated" in second and "repeated: 2 times" in below_too
    assert third.endswith("200 4")


@pytest.mark.parametrize(
    ("path", "fields", "content"),
    [
        ("/trailers", "TE: trailers\r\n", b"5\r\nhello\r\n0\r\nx-sum: 5\r\nx-b: c\r\n\r\n"),
        ("/trailers", "TE: gzip, Trailers\r\n", b"5\r\nhello\r\n0\r\nx-sum: 5\r\nx-b: c\r\n\r\n"),
        ("/trailers", "", b"5\r\nhello\r\n0\r\n\r\n"),
        ("/trailers?long", "TE: trailers\r\n", b"hello"),  # there is no place for them
    ],
)
def test_trailers(run_asgi: RunAsgi, views: Views, path: str, fields: str, content: bytes) -> None:
    with run_asgi(views).wire() as wire:
        wire.send(request(path, f"Connection: close\r\n{fields}"))
        head = wire._until(b"\r\n\r\n")
        assert b"\r\ntrailer: x-sum" in head
        assert wire.rest() == content


def test_open_streams_take_no_thread(run_asgi: RunAsgi, views: Views) -> None:
    running = run_asgi(views)
    before = threading.active_count()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            wire = stack.enter_context(running.wire())
            wire.send(request("/events"))
            wire._until(b"data: 1")
        assert threading.active_count() == before
