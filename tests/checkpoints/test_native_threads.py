"""Threads as the system counts them: one that ends is waited for, one that stays is not, again and again."""

from __future__ import annotations

import sys
import threading

import pytest

from devrunserver.checkpoints import native_threads
from devrunserver.checkpoints.native_threads import ENDING_PATIENCE, Remaining, others


class Scene:
    """Threads that are there at each look, and a clock that each look moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks: list[set[str]] = []
        self.now = 0.0
        monkeypatch.setattr(native_threads, "others", self.others)
        monkeypatch.setattr(native_threads, "time", self)

    def others(self) -> set[str]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += 0.1 * ENDING_PATIENCE


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_one_that_ends_is_waited_for(scene: Scene) -> None:
    scene.looks = [{"7"}, {"7"}, set()]
    assert not Remaining().are_there()
    assert not scene.looks[0]


def test_one_that_stays_is_waited_for_once(scene: Scene) -> None:
    remaining = Remaining()
    scene.looks = [{"7"}]
    assert remaining.are_there()
    assert scene.now >= ENDING_PATIENCE
    waited = scene.now
    assert remaining.are_there()
    assert scene.now == waited


def test_ever_new_ones_are_not_waited_for_for_ever(scene: Scene) -> None:
    remaining = Remaining()
    for number in range(100):
        scene.looks = [{str(number)}]
        assert remaining.are_there()
    assert scene.now < 2 * ENDING_PATIENCE


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux tells")
def test_others() -> None:
    before, found, ended = others(), set(), threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        found = others()
        assert str(thread.native_id) in found - before
    finally:
        ended.set()
        thread.join()
    assert str(threading.get_native_id()) not in found
