"""The system checks, and the look for migrations: in a process that is forked for them where that can be.

What checks import and open stays out of the worker, so that it is in the same state whether they have run or still run.
For they run beside the serving worker, on another core, at the first start too: what is told of that, Django's banner,
waits for them. If that process fails, the worker runs the checks itself, for the error, and serves that from then on.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from devrunserver.checkpoints.forking import NICENESS, has_succeeded
from devrunserver.common import faults, process_exit
from devrunserver.common.role import Role
from devrunserver.worker import state_reporting
from devrunserver.worker.identity import Identity
from devrunserver.worker.startup import Startup

Check = Callable[[bool, bool], None]  # runs the checks: whether it announces them, and whether it tells their count


class StartupChecks:
    """Runs the checks: beside serving, or before it where this process cannot be forked.

    Args:
        identity: this process.
        startup: whether and how it may fork.
        on_error: called on a thread with what checks beside the server have raised.
        leaving: set when this process is to leave.
        on_passed: called, on a thread, when checks beside the server are over and have raised nothing.
    """

    def __init__(
        self,
        identity: Identity,
        startup: Startup,
        on_error: Callable[[Exception], None],
        leaving: threading.Event,
        on_passed: Callable[[], None] = lambda: None,
    ) -> None:
        self._identity = identity
        self._startup = startup
        self._on_error = on_error
        self._leaving = leaving
        self._on_passed = on_passed
        self._running: tuple[int, Check] | None = None  # the process that runs the checks, and what
        self._told_later: list[Callable[[], object]] = []

    def run(self, check: Check) -> None:
        is_reload = self._identity.is_reload
        if not self._startup.may_fork():
            if self._startup.may_leave_reporter():
                self._leave_reporter()
            check(not is_reload, not is_reload)
            return
        pid = self._startup.checkpoints.forks.child()
        if pid == 0:
            self._leave_reporter()
            self._check_and_leave(check, is_reload)
        self._running = pid, check

    def when_passed(self, tell: Callable[[], object]) -> None:
        """Calls it, at the first start as soon as the checks have passed, which may be on a thread."""
        if self._running is None or self._identity.is_reload:
            tell()
        else:
            self._told_later.append(tell)

    def _leave_reporter(self) -> None:
        startup = self._startup
        is_own, record = startup.project_files.is_own, startup.history.record
        state_reporting.leave_reporter(self._identity, startup.checkpoints, is_own, startup.reads, record)

    @property
    def are_running(self) -> bool:
        """Whether they run beside the server; what they find is told later."""
        return self._running is not None

    def start_waiting(self) -> None:
        """Waits for the checks that still run, on a thread."""
        if self._running is not None:
            wait = faults.guarded("the thread that waits for the checks", self._wait)
            threading.Thread(target=wait, args=self._running, name="devrunserver-checks", daemon=True).start()

    def _wait(self, pid: int, check: Check) -> None:
        if not has_succeeded(pid) and not self._leaving.is_set():
            try:
                check(False, True)
            except Exception as error:
                self._on_error(error)
                return
        for tell in self._told_later:
            with faults.contained("what is told when the checks have passed"):
                tell()
        self._on_passed()

    def _check_and_leave(self, check: Check, is_reload: bool) -> None:
        """Runs the checks, in the process that is for them. Does not return."""
        status = process_exit.FAILURE
        try:
            self._identity.become(Role.CHECK_PROCESS)
            if is_reload:
                os.nice(NICENESS)
            self._startup.checkpoints.end()
            self._identity.leave()
            check(not is_reload, not is_reload)
            status = process_exit.SUCCESS
        finally:
            with suppress(Exception):
                sys.stdout.flush()
            process_exit.leave(status)
