"""When the next request is begun: a few side by side while this process computes, else as many as there are.

Theory of operation
-------------------
A coroutine costs little to begin, so all requests that have come could be; but Python computes for one at a time, and
each of them would then take as long as all together. Worse, what has been begun cannot be handed over to the next
worker: a reload would have to wait for many answers, and might cut them. One after the other has a price too: Django
goes from the loop to a thread and back several times in a request, and where several are under way there is always
something to do, so that neither falls asleep and has to be woken. So up to SIDE_BY_SIDE are begun at once. Each further
request waits, unread, for a while (``server/wait.py``) as long as the one that began last is at its work. An answer
that waits for something delays no other by more than PATIENCE.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from devrunserver.server.wait import PATIENCE, Wait

SIDE_BY_SIDE = 4  # requests


class Answering(Protocol):
    """Who answers a request."""

    @property
    def has_begun(self) -> bool:
        """Whether the answer has begun, which may be a stream without an end."""

    def on_data(self) -> None:
        """Asks again whether it may begin."""


class Pace:
    """Has requests begun, on a loop.

    Attributes:
        one_at_a_time: held while a request is answered, where they are not to be side by side.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, is_threaded: bool) -> None:
        self.one_at_a_time = None if is_threaded else asyncio.Lock()
        self._loop = loop
        self._waiting: dict[Answering, None] = {}  # in their order
        self._at_work: set[Answering] = set()  # whose answer has not begun, as far as was looked
        self._youngest: Answering | None = None  # who began last, until it ends
        self._wait = Wait()  # for that one
        self._timer: asyncio.TimerHandle | None = None

    def is_waiting(self, who: Answering) -> bool:
        """Whether it was told to wait, and did not begin since."""
        return who in self._waiting

    def may_begin(self, who: Answering) -> bool:
        """Whether a request may be begun now; if not, ``on_data`` is called when it is time to ask again."""
        if not self._waiting or next(iter(self._waiting)) is who:
            left = self._left()
            if left <= 0:
                self.leave(who)
                return True
            self._look_again(left)
        self._waiting.setdefault(who)
        return False

    def begin(self, who: Answering) -> None:
        """A request is begun."""
        self._at_work.add(who)
        self._youngest = who
        self._wait.begin(is_waited_for=bool(self._waiting))

    def end(self, who: Answering) -> None:
        """It is answered."""
        self._at_work.discard(who)
        if self._youngest is who:
            self._youngest = None
        if self._waiting:
            self._loop.call_soon(self._go_on)

    def leave(self, who: Answering) -> None:
        """It does not wait any longer."""
        if who in self._waiting:
            del self._waiting[who]
            if self._waiting:
                self._look_again(PATIENCE)

    @property
    def _has_room(self) -> bool:
        """Whether so few are at their work that one more may be."""
        if len(self._at_work) >= SIDE_BY_SIDE:
            self._at_work = {one for one in self._at_work if not one.has_begun}
        return len(self._at_work) < SIDE_BY_SIDE

    def _left(self) -> float:
        """Seconds that a request waits for the one that began last."""
        if self._youngest is None or self._youngest.has_begun or self._has_room:
            return 0.0
        return self._wait.left()

    def _look_again(self, left: float) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(left, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._go_on()

    def _go_on(self) -> None:
        """Has the first one that waits ask again."""
        if self._waiting:
            first = next(iter(self._waiting))
            try:
                first.on_data()
            except Exception:
                self.leave(first)  # or else nobody would ever begin again
                raise
