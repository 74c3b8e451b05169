"""Requests held until somebody knows whether the server is fresh, and connections that are handed over."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any
from wsgiref.types import StartResponse

import pytest

from devrunserver.common.handoff import Handed
from devrunserver.server import ThreadedWSGIServer
from devrunserver.server.connection import Connection, Phase
from devrunserver.server.django import server as server_http
from devrunserver.server.idle_connections import LIMITS
from tests.live import wait_for
from tests.server.conftest import Run, Running
from tests.server.table import HELLO, chunked, post
from tests.server.wire import PATIENCE, Wire


class PlayedGate:
    """Says what a test wants it to."""

    def __init__(self) -> None:
        self.fresh = True
        self.looks = self.asked = 0
        self.taken: list[Handed] = []
        self._ended = False

    def is_fresh(self) -> bool:
        self.looks += 1
        return self.fresh

    def ask(self) -> None:
        self.asked += 1

    def was_asked(self, count: int) -> bool:
        return self.asked == count

    def take(self, connections: Sequence[Connection]) -> None:
        self.taken += [Handed(one.socket, bytes(one.buffer)) for one in connections]
        if self._ended:
            self.end()

    def end(self) -> None:
        """Nothing that is handed over stays open, now and when the server ends."""
        self._ended = True
        for one in self.taken:
            one.socket.close()

    def overdue(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("503 Service Unavailable", [("Content-Length", "4")])
        return [b"wait"]


@pytest.fixture
def gate() -> Iterator[PlayedGate]:
    gate = PlayedGate()
    yield gate
    gate.end()


@pytest.fixture(params=[True, False], ids=["threaded", "one at a time"])
def kept(request: pytest.FixtureRequest, run: Run, gate: PlayedGate) -> Running:
    """A server with a gate."""
    running = run(threaded=request.param)
    running.server.gate = gate
    return running


def phases(running: Running) -> list[Phase]:
    return [one.phase for one in list(running.server.connections.values())]


def wait_for_phases(running: Running, *expected: Phase) -> None:
    wait_for(lambda: phases(running) == list(expected), f"{expected}, not {phases(running)}", PATIENCE)


def wait_until_taken(gate: PlayedGate, count: int) -> None:
    wait_for(lambda: len(gate.taken) >= count, f"{count} connections, not {len(gate.taken)}", PATIENCE)


def test_each_request_is_looked_at(kept: Running, gate: PlayedGate) -> None:
    with kept.wire() as wire:
        wire.send(HELLO)
        assert wire.answer().body == b"hello"
    assert gate.looks == 1
    assert not gate.asked


def test_pipelined_requests_are_looked_at_one_by_one(run: Run, gate: PlayedGate) -> None:
    running = run()
    running.server.gate = gate
    with running.wire() as wire:
        wire.send(HELLO * 3)
        assert [one.body for one in wire.answers(*["GET"] * 3)] == [b"hello"] * 3
    assert gate.looks == 3


@pytest.mark.parametrize("sent", [HELLO, post("/echo", "hello"), chunked("/echo", "hel", "lo")])
def test_held_until_released(kept: Running, gate: PlayedGate, sent: str) -> None:
    gate.fresh = False
    with kept.wire() as wire:
        wire.send(sent)
        wait_for(lambda: gate.asked, "the gate is asked", PATIENCE)
        assert not kept.application.calls
        kept.server.release()
        assert wire.answer().body == b"hello"
    assert len(kept.application.calls) == gate.asked == 1


def test_release_is_for_one_request(run: Run, gate: PlayedGate) -> None:
    running = run()
    running.server.gate = gate
    gate.fresh = False
    with running.wire() as wire:
        for count in (1, 2, 3):
            wire.send(HELLO)
            wait_for(partial(gate.was_asked, count), "the gate is asked", PATIENCE)
            running.server.release()
            assert wire.answer().body == b"hello"


def test_release_is_for_those_that_were_asked_for(kept: Running, gate: PlayedGate) -> None:
    gate.fresh = False
    with kept.wire() as first, kept.wire() as second:
        first.send(HELLO)
        wait_for(lambda: gate.asked == 1, "the gate is asked", PATIENCE)
        second.send(HELLO)
        wait_for_phases(kept, Phase.HELD, Phase.HELD)
        assert gate.asked == 1, "one question at a time"
        kept.server.release()
        assert first.answer().body == b"hello"
        wait_for(lambda: gate.asked == 2, "the gate is asked again", PATIENCE)
        assert len(kept.application.calls) == 1
        kept.server.release()
        assert second.answer().body == b"hello"


def test_held_for_too_long(kept: Running, gate: PlayedGate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, Phase.HELD, 0.05)
    gate.fresh = False
    with kept.wire() as wire:
        wire.send(HELLO)
        answer = wire.answer()
        assert (answer.status, answer.body) == (503, b"wait")
    assert not kept.application.calls


def test_the_next_request_is_answered_as_ever(run: Run, gate: PlayedGate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, Phase.HELD, 0.05)
    running = run()
    running.server.gate = gate
    gate.fresh = False
    with running.wire() as wire:
        wire.send(HELLO)
        assert wire.answer().status == 503
        gate.fresh = True
        wire.send(HELLO)
        assert wire.answer().status == 200


@pytest.mark.parametrize(
    ("sent", "phase"),
    [
        ("", Phase.NEW),
        ("GET /echo HT", Phase.READING),
        (HELLO, Phase.HELD),
        (HELLO + HELLO, Phase.HELD),
        (post("/echo", "body"), Phase.HELD),
    ],
)
def test_who_waits_is_handed_over(kept: Running, gate: PlayedGate, sent: str, phase: Phase) -> None:
    """With every byte that was received of it, and open."""
    with kept.wire() as wire:
        gate.fresh = not sent.endswith(("\n", "body"))
        wire.send(sent)
        wait_for_phases(kept, phase)
        kept.server.stop()
        wait_until_taken(gate, 1)
        handed = gate.taken[0]
        handed.socket.setblocking(False)
        assert (handed.received + _unread(handed.socket)).decode() == sent
        handed.socket.sendall(b"from the next one")
        assert wire.socket.recv(100) == b"from the next one"
    assert not kept.application.calls
    assert not kept.server.connections


def _unread(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1000)
    except BlockingIOError:
        return b""


def test_kept_alive_and_handed_over(run: Run, gate: PlayedGate) -> None:
    running = run()
    running.server.gate = gate
    with running.wire() as wire:
        wire.send(HELLO)
        assert wire.answer().body == b"hello"
        running.server.stop()
        wait_until_taken(gate, 1)
        assert gate.taken[0].received == b""


def test_an_answer_under_way_is_finished_and_then_handed_over(run: Run, gate: PlayedGate) -> None:
    running = run()
    running.server.gate = gate
    with running.wire() as wire:
        wire.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + HELLO)
        assert running.application.began.wait(PATIENCE)
        running.server.stop()
        running.application.may_end.set()
        answer = wire.answer()
        assert answer.status == 200
        assert answer["Connection"] != "close"
        wait_until_taken(gate, 1)
        assert gate.taken[0].received.decode() == HELLO


def test_answered_after_the_end_and_then_handed_over(
    run: Run, gate: PlayedGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client was told that its connection is kept, and may ask again at any moment."""
    monkeypatch.setattr(server_http, "GRACE", 0.01)
    running = run()
    running.server.gate = gate
    with running.wire() as wire:
        wire.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert running.application.began.wait(PATIENCE)
        running.server.stop()
        running.thread.join(PATIENCE)
        running.server.server_close()
        assert not gate.taken
        running.application.may_end.set()
        answer = wire.answer()
        assert (answer.status, answer["Connection"]) == (200, None)
        wait_until_taken(gate, 1)
        wire.send(HELLO)
        assert gate.taken[0].socket.recv(1000).decode() == HELLO


