"""The table of behaviours: what goes in by raw sockets, and what has to come out. Sources: RFC 9110, RFC 9112."""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import tempfile
import threading
import time
from typing import Any

import pytest

from devrunserver.server import connection as server_connection
from devrunserver.server import idle_connections
from devrunserver.server import request_body as server_body
from devrunserver.server.django import static_setup
from devrunserver.server.django.server import TLS_REMEDY, Serving
from tests.live import wait_for
from tests.server.application import BAD_HEADERS, BAD_STATUS
from tests.server.conftest import Run, Running, messages
from tests.server.exchange import play
from tests.server.table import HELLO, HIDDEN, LAST, ROWS, Row, chunked, post, request
from tests.server.wire import PATIENCE, NoAnswer

SHORT = 0.05  # seconds

both = pytest.mark.parametrize("threaded", [True, False], ids=["threads", "nothreading"])


def paths(running: Running) -> list[str]:
    return [environ["PATH_INFO"] for environ in running.application.calls]


# The table

REFUSED = {name: row for name, row in ROWS.items() if row.refused}


@pytest.mark.usefixtures("static_files")
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_table(running: Running, row: Row) -> None:
    running.server.set_app(static_setup.wrap(running.application, True, False))
    with running.wire() as wire:
        play(wire, row, row.outcome)
    assert "/hidden" not in paths(running)
    if row.refused:
        assert paths(running) == []
        assert running.is_alive()


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_without_threads(run: Run, row: Row) -> None:
    running = run(threaded=False)
    with running.wire() as wire:
        play(wire, row, row.outcome)
    assert paths(running) == []
    assert running.is_alive()


# Correct requests


@pytest.mark.parametrize("path", ["/echo", "/environ", "/lists/two", "/status/404", "/stream", "/replaced"])
def test_head_has_no_content(running: Running, path: str) -> None:
    running.application.may_end.set()
    with running.wire() as wire:
        wire.send(request(path, method="HEAD") + LAST)
        answer = wire.answer("HEAD")
        assert answer["Transfer-Encoding"] is None
        assert wire.answer().body == b"hello"


@pytest.mark.parametrize(("status", "length"), [("204", None), ("304", None), ("200", "5"), ("404", "5")])
def test_which_answers_have_content(running: Running, status: str, length: str | None) -> None:
    with running.wire() as wire:
        wire.send(request(f"/status/{status}") + HELLO)
        first, second = wire.answers("GET", "GET")
        assert (first.status, first["Content-Length"]) == (int(status), length)
        assert second.body == b"hello"


def test_the_head_is_complete(running: Running) -> None:
    with running.wire() as wire:
        wire.send(HELLO)
        answer = wire.answer()
    assert (answer.status, answer.reason, answer["Content-Length"]) == (200, "OK", "5")
    assert answer["Connection"] is None
    assert answer["Date"] is not None and answer["Date"].endswith(" GMT")
    assert answer["Server"] is not None and answer["Server"].startswith("WSGIServer/")


def test_head_and_first_block_come_in_one_segment(running: Running) -> None:
    with running.wire() as wire:
        wire.send(HELLO)
        assert wire.socket.recv(65_536).endswith(b"\r\n\r\nhello")


def test_an_answer_of_unknown_length_is_chunked_and_streamed(running: Running) -> None:
    with running.wire() as wire:
        wire.send(request("/stream"))
        began = b""
        while b"one" not in began:  # before the rest is made
            began += wire.socket.recv(65_536)
        assert began.endswith(b"3\r\none\r\n")
        assert b"\r\nTransfer-Encoding: chunked\r\n" in began and b"\r\nConnection: close\r\n" in began
        running.application.may_end.set()
        assert b"".join(iter(lambda: wire.socket.recv(65_536), b"")) == b"3\r\ntwo\r\n0\r\n\r\n"


def test_http_1_0_knows_no_chunks(running: Running) -> None:
    running.application.may_end.set()
    with running.wire() as wire:
        wire.send(request("/stream", "Connection: keep-alive\r\n", version="1.0"))
        answer = wire.answer()
    assert (answer["Transfer-Encoding"], answer["Connection"], answer.body) == (None, "close", b"onetwo")


def test_http_1_0_is_told_that_its_connection_is_kept(running: Running) -> None:
    with running.wire() as wire:
        wire.send(request("/echo", "Connection: keep-alive\r\n", version="1.0"))
        assert wire.answer()["Connection"] == "keep-alive"


