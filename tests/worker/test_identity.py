"""What a process is to the supervisor, and how checkpoints take that up and leave it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from devrunserver.common.link import pair
from devrunserver.common.messages import CheckpointsEnded, DryRun, Fresh, Go, Hello, Listening, Message, Resume
from devrunserver.common.role import CONDUCT, Act, Role
from devrunserver.worker.channel import Channel
from devrunserver.worker.identity import Identity
from tests.worker.played import PATIENCE, Exits, Supervisor, exits, link_pair

__all__ = ["exits"]


@pytest.fixture
def ends(exits: Exits) -> Iterator[tuple[Supervisor, Identity]]:
    with link_pair() as (supervisor, link):
        identity = Identity(Channel(link), lambda order: resumed.append(order))
        resumed.clear()
        yield supervisor, identity
        supervisor.link.close()
        if identity.channel.is_listening:
            exits.wait()
        identity.leave()


resumed: list[Message] = []


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_the_word_to_serve_is_waited_for_once(ends: tuple[Supervisor, Identity], listener: socket.socket) -> None:
    supervisor, identity = ends
    supervisor.say(Fresh())  # early
    supervisor.say(Go(listener, None, True))
    identity.await_go()
    assert identity.is_reload
    assert identity.listener is not None
    assert identity.listener.getsockname() == listener.getsockname()
    identity.await_go()  # it has come


def test_the_word_may_come_by_the_thread_that_listens(
    ends: tuple[Supervisor, Identity], listener: socket.socket
) -> None:
    supervisor, identity = ends
    identity.channel.handlers = {Go: identity.on_go}
    identity.channel.listen()
    assert supervisor.hear() == Listening()
    waiting = threading.Thread(target=identity.await_go, daemon=True)
    waiting.start()
    supervisor.say(Go(listener, None, False))
    waiting.join(PATIENCE)
    assert not waiting.is_alive()
    assert identity.listener is not None


def test_a_resumed_process_has_the_word_already(ends: tuple[Supervisor, Identity], listener: socket.socket) -> None:
    _, identity = ends
    ours, theirs = pair(Role.WORKER)
    identity.channel.close()
    order = Resume(theirs, listener.dup(), None, [], False)
    identity.take_up(order)
    assert Supervisor(ours).hear() == Hello(os.getpid())
    assert (identity.role, identity.is_reload, resumed) == (Role.WORKER, False, [order])
    identity.await_go()
    ours.close()


def test_a_dry_run_serves_on_nothing(ends: tuple[Supervisor, Identity]) -> None:
    _, identity = ends
    ours, theirs = pair(Role.DRY_RUN)
    identity.channel.close()
    identity.take_up(DryRun(theirs, False))
    assert Supervisor(ours).hear() == Hello(os.getpid())
    assert (identity.role, identity.is_reload, identity.listener) == (Role.DRY_RUN, True, None)
    assert identity.conduct is CONDUCT[Role.DRY_RUN]
    identity.await_go()
    ours.close()


def test_who_leaves_keeps_nothing_open(ends: tuple[Supervisor, Identity], listener: socket.socket) -> None:
    _, identity = ends
    identity.listener, identity.state_link = listener.dup(), socket.socket()
    before = identity.sockets()
    assert len(before) == 3
    identity.leave()
    assert not {"listener", "state_link"} & {name for name, value in vars(identity).items() if value is not None}
    for descriptor in before:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    identity.leave()  # again is harmless


def test_from_where_on_there_are_no_checkpoints(ends: tuple[Supervisor, Identity]) -> None:
    supervisor, identity = ends
    identity.checkpoints_ended("shop.tasks", "a thread runs")
    assert [supervisor.hear(), supervisor.hear()] == [CheckpointsEnded("shop.tasks", "a thread runs"), Listening()]


def test_each_role_but_the_supervisors_has_its_conduct() -> None:
    assert set(CONDUCT) == set(Role) - {Role.SUPERVISOR}
    assert [role for role, one in CONDUCT.items() if one.at_failure is Act.SHOW] == [Role.WORKER]
    assert [role for role, one in CONDUCT.items() if one.at_prompt is Act.ASK] == [Role.WORKER]


def test_who_imports_whom_is_not_recorded_in_what_is_built(ends: tuple[Supervisor, Identity]) -> None:
    _, identity = ends
    rests: list[bool] = []
    identity.history = SimpleNamespace(rest=lambda: rests.append(True))  # type: ignore[assignment]
    identity.become(Role.CHECKPOINT)
    assert not rests
    identity.become(Role.BUILDER)
    assert rests
