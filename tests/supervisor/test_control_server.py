"""The socket on which tools ask: who may, what is a question, and that nothing of a bad client stays."""

from __future__ import annotations

import json
import os
import selectors
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from devrunserver.supervisor import control_server
from devrunserver.supervisor.control_server import (
    LONGEST_LINE,
    MOST_CLIENTS,
    PATIENCE,
    Client,
    ControlServer,
    Question,
    listen_locally,
    read_question,
)

QUICK = 0.05  # seconds in which nothing more happens
LONG = 10.0  # seconds


class Loop:
    """A supervisor's loop, and what it was asked."""

    def __init__(self, path: Path, token: str = "") -> None:
        self.path = path
        self.asked: list[tuple[Client, Question]] = []
        self.selector = selectors.DefaultSelector()
        listener, _ = listen_locally(path)
        self.server = ControlServer(listener, token, lambda client, question: self.asked.append((client, question)))
        self.server.open(self.selector)

    def turn(self, patience: float = QUICK) -> None:
        """Handles what happens until nothing does."""
        while ready := self.selector.select(patience):
            for key, _ in ready:
                key.data()

    def connect(self, data: bytes = b"") -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(LONG)
        sock.connect(str(self.path))
        sock.sendall(data)
        self.turn()
        return sock

    @property
    def sockets(self) -> int:
        return len(self.selector.get_map())


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    one = Loop(tmp_path / "s")
    yield one
    one.server.close()
    assert one.sockets == 0
    one.selector.close()


def received(sock: socket.socket) -> dict[str, Any]:
    with sock, sock.makefile() as lines:
        found: dict[str, Any] = json.loads(lines.read())
    return found


def test_a_question_and_its_answer(loop: Loop) -> None:
    sock = loop.connect(b'{"command": "status"}\n')
    ((client, question),) = loop.asked
    assert question == {"command": "status"}
    assert loop.server.due is None and loop.server.is_waiting(client)  # who was asked decides how long it may take
    loop.server.answer(client, {"state": "ready"})
    assert received(sock) == {"version": 1, "state": "ready"}
    loop.turn()
    assert loop.sockets == 1 and not loop.server.is_waiting(client)
    loop.server.answer(client, {})  # it is gone


def test_a_line_that_comes_in_pieces(loop: Loop) -> None:
    with loop.connect(b'{"comm') as sock:
        assert not loop.asked
        sock.sendall(b'and": "status"}')
        loop.turn()
        assert not loop.asked
        sock.sendall(b"\n")
        loop.turn()
        assert [question for _, question in loop.asked] == [{"command": "status"}]


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\n",
        b"[]\n",
        b"5\n",
        b'{"command": 5}\n',
        b"{}\n",
        b'{"command": "status"}\n{"command": "status"}\n',
        b"[" * 10_000 + b"\n",
    ],
)
def test_garbage_is_told_so_and_let_go(loop: Loop, data: bytes) -> None:
    sock = loop.connect(data)
    assert "one line of JSON" in received(sock)["error"]
    loop.turn()
    assert not loop.asked and loop.sockets == 1


def test_a_line_without_end_is_not_read_to_its_end(loop: Loop) -> None:
    with loop.connect(b"x" * (LONGEST_LINE + 5000)):
        assert not loop.asked and loop.sockets == 1


def test_who_goes_away_is_forgotten(loop: Loop) -> None:
    for data in (b"", b'{"half', b'{"command": "wait"}\n'):
        sock = loop.connect(data)
        assert loop.sockets == 2
        sock.close()
        loop.turn()
        assert loop.sockets == 1


def test_who_says_nothing_has_a_deadline(loop: Loop) -> None:
    with loop.connect(b'{"half') as sock:
        assert loop.server.due is not None
        loop.server.step(time.monotonic())
        assert loop.sockets == 2
        loop.server.step(time.monotonic() + PATIENCE + 1)
        assert loop.sockets == 1 and loop.server.due is None
        assert sock.recv(10) == b""


def test_there_are_only_so_many(loop: Loop) -> None:
    silent = [loop.connect() for _ in range(MOST_CLIENTS)]
    assert loop.sockets == 1 + MOST_CLIENTS
    with loop.connect() as another:
        assert another.recv(10) == b""
    for one in silent:
        one.close()
    loop.turn()
    assert loop.sockets == 1


