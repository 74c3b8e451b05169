"""The life of an application: told when serving begins and ends. https://asgi.readthedocs.io/en/latest/specs/lifespan.html.

Theory of operation
-------------------
An application that does not know of this raises an error, as Django's does. It has then not received anything; an
error after that is one of its start, which the user has to see.
"""

from __future__ import annotations

import asyncio
from typing import Any

from devrunserver.server.asgi.http import Application, Message
from devrunserver.server.asgi.scope import lifespan_scope


class StartupFailed(Exception):
    """The application says that it cannot start."""


class Lifespan:
    """Tells an application that serving begins, and that it ends.

    Attributes:
        state: what the application keeps for its requests.
        is_ready: whether it has started, or does not know of this.
        failure: why it has not started.
    """

    def __init__(self, application: Application) -> None:
        self.state: dict[str, Any] = {}
        self.is_ready = False
        self.failure: Exception | None = None
        self._application = application
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._has_received = False
        self._answer: asyncio.Future[Message] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start_up(self) -> None:
        """Returns when it is known whether the application has started."""
        self._task = asyncio.ensure_future(self._application(lifespan_scope(self.state), self._receive, self._send))
        message = await self._ask("startup")
        if message is None:
            self.failure = self._own_error()
            self._task = None
        elif message["type"] == "lifespan.startup.failed":
            self.failure = StartupFailed(message.get("message", ""))
        self.is_ready = self.failure is None

    async def shut_down(self) -> None:
        """Returns when the application has put itself in order."""
        if self._task is not None and not self._task.done():
            await self._ask("shutdown")

    async def _ask(self, what: str) -> Message | None:
        """The application's answer; None where it has ended without one."""
        assert self._task is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._messages.put_nowait({"type": f"lifespan.{what}"})
        waited: list[asyncio.Future[Any]] = [self._task, self._answer]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        return self._answer.result() if self._answer.done() else None

    def _own_error(self) -> Exception | None:
        """What has ended the application; None where it does not know of this."""
        assert self._task is not None
        error = None if self._task.cancelled() else self._task.exception()
        if error is None or not self._has_received:
            return None
        return error if isinstance(error, Exception) else StartupFailed(type(error).__name__)

    async def _receive(self) -> Message:
        self._has_received = True
        return await self._messages.get()

    async def _send(self, message: Message) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)
