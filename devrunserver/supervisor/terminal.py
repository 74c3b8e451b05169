"""The terminal's modes: saved when the supervisor starts, put back after a worker has ended.

A worker that dies inside pdb leaves the terminal without echo, or in another mode.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

try:
    import termios

    HAS_MODES = True
except ImportError:  # Windows
    HAS_MODES = False


class Terminal:
    """The terminal on standard input, if there is one."""

    def __init__(self) -> None:
        self._modes = self._read_modes()

    def restore(self) -> None:
        """Puts the modes back that were set when this object was made."""
        if self._modes is None or self._modes == self._read_modes():
            return
        # a background process that sets modes is stopped by SIGTTOU, unless it ignores it
        handler = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        try:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._modes)
        except termios.error:
            pass  # the terminal is gone
        finally:
            signal.signal(signal.SIGTTOU, handler)

    @staticmethod
    def _read_modes() -> list[Any] | None:
        if not HAS_MODES:
            return None
        try:
            return termios.tcgetattr(sys.stdin.fileno()) if sys.stdin.isatty() else None
        except (termios.error, OSError, ValueError, AttributeError):  # closed, None or not a real file
            return None
