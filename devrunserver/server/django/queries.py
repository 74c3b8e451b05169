"""The database queries of a request: how many, how long, which of them again and again, and where in the project.

Theory of operation
-------------------
Django calls an ``execute_wrapper`` for each query. Ours is on every connection from the moment that it is opened, and
asks a context variable for the recorder of the present request; asgiref carries that to the threads that a view uses.
It does little: two readings of the clock and one entry by the text of the query, which is the same for every round of a
loop, as its parameters are apart. Only when a query comes for the second time, or was slow, is the stack looked at.

The place is the innermost one that is the project's: a line of Python, or of a template that was being rendered. What
async code asks for runs on a thread where nothing is the project's; then it is where the task waits that asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from enum import Enum
from types import FrameType
from typing import Any

from asgiref.sync import SyncToAsync
from django.db import connections
from django.db.backends.signals import connection_created
from django.template.base import Node

from devrunserver.common.shown_path import shown_path

MILLISECONDS = 1000
MOST_DISTINCT = 500  # queries of one request that are told apart
MOST_NAMED = 10  # that are named below the line of the request
LONGEST_SQL = 300  # characters that are shown
N_PLUS_ONE = 3  # times from which a query is taken to be in a loop
RENDER = Node.render_annotated.__code__  # where a template's node is rendered
THREAD = SyncToAsync.thread_handler.__code__  # where asgiref calls what async code asks for


class File(Enum):
    """Whose code is in a file, as far as it matters to who looks for the project's: most of a stack is FOREIGN."""

    FOREIGN = "an installed package's"
    OWN = "the project's"
    TEMPLATES = "that in which RENDER is"
    THREADS = "that in which THREAD is"


@dataclass(slots=True)
class Query:
    """One query of a request, however often it came."""

    sql: str
    count: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    place: str = ""  # file and line of the project


@dataclass(slots=True)
class Recorder:
    """The queries of one request."""

    count: int = 0
    seconds: float = 0.0
    queries: dict[str, Query] = field(default_factory=dict)
    printed: list[tuple[str, float]] = field(default_factory=list)  # with their parameters, where all are wanted

    @property
    def repeated(self) -> int:
        """How many queries there would not be, if each came once."""
        return self.count - len(self.queries)

    def as_json(self, slow: float) -> dict[str, Any]:
        """For programs; times in milliseconds.

        Args:
            slow: seconds from which a query is named though it came once.
        """
        return {
            "count": self.count,
            "ms": round(self.seconds * MILLISECONDS, 1),
            "repeated": self.repeated,
            "named": [
                {
                    "sql": one.sql[:LONGEST_SQL],
                    "count": one.count,
                    "ms": round(one.seconds * MILLISECONDS, 1),
                    "place": one.place or None,
                }
                for one in self.named(slow)
            ],
        }

    def named(self, slow: float) -> list[Query]:
        """The queries that are worth a look: those that came again, or were slow; the most time first."""
        found = [one for one in self.queries.values() if one.count > 1 or one.slowest >= slow]
        return sorted(found, key=lambda one: -one.seconds)[:MOST_NAMED]

    def summary(self) -> str:
        """For the line of the request."""
        text = f"{self.count} quer{'y' if self.count == 1 else 'ies'} {self.seconds * MILLISECONDS:.0f} ms"
        return f"{text}, {self.repeated} repeated" if self.repeated > 0 else text

    def lines(self, slow: float) -> Iterator[str]:
        """What is told below the line of the request."""
        for one in self.named(slow):
            if one.count >= N_PLUS_ONE:
                what = f"N+1: {one.count} times"
            else:
                what = f"repeated: {one.count} times" if one.count > 1 else "slow:"
            sql = one.sql if len(one.sql) <= LONGEST_SQL else f"{one.sql[:LONGEST_SQL]}…"
            place = f" at {one.place}" if one.place else ""
            yield f"  {what} {one.seconds * MILLISECONDS:.0f} ms{place}: {sql}"


CURRENT: ContextVar[Recorder | None] = ContextVar("devrunserver_queries", default=None)


