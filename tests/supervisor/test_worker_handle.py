"""What the supervisor knows of a worker, and says to it; the worker is played."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator

import pytest

from devrunserver.common import process
from devrunserver.common.link import Link, pair
from devrunserver.common.messages import Connections, Fresh, Stop
from devrunserver.common.role import Role
from devrunserver.supervisor.lifecycle import Attempt
from devrunserver.supervisor.worker_handle import WorkerHandle
from tests.supervisor.stage import NOBODY, PlayedProcess, PlayedWorker

LONG = 30.0  # seconds; only a failing test waits so long


class Pair:
    """A handle, and the worker that it is of."""

    def __init__(self) -> None:
        self.link, theirs = pair(Role.WORKER)
        self.process = PlayedProcess(NOBODY)
        self.worker = PlayedWorker(self.process, theirs)
        self.handle = WorkerHandle(self.process, self.link, Attempt.NORMAL, hears_by=5.0)


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    monkeypatch.setattr(process, "Adopted", PlayedProcess)
    both = Pair()
    yield both
    both.link.close()
    both.worker.link.close()


@pytest.mark.parametrize(
    ("hello_by", "leaves_by", "due"),
    [(None, None, None), (1.0, None, 1.0), (None, 2.0, 2.0), (1.0, 2.0, 1.0), (3.0, 2.0, 2.0)],
)
def test_the_next_deadline_counts(both: Pair, hello_by: float | None, leaves_by: float | None, due: float) -> None:
    both.handle.hello_by, both.handle.leaves_by = hello_by, leaves_by
    assert both.handle.due == due
    assert not both.handle.is_late(0.0)
    assert both.handle.is_late(9.0) is (due is not None)
    if due is not None:
        assert both.handle.is_late(due) and not both.handle.is_late(due - 0.001)


def test_a_fork_says_hello(both: Pair) -> None:
    both.handle.process, both.handle.hello_by = None, 1.0
    both.handle.on_hello(NOBODY + 1)
    assert both.handle.process is not None and both.handle.process.pid == NOBODY + 1
    assert both.handle.due is None
    both.handle.on_hello(NOBODY + 2)
    assert both.handle.process.pid == NOBODY + 1, "once is enough"


def test_a_fork_that_has_to_leave_does_so_when_it_says_hello(both: Pair) -> None:
    both.handle.process, both.handle.hello_by = None, 1.0
    both.handle.request_stop(2.0)
    both.handle.on_hello(NOBODY + 1)
    adopted = both.handle.process
    assert isinstance(adopted, PlayedProcess) and adopted.is_told_to_end
    assert both.handle.due == 2.0, "it may take its time"


def test_one_that_hears_is_told_to_stop(both: Pair) -> None:
    both.handle.hears = True
    both.handle.request_stop(2.0)
    assert both.worker.heard() == [Stop()]
    assert not both.process.is_told_to_end


@pytest.mark.parametrize("hears", [False, True])
def test_one_that_does_not_hear_gets_a_signal(both: Pair, hears: bool) -> None:
    both.handle.hears = hears
    if hears:  # but is gone
        both.worker.link.close()
    both.handle.request_stop(2.0)
    assert both.process.is_told_to_end


def test_a_checkpoint_is_no_worker_any_more(both: Pair) -> None:
    assert both.handle.become_checkpoint() is both.process
    assert both.handle.become_checkpoint() is None
    both.handle.kill()
    assert both.process.status is None


def test_the_end(both: Pair) -> None:
    both.handle.end(0.0)
    assert both.process.status == -signal.SIGKILL
    both.handle.end(0.0)


def test_nothing_is_said_to_one_that_is_gone(both: Pair) -> None:
    assert both.handle.send(Fresh())
    both.worker.link.close()
    both.handle.send(Fresh())
    assert not both.handle.send(Fresh())
    both.handle.link = None
    assert not both.handle.send(Fresh())


def test_one_that_leaves_hands_over_what_it_holds(both: Pair) -> None:
    both.handle.hears = True
    ours, theirs = socket.socketpair()
    with ours, theirs:
        both.worker.link.send(Connections([ours], [""]))
        both.worker.link.send(Connections([theirs], ["R0VU"]))
        both.worker.link._socket.shutdown(socket.SHUT_WR)  # and is gone
        handed = both.handle.leave(LONG)
    assert [one.received for one in handed] == [b"", b"GET"]
    for one in handed:
        one.socket.close()
    assert both.worker.heard() == [Stop()]


def test_one_that_does_not_hear_is_not_waited_for(both: Pair) -> None:
    assert both.handle.leave(LONG) == []
    both.handle.hears = True
    assert both.handle.leave(0.0) == []
    link: Link | None = None
    both.handle.link = link
    assert both.handle.leave(LONG) == []