def test_what_the_application_is_told(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVRUNSERVER_SECRET", "1")
    fields = (
        "Cookie: a=b\r\nCookie: c=d\r\nAccept: x\r\nAccept: y\r\nX_Spoofed: 1\r\nX-Forwarded: 1\r\n"
        "Content_Length: 9\r\nContent-Type: text/x\r\nTE: trailers\r\n"
    )
    with running.wire() as wire:
        wire.send(request("/environ/caf%C3%A9%2Fb?c=%20d", fields))
        environ = json.loads(wire.answer().body)
        wire.send(chunked("/environ", "abc", "de"))
        of_chunks = json.loads(wire.answer().body)
        wire.send(request("/environ", "Content-Length: 0\r\n"))
        assert json.loads(wire.answer().body)["CONTENT_LENGTH"] == "0"
    assert environ["PATH_INFO"] == "/environ/caf\xc3\xa9/b"
    assert environ["QUERY_STRING"] == "c=%20d"
    assert environ["HTTP_COOKIE"] == "a=b; c=d"
    assert environ["HTTP_ACCEPT"] == "x,y"
    assert environ["HTTP_X_FORWARDED"] == "1"
    assert environ["CONTENT_TYPE"] == "text/x"
    assert environ["CONTENT_LENGTH"] == ""
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["SERVER_PORT"] == str(running.port)
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["wsgi.url_scheme"] == "http"
    assert not {"HTTP_X_SPOOFED", "HTTP_CONTENT_LENGTH", "DEVRUNSERVER_SECRET", "PATH"} & set(environ)
    assert of_chunks["CONTENT_LENGTH"] == "5"
    assert of_chunks["CONTENT_TYPE"] == "text/plain"
    assert "HTTP_TRANSFER_ENCODING" not in of_chunks


def test_the_host_of_an_absolute_target_is_told(running: Running) -> None:
    with running.wire() as wire:
        wire.send("GET http://b.example:1/environ?c HTTP/1.1\r\nHost: a\r\n\r\n")
        environ = json.loads(wire.answer().body)
    assert (environ["HTTP_HOST"], environ["PATH_INFO"], environ["QUERY_STRING"]) == ("b.example:1", "/environ", "c")


@pytest.mark.parametrize("step", [1, 7])
def test_however_the_bytes_come(running: Running, step: int) -> None:
    data = post("/echo", "body") + chunked("/echo", "abc", "de") + LAST
    with running.wire() as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(data), step):
            wire.send(data[at : at + step])
        assert [answer.body for answer in wire.answers("POST", "POST", "GET")] == [b"body", b"abcde", b"hello"]


def test_a_client_that_has_ended_its_side_gets_its_answers(running: Running) -> None:
    with running.wire() as wire:
        wire.send(HELLO * 2 + post("/echo", "body"))
        wire.end_sending()
        assert [wire.answer().body for _ in range(3)] == [b"hello", b"hello", b"body"]
        assert wire.is_ended()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_what_comes_too_late_does_not_cost_the_answer(running: Running, version: str) -> None:
    """To close a connection on which something is unread is to reset it, and what was not sent by then is lost."""
    with running.wire(receive_buffer=65_536) as wire:
        wire.send(request("/megabytes/8", "Connection: close\r\n", version=version))
        began = wire.socket.recv(1)
        wire.send(HIDDEN)  # while the server still has most of its answer to send
        wire.put_back(began)
        answer = wire.answer()
        assert (len(answer.body), answer.complete) == (8 << 20, True)
        assert wire.is_ended()
    assert paths(running) == ["/megabytes/8"]


# Expect: 100-continue, RFC 9110, 10.1.1


def test_the_body_is_asked_for_when_it_is_read(running: Running) -> None:
    with running.wire() as wire:
        wire.send(request("/echo", "Expect: 100-continue\r\nContent-Length: 4\r\n", "POST"))
        assert wire.socket.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send("body" + LAST)
        assert [answer.body for answer in wire.answers("POST", "GET")] == [b"body", b"hello"]


def test_a_chunked_body_is_asked_for(running: Running) -> None:
    with running.wire() as wire:
        wire.send(request("/echo", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "POST"))
        assert wire.socket.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send("4\r\nbody\r\n0\r\n\r\n")
        assert wire.answer().body == b"body"


def test_a_body_that_nobody_reads_is_not_asked_for(running: Running) -> None:
    with running.wire() as wire:
        wire.send(request("/ignore", "Expect: 100-continue\r\nContent-Length: 4\r\n", "POST"))
        answer = wire.answer()
        assert (answer.interim, answer.body, answer["Connection"]) == ([], b"hello", "close")
        assert wire.is_ended()


