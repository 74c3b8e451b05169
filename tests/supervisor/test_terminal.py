"""The modes of a terminal are put back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TextIO

import pytest

from devrunserver.supervisor.terminal import Terminal

termios = pytest.importorskip("termios")

LOCAL_MODES = 3  # its place in what termios.tcgetattr returns


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    """A terminal on standard input."""
    master, slave = os.openpty()
    with open(slave) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield stdin
    os.close(master)


def echoes(terminal: TextIO) -> bool:
    return bool(termios.tcgetattr(terminal)[LOCAL_MODES] & termios.ECHO)


def test_modes_are_put_back(terminal: TextIO) -> None:
    saved = Terminal()
    saved.restore()
    assert echoes(terminal)
    modes = termios.tcgetattr(terminal)
    modes[LOCAL_MODES] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, modes)
    assert not echoes(terminal)
    saved.restore()
    assert echoes(terminal)


def test_without_a_terminal_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    for stdin in (None, open(os.devnull)):  # noqa: SIM115 (it may have been closed)
        monkeypatch.setattr(sys, "stdin", stdin)
        Terminal().restore()
        if stdin is not None:
            stdin.close()
            Terminal().restore()