@pytest.mark.parametrize("received", ["", HELLO[:9], HELLO])
def test_taken_over(kept: Running, gate: PlayedGate, received: str) -> None:
    """From another server: what it had received comes first, what is in the kernel after it."""
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, Wire(listener.getsockname()[1]) as wire:
        sock, address = listener.accept()
        kept.server.take_over(sock, received.encode())
        wire.send(HELLO.removeprefix(received))
        if received:
            wait_for(lambda: gate.asked == 1, "the gate is asked", PATIENCE)
            kept.server.release()
        assert wire.answer().body == b"hello"
        assert kept.application.calls[0]["REMOTE_ADDR"] == address[0]


def test_taken_over_from_a_client_that_is_gone(kept: Running) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        wire = Wire(listener.getsockname()[1])
        sock, _ = listener.accept()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        wire.socket.close()
        kept.server.take_over(sock, HELLO.encode())
    wait_for(lambda: not kept.server.connections, "it is closed", PATIENCE)
    assert kept.is_alive()


@pytest.mark.parametrize("threaded", [True, False])
def test_a_head_in_two_parts_is_looked_at_in_each(run: Run, gate: PlayedGate, threaded: bool) -> None:
    """The second may have been sent after a save that the first one came before."""
    running = run(threaded=threaded)
    running.server.gate = gate
    gate.fresh = False
    with running.wire() as wire:
        for number, part in enumerate((HELLO[:20], HELLO[20:]), 1):
            wire.send(part)
            wait_for(partial(gate.was_asked, number), "the gate is asked", PATIENCE)
            assert not running.application.calls
            running.server.release()
        assert wire.answer().body == b"hello"


class OwnServer(ThreadedWSGIServer):
    """Serves connections in a way of its own."""

    def process_request(self, request: Any, client_address: Any) -> None:
        super().process_request(request, client_address)


@pytest.mark.parametrize("received", ["", HELLO[:9]])
def test_taken_over_where_a_class_has_its_own_way(run: Run, gate: PlayedGate, received: str) -> None:
    running = run(server=OwnServer)
    running.server.gate = gate
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, Wire(listener.getsockname()[1]) as wire:
        running.server.take_over(listener.accept()[0], received.encode())
        if received:
            wait_for(lambda: gate.asked == 1, "the gate is asked", PATIENCE)
            running.server.release()
        wire.send(HELLO.removeprefix(received))
        assert wire.answer().body == b"hello"


def test_no_descriptors_left(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop does not spin; it tries again after a while, for as long as it takes."""
    tries: list[int] = []

    class Full(ThreadedWSGIServer):
        def get_request(self) -> Any:
            tries.append(1)
            if len(tries) <= 3:
                raise OSError(errno.EMFILE, "Too many open files")
            return super().get_request()

    monkeypatch.setattr(server_http, "RETRY", 0.05)
    running = run(server=Full)
    assert running.is_alive()
    assert len(tries) == 4
