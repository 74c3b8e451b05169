"""Handing over connections: all of them, each with what was received on it."""

from __future__ import annotations

import os
import socket
import sys
import threading
from contextlib import suppress

import pytest

from devrunserver.common import handoff
from devrunserver.common.handoff import Handed, from_message, send
from devrunserver.common.link import MAX_DESCRIPTORS, Link, LinkClosed, pair
from devrunserver.common.messages import Connections
from devrunserver.common.role import Role

PATIENCE = 30.0  # seconds


def connections(count: int, received: bytes) -> tuple[list[Handed], list[socket.socket]]:
    pairs = [socket.socketpair() for _ in range(count)]
    for _, client in pairs:
        client.settimeout(PATIENCE)
    handed = [Handed(ours, received + b"%d" % number) for number, (ours, _) in enumerate(pairs)]
    return handed, [client for _, client in pairs]


@pytest.mark.parametrize("count", [0, 1, 2, MAX_DESCRIPTORS, MAX_DESCRIPTORS + 1, 128])
@pytest.mark.parametrize("received", [b"", b"GET /\xff\0\r\n", b"x" * 50_000])
def test_all_arrive(count: int, received: bytes) -> None:
    handed, clients = connections(count, received)
    arrived = hand_over(handed)
    assert [one.received for one in arrived] == [one.received for one in handed]
    assert all(one.socket.fileno() == -1 for one in handed), "they are closed here"
    for one, client in zip(arrived, clients, strict=True):
        client.sendall(b"and the rest")
        assert one.socket.recv(100) == b"and the rest"
        one.socket.close()
        client.close()


def hand_over(handed: list[Handed]) -> list[Handed]:
    """What arrives at the other end of a link."""
    ours, sock = pair(Role.WORKER)
    theirs = Link(sock, Role.WORKER, Role.SUPERVISOR)
    arrived: list[Handed] = []

    def receive() -> None:
        with suppress(LinkClosed):
            while True:
                for message in theirs.receive():
                    assert isinstance(message, Connections)
                    arrived.extend(from_message(message))

    thread = threading.Thread(target=receive)
    thread.start()
    send(ours, handed)
    ours.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    theirs.close()
    return arrived


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those are left out whose clients have asked for nothing."""
    most = 70
    monkeypatch.setattr(handoff, "MOST", most)
    asking, idle = connections(most - 1, b"GET "), connections(most, b"")
    silent = [Handed(one.socket, b"") for one in idle[0]]
    arrived = hand_over([*silent, *asking[0]])
    assert sum(bool(one.received) for one in arrived) == most - 1
    assert len(arrived) == most
    assert [client.recv(1) for client in idle[1][1:]] == [b""] * (most - 1)
    for one in [*asking[1], *idle[1], *(one.socket for one in arrived)]:
        one.close()


def test_to_nobody() -> None:
    ours, sock = pair(Role.WORKER)
    sock.close()
    handed, clients = connections(2, b"")
    with pytest.raises(LinkClosed):
        send(ours, handed)
    ours.close()
    assert all(one.socket.fileno() >= 0 for one in handed), "they may go to somebody else"
    for one in [*clients, *(one.socket for one in handed)]:
        one.close()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_what_nobody_takes_is_closed() -> None:
    """A message that came with descriptors, on a link that is closed before its end has come."""
    before = len(os.listdir("/proc/self/fd"))
    ours, sock = pair(Role.WORKER)
    theirs = Link(sock, Role.WORKER, Role.SUPERVISOR)
    with socket.socket() as travels:
        socket.send_fds(ours._socket, [b'{"kind": "conn'], [travels.fileno()])
    assert theirs.receive() == []
    ours.close()
    theirs.close()
    assert len(os.listdir("/proc/self/fd")) == before
