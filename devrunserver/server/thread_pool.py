"""Threads on demand: as many as there is work at once, each kept for a while.

Theory of operation
-------------------
Python runs one thread at a time, so that two which both have something to compute only get in each other's way. So
more work waits for a while (``wait.py``) as long as the thread that began last is at its work; whoever finishes takes
it. ``urge`` tells the loop that gives out the work when to look again.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable

from devrunserver.server.wait import Wait

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
        self._wait = Wait()  # for that one
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
                if self._youngest is not None and (left := self._wait.left()) > 0:
                    return left
                work = self._waiting.popleft()
                inbox, is_new = self._choose()
                self._begin(inbox)
            try:
                self._give(inbox, is_new, work)
            except RuntimeError:  # the system gives no more of them now
                with self._lock:
                    self._waiting.appendleft(work)
                    self._youngest = None
                return RETRY

    def run_at_once(self, work: Work) -> None:
        """Has the work begun now; other work does not wait for it. Safe from any thread.

        Raises:
            RuntimeError: the system gives no more threads now.
        """
        with self._lock:
            inbox, is_new = self._choose()
        self._give(inbox, is_new, work)

    def close(self) -> None:
        """Ends the threads that have no work, and each other one when it has none any more."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)

    def _choose(self) -> tuple[Inbox, bool]:
        """A thread that has no work, by its inbox, and whether it is still to be started."""
        self._at_work += 1
        return (self._idle.pop(), False) if self._idle else (queue.SimpleQueue(), True)

    def _give(self, inbox: Inbox, is_new: bool, work: Work) -> None:
        """Has a thread do it, which was chosen.

        Raises:
            RuntimeError: the system gives no more threads now.
        """
        inbox.put(work)
        if is_new:
            try:
                threading.Thread(target=self._live, args=(inbox,), name=NAME, daemon=True).start()
            except RuntimeError:
                with self._lock:
                    self._at_work -= 1
                raise

    def _begin(self, inbox: Inbox) -> None:
        self._youngest = inbox
        self._wait.begin()

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
