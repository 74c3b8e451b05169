"""An asyncio loop on a thread of its own.

Theory of operation
-------------------
The main thread accepts connections and hears the supervisor; it must never wait for a coroutine. So the loop has a
thread, which exists only while something is served by ASGI. Work reaches it by ``call``, from any thread. The thread
is a daemon: what blocks it cannot keep the process from ending.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

from devrunserver.server.asgi.loop_watch import LoopWatch

NAME = "devrunserver-asgi"
THREAD_PATIENCE = 0.2  # seconds for the loop's thread to end once nothing is left to run

logger = logging.getLogger("django.server")


class EventLoop:
    """Runs coroutines and callbacks on its thread, from ``start`` to ``close``.

    Attributes:
        watch: tells where it is stuck.
    """

    def __init__(self) -> None:
        self.loop = _new_loop()
        self._executor = concurrent.futures.ThreadPoolExecutor(thread_name_prefix=NAME)
        self.loop.set_default_executor(self._executor)
        self._thread = threading.Thread(target=self._run, name=NAME, daemon=True)
        self.watch = LoopWatch(self._thread)

    def start(self) -> None:
        self._thread.start()

    def call(self, function: Callable[..., object], *args: object) -> bool:
        """Has a function called on the loop, soon; False where the loop has ended. Safe from any thread."""
        self.watch.expect()
        try:
            self.loop.call_soon_threadsafe(self._call, function, *args)
        except RuntimeError:
            return False
        return True

    def run(self, coroutine: Coroutine[Any, Any, None], patience: float) -> bool:
        """Runs a coroutine on the loop and waits for it; whether it ended within so many seconds.

        Not from the loop's own thread. What the coroutine raises is logged.
        """
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError:
            coroutine.close()
            return False
        try:
            future.result(patience)
        except concurrent.futures.TimeoutError:
            return False
        except concurrent.futures.CancelledError:
            return False
        except Exception:
            logger.exception("The event loop did not end in order")
        return True

    def close(self, patience: float) -> bool:
        """Cancels what still runs and ends the thread; whether all of it ended within so many seconds."""
        deadline = time.monotonic() + patience
        has_ended = self.run(self._cancel_tasks(), patience)
        self._executor.shutdown(wait=False, cancel_futures=True)
        self.call(self.loop.stop)
        self._thread.join(max(THREAD_PATIENCE, deadline - time.monotonic()) if has_ended else THREAD_PATIENCE)
        return has_ended

    def _call(self, function: Callable[..., object], *args: object) -> None:
        self.watch.on_call()
        function(*args)

    async def _cancel_tasks(self) -> None:
        current = asyncio.current_task()
        # what was cancelled before and is still here waits for a thread
        tasks = [task for task in asyncio.all_tasks() if task is not current and not task.cancelling()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.loop.shutdown_asyncgens()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            with contextlib.suppress(RuntimeError):
                self.loop.close()
            asyncio.set_event_loop(None)


def _new_loop() -> asyncio.AbstractEventLoop:
    """A loop that can wait for any socket: on Windows the default one cannot."""
    return asyncio.SelectorEventLoop()
