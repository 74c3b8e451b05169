"""When requests are begun: played on a loop that does not run, with a clock that is set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devrunserver.server import wait
from devrunserver.server.asgi import pace
from devrunserver.server.asgi.pace import Pace
from devrunserver.server.wait import COMPUTING_INTERVAL, COMPUTING_PATIENCE, PATIENCE


class Clock:
    """Time, and a loop that calls what is due when it is moved on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.used = 50.0
        self._timers: list[tuple[float, Callable[[], object]]] = []

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.used

    def call_later(self, delay: float, function: Callable[[], object]) -> object:
        self._timers.append((self.now + delay, function))
        return self

    def call_soon(self, function: Callable[[], object]) -> None:
        self.call_later(0.0, function)

    def pass_(self, seconds: float, share: float = 0.0) -> None:
        """Time passes, of which this process has computed a share."""
        end, began, used = self.now + seconds, self.now, self.used
        while due := [one for one in self._timers if one[0] <= end + 1e-9]:
            first = min(due, key=lambda one: one[0])
            self._timers.remove(first)
            self.now = max(self.now, first[0])
            self.used = used + (self.now - began) * share
            first[1]()
        self.now, self.used = end, used + seconds * share


class Request:
    """One that comes, and may be begun."""

    def __init__(self, played: Pace) -> None:
        self._pace = played
        self.has_begun = self.is_at_work = False

    def on_data(self) -> None:
        if self._pace.may_begin(self):
            self._pace.begin(self)
            self.is_at_work = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(wait, "time", clock)
    return clock


@pytest.fixture
def played(clock: Any, monkeypatch: pytest.MonkeyPatch) -> Pace:
    monkeypatch.setattr(pace, "SIDE_BY_SIDE", 1)
    return Pace(clock, True)


def come(played: Pace, count: int) -> list[Request]:
    requests = [Request(played) for _ in range(count)]
    for one in requests:
        one.on_data()
    return requests


def at_work(requests: list[Request]) -> list[bool]:
    return [one.is_at_work for one in requests]


def test_one_after_the_other_as_they_end(played: Pace, clock: Clock) -> None:
    requests = come(played, 4)
    for number, one in enumerate(requests):
        assert at_work(requests) == [True] * (number + 1) + [False] * (3 - number)
        played.end(one)
        clock.pass_(0.0)
    assert not any(played.is_waiting(one) for one in requests)


def test_side_by_side_while_they_wait_for_something(played: Pace, clock: Clock) -> None:
    requests = come(played, 4)
    for number in range(4):
        assert at_work(requests).count(True) == number + 1
        clock.pass_(PATIENCE, share=0.1)


def test_a_few_are_begun_at_once(played: Pace, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "SIDE_BY_SIDE", 3)
    requests = come(played, 6)
    assert at_work(requests) == [True] * 3 + [False] * 3
    played.end(requests[0])  # whoever it is
    clock.pass_(0.0)
    assert at_work(requests) == [True] * 4 + [False] * 2
    requests[1].has_begun = requests[2].has_begun = True  # these are being sent
    clock.pass_(COMPUTING_INTERVAL, share=1.0)
    assert all(at_work(requests))
    assert not any(played.is_waiting(one) for one in requests)


def test_who_computes_is_let_finish_for_a_while(played: Pace, clock: Clock) -> None:
    requests = come(played, 3)
    clock.pass_(COMPUTING_PATIENCE - COMPUTING_INTERVAL, share=1.0)
    assert at_work(requests) == [True, False, False]
    clock.pass_(2 * COMPUTING_INTERVAL, share=1.0)
    assert at_work(requests) == [True, True, False]


def test_a_stream_keeps_nobody_waiting(played: Pace, clock: Clock) -> None:
    first, second = come(played, 2)
    first.has_begun = True
    clock.pass_(PATIENCE, share=1.0)
    assert second.is_at_work


def test_who_leaves_lets_the_next_one_go_on(played: Pace, clock: Clock) -> None:
    first, second, third = come(played, 3)
    played.leave(second)
    played.end(first)
    clock.pass_(PATIENCE)
    assert third.is_at_work and not second.is_at_work


def test_a_fault_of_one_does_not_stop_the_others(played: Pace, clock: Clock) -> None:
    first, second, third = come(played, 3)
    second.on_data = lambda: 1 / 0  # type: ignore[method-assign,assignment]
    played.end(first)
    with pytest.raises(ZeroDivisionError):
        clock.pass_(PATIENCE)
    clock.pass_(2 * PATIENCE)
    assert third.is_at_work
