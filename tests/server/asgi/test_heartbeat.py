"""Pings, with a played clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devrunserver.server.asgi.heartbeat import PING_INTERVAL, PING_PATIENCE, Heartbeat, is_needed


class Handle:
    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def cancel(self) -> None:
        self._loop.due = None


class Loop:
    """Knows the one timer that there is."""

    def __init__(self) -> None:
        self.due: tuple[float, Callable[[], None]] | None = None

    def call_later(self, delay: float, function: Callable[[], None]) -> Handle:
        assert self.due is None
        self.due = delay, function
        return Handle(self)

    def run(self) -> float:
        assert self.due is not None
        (delay, function), self.due = self.due, None
        function()
        return delay


def played() -> tuple[Loop, Heartbeat, list[bytes], list[str]]:
    loop, pings, silences = Loop(), [], []  # type: ignore[var-annotated]
    stand_in: Any = loop
    return loop, Heartbeat(stand_in, pings.append, lambda: silences.append("silence")), pings, silences


def test_who_answers_is_asked_again() -> None:
    loop, heartbeat, pings, silences = played()
    heartbeat.begin()
    for count in range(1, 4):
        assert loop.run() == PING_INTERVAL
        assert len(pings) == count
        heartbeat.on_pong(pings[-1])
        assert loop.run() == PING_PATIENCE
    assert silences == []
    heartbeat.end()
    assert loop.due is None


@pytest.mark.parametrize("answer", [None, b"something else", b""])
def test_who_does_not_is_gone(answer: bytes | None) -> None:
    loop, heartbeat, pings, silences = played()
    heartbeat.begin()
    loop.run()
    if answer is not None:
        heartbeat.on_pong(answer)
    loop.run()
    assert len(pings) == 1
    assert silences == ["silence"]
    assert loop.due is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("127.0.0.1", 5), False),
        (("127.8.8.8", 5), False),
        (("::1", 5, 0, 0), False),
        (("::ffff:127.0.0.1", 5, 0, 0), False),
        (("192.168.1.7", 5), True),
        (("fe80::1", 5, 0, 0), True),
        ("", False),
    ],
)
def test_who_is_asked(address: Any, expected: bool) -> None:
    assert is_needed(address) is expected
