"""A thread of the project that delays a reload is named."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from devrunserver.worker import lasting_threads


@pytest.fixture
def ended() -> Iterator[threading.Event]:
    ended = threading.Event()
    yield ended
    ended.set()


def wait_long(started: threading.Event, ended: threading.Event) -> None:
    started.set()
    ended.wait(30)


@pytest.mark.parametrize("daemon", [True, False])
def test_only_threads_that_are_no_daemons_are_waited_for(ended: threading.Event, daemon: bool) -> None:
    started = threading.Event()
    before = lasting_threads.lasting()
    thread = threading.Thread(target=wait_long, args=(started, ended), name="poller", daemon=daemon)
    thread.start()
    started.wait(30)
    lasting = [one for one in lasting_threads.lasting() if one not in before]
    assert lasting == ([] if daemon else [thread])
    line = lasting_threads.describe([thread])
    assert "waits for the thread 'poller' (in wait_long, " in line
    assert f"{__file__}:" in line and "daemon=True" in line
    ended.set()
    thread.join(30)


def test_several(ended: threading.Event) -> None:
    threads = [threading.Thread(name=name) for name in ("one", "two")]
    assert "the threads 'one', 'two'." in lasting_threads.describe(threads)


def test_it_is_told_later_where_one_is_left(
    ended: threading.Event, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timers: list[tuple[float, Callable[[], None]]] = []

    def timer(delay: float, call: Callable[[], None]) -> Any:
        timers.append((delay, call))
        return SimpleNamespace(start=lambda: None)

    monkeypatch.setattr(lasting_threads, "lasting", list)
    monkeypatch.setattr(threading, "Timer", timer)
    lasting_threads.tell_later()
    assert not timers
    monkeypatch.setattr(lasting_threads, "lasting", lambda: [threading.Thread(name="poller")])
    lasting_threads.tell_later()
    ((delay, tell),) = timers
    assert delay == lasting_threads.DELAY
    tell()
    assert "'poller'" in capsys.readouterr().err
    monkeypatch.setattr(lasting_threads, "lasting", list)
    tell()
    assert capsys.readouterr().err == ""  # it has ended meanwhile
