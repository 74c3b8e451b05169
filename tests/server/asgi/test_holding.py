"""Requests and messages held until somebody knows whether the code is fresh, and what is handed over."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Coroutine, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from devrunserver.server import wait
from devrunserver.server.asgi import pace
from devrunserver.server.asgi.server import AsgiServer
from devrunserver.server.asgi.turn import Options
from devrunserver.server.connection import Connection, Phase
from devrunserver.server.django import server
from devrunserver.server.idle_connections import LIMITS
from tests.live import wait_for
from tests.server.asgi.conftest import RunAsgi
from tests.server.asgi.test_http import Views, ask, request
from tests.server.conftest import Running
from tests.server.test_holding import PlayedGate, wait_for_phases, wait_until_taken
from tests.server.wire import PATIENCE, Wire


@pytest.fixture
def gate() -> Iterator[PlayedGate]:
    gate = PlayedGate()
    yield gate
    gate.end()


def keep(running: Running, gate: PlayedGate) -> Running:
    running.server.gate = gate
    return running


def test_a_request_is_held_and_goes_on(run_asgi: RunAsgi, gate: PlayedGate) -> None:
    running, views = keep(run_asgi(views := Views()), gate), views
    with running.wire() as wire:
        assert ask(wire, "/hello").body == b"hello"
        gate.fresh, views.scope = False, None
        wire.send(request("/hello"))
        wait_for(lambda: gate.asked == 1, "the gate was asked", PATIENCE)
        wait_for_phases(running, Phase.HELD)
        assert views.scope is None
        running.server.release()
        assert wire.answer().body == b"hello"


def test_a_request_that_is_held_is_handed_over_whole(run_asgi: RunAsgi, gate: PlayedGate) -> None:
    running = keep(run_asgi(views := Views()), gate)
    sent = request("/body", "Content-Length: 4\r\n", "POST") + "body" + request("/hello")
    with running.wire() as wire:
        gate.fresh = False
        wire.send(sent)
        wait_for_phases(running, Phase.HELD)
        running.server.stop()
        wait_until_taken(gate, 1)
        assert gate.taken[0].received == sent.encode()
        assert views.scope is None


def test_who_waits_too_long_is_told(run_asgi: RunAsgi, gate: PlayedGate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, Phase.HELD, 0.05)
    running = keep(run_asgi(Views()), gate)
    with running.wire() as wire:
        gate.fresh = False
        assert ask(wire, "/hello").body == b"wait"


def test_what_is_idle_or_has_begun_is_handed_over(run_asgi: RunAsgi, gate: PlayedGate) -> None:
    running = keep(run_asgi(Views()), gate)
    with running.wire() as idle, running.wire() as begun, running.wire() as new:
        assert ask(idle, "/hello").body == b"hello"
        begun.send("GET /hel")
        wait_for(lambda: sorted(map(str, _phases(running))) == sorted(map(str, EXPECTED)), "all are there", PATIENCE)
        running.server.stop()
        wait_until_taken(gate, 3)
        assert sorted(one.received for one in gate.taken) == [b"", b"", b"GET /hel"]
        assert new.socket.fileno() > 0


def test_what_waits_for_its_turn_is_handed_over_whole(
    run_asgi: RunAsgi, gate: PlayedGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "PATIENCE", 10 * PATIENCE)
    monkeypatch.setattr(pace, "SIDE_BY_SIDE", 1)
    running = keep(run_asgi(Views()), gate)
    sent = request("/body", "Content-Length: 4\r\n", "POST") + "body"
    with running.wire() as first, running.wire() as second:
        first.send(request("/wait"))
        wait_for(lambda: Phase.ANSWERING in _phases(running), "it is being answered", PATIENCE)
        second.send(sent)
        wait_for(lambda: running.server.asgi.pace._waiting, "it waits", PATIENCE)
        running.server.stop()
        wait_until_taken(gate, 1)
        assert gate.taken[0].received == sent.encode()


def test_what_was_asked_for_just_before_is_answered(
    run_asgi: RunAsgi, gate: PlayedGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "GRACE", 0.01)
    running = keep(run_asgi(Views()), gate)
    with running.wire() as wire:
        wire.send(request("/body", "Content-Length: 4\r\n", "POST"))
        wait_for_phases(running, Phase.ANSWERING)
        running.server.stop(PATIENCE)
        running.thread.join(5 * server.GRACE)
        assert running.thread.is_alive()
        wire.send("body")
        assert wire.answer().body == b"body"
        wait_until_taken(gate, 1)


class BusyLoop:
    """Does nothing of what it is called for."""

    def call(self, function: Callable[..., object], *args: object) -> bool:
        return True

    def run(self, coroutine: Coroutine[Any, Any, None], patience: float) -> bool:
        coroutine.close()
        return False

    def close(self, patience: float) -> bool:
        return False


def test_what_a_busy_loop_has_not_seen_is_given_back() -> None:
    given: list[Connection] = []
    asgi: Any = AsgiServer(Views(), (), Options())
    asgi.host, asgi._events = SimpleNamespace(give_back=given.append), BusyLoop()
    with socket.socket() as first, socket.socket() as second, socket.socket() as late:
        connections = [Connection(one, None) for one in (first, second, late)]
        asgi.admit(connections[0])
        asgi.admit(connections[1])
        assert not given
        asgi.close(0.0)
        assert given == connections[:2]
        asgi._admit_next()  # the loop goes on, after all
        asgi.admit(connections[2])
        assert given == connections


def test_who_has_closed_its_side_gets_its_turn(
    run_asgi: RunAsgi, gate: PlayedGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "PATIENCE", 10 * PATIENCE)
    monkeypatch.setattr(pace, "SIDE_BY_SIDE", 1)
    running = keep(run_asgi(Views()), gate)
    with running.wire() as first, running.wire() as second:
        first.send(request("/wait"))
        wait_for(lambda: Phase.ANSWERING in _phases(running), "it is being answered", PATIENCE)
        second.send(request("/hello"))
        second.socket.shutdown(socket.SHUT_WR)
        wait_for(lambda: running.server.asgi.pace._waiting, "it waits", PATIENCE)
        first.socket.close()
        assert second.answer().body == b"hello"


EXPECTED = [Phase.IDLE, Phase.READING, Phase.NEW]


def _phases(running: Running) -> list[Phase]:
    return [one.phase for one in list(running.server.connections.values())]


# WebSockets


@pytest.fixture
def chat(run_asgi: RunAsgi, gate: PlayedGate) -> Iterator[tuple[Running, Wire]]:
    """A server with a gate, and an open WebSocket that echoes."""
    pytest.importorskip("websockets")
    from tests.server.asgi.frames import handshake
    from tests.server.asgi.sockets import Sockets

    running = keep(run_asgi(Sockets()), gate)
    with running.wire() as wire:
        wire.send(handshake())
        wire._until(b"\r\n\r\n")
        yield running, wire


def say(wire: Wire, text: bytes) -> None:
    from tests.server.asgi.frames import TEXT, frame

    wire.send(frame(TEXT, text))


def heard(wire: Wire, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = wire.socket.recv(count - len(data))
        assert more, "it ended"
        data += more
    return data


def test_a_message_is_held_and_goes_on(chat: tuple[Running, Wire], gate: PlayedGate) -> None:
    running, wire = chat
    say(wire, b"one")
    assert heard(wire, 5) == b"\x81\x03one"
    for number in range(1, 4):
        gate.fresh = False
        say(wire, b"two")
        say(wire, b"too")
        wait_for(lambda count=number: gate.asked == count, "the gate was asked", PATIENCE)  # type: ignore[misc]
        wait_for_phases(running, Phase.HELD)
        gate.fresh = True
        running.server.release()
        assert heard(wire, 10) == b"\x81\x03two\x81\x03too"
        wait_for_phases(running, Phase.OPEN)


def test_a_message_that_is_held_is_not_answered_by_old_code(chat: tuple[Running, Wire], gate: PlayedGate) -> None:
    """The WebSocket is closed by 1012 and nothing else, and its connection is not handed over."""
    running, wire = chat
    gate.fresh = False
    say(wire, b"after the save")
    wait_for_phases(running, Phase.HELD)
    running.server.stop()
    close = heard(wire, 2)
    assert close[0] == 0x88
    assert struct.unpack("!H", heard(wire, close[1])[:2])[0] == 1012
    running.thread.join(PATIENCE)
    assert not gate.taken


def test_a_message_that_waits_too_long(
    chat: tuple[Running, Wire], gate: PlayedGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, Phase.HELD, 0.05)
    _, wire = chat
    gate.fresh = False
    say(wire, b"a")
    close = heard(wire, 2)
    assert struct.unpack("!H", heard(wire, close[1])[:2])[0] == 1013  # try again later


def test_a_client_that_leaves_while_it_is_held(chat: tuple[Running, Wire], gate: PlayedGate) -> None:
    running, wire = chat
    gate.fresh = False
    say(wire, b"a")
    wait_for_phases(running, Phase.HELD)
    wait_for(lambda: gate.asked == 1, "the gate was asked", PATIENCE)  # or else it does not know whom to release
    wire.socket.close()
    gate.fresh = True
    running.server.release()
    wait_for(lambda: not running.server.connections, "nothing is left", PATIENCE)