def test_a_body_that_comes_at_once_is_not_asked_for(running: Running) -> None:
    with running.wire() as wire:
        wire.send(post("/echo", "body", "Expect: 100-continue\r\n"))
        answer = wire.answer()
        assert (answer.interim, answer.body) == ([], b"body")


# Bodies that nobody reads


@pytest.mark.parametrize("size", [1, 100_000, 400_000, 20_000_000])
@both
def test_a_body_that_is_not_read_is_no_request(run: Run, threaded: bool, size: int) -> None:
    running = run(threaded)
    body = (HIDDEN * (size // len(HIDDEN) + 1))[:size]
    with running.wire() as wire:
        wire.send(post("/ignore", body))
        assert wire.answer("POST").body == b"hello"
        if threaded and size <= server_body.DRAIN_LIMIT:
            wire.send(LAST)
            assert wire.answer().body == b"hello"
        assert wire.is_ended()
    assert "/hidden" not in paths(running)


# What is no request


def test_a_truncated_upload_is_one_line(
    running: Running, records: list[logging.LogRecord], capfd: pytest.CaptureFixture[str]
) -> None:
    with running.wire() as wire:
        wire.send(post("/echo", "body")[:-1])
        wire.end_sending()
        assert wire.answer().status == 400
    wait_for(lambda: records, "the line", PATIENCE)
    [line] = messages(records)
    assert line.startswith('"POST /echo HTTP/1.1" 400 ')
    assert "Traceback" not in capfd.readouterr().err


# Chunked uploads, of which nobody knows how large they will be


def test_a_chunked_upload_is_bounded(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_body, "SPOOL_LIMIT", 8)
    with running.wire() as wire:
        wire.send(chunked("/echo", "body", "body") + chunked("/echo", "body", "body", "b") + HIDDEN)
        assert wire.answer().body == b"bodybody"
        answer = wire.answer()
        assert (answer.status, answer["Connection"]) == (413, "close")
        assert wire.is_ended()
    assert paths(running) == ["/echo"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device")
def test_a_chunked_upload_on_a_full_disk(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda size: open("/dev/full", "r+b"))  # noqa: SIM115
    with running.wire() as wire:
        wire.send(chunked("/echo", "body") + HIDDEN)
        answer = wire.answer()
        assert (answer.status, answer["Connection"]) == (507, "close")
        assert b"No space left on device" in answer.body
        assert wire.is_ended()
    assert paths(running) == []
    assert running.is_alive()


# Time


@pytest.fixture
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    for phase in idle_connections.LIMITS:
        monkeypatch.setitem(idle_connections.LIMITS, phase, SHORT)
    monkeypatch.setattr(server_body, "PATIENCE", SHORT)
    monkeypatch.setattr(server_connection, "SEND_PATIENCE", SHORT)


short_times = pytest.mark.usefixtures("_short_times")


@both
@short_times
@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        ("", []),
        (HELLO, [200]),
        ("GET / HTTP/1.1\r\nHo", [408]),
        (post("/echo", "body")[:-1], [408]),
        (chunked("/echo", "body")[:-1], [408]),
    ],
)
def test_who_does_not_go_on_is_not_waited_for(run: Run, threaded: bool, sent: str, statuses: list[int]) -> None:
    running = run(threaded)
    with running.wire() as wire:
        wire.send(sent)
        assert [wire.answer().status for _ in statuses] == statuses
        assert wire.is_ended()
    assert not any("hidden" in path for path in paths(running))


@short_times
def test_who_sends_drop_by_drop_is_not_waited_for(running: Running) -> None:
    with running.wire() as wire:
        deadline = time.monotonic() + PATIENCE
        wire.socket.setblocking(False)
        data = b""
        while not data and time.monotonic() < deadline:
            wire.send("x")
            time.sleep(SHORT / 10)
            try:
                data = wire.socket.recv(1000)
            except BlockingIOError:
                continue
    assert data.startswith(b"HTTP/1.1 408 ")


@short_times
def test_who_takes_nothing_is_not_waited_for(running: Running, records: list[logging.LogRecord]) -> None:
    with running.wire(receive_buffer=4096) as wire:
        wire.send(request("/endless"))
        wait_for(lambda: running.application.closed, "it is given up", PATIENCE)
        wait_for(lambda: "Broken pipe" in "".join(messages(records)), "the line", PATIENCE)
        assert len(records) == 1


# Threads


@both
def test_silent_and_slow_clients_keep_nobody_waiting(run: Run, threaded: bool) -> None:
    running = run(threaded)
    with running.wire() as silent, running.wire() as half:
        half.send("GET /echo HTTP/1.1\r\nHo")
        assert running.is_alive()
        half.send("st: a\r\nConnection: close\r\n\r\n")
        assert half.answer().body == b"hello"
        silent.send(LAST)
        assert silent.answer().body == b"hello"


def test_streams_and_slow_views_keep_nobody_waiting(running: Running) -> None:
    wires = [running.wire() for _ in range(40)]
    try:
        for wire in wires:
            wire.send(request("/stream"))
        assert all(wire.socket.recv(65_536) for wire in wires)
        assert running.is_alive()
        running.application.may_end.set()
        for wire in wires:
            assert wire.rest().endswith(b"0\r\n\r\n")
    finally:
        for wire in wires:
            wire.socket.close()


def test_without_threads_there_is_one_request_at_a_time(run: Run) -> None:
    running = run(threaded=False)
    with running.wire() as one, running.wire() as two:
        one.send(request("/slow"))
        assert running.application.began.wait(PATIENCE)
        two.send(HELLO)
        assert paths(running) == ["/slow"]
        running.application.may_end.set()
        assert (one.answer().body, two.answer().body) == (b"hello", b"hello")
        assert one.is_ended() and two.is_ended()
    assert [environ["wsgi.multithread"] for environ in running.application.calls] == [False, False]


def test_idle_connections_cost_no_thread(running: Running) -> None:
    count = 400  # each takes two descriptors here, of which there are 1,024 by default
    wires = []
    try:
        for number in range(count):
            wires.append(wire := running.wire())
            if number % 2:
                wire.send(HELLO)
                assert wire.answer().body == b"hello"
        wait_for(lambda: len(running.server.idle) == count, "all are parked", PATIENCE)
        assert threading.active_count() < count / 4  # those that have just had work
        for wire in wires:
            wire.send(LAST)
        assert {wire.answer().body for wire in wires} == {b"hello"}
    finally:
        for wire in wires:
            wire.socket.close()


# What applications do wrong


@pytest.mark.parametrize(
    "path",
    [
        *(f"/bad/{name}" for name in BAD_HEADERS),
        *(f"/bad-status/{name}" for name in BAD_STATUS),
        *(f"/fail/{name}" for name in ("first", "exit", "started", "silent", "none", "text", "twice")),
    ],
)
def test_errors_of_the_application(running: Running, path: str, capfd: pytest.CaptureFixture[str]) -> None:
    with running.wire() as wire:
        wire.send(request(path))
        answer = wire.answer()
        assert answer.status == 500
        assert b"Set-Cookie" not in answer.body
        assert answer.all("Set-Cookie") == answer.all("X-A") == []
        wire.is_ended()
    assert "Traceback" in capfd.readouterr().err
    assert running.is_alive()


@pytest.mark.parametrize(("path", "body"), [("streaming", b"one"), ("promised", b"one")])
def test_an_answer_that_fails_in_the_middle_is_not_complete(running: Running, path: str, body: bytes) -> None:
    with running.wire() as wire:
        wire.send(request(f"/fail/{path}") + HIDDEN)
        answer = wire.answer()
        assert (answer.status, answer.body, answer.complete) == (200, body, False)
    assert "/hidden" not in paths(running)


@pytest.mark.parametrize(
    ("path", "said"),
    [("/more", "has more content than its Content-Length"), ("/less", "ended 45 bytes before its Content-Length")],
)
def test_content_that_is_not_as_promised(
    running: Running, records: list[logging.LogRecord], path: str, said: str
) -> None:
    with running.wire() as wire:
        wire.send(request(path) + HIDDEN)
        answer = wire.answer()
        assert answer.complete is (path == "/more")
        assert answer.body == b"hello"
        assert wire.is_ended()
    assert any(f'"GET {path} HTTP/1.1" {said}' in message for message in messages(records))
    assert "/hidden" not in paths(running)


def test_headers_that_speak_for_the_connection_are_dropped(running: Running, records: list[logging.LogRecord]) -> None:
    with running.wire() as wire:
        wire.send(request("/hop") + HELLO)
        first, second = wire.answers("GET", "GET")
    names = {name for name, _ in first.headers}
    assert names == {"Date", "Server", "Content-Type", "Content-Length"}
    assert second.body == b"hello"
    dropped = [message for message in messages(records) if "it was dropped" in message]
    assert len(dropped) == 7 and "Keep-Alive" in dropped[0]


def test_the_content_is_closed_when_the_client_is_gone(running: Running, records: list[logging.LogRecord]) -> None:
    with running.wire() as wire:
        wire.send(request("/endless"))
        assert wire.socket.recv(1000)
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # its end is a reset
    wait_for(lambda: running.application.closed, "it is closed", PATIENCE)
    wait_for(lambda: records, "the line", PATIENCE)
    [line] = messages(records)
    assert line.startswith("- Broken pipe from ('127.0.0.1', ")
    assert records[0].exc_info is None


# What is logged


@short_times
@pytest.mark.parametrize(
    ("sent", "line"),
    [
        ("GET /half HTTP/1.1\r\nHo", '"GET /half HTTP/1.1" 408 '),
        (chunked("/half", "body")[:-1], '"POST /half HTTP/1.1" 408 '),
        (request("/half", "Transfer-Encoding: chunked\r\n") + "x\r\n", '"GET /half HTTP/1.1" 400 '),
        (request("/half", "A : b\r\n"), '"GET /half HTTP/1.1" 400 '),
    ],
)
def test_what_is_refused_is_logged(running: Running, records: list[logging.LogRecord], sent: str, line: str) -> None:
    with running.wire() as wire:
        wire.send(sent)
        wire.answer()
    wait_for(lambda: len(records) == 2, "two lines", PATIENCE)
    assert messages(records)[0].startswith(f"code {line.split()[-1]}, message ")
    assert messages(records)[1].startswith(line)


@pytest.mark.parametrize("remedy", ["", TLS_REMEDY])
def test_tls_is_one_clear_line(running: Running, records: list[logging.LogRecord], remedy: str) -> None:
    if remedy:
        running.server.tls_remedy = remedy
    with running.wire() as wire:
        wire.send(bytes.fromhex("16030100f5010000f10303") + bytes(range(234)))
        wire.answer()
    wait_for(lambda: records, "the line", PATIENCE)
    [line] = messages(records)
    djangos = "You're accessing the development server over HTTPS, but it only supports HTTP."
    assert line == djangos + remedy


@pytest.mark.parametrize("line", ["GET /\x1b[31m HTTP/1.1", "GET /\x07\x08 HTTP/1.1", "\x9b31m"])
def test_what_is_logged_does_nothing_to_a_terminal(
    running: Running, records: list[logging.LogRecord], line: str
) -> None:
    with running.wire() as wire:
        wire.send(f"{line}\r\n\r\n")
        assert wire.answer().status == 400
    wait_for(lambda: len(records) == 2, "two lines", PATIENCE)
    assert all(message.isascii() and message.isprintable() for message in messages(records))
    assert messages(records)[1].startswith('"')


# The end


@pytest.mark.parametrize("phase", ["silent", "half", "idle", "answered", "streaming"])
@both
def test_it_ends_at_once_with_connections_open(run: Run, threaded: bool, phase: str) -> None:
    running = run(threaded)
    with running.wire() as wire:
        if phase == "half":
            wire.send("GET / HT")
        elif phase in ("idle", "answered"):
            wire.send(HELLO if phase == "idle" else LAST)
            wire.answer()
        elif phase == "streaming" and threaded:
            wire.send(request("/stream"))
            assert running.application.began.wait(PATIENCE)
        assert running.is_alive() or not threaded
        began = time.monotonic()
        running.server.shutdown()
        running.server.server_close()
        assert time.monotonic() - began < PATIENCE / 2
        running.application.may_end.set()


def test_a_request_that_was_sent_before_the_end_is_answered(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection is parked, and the loop has not woken for it."""
    with running.wire() as wire:
        wire.send(HELLO)
        wire.answer()
        step = Serving.step

        def late(server: Any, patience: float | None = None) -> None:
            monkeypatch.setattr(Serving, "step", step)
            running.server.stop()
            wire.send(HELLO)

        wait_for(lambda: len(running.server.idle), "it is parked", PATIENCE)
        monkeypatch.setattr(Serving, "step", late)
        running.server.idle.wake()
        answer = wire.answer()
        assert (answer.body, answer["Connection"]) == (b"hello", "close")
        assert wire.is_ended()


def test_no_answer_is_no_answer(running: Running) -> None:
    """What the tests here rely on."""
    with running.wire() as wire:
        wire.end_sending()
        with pytest.raises(NoAnswer):
            wire.answer()
