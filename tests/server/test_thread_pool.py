"""Threads on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace

import pytest

from devrunserver.server import thread_pool as server_threads
from devrunserver.server import wait
from devrunserver.server.thread_pool import ThreadPool
from tests.live import wait_for

PATIENCE = 30.0  # seconds


class Pool:
    """Threads that are known."""

    def __init__(self) -> None:
        self.ended: list[int] = []
        self.worked: list[int] = []
        self.threads = ThreadPool(lambda: self.ended.append(threading.get_ident()))
        self.may_end = threading.Event()

    def work(self) -> None:
        self.worked.append(threading.get_ident())
        assert self.may_end.wait(PATIENCE)

    def run(self, count: int) -> None:
        """Starts so many pieces of work, which all are at work at once."""
        before = len(self.worked)
        for _ in range(count):
            self.threads.run(self.work)
        wait_for(lambda: not self.threads.urge() and len(self.worked) == before + count, "all work at once", PATIENCE)

    def let_end(self) -> None:
        busy = len(self.threads._idle)
        self.may_end.set()
        wait_for(lambda: len(self.threads._idle) > busy, "they are idle", PATIENCE)
        self.may_end.clear()


@pytest.fixture
def pool() -> Iterator[Pool]:
    before = set(threading.enumerate())
    pool = Pool()
    yield pool
    pool.may_end.set()
    pool.threads.close()
    wait_for(lambda: set(threading.enumerate()) <= before, "no thread is left", PATIENCE)
    assert set(pool.ended) == set(pool.worked)  # identifiers are used again


def test_work_is_done_at_once_however_much_there_is(pool: Pool) -> None:
    pool.run(20)
    assert len(set(pool.worked)) == 20


def test_a_thread_without_work_is_used_again(pool: Pool) -> None:
    for _ in range(5):
        pool.run(1)
        pool.let_end()
    assert len(set(pool.worked)) == 1


def test_a_thread_without_work_ends_after_a_while(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_threads, "IDLE_LIFETIME", 0.01)
    pool.may_end.set()
    pool.run(1)
    wait_for(lambda: pool.ended == pool.worked, "it has ended", PATIENCE)
    pool.run(1)
    assert len(pool.worked) == 2


def test_it_may_close_before_the_work_ends(pool: Pool) -> None:
    pool.run(2)
    pool.threads.close()
    assert pool.ended == []
    pool.may_end.set()
    wait_for(lambda: len(pool.ended) == 2, "they have ended", PATIENCE)


def test_work_waits_for_a_thread_that_may_be_about_to_finish(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "PATIENCE", PATIENCE)
    pool.run(1)
    pool.threads.run(pool.work)
    left = pool.threads.urge()
    assert left is not None and 0 < left <= PATIENCE
    pool.may_end.set()  # no need to urge
    wait_for(lambda: len(pool.worked) == 2, "the second work", PATIENCE)
    assert len(set(pool.worked)) == 1
    assert pool.threads.urge() is None


def test_where_the_system_gives_no_thread_work_waits(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        pool.threads.run(pool.work)
        assert pool.threads.urge() == server_threads.RETRY
        assert pool.worked == []
    wait_for(lambda: not pool.threads.urge() and len(pool.worked) == 1, "the work", PATIENCE)


def test_work_that_fails_ends_its_thread_alone(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)

    def fail() -> None:
        pool.worked.append(threading.get_ident())
        raise RuntimeError

    pool.threads.run(fail)
    pool.threads.urge()
    wait_for(lambda: failures and pool.ended, "it has failed", PATIENCE)
    pool.run(1)


@pytest.mark.parametrize(
    ("at_work", "computed", "left"),
    [
        (0.0, 0.0, wait.PATIENCE),
        (0.0004, 0.0004, wait.PATIENCE - 0.0004),
        (0.002, 0.0, 0.0),  # it waits for something
        (0.002, 0.001, 0.0),
        (0.002, 0.002, wait.COMPUTING_INTERVAL),  # another thread would only be in its way
        (0.002, 0.004, wait.COMPUTING_INTERVAL),  # on two cores
        (0.049, 0.049, wait.COMPUTING_INTERVAL),
        (0.051, 0.051, 0.0),  # and no longer
    ],
)
def test_how_long_work_waits(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, at_work: float, computed: float, left: float
) -> None:
    clock = SimpleNamespace(monotonic=lambda: 100.0, process_time=lambda: 7.0)
    monkeypatch.setattr(wait, "time", clock)
    pool.run(1)
    pool.threads.run(pool.work)
    assert pool.threads.urge() == wait.PATIENCE
    clock.monotonic, clock.process_time = lambda: 100.0 + at_work, lambda: 7.0 + computed
    assert pool.threads.urge() == (pytest.approx(left) if left else None)
    wait_for(lambda: len(pool.worked) == (1 if left else 2), "as much work as should be", PATIENCE)


def test_the_time_of_the_process_is_asked_for_where_work_waits_alone(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=lambda: 100.0)
    monkeypatch.setattr(wait, "time", clock)  # without process_time
    pool.run(1)
    clock.monotonic, clock.process_time = lambda: 100.03, lambda: 7.03
    pool.threads.run(pool.work)
    assert pool.threads.urge() == wait.PATIENCE  # what was computed before it waited is not known
    clock.monotonic, clock.process_time = lambda: 100.032, lambda: 7.03
    wait_for(lambda: not pool.threads.urge() and len(pool.worked) == 2, "both are at work", PATIENCE)


def test_crowded_while_several_are_at_work(pool: Pool) -> None:
    assert not pool.threads.is_crowded
    pool.run(1)
    assert not pool.threads.is_crowded
    pool.run(1)
    assert pool.threads.is_crowded
    pool.may_end.set()
    wait_for(lambda: not pool.threads.is_crowded, "they have finished", PATIENCE)
    pool.threads.run(pool.work)
    assert pool.threads.is_crowded
    pool.threads.urge()
    wait_for(lambda: not pool.threads.is_crowded, "they have finished", PATIENCE)


def test_who_fails_is_at_work_no_more(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda *_: None)

    def fail() -> None:
        pool.worked.append(threading.get_ident())
        raise RuntimeError

    def has_ended(count: int) -> bool:
        return len(pool.ended) == count

    for count in (1, 2):
        pool.threads.run(fail)
        wait_for(lambda: not pool.threads.urge(), "it is begun", PATIENCE)
        wait_for(partial(has_ended, count), "it has failed", PATIENCE)
    pool.run(1)
    assert not pool.threads.is_crowded
