"""A line that is written again and again on a terminal, and what others write there."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterator

import pytest

from devrunserver.common import progress_page, terminal_line
from devrunserver.common.progress_page import ProgressPage
from devrunserver.common.terminal_line import OutputGuard, clear, fitted, is_capable, show
from tests.screen import screen

pty = pytest.importorskip("pty")
COLUMNS = 40
SIZE = struct.Struct("4H")  # rows, columns and pixels; see ioctl_tty(2)


class Terminal:
    """A terminal on which standard error is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import fcntl
        import termios

        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, SIZE.pack(24, COLUMNS, 0, 0))
        self.stream = io.TextIOWrapper(open(self.slave, "wb", buffering=0), write_through=True)  # noqa: SIM115
        monkeypatch.setattr(terminal_line, "STDERR", self.slave)
        page = progress_page.make()
        assert page is not None
        self.page: ProgressPage = page
        self.guard = OutputGuard(page, lambda: self.counts, lambda: [None, self.stream])
        self.counts = True

    def lines(self) -> list[str]:
        """What it shows."""
        os.write(self.slave, b"\0")  # so that there is something to read
        output = b""
        while not output.endswith(b"\0"):
            output += os.read(self.master, 65536)
        return [line for line in screen(output.replace(b"\0", b"")) if line]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    made = Terminal(monkeypatch)
    yield made
    made.guard.remove()
    made.stream.close()
    os.close(made.master)
    made.page.close()


def test_a_print_takes_the_line_away(terminal: Terminal) -> None:
    terminal.guard.install()
    show(terminal.page, "Starting: 1")
    print("hello", file=terminal.stream)
    show(terminal.page, "Starting: 2")
    show(terminal.page, "Starting: 3")
    assert terminal.lines() == ["hello", "Starting: 3"]


def test_it_ends_without_a_trace(terminal: Terminal) -> None:
    show(terminal.page, "Starting: 1")
    clear(terminal.page)
    clear(terminal.page)
    assert terminal.lines() == []


def test_a_line_that_was_begun_is_left_alone(terminal: Terminal) -> None:
    terminal.guard.install()
    show(terminal.page, "Starting: 1")
    print("half ", end="", file=terminal.stream)
    show(terminal.page, "Starting: 2")
    print("a line", file=terminal.stream)
    assert terminal.lines() == ["half a line"]
    show(terminal.page, "Starting: 3")
    assert terminal.lines() == ["Starting: 3"]


def test_it_is_hidden_while_somebody_else_has_the_terminal(terminal: Terminal) -> None:
    terminal.page.is_hidden = True
    show(terminal.page, "Starting: 1")
    assert terminal.lines() == []


def test_what_goes_nowhere_takes_nothing_away(terminal: Terminal) -> None:
    """As what a dry run prints."""
    terminal.guard.install()
    show(terminal.page, "Starting: 1")
    terminal.counts = False
    print("", end="", file=terminal.stream)
    terminal.stream.write("x")
    assert terminal.page.is_shown and not terminal.page.is_line_open


def test_streams_are_given_back(terminal: Terminal) -> None:
    kept: list[Callable[[str], int]] = []
    terminal.guard.install()
    terminal.guard.install()
    kept.append(terminal.stream.write)
    terminal.guard.remove()
    terminal.guard.remove()
    assert "write" not in vars(terminal.stream)
    kept[0]("who has kept it goes on\n")
    assert terminal.lines() == ["who has kept it goes on"]


def test_somebody_elses_is_left_in_place(terminal: Terminal) -> None:
    terminal.guard.install()
    vars(terminal.stream)["write"] = theirs = lambda text: len(text)
    terminal.guard.remove()
    assert vars(terminal.stream)["write"] is theirs
    del vars(terminal.stream)["write"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", "short"),
        ("x" * 39, "x" * 39),
        ("x" * 40, "x" * 38 + "…"),
        ("", ""),
        (f"Starting: {'x' * 40}, 2.5 s", f"Starting: {'x' * 21}…, 2.5 s"),
        (f"Starting: {'x' * 20}, 2.5 of about 1000000 s", f"Starting: {'x' * 20}, 2.5 of…"),
    ],
)
def test_it_fits(text: str, shown: str) -> None:
    assert fitted(text, COLUMNS) == shown


@pytest.mark.parametrize(("term", "capable"), [("xterm", True), ("dumb", False), ("", False)])
def test_terminals_that_cannot_erase(terminal: Terminal, term: str, capable: bool) -> None:
    assert is_capable({"TERM": term}) is capable


def test_a_pipe_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr(terminal_line, "STDERR", writer)
    assert not is_capable({"TERM": "xterm"})
    os.close(reader)
    os.close(writer)
    assert not is_capable({"TERM": "xterm"})
