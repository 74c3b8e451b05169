"""The connections that are served by ASGI: who reads their requests, and when they leave the loop.

Theory of operation
-------------------
The server accepts connections and lets them wait (``devrunserver/server/django/server.py``); where something comes on
one of them it is given to ``admit``, and lives on the loop from then on. Between two requests it stays there, for a
client that goes on asking is then answered without another thread; after about SWEEP_INTERVAL seconds without one it is
given back, so that an idle server has nothing on the loop, and wakes nowhere.

What is not the application's is given back as well, with the request still in its buffer: static files and our own
pages are answered by a thread, by the same code as with WSGI. ``wants`` tells the two apart by the request line, and is
asked on both sides. So a connection goes back and forth, and whoever has it is the only one to use it.

Leaving: ``request_stop`` gives back what waits, closes WebSockets and ends event streams; other answers may end.
``close`` then cancels what is left, lets the application put itself in order, and ends the loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import re
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import unquote

from devrunserver.server.access_log import Recorder
from devrunserver.server.asgi.http import Application
from devrunserver.server.asgi.lifespan import Lifespan
from devrunserver.server.asgi.loop import EventLoop
from devrunserver.server.asgi.pace import Pace
from devrunserver.server.asgi.scope import Endpoints
from devrunserver.server.asgi.turn import Options, Turn
from devrunserver.server.connection import Connection
from devrunserver.server.injection import Tag
from devrunserver.server.protocol.parser import FramingError, Request

SWEEP_INTERVAL = 1.0  # seconds between two looks for connections on which nothing came since the last one
CONSUMER_PATIENCE = 0.3  # seconds for what serves a WebSocket to end, once it was told that this is over
CANCEL_PATIENCE = 0.1  # seconds for a request that was cancelled; one that waits for a thread cannot be
PEEK_SIZE = 4096  # bytes of a request that are looked at to see whose it is
PATH = re.compile(rb"[^ \r\n]+ (?:https?://[^/? \r\n]*)?(/[^? \r\n]*)", re.IGNORECASE)
SERVICE_RESTART = 1012  # https://www.iana.org/assignments/websocket


class Host(Protocol):
    """What the connections come from, and go back to. Safe from any thread."""

    @property
    def is_stopping(self) -> bool: ...

    @property
    def is_last(self) -> bool:
        """Whether connections are not to be kept."""

    def may_answer(self, connection: Connection) -> bool:
        """Whether the code that would answer is fresh."""

    @property
    def is_replaced(self) -> bool:
        """Whether something else is served by now, as an error page is."""

    def give_back(self, connection: Connection) -> None:
        """Takes a connection that leaves the loop: it waits, or is closed, as its phase says."""

    def give_turn(self, connection: Connection) -> None:
        """Has a thread answer the request in the buffer of a connection that leaves the loop."""

    def refuse(self, connection: Connection, error: FramingError) -> None:
        """Answers what is no request."""

    def record_queries(self) -> Recorder | None:
        """Records the queries of the request that is answered in the present context, if they are wanted."""

    def log_request(
        self, connection: Connection, request: Request, code: int, sent: int, began: float, queries: Recorder | None
    ) -> None:
        """Logs that a request was answered."""

    def log_websocket(self, connection: Connection, request: Request, action: str) -> None:
        """Logs what became of a WebSocket."""

    def endpoints(self, connection: Connection) -> Endpoints: ...

    def tag_for(self, connection: Connection, request: Request) -> Tag | None:
        """What is put into the answer, if that is a document."""

    def fail(self, error: Exception) -> None:
        """The application cannot start: shows the error in its place, or has the server leave."""


class AsgiServer:
    """Serves an application by ASGI.

    Args:
        application: what is served.
        others: beginnings of the paths that are not the application's.

    Attributes:
        lifespan: the application's.
        pace: when requests are begun.
    """

    def __init__(self, application: Application, others: tuple[str, ...], options: Options) -> None:
        self.application = application
        self.options = options
        self.lifespan = Lifespan(application)
        self.host: Host
        self.pace: Pace
        self.turns: dict[Connection, Turn] = {}
        self._others = others
        self._events: EventLoop | None = None  # until it is closed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._consumers: set[asyncio.Task[None]] = set()  # of WebSockets
        self._admitted: deque[Connection] = deque()  # of which the loop does not know yet

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None, "it was not started"
        return self._loop

    # From any thread

    def start(self, host: Host) -> None:
        """Starts the loop, and on it the application."""
        self.host = host
        self._events = EventLoop()
        self._loop = self._events.loop
        self.pace = Pace(self._loop, self.options.is_threaded)
        self._events.start()
        self._events.call(self._begin)

    def wants(self, connection: Connection) -> bool:
        """Whether what waits on a connection is for the application, as far as one can see."""
        if connection.is_upgraded:
            return True
        if connection.has_waited or self.host.is_replaced:
            return False
        head = connection.buffer or connection.peek(PEEK_SIZE)
        match = PATH.match(head)
        return match is None or not unquote(match[1].decode("latin-1")).startswith(self._others)

    def admit(self, connection: Connection) -> None:
        """Takes a connection on which something has come."""
        self._admitted.append(connection)
        if self._events is None or not self._events.call(self._admit_next):
            self._give_back_admitted()

    def urge(self) -> float | None:
        """Tells where the loop is stuck, if it is; returns after how many seconds to look again, if at all."""
        events = self._events
        return events.watch.urge() if events is not None else None

    def request_stop(self, code: int = SERVICE_RESTART) -> None:
        """Begins to leave: nothing new is begun, and what would not end is ended.

        Args:
            code: what WebSockets are closed by.
        """
        if self._events is not None:
            self._events.call(self._begin_stop, code)

    def close(self, patience: float) -> None:
        """Ends all that is left, within so many seconds. Again is harmless."""
        events, self._events = self._events, None
        if events is None:
            return
        deadline = time.monotonic() + patience
        events.run(self._end(), patience)
        events.close(max(0.0, deadline - time.monotonic()))
        self._give_back_admitted()  # where something keeps the loop busy: nobody has read any of it

    def _give_back_admitted(self) -> None:
        for _ in range(len(self._admitted)):
            self.host.give_back(self._admitted.popleft())

    # On the loop

    def run(self, make: Callable[[], Any], *, is_consumer: bool = False, is_eager: bool = False) -> asyncio.Task[None]:
        """Runs a coroutine as a task that is ended with the server, in a context of its own.

        Args:
            is_consumer: whether it serves a WebSocket, and is given time to learn of the end.
            is_eager: whether it begins at once, where Python can do that.
        """
        context = contextvars.Context()
        task: asyncio.Task[None]
        if is_eager and sys.version_info >= (3, 12):
            task = asyncio.Task(make(), loop=self.loop, context=context, eager_start=True)
            if task.done():
                return task
        else:
            task = self.loop.create_task(make(), context=context)
        tasks = self._consumers if is_consumer else self._tasks
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    def leave(self, turn: Turn, *, for_thread: bool = False) -> None:
        """Gives a connection back.

        Args:
            for_thread: whether a thread is to answer what is in its buffer.
        """
        if self.turns.pop(turn.connection, None) is not None:
            self.pace.leave(turn)
            turn.channel.close()
            (self.host.give_turn if for_thread else self.host.give_back)(turn.connection)

    def expect(self) -> None:
        """A connection waits on the loop: it is not to stay there for long."""
        if self._sweep is None:
            self._sweep = self.loop.call_later(SWEEP_INTERVAL, self._give_back_idle)

    def _begin(self) -> None:
        self.run(self._start_up)

    async def _start_up(self) -> None:
        await self.lifespan.start_up()
        if self.lifespan.failure is not None:
            self.host.fail(self.lifespan.failure)
        for turn in list(self.turns.values()):
            turn.on_data()  # what has come meanwhile

    def _admit_next(self) -> None:
        if self._admitted:  # or else it was given back
            self._admit(self._admitted.popleft())

    def _admit(self, connection: Connection) -> None:
        turn = self.turns.get(connection)
        if turn is not None:
            turn.go_on()
        elif self.host.is_stopping and not (connection.is_cleared or self.host.is_last):
            self.host.give_back(connection)  # for the next worker
        else:
            turn = self.turns[connection] = Turn(self, connection)
            turn.begin()

    def _give_back_idle(self) -> None:
        self._sweep = None
        for turn in [turn for turn in self.turns.values() if turn.is_waiting]:
            if turn.connection.is_overdue(SWEEP_INTERVAL):
                self.leave(turn)
            else:
                self.expect()

    def _begin_stop(self, code: int) -> None:
        for turn in list(self.turns.values()):
            turn.request_stop(code)

    async def _end(self) -> None:
        """Ends the tasks of requests, then the application."""
        if self._sweep is not None:
            self._sweep.cancel()
        for turn in list(self.turns.values()):
            turn.cut()
        await asyncio.sleep(0)  # what they were told reaches them
        for task in self._tasks:
            task.cancel()
        if self._consumers:  # they were told that it is over, and have something to do then
            await asyncio.wait(self._consumers, timeout=CONSUMER_PATIENCE)
        for task in self._consumers:
            task.cancel()
        if tasks := self._tasks | self._consumers:
            await asyncio.wait(tasks, timeout=CANCEL_PATIENCE)
        await self.lifespan.shut_down()
