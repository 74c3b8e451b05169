"""The thread of one request, on which an application by ASGI has its synchronous code called.

Theory of operation
-------------------
Django goes from the loop to a thread and back before and after each middleware and for each synchronous view, 18 times
in a request of a usual project, and promises that all of that is the same thread. asgiref starts one with the request's
first call and ends it, by still another thread, with the request. Here one of the server's threads is lent in its
place: it keeps its database connections as long as the project lets them persist, as a thread that serves WSGI does. A
result is a future of the loop's own, where an executor of the standard library makes two that hear of each other.

What is called late, as the request is over, is still done before the thread is given back.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from devrunserver.server.thread_pool import ThreadPool


class Call(NamedTuple):
    """What is to be called, and who waits for the result."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    future: asyncio.Future[Any]


class RequestThread:
    """Calls functions one after the other, all on one thread of a pool.

    It has the methods of ``concurrent.futures.Executor`` by which asgiref and asyncio use one.
    """

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._has_begun = False
        self._lock = threading.Lock()  # an application may have several loops

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> asyncio.Future[Any]:
        """Has a function called; a future of the running loop has its result.

        Raises:
            RuntimeError: the system gives no more threads now.
        """
        with self._lock:
            if not self._has_begun:
                self._pool.run_at_once(self._work)
                self._has_begun = True
        future = asyncio.get_running_loop().create_future()
        self._calls.put(Call(function, arguments, future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Gives the thread back, once what was asked for is done. Never waits for that."""
        with self._lock:
            if self._has_begun:
                self._has_begun = False
                self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            _do(call)
            del call  # what it was called with is not kept until the next one comes


def _do(call: Call) -> None:
    if call.future.cancelled():
        return
    result: Any = None
    error: BaseException | None = None
    try:
        result = call.function(*call.arguments)
    except StopIteration as stopped:  # no future takes it
        error = RuntimeError("a function that was called in a thread raised StopIteration")
        error.__cause__ = stopped
    except BaseException as raised:
        error = raised
    try:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            call.future.get_loop().call_soon_threadsafe(_tell, call.future, result, error)
    finally:
        del error  # its traceback holds this frame


def _tell(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # it was cancelled
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