def test_many_questions_leave_nothing(loop: Loop) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    for number in range(300):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(loop.path))
        sock.sendall(b'{"command": "status"}\n' if number % 3 else b"garbage")
        loop.turn(0)
        if loop.asked:
            loop.server.answer(loop.asked.pop()[0], {})
        sock.close()
        loop.turn(0)
    loop.turn()
    assert loop.sockets == 1
    assert not before or len(os.listdir("/proc/self/fd")) == before


def test_a_large_answer_is_taken_as_the_client_takes_it(loop: Loop) -> None:
    sock = loop.connect(b'{"command": "routes"}\n')
    loop.server.answer(loop.asked[0][0], {"routes": "x" * 2_000_000})
    assert loop.server.due is not None
    data = b""
    sock.setblocking(False)
    deadline = time.monotonic() + LONG
    while not data.endswith(b"\n"):
        assert time.monotonic() < deadline
        loop.turn(0)
        try:
            data += sock.recv(1_000_000)
        except BlockingIOError:
            continue
    sock.close()
    assert len(json.loads(data)["routes"]) == 2_000_000
    assert loop.sockets == 1


@pytest.mark.parametrize(("token", "is_told"), [("right", True), ("wrong", False), (None, False), (5, False)])
def test_a_token_has_to_be_shown(tmp_path: Path, token: object, is_told: bool) -> None:
    loop = Loop(tmp_path / "s", token="right")
    sock = loop.connect(json.dumps({"command": "status", "token": token}).encode() + b"\n")
    assert bool(loop.asked) is is_told
    if not is_told:
        assert received(sock)["error"] == "The token is wrong."
    sock.close()
    loop.server.close()
    loop.selector.close()


def test_only_this_user_may_connect(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stat.S_IMODE(loop.path.stat().st_mode) == 0o600
    with loop.connect() as sock:
        assert loop.sockets == 2
    loop.turn()
    monkeypatch.setattr(control_server, "is_allowed", lambda sock: False)
    with loop.connect() as sock:
        assert sock.recv(10) == b""
    assert loop.sockets == 1


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="Linux tells who is at the other end")
@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, True), (1001, False)])
def test_who_is_at_the_other_end(monkeypatch: pytest.MonkeyPatch, user: int, allowed: bool) -> None:
    class Peer:
        family = socket.AF_UNIX

        def getsockopt(self, *args: object) -> bytes:
            return control_server.CREDENTIALS.pack(4711, user, 100)

    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert control_server.is_allowed(Peer()) is allowed  # type: ignore[arg-type]


def test_a_path_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        listen_locally(tmp_path / ("x" * 200))


def test_read_question() -> None:
    assert read_question(b'{"command": "wait", "timeout": 3}') == {"command": "wait", "timeout": 3}
    assert read_question(b'{"commands": "wait"}') is None


GARBAGE = (b"", b"\n", b"{", b"\0\xff\n", b'{"command": 1}\n', b"[" * 5000, b'{"command": "status"}', b"x" * 20_000)


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.deep)])
def test_garbage_half_lines_and_questions_leave_nothing_behind(loop: Loop, count: int) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for number in range(count):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(LONG)
        sock.connect(str(loop.path))
        with suppress(BrokenPipeError):  # it was refused while it was being sent
            sock.sendall(b'{"command": "status"}\n' if number % 2 else GARBAGE[number // 2 % len(GARBAGE)])
        loop.turn(0.0)
        while loop.asked:
            loop.server.answer(loop.asked.pop()[0], {"ok": True})
        if number % 2:
            assert received(sock)["ok"]
        sock.close()
        loop.turn(0.0)
    assert loop.sockets == 1, "the listener"
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


CONNECT = """
import os, socket, sys
os.setuid(int(sys.argv[2]))
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(30.0)
try:
    sock.connect(sys.argv[1])
    print(sock.recv(100))
except OSError as error:
    print(type(error).__name__)
"""
NOBODY = 65_534  # a user of no project's


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize(("mode", "answer"), [(0o700, "PermissionError\n"), (0o777, "b''\n")])
def test_another_user_is_refused(mode: int, answer: str) -> None:
    """By the file system; and by the server, where that lets him pass."""
    with tempfile.TemporaryDirectory(prefix="run", dir="/tmp") as directory:
        loop = Loop(Path(directory, "s"))
        os.chmod(directory, mode)
        os.chmod(loop.path, mode)
        argv = [sys.executable, "-c", CONNECT, str(loop.path), str(NOBODY)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as client:
            deadline = time.monotonic() + LONG
            while client.poll() is None and time.monotonic() < deadline:
                loop.turn()
            assert client.communicate(timeout=LONG)[0] == answer
        assert not loop.asked
        loop.server.close()
        loop.selector.close()
