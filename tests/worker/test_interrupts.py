"""What signals do to a worker."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from devrunserver.common import process_exit
from devrunserver.worker import interrupts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")

PATIENCE = 30.0  # seconds


@pytest.fixture(autouse=True)
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was made ready for an end; handlers are put back."""
    done: list[str] = []
    for name in ("make_exit_quick", "end_without_finalization"):
        monkeypatch.setattr(process_exit, name, lambda name=name: done.append(name))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield done
    for number, handler in before.items():
        signal.signal(number, handler)


def test_sigterm_leaves(ends: list[str]) -> None:
    interrupts.begin()
    with pytest.raises(SystemExit) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 0
    assert ends == ["make_exit_quick", "end_without_finalization"]


def test_another_thread_makes_the_main_thread_leave(ends: list[str]) -> None:
    interrupts.end_on_sigterm()
    thread = threading.Thread(target=interrupts.interrupt_main_thread)
    with pytest.raises(SystemExit):  # noqa: PT012 (wherever the main thread is then)
        thread.start()
        threading.Event().wait(PATIENCE)
    thread.join(PATIENCE)
    assert ends


class Callback:
    """Calls something where an exception would be printed and lost."""

    def __init__(self, call: Callable[[FrameType | None], Any]) -> None:
        self._call = call

    def __del__(self) -> None:
        self._call(sys._getframe())


def test_where_an_exception_would_be_lost_it_comes_later(ends: list[str]) -> None:
    interrupts.end_on_sigterm()
    with pytest.raises(SystemExit):  # noqa: PT012 (some time later)
        Callback(lambda frame: interrupts._leave_main_thread(signal.SIGTERM, frame))
        threading.Event().wait(PATIENCE)
    assert len(ends) == 2


def test_ctrl_c_in_a_start_is_heard_once_and_no_error_to_print(capsys: pytest.CaptureFixture[str]) -> None:
    interrupts.begin()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)  # the terminal's, and then the supervisor's
    signal.raise_signal(signal.SIGTERM)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert capsys.readouterr().err == ""
    sys.excepthook(ValueError, ValueError("other"), None)
    assert "other" in capsys.readouterr().err


def test_after_the_start_ctrl_c_is_pythons() -> None:
    interrupts.begin()
    assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    interrupts.end_start()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupts.begin()
    interrupts.end_start()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # the project's stays
    signal.signal(signal.SIGINT, handler)
