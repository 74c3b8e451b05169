"""The thread of one request: what is called on it, and whose it is afterwards."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import pytest

from devrunserver.server.asgi.request_thread import RequestThread
from devrunserver.server.thread_pool import ThreadPool
from tests.live import wait_for

PATIENCE = 30.0  # seconds


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    before = set(threading.enumerate())
    pool = ThreadPool(lambda: None)
    yield pool
    pool.close()
    wait_for(lambda: set(threading.enumerate()) <= before, "no thread is left", PATIENCE)


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE))


def await_idle(pool: ThreadPool, count: int) -> None:
    wait_for(lambda: len(pool._idle) == count, f"{count} threads have no work", PATIENCE)


async def call(thread: RequestThread, *functions: Callable[[], Any]) -> list[Any]:
    """As asyncio does it for asgiref; the results, and what was raised."""
    loop = asyncio.get_running_loop()
    awaited = [loop.run_in_executor(thread, function) for function in functions]  # type: ignore[arg-type]
    return await asyncio.gather(*awaited, return_exceptions=True)


def test_all_is_called_on_one_thread_one_after_the_other(pool: ThreadPool) -> None:
    thread = RequestThread(pool)
    found: list[int] = []

    def note(number: int) -> int:
        found.append(number)
        return threading.get_ident()

    results = run(call(thread, *(partial(note, number) for number in range(20))))
    assert found == list(range(20))
    assert len(set(results)) == 1
    assert results[0] != threading.get_ident()
    thread.shutdown()


def test_there_is_no_thread_until_something_is_called(pool: ThreadPool) -> None:
    before = threading.active_count()
    thread = RequestThread(pool)
    thread.shutdown()
    assert threading.active_count() == before
    assert not pool.is_crowded


def test_the_next_request_gets_the_thread(pool: ThreadPool) -> None:
    idents = []
    for _ in range(3):
        thread = RequestThread(pool)
        idents += run(call(thread, threading.get_ident))
        thread.shutdown()
        thread.shutdown()  # again is harmless
        await_idle(pool, 1)
    assert len(set(idents)) == 1


def test_two_requests_at_once_have_two_threads(pool: ThreadPool) -> None:
    first, second = RequestThread(pool), RequestThread(pool)
    assert run(call(first, threading.get_ident)) != run(call(second, threading.get_ident))
    first.shutdown()
    second.shutdown()
    await_idle(pool, 2)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(ValueError("wrong"), ValueError), (StopIteration(1), RuntimeError), (asyncio.CancelledError(), BaseException)],
)
def test_what_is_raised_reaches_who_waits(pool: ThreadPool, raised: BaseException, expected: type) -> None:
    def fail() -> None:
        raise raised

    thread = RequestThread(pool)
    error, after = run(call(thread, fail, lambda: "after"))
    assert isinstance(error, expected)
    assert after == "after"
    thread.shutdown()


def test_what_was_called_late_is_done_before_the_thread_is_given_back(pool: ThreadPool) -> None:
    may_end = threading.Event()
    done: list[int] = []
    thread = RequestThread(pool)

    async def leave() -> None:
        loop = asyncio.get_running_loop()
        loop.run_in_executor(thread, may_end.wait, PATIENCE)  # type: ignore[arg-type]
        loop.run_in_executor(thread, done.append, 1)  # type: ignore[arg-type]
        thread.shutdown()  # waits for nothing

    run(leave())  # and its loop is closed when the results come
    assert (done, pool._idle) == ([], [])
    may_end.set()
    await_idle(pool, 1)
    assert done == [1]


def test_what_was_cancelled_before_its_turn_is_not_called(pool: ThreadPool) -> None:
    may_end = threading.Event()
    done: list[int] = []
    thread = RequestThread(pool)

    async def cancel() -> None:
        first = thread.submit(may_end.wait, PATIENCE)
        second = thread.submit(done.append, 1)
        second.cancel()
        may_end.set()
        assert await first

    run(cancel())
    thread.shutdown()
    await_idle(pool, 1)
    assert done == []


def test_without_a_thread_who_calls_is_told(pool: ThreadPool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    thread = RequestThread(pool)

    async def submit() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="new thread"):
                thread.submit(threading.get_ident)
        assert await thread.submit(threading.get_ident)

    run(submit())
    thread.shutdown()
    assert not pool.is_crowded
