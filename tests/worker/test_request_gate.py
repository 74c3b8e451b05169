"""What a worker does for its server."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from devrunserver.browser.starting_page import starting_page
from devrunserver.common.freshness import Notice
from devrunserver.common.link import Link, pair
from devrunserver.common.messages import Connections, FreshAsked
from devrunserver.common.role import Role
from devrunserver.server.connection import Connection, Phase
from devrunserver.worker.request_gate import RequestGate

PATIENCE = 30.0  # seconds


@pytest.fixture
def ends() -> Iterator[tuple[RequestGate, Link]]:
    """A gate, and the supervisor's end of its link."""
    supervisor, sock = pair(Role.WORKER)
    to_supervisor = Link(sock, Role.WORKER, Role.SUPERVISOR)
    gate = RequestGate(to_supervisor)
    yield gate, supervisor
    gate.close()
    to_supervisor.close()
    supervisor.close()


def connected() -> tuple[Connection, socket.socket]:
    ours, client = socket.socketpair()
    client.settimeout(PATIENCE)
    return Connection(ours, ""), client


def test_fresh_as_soon_as_it_can_look(ends: tuple[RequestGate, Link]) -> None:
    gate, _ = ends
    assert not gate.is_fresh()
    gate.look_with(None, None)  # on a system that shares nothing
    assert gate.is_fresh()


@pytest.mark.skipif(sys.platform != "linux", reason="memfd_create")
def test_a_process_that_the_project_forks_keeps_nothing_open(ends: tuple[RequestGate, Link]) -> None:
    gate, _ = ends
    before = os.listdir("/proc/self/fd")
    notice = Notice(None)
    page, events = notice.descriptors
    assert page is not None
    gate.look_with(os.dup(page), events)
    assert len(os.listdir("/proc/self/fd")) > len(before)
    gate.close()
    notice.close()
    assert os.listdir("/proc/self/fd") == before


def test_asks(ends: tuple[RequestGate, Link]) -> None:
    gate, supervisor = ends
    gate.ask()
    assert supervisor.receive() == [FreshAsked()]


def test_takes_connections(ends: tuple[RequestGate, Link]) -> None:
    gate, supervisor = ends
    connection, client = connected()
    connection.buffer += b"GET "
    connection.enter(Phase.READING)
    gate.take([connection])
    assert connection.socket.fileno() == -1
    [message] = supervisor.receive()
    assert isinstance(message, Connections)
    [sock] = message.sockets
    sock.sendall(b"from the next one")
    assert client.recv(100) == b"from the next one"
    sock.close()
    client.close()


def test_nothing_stays_open_where_nobody_takes_it(ends: tuple[RequestGate, Link]) -> None:
    gate, supervisor = ends
    supervisor.close()
    connection, client = connected()
    gate.ask()  # nobody hears it
    gate.take([connection])
    assert client.recv(1) == b""
    client.close()


@pytest.mark.parametrize(
    ("accept", "kind", "part"),
    [
        ("text/html,*/*;q=0.8", "text/html; charset=utf-8", b'http-equiv="refresh"'),
        ("*/*", "text/plain; charset=utf-8", b"still starting"),
        ("", "text/plain; charset=utf-8", b"still starting"),
    ],
)
@pytest.mark.parametrize("asked", ["page", "gate"])
def test_who_waits_for_too_long(
    ends: tuple[RequestGate, Link], asked: str, accept: str, kind: str, part: bytes
) -> None:
    said: list[tuple[str, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *args: object) -> Any:
        said.append((status, dict(headers)))

    application = starting_page if asked == "page" else ends[0].overdue
    body = b"".join(application({"HTTP_ACCEPT": accept}, start_response))
    [(status, headers)] = said
    assert status == "503 Service Unavailable"
    assert (headers["Content-Type"], headers["Retry-After"]) == (kind, "1")
    assert int(headers["Content-Length"]) == len(body)
    assert part in body