class QueryLog:
    """Records the queries of requests.

    Args:
        is_own: whether a file is the project's.
        slow: seconds from which a query is slow.
        prints: whether each query is kept as it was sent to the database.
    """

    def __init__(self, is_own: Callable[[str], bool], slow: float, prints: bool = False) -> None:
        self.slow = slow
        self.prints = prints
        self._is_own = is_own
        self._files: dict[str, File] = {}

    def install(self) -> None:
        """Sees the queries of every connection from now on. Again is harmless."""
        connection_created.connect(self._on_connection, weak=False, dispatch_uid="devrunserver-queries")
        for connection in connections.all(initialized_only=True):
            self._on_connection(connection=connection)

    def begin(self) -> Recorder:
        """A request begins, in this context."""
        recorder = Recorder()
        CURRENT.set(recorder)
        return recorder

    def end(self) -> None:
        """It is answered."""
        CURRENT.set(None)

    def _on_connection(self, connection: Any, **kwargs: Any) -> None:
        if self._record not in connection.execute_wrappers:
            connection.execute_wrappers.append(self._record)

    def _record(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        recorder = CURRENT.get()
        if recorder is None:
            return execute(sql, params, many, context)
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            took = time.perf_counter() - began
            self._add(recorder, sql if isinstance(sql, str) else str(sql), took)
            if self.prints:
                recorder.printed.append((_sent(sql, params, context), took))

    def _add(self, recorder: Recorder, sql: str, took: float) -> None:
        recorder.count += 1
        recorder.seconds += took
        query = recorder.queries.get(sql)
        if query is None:
            if len(recorder.queries) == MOST_DISTINCT:
                return
            query = recorder.queries[sql] = Query(sql)
        query.count += 1
        query.seconds += took
        query.slowest = max(query.slowest, took)
        if not query.place and (query.count == 2 or took >= self.slow):
            query.place = self.place(sys._getframe(2), recorder)

    def place(self, frame: FrameType | None, recorder: Recorder) -> str:
        """The innermost place of the project's on a stack; empty where there is none, as on a thread of its own."""
        while frame is not None:
            code = frame.f_code
            file = self._files.get(code.co_filename) or self._file(code.co_filename)
            if file is not File.FOREIGN and (place := self._place_in(frame, file, recorder)):
                return place
            frame = frame.f_back
        return ""

    def _place_in(self, frame: FrameType, file: File, recorder: Recorder) -> str:
        code = frame.f_code
        if file is File.OWN:
            return f"{shown_path(code.co_filename)}:{frame.f_lineno}"
        if code is THREAD:
            return self.place_of(recorder)
        if code is RENDER:
            node = frame.f_locals.get("self")
            origin, token = getattr(node, "origin", None), getattr(node, "token", None)
            name = getattr(origin, "name", "")
            if token is not None and self._owns(name):
                return f"{shown_path(name)}:{token.lineno}"
        return ""

    def place_of(self, recorder: Recorder) -> str:
        """The innermost place of the project's where a task waits for what this thread does; empty: none does."""
        for frames in (_calling(), *map(_awaited, _tasks())):
            place, waits = "", False
            for frame in frames:
                if self._owns(frame.f_code.co_filename):
                    place = f"{shown_path(frame.f_code.co_filename)}:{frame.f_lineno}"
                waits = frame.f_code is SyncToAsync.__call__.__code__ and _context(frame).get(CURRENT) is recorder
            if waits and place:
                return place
        return ""

    def _owns(self, file: str) -> bool:
        return (self._files.get(file) or self._file(file)) is File.OWN

    def _file(self, name: str) -> File:
        """Looks at a file for the first time."""
        if name in (RENDER.co_filename, THREAD.co_filename):
            found = File.TEMPLATES if name == RENDER.co_filename else File.THREADS
        else:
            found = File.OWN if os.path.isabs(name) and self._is_own(name) else File.FOREIGN
        self._files[name] = found
        return found


def _sent(sql: Any, params: Any, context: dict[str, Any]) -> str:
    """A query with its parameters, as the backend tells it."""
    connection, cursor = context["connection"], context["cursor"]
    try:
        return str(connection.ops.last_executed_query(cursor.cursor, sql, params) or sql)
    except Exception:  # the backend does not know, or the query has failed
        return str(sql)


def _loop() -> Any:
    """The one that has this thread do its work; None where none has."""
    return getattr(SyncToAsync.threadlocal, "main_event_loop", None)


def _calling() -> list[FrameType]:
    """The frames of the loop's thread where it has just called a thread, and does not wait yet, the innermost last.

    It has to be looked at before those that wait: what it runs now may be among them then.
    """
    frames: list[FrameType] = []
    frame = sys._current_frames().get(getattr(_loop(), "_thread_id", None) or 0)
    while frame is not None and frame.f_code is not SyncToAsync.__call__.__code__:
        frame = frame.f_back
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def _tasks() -> set[asyncio.Task[Any]]:
    """Those on that loop."""
    loop = _loop()
    with contextlib.suppress(RuntimeError):  # they come and go all the time
        return asyncio.all_tasks(loop) if loop is not None else set()
    return set()


def _awaited(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """The frames of a task that waits, the innermost last."""
    awaited: Any = task.get_coro()
    while (frame := getattr(awaited, "cr_frame", None)) is not None:
        yield frame
        awaited = awaited.cr_await  # what is no coroutine, as a future, is the last


def _context(frame: FrameType) -> Mapping[ContextVar[Any], Any]:
    """In which asgiref has a thread called."""
    found = frame.f_locals.get("context")
    return found if isinstance(found, Context) else {}
