"""What follows a fault of our own in the supervisor: everything is started afresh, without what makes reloads quick.

Theory of operation
-------------------
The port has to answer. So an exception that nothing has contained ends the supervisor's processes, is told once, and
another supervisor goes on with the same listening socket and watcher, in safe mode: it makes no checkpoints, prepares
nothing, and each reload is a fresh start. Connections that no worker holds go on waiting. If that fails too, within a
minute, there is no use in a third one.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable
from typing import Protocol

from devrunserver.supervisor.optional_parts import describe_fault, forget_frames
from devrunserver.supervisor.setup import Setup
from devrunserver.supervisor.signals import signals_as_bytes
from devrunserver.supervisor.supervisor import Supervisor

AGAIN = 60.0  # seconds within which a second fault is the last
FAULT_STATUS = 1  # with which the process ends then


class Loop(Protocol):
    """A supervisor, as far as it is looked after here."""

    @property
    def is_ended(self) -> bool: ...
    @property
    def end_signal(self) -> int | None: ...
    @property
    def status(self) -> int: ...
    def start(self) -> None: ...
    def timeout(self) -> float | None: ...
    def step(self, timeout: float | None) -> None: ...
    def close(self) -> None: ...


class SafeMode:
    """Keeps a supervisor running.

    Args:
        make: a supervisor, which has not started yet.
        be_safe: has those that are made from now on be safe.
        say: tells the user.
        clock: seconds.
    """

    def __init__(
        self,
        make: Callable[[], Loop],
        be_safe: Callable[[], None],
        say: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self.status: int | None = None  # the exit status, once all is over
        self._make = make
        self._be_safe = be_safe
        self._say = say
        self._clock = clock
        self._current: Loop | None = None
        self._failed_at: float | None = None

    def step(self, timeout: float | None = None) -> None:
        """One step of the supervisor's loop.

        Args:
            timeout: seconds to wait for something to happen; None: until something is due.
        """
        try:
            current = self._current
            if current is None:
                current = self._current = self._make()
                current.start()
            due = current.timeout()
            current.step(due if timeout is None else timeout)
            if current.is_ended:
                self.status = current.status
        except Exception as fault:
            self._on_fault(fault)
        if self.status is not None:
            self.close()

    def close(self) -> None:
        """Leaves no process behind."""
        current, self._current = self._current, None
        if current is not None:
            current.close()

    def _on_fault(self, fault: Exception) -> None:
        now = self._clock()
        self._say("".join(traceback.format_exception(fault)).rstrip())
        forget_frames(fault)
        ended_by = self._current.end_signal if self._current is not None else None
        status = self._current.status if self._current is not None else 0
        self.close()
        what = f"This is a fault of devrunserver's own ({describe_fault(fault)})"
        if ended_by is not None:  # the user wanted to end anyway
            self._say(f"{what}. Please report it with the lines above.")
            self.status = status
        elif self._failed_at is not None and now - self._failed_at < AGAIN:
            self._say(
                f"{what}, the second within a minute. The server ends. Please report it with the lines above; "
                'without "devrunserver" in INSTALLED_APPS you have Django\'s own command.'
            )
            self.status = FAULT_STATUS
        else:
            self._failed_at = now
            with contextlib.suppress(Exception):  # there is no better we can do
                self._be_safe()
            self._say(
                f"{what}. Please report it with the lines above. The server goes on in safe mode: each reload "
                "starts the project afresh."
            )


def run(setup: Setup) -> int:
    """Runs a supervisor until the end.

    Returns:
        The exit status, as Django's: 0, or a negated signal to die of; 1 after a second fault of our own.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(setup.terminal.restore)
        stack.callback(setup.held.close)
        signals = stack.enter_context(signals_as_bytes())
        safe_mode = SafeMode(lambda: Supervisor(setup, signals), setup.be_safe, setup.console.say, setup.clock)
        stack.callback(safe_mode.close)
        stack.callback(setup.watcher.close)
        while safe_mode.status is None:
            safe_mode.step()
        return safe_mode.status
