"""Threads on demand: as many as there is work at once, each kept for a while.

Theory of operation
-------------------
Python runs one thread at a time, so that two which both have something to compute only get in each other's way. Most
requests are answered sooner than another thread has got going: so more work waits for PATIENCE while the thread that
began last is at its work; whoever finishes takes it. Work that blocks delays other work by no more than that.
While this process computes all the time since somebody waits, another thread would only share what there is; so more
work waits up to COMPUTING_PATIENCE. ``urge`` tells the loop that gives out the work when to look again.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable

PATIENCE = 0.001  # seconds that work waits for a thread that may be about to finish
COMPUTING_PATIENCE = 0.05  # the same while this process computes
COMPUTING_SHARE = 0.7  # of a core; a thread that waits for a database or a file leaves more of it
COMPUTING_INTERVAL = 0.005  # seconds between two looks whether it still does: as often as Python switches threads
IDLE_LIFETIME = 10.0  # seconds that a thread without work is kept, and with it its database connections
RETRY = 0.05  # seconds until the system is asked for a thread again
NAME = "devrunserver-request"

Work = Callable[[], None]
Inbox = queue.SimpleQueue[Work | None]


class ThreadPool:
    """Runs work, on a thread that has none or on a new one.

    Args:
        on_end: called in each thread before it ends.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._waiting: deque[Work] = deque()
        self._idle: list[Inbox] = []  # the last one is the warmest
        self._lock = threading.Lock()
        self._closed = False
        self._youngest: Inbox | None = None  # of the thread that began last, while it is at its work
        self._begun = 0.0  # the moment (monotonic) when it did
        # since when work waits for that one: the moment, and the seconds of a core that this process had used; asked
        # for where work does wait alone, as it is a system call
        self._waits: tuple[float, float] | None = None
        self._at_work = 0  # threads

    @property
    def is_crowded(self) -> bool:
        """Whether several threads are at their work, or more work waits. Safe from any thread."""
        return self._at_work > 1 or bool(self._waiting)

    def run(self, work: Work) -> None:
        """Has the work done: begun at the latest by the next ``urge`` that is due."""
        with self._lock:
            self._waiting.append(work)

    def urge(self) -> float | None:
        """Gives waiting work to threads, as far as that is due.

        Returns:
            After how many seconds to urge again; None where nothing waits.
        """
        while True:
            with self._lock:
                if not self._waiting:
                    return None
                if self._youngest is not None and (left := self._left()) > 0:
                    return left
                work = self._waiting.popleft()
                is_new = not self._idle
                inbox = queue.SimpleQueue() if is_new else self._idle.pop()
                self._at_work += 1
                self._begin(inbox)
            inbox.put(work)
            if is_new:
                try:
                    threading.Thread(target=self._live, args=(inbox,), name=NAME, daemon=True).start()
                except RuntimeError:  # the system gives no more of them now
                    with self._lock:
                        self._waiting.appendleft(work)
                        self._at_work -= 1
                        self._youngest = None
                    return RETRY

    def close(self) -> None:
        """Ends the threads that have no work, and each other one when it has none any more."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)

    def _left(self) -> float:
        """Seconds that work waits for the thread that began last."""
        now = time.monotonic()
        if self._waits is None:
            self._waits = now, time.process_time()
        waits = now - self._waits[0]
        if waits < PATIENCE:
            return PATIENCE - waits
        computes = time.process_time() - self._waits[1] >= COMPUTING_SHARE * waits
        return COMPUTING_INTERVAL if computes and now - self._begun < COMPUTING_PATIENCE else 0.0

    def _begin(self, inbox: Inbox) -> None:
        self._youngest, self._begun, self._waits = inbox, time.monotonic(), None

    def _live(self, inbox: Inbox) -> None:
        try:
            work = inbox.get()
            while work is not None:
                try:
                    work()
                except BaseException:  # a thread that ends is at no work
                    with self._lock:
                        self._finish(inbox)
                    raise
                work = self._next(inbox)
        finally:
            self._on_end()

    def _finish(self, inbox: Inbox) -> None:
        self._at_work -= 1
        if self._youngest is inbox:
            self._youngest = None

    def _next(self, inbox: Inbox) -> Work | None:
        with self._lock:
            if self._waiting:
                self._begin(inbox)
                return self._waiting.popleft()
            self._finish(inbox)
            if self._closed:
                return None
            self._idle.append(inbox)
        try:
            return inbox.get(timeout=IDLE_LIFETIME)
        except queue.Empty:
            with self._lock:
                if inbox in self._idle:
                    self._idle.remove(inbox)
                    return None
        return inbox.get()  # it was given work in this very moment
