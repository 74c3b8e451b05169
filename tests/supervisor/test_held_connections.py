"""Connections that no worker holds; the placeholder server is played."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from devrunserver.common.handoff import Handed
from devrunserver.common.link import LinkClosed, pair
from devrunserver.common.role import Role
from devrunserver.supervisor.held_connections import HeldConnections
from devrunserver.supervisor.optional_parts import OptionalParts, Part
from tests.supervisor.stage import PlayedEnd, PlayedPlaceholder


class Stage:
    def __init__(self) -> None:
        self.placeholder = PlayedPlaceholder()
        self.lines: list[str] = []
        self.optional = OptionalParts(self.lines.append, self.lines.append)
        self.held = HeldConnections(self.placeholder, self.optional)
        self.client, self.server = socket.socketpair()
        self.held.add([Handed(self.server, b"GET")])


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.held.close()
    assert stage.server.fileno() < 0, "it is closed in the end, whoever has it"
    stage.client.close()


def hand(stage: Stage) -> list[str]:
    """What a worker gets."""
    link, theirs = pair(Role.WORKER)
    worker = PlayedEnd(theirs, Role.WORKER)
    stage.held.hand_to(link)
    heard = [type(one).__name__ for one in worker.heard()]
    link.close()
    worker.link.close()
    return heard


def test_they_go_to_the_next_worker_once(stage: Stage) -> None:
    assert len(stage.held) == 1
    assert hand(stage) == ["Connections"]
    assert len(stage.held) == 0
    assert hand(stage) == []


def test_they_wait_on_where_the_worker_is_gone(stage: Stage) -> None:
    link, theirs = pair(Role.WORKER)
    theirs.close()
    with pytest.raises(LinkClosed):
        stage.held.hand_to(link)
    link.close()
    assert len(stage.held) == 1
    assert hand(stage) == ["Connections"]


def test_the_placeholder_answers_in_time(stage: Stage) -> None:
    stage.held.on_nobody_answers(10.0)
    assert stage.held.due == 10.0 + stage.placeholder.patience
    stage.held.step(stage.held.due - 0.001)
    assert not stage.placeholder.is_open
    stage.held.step(stage.held.due)
    assert stage.placeholder.is_open and len(stage.held) == 0
    assert stage.held.due is None
    stage.held.on_worker_answers()
    assert not stage.placeholder.is_open and len(stage.held) == 1


def test_a_worker_in_time_needs_no_placeholder(stage: Stage) -> None:
    stage.held.on_nobody_answers(10.0)
    stage.held.on_worker_answers()
    stage.held.step(99.0)
    assert not stage.placeholder.is_open


@pytest.mark.parametrize(("fault", "off"), [(OSError("no descriptors"), set()), (KeyError("x"), {Part.PLACEHOLDER})])
def test_a_placeholder_that_fails(stage: Stage, fault: Exception, off: set[Part]) -> None:
    """Lack of descriptors passes; a fault does not."""
    stage.placeholder.fault = fault
    for began in (10.0, 20.0):
        stage.held.on_nobody_answers(began)
        stage.held.step(began + stage.placeholder.patience)
    assert stage.optional.off == off
    assert hand(stage) == ["Connections"]


def test_an_open_placeholder_is_not_opened_again(stage: Stage) -> None:
    """Not by another supervisor either, which goes on after a fault."""
    stage.held.on_nobody_answers(10.0)
    stage.held.step(99.0)
    stage.held.on_nobody_answers(100.0)
    assert stage.placeholder.is_open and stage.held.due is None
    stage.held.on_worker_answers()
    stage.held.on_nobody_answers(200.0)
    assert stage.held.due == 200.0 + stage.placeholder.patience
