"""The signals that the supervisor handles: a handler only wakes the loop, which reads what has arrived."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from types import FrameType

END_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
CHILD_SIGNALS = [getattr(signal, name) for name in ("SIGCHLD",) if hasattr(signal, name)]
HANGUP: int | None = getattr(signal, "SIGHUP", None)


@contextlib.contextmanager
def signals_as_bytes() -> Iterator[socket.socket]:
    """A socket that yields the number of each signal that arrives, while handlers do nothing.

    A signal that was ignored when we started (``nohup``, a shell's background job) stays ignored.
    """

    def nothing(number: int, frame: FrameType | None) -> None:
        pass

    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    handled = CHILD_SIGNALS + [number for number in END_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, nothing) for number in handled}
    wakeup = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    try:
        yield receiver
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        receiver.close()
        sender.close()


def die_of(number: int) -> None:
    """Ends this process by a signal, so that its parent sees the true reason."""
    sys.stdout.flush()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
