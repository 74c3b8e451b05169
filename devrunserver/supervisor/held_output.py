"""What a process prints before anybody wants to see it: kept, and shown when it is wanted.

The process writes to something that looks like our own outputs: to a pseudo-terminal where we write to a terminal, so
that it colours what it prints, and to a file otherwise. Where both of ours lead to the same place there is one, so
that the order of lines stays.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import sys
import tempfile
from typing import Protocol

from devrunserver.common.process import OUTPUTS
from devrunserver.supervisor.optional_parts import Registry

READ_SIZE = 65536  # bytes asked of the kernel at a time
MOST = 1_000_000  # bytes that are kept of a terminal; then the process waits


class Place(Protocol):
    """Where a process writes to."""

    child: int  # the descriptor that the process gets

    def on_spawned(self) -> None:
        """The process has its descriptor."""

    def take(self) -> bytes:
        """What was written."""

    def close(self) -> None:
        """Again is harmless."""


class HeldFile:
    """A file without a name."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (it stays open)
        self.child = self._file.fileno()

    def on_spawned(self) -> None:
        pass

    def take(self) -> bytes:
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        self._file.close()


class HeldTerminal:
    """A pseudo-terminal, which somebody has to read, as it holds a few kilobytes only.

    Args:
        selector: says when there is something to read.
        like: the descriptor of the terminal that it is to resemble.
    """

    def __init__(self, selector: Registry, like: int) -> None:
        self._master, self.child = os.openpty()
        self._selector = selector
        self._kept = bytearray()
        self._is_registered = False
        _resemble(self.child, like)
        os.set_blocking(self._master, False)

    def fileno(self) -> int:
        return self._master

    def on_spawned(self) -> None:
        os.close(self.child)
        self.child = -1
        self._selector.register(self, selectors.EVENT_READ, self._read)
        self._is_registered = True

    def take(self) -> bytes:
        while self._is_registered and self._read():
            pass
        return bytes(self._kept)

    def close(self) -> None:
        self._unregister()
        for descriptor in (self._master, self.child):
            if descriptor >= 0:
                os.close(descriptor)
        self._master = self.child = -1

    def _read(self) -> bool:
        """Takes what is there; whether anything was."""
        try:
            data = os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:  # nobody has the other end any more
            data = b""
        self._kept += data
        if not data or len(self._kept) > MOST:
            self._unregister()
        return bool(data)

    def _unregister(self) -> None:
        if self._is_registered:
            self._is_registered = False
            self._selector.unregister(self)


class HeldOutput:
    """The standard output and error of one process.

    Args:
        selector: says when a terminal has to be read.
    """

    def __init__(self, selector: Registry) -> None:
        self._places: list[tuple[int, Place]] = []  # our own descriptors, and what stands for them
        for descriptor in OUTPUTS:
            if not any(_are_same(descriptor, ours) for ours, _ in self._places):
                self._places.append((descriptor, _place(selector, descriptor)))

    @property
    def descriptors(self) -> tuple[int, int]:
        """For the process: where it writes to, in place of standard output and error."""
        return self._places[0][1].child, self._places[-1][1].child

    def on_spawned(self) -> None:
        """The process has them."""
        for _, place in self._places:
            place.on_spawned()

    def show(self) -> None:
        """Prints what was kept."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.flush()
        for ours, place in self._places:
            data = place.take()
            with contextlib.suppress(OSError):  # a closed terminal, a full disk
                while data:
                    data = data[os.write(ours, data) :]

    def close(self) -> None:
        for _, place in self._places:
            place.close()


def _place(selector: Registry, like: int) -> Place:
    if hasattr(os, "openpty") and os.isatty(like):
        with contextlib.suppress(OSError):  # there are none left
            return HeldTerminal(selector, like)
    return HeldFile()


def _are_same(one: int, other: int) -> bool:
    """Whether two descriptors lead to the same place."""
    try:
        return os.path.samestat(os.fstat(one), os.fstat(other)) and os.fstat(one).st_ino != 0
    except OSError:
        return False


if sys.platform == "win32":  # there are no pseudo-terminals

    def _resemble(terminal: int, like: int) -> None:
        pass

else:
    import termios

    def _resemble(terminal: int, like: int) -> None:
        """Gives a pseudo-terminal the size of another one; what is written to it stays as it is."""
        attributes = termios.tcgetattr(terminal)
        attributes[1] &= ~termios.OPOST
        termios.tcsetattr(terminal, termios.TCSANOW, attributes)
        if hasattr(termios, "tcgetwinsize"):  # from Python 3.11 on
            termios.tcsetwinsize(terminal, termios.tcgetwinsize(like))
