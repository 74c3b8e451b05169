"""What the supervisor says about requests, before there is a server, while it serves, and when it has stopped."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from devrunserver.common import handoff
from devrunserver.common.freshness import Notice
from devrunserver.common.messages import Connections, Fresh, FreshnessShared
from devrunserver.worker.channel import Channel
from devrunserver.worker.live_pages import LivePages
from devrunserver.worker.server_handle import ServerHandle
from tests.worker.played import link_pair


class FakeServer:
    def __init__(self) -> None:
        self.gate: Any = None
        self.has_been_asked = False
        self.answering = [True, True, False]
        self.events: list[object] = []

    @property
    def is_answering(self) -> bool:
        return self.answering.pop(0) if self.answering else False

    def release(self) -> None:
        self.events.append("release")

    def take_over(self, sock: socket.socket, received: bytes) -> None:
        sock.close()
        self.events.append(received)

    def stop(self, patience: float) -> None:
        self.events.append(f"stop: {patience}")

    def set_app(self, application: object) -> None:
        self.events.append(application)


@pytest.fixture
def handle() -> Iterator[ServerHandle]:
    with link_pair() as (_, link):
        yield ServerHandle(Channel(link), LivePages(bool), threading.Event())
        link.close()


def connections() -> Connections:
    return Connections([socket.socket()], ["R0VUIA=="])


def test_before_there_is_a_server(handle: ServerHandle) -> None:
    """Nothing that comes early does harm."""
    message = connections()
    handle.on_fresh(Fresh())
    handle.on_connections(message)
    handle.on_freshness_shared(FreshnessShared(None, None))
    handle.let_answers_end(0.0)
    handle.close_gate()
    assert handle.has_been_asked
    assert not handle.stop(is_reload=True)
    assert message.sockets[0].fileno() == -1, "nobody else closes what has come too early"


@pytest.mark.skipif(not handoff.capacity(), reason="connections are not handed over")
def test_while_it_serves(handle: ServerHandle) -> None:
    server = FakeServer()
    handle.open(server)
    handle.on_fresh(Fresh())
    handle.on_fresh(Fresh())  # twice is harmless
    handle.on_connections(connections())
    handle.replace_application("other")
    assert handle.stop(is_reload=True)
    assert handle.stop(is_reload=False)
    assert server.events == ["release", "release", b"GET ", "other", "stop: 1.5", "stop: 0.0"]
    assert not handle.has_been_asked
    assert not server.gate.is_fresh()
    handle.on_freshness_shared(FreshnessShared(None, None))
    assert server.gate.is_fresh()


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="nothing is shared")
def test_a_look_that_cannot_be_had_is_told_and_each_request_is_asked_for(
    handle: ServerHandle, capfd: pytest.CaptureFixture[str]
) -> None:
    server = FakeServer()
    handle.open(server)
    reading, writing = os.pipe()
    handle.on_freshness_shared(FreshnessShared(reading, None))  # which cannot be mapped
    os.close(writing)
    assert "the look whether code is fresh has failed" in capfd.readouterr().err
    assert not server.gate.is_fresh()
    notice = Notice(None)
    notice.undecided = False
    page, _ = notice.descriptors
    assert page is not None
    handle.on_freshness_shared(FreshnessShared(os.dup(page), None))
    assert server.gate.is_fresh()
    handle.close_gate()
    notice.close()
    os.close(reading)


def test_answers_are_waited_for_until_they_end_or_time_is_over(handle: ServerHandle) -> None:
    server = FakeServer()
    handle.open(server)
    handle.let_answers_end(60.0)
    assert server.answering == []
    server.answering = [True] * 10_000
    handle.let_answers_end(0.0)
    assert len(server.answering) >= 9_998
    handle._leaving.set()
    handle.let_answers_end(60.0)
    assert len(server.answering) >= 9_996
