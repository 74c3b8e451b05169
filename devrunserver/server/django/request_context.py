"""The context in which Django's handler of ASGI answers a request: its synchronous code runs on one of our threads."""

from __future__ import annotations

from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.core.handlers import asgi

from devrunserver.server.asgi.request_thread import RequestThread
from devrunserver.server.thread_pool import ThreadPool


def lend_threads(pool: ThreadPool) -> None:
    """From now on the threads of requests come from this pool."""

    class LentContext(ThreadSensitiveContext):
        """As asgiref's, whose thread would begin and end with it."""

        _thread: RequestThread | None = None

        async def __aenter__(self) -> Any:
            await super().__aenter__()  # type: ignore[no-untyped-call]
            if self.token is not None:  # no other one is around it
                self._thread = RequestThread(pool)
                SyncToAsync.context_to_thread_executor[self] = self._thread  # type: ignore[assignment]
            return self

        async def __aexit__(self, *raised: Any) -> None:
            if self._thread is not None:
                SyncToAsync.context_to_thread_executor.pop(self, None)  # asgiref would have another thread wait for it
                self._thread.shutdown()
            await super().__aexit__(*raised)  # type: ignore[no-untyped-call]

    asgi.ThreadSensitiveContext = LentContext  # type: ignore[attr-defined]
