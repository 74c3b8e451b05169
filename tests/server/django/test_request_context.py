"""Where Django's handler of ASGI has its synchronous code called."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.handlers import asgi

from devrunserver.server.django.request_context import lend_threads
from devrunserver.server.thread_pool import ThreadPool
from tests.live import wait_for

PATIENCE = 30.0  # seconds
handler: Any = asgi


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPool]:
    monkeypatch.setattr(handler, "ThreadSensitiveContext", None)  # put back afterwards
    pool = ThreadPool(lambda: None)
    lend_threads(pool)
    yield pool
    pool.close()


async def request(*, inner: bool = False) -> set[int]:
    """The threads on which a request has its synchronous code called."""
    async with handler.ThreadSensitiveContext():
        found = {await sync_to_async(threading.get_ident)() for _ in range(3)}
        if inner:
            found |= await request()
        return found


def test_a_request_has_one_thread_also_for_a_handler_in_a_handler() -> None:
    assert len(asyncio.run(request(inner=True))) == 1


def test_requests_side_by_side_have_a_thread_each(pool: ThreadPool) -> None:
    async def both() -> list[set[int]]:
        together = threading.Barrier(2)

        async def one() -> set[int]:
            async with handler.ThreadSensitiveContext():
                await sync_to_async(together.wait)(PATIENCE)
                return {await sync_to_async(threading.get_ident)()}

        return list(await asyncio.gather(one(), one()))

    first, second = asyncio.run(both())
    assert first.isdisjoint(second)
    wait_for(lambda: len(pool._idle) == 2, "both threads are given back", PATIENCE)
    assert asyncio.run(request()) <= first | second


def test_a_thread_calls_back_to_the_loop() -> None:
    async def answer() -> str:
        return "from the loop, " + await sync_to_async(lambda: "from the thread")()

    async def outer() -> str:
        async with handler.ThreadSensitiveContext():
            return await sync_to_async(async_to_sync(answer))()

    assert asyncio.run(outer()) == "from the loop, from the thread"


def test_a_request_that_ends_waits_for_no_thread(pool: ThreadPool) -> None:
    """django/asgiref issue 535: the loop waited for a thread, and that for the loop."""
    may_end = threading.Event()

    async def leave() -> None:
        async with handler.ThreadSensitiveContext():
            task = asyncio.ensure_future(sync_to_async(may_end.wait)(PATIENCE))
            await asyncio.sleep(0)
        may_end.set()  # which the thread has waited for
        await task

    asyncio.run(leave())
    assert may_end.is_set()
    wait_for(lambda: len(pool._idle) == 1, "the thread is given back", PATIENCE)
