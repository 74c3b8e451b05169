"""Says how far this start is, for the supervisor to show (``common/progress_page.py``), and what took its time.

The first worker shows it itself for as long as its supervisor, which sets up the project too, cannot.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.apps import apps

from devrunserver.common import faults, module_files, progress_page, terminal_line, verbosity
from devrunserver.common.progress_page import INTERVAL, PATIENCE, Phase, ProgressPage
from devrunserver.common.role import Role

if TYPE_CHECKING:
    from devrunserver.worker.start_profile import StartProfile

# Audit events of programs that may write to the terminal, and that are waited for as a rule
PROGRAMS = ("subprocess.Popen", "os.system", "os.posix_spawn")
HEARD = (Role.WORKER, Role.CHECK_PROCESS)  # whose output gets to the terminal; the others' goes nowhere


class StartProgress:
    """The progress of this process, as long as it starts.

    Args:
        descriptor: of the page; -1: nobody wants to know.
        role: what this process is at the moment: only a worker says where it is.
        phase: of Django's set-up.
        is_own: whether a file is the project's.
    """

    def __init__(
        self, descriptor: int, role: Callable[[], Role], phase: Callable[[], int], is_own: Callable[[str], bool]
    ) -> None:
        self.profile: StartProfile | None = None  # where somebody asks for it
        self._page = progress_page.inherited(descriptor)
        self._role = role
        self._phase = phase
        self._is_own = is_own
        self._own: list[str] = []  # the project's modules that are being imported, each by the one before
        self._module = ""  # the one that was looked up last
        self._spawned = math.inf  # when this process was, if it may show the line: in seconds since the epoch
        self._due = 0.0  # when the line is to be written again, in seconds of the monotonic clock
        self._guard: terminal_line.OutputGuard | None = None
        if self._page is not None:
            self._guard = terminal_line.OutputGuard(self._page, lambda: self._role() in HEARD)
            self._guard.install()

    def begin(self, spawned: float) -> None:
        """The project starts.

        Args:
            spawned: when this process was started, in seconds since the epoch.
        """
        if verbosity.current() > 0 and terminal_line.is_capable(os.environ):
            self._spawned = spawned
        if verbosity.wants_profile(sys.argv):
            from devrunserver.worker.start_profile import StartProfile  # here, as hardly anybody asks

            spent = time.time() - spawned if math.isfinite(spawned) else 0.0
            self.profile = StartProfile(max(0.0, spent), self._phase, self._is_own)
            self.profile.begin()

    def on_import(self, name: str, file: str) -> None:
        """A module is about to be imported."""
        page = self._page
        if page is None or self._role() is not Role.WORKER:
            return
        self._module = name
        own = self._own
        while own and not module_files.is_incomplete(own[-1]):
            own.pop()
        if self._is_own(file):
            own.append(name)
        if page.is_hidden:  # the program that was started is over, or does not concern us
            page.is_hidden = False
        page.tell(Phase.APPS + self._phase(), own[-1] if own else "", name)
        if not page.is_watched and time.monotonic() >= self._due:
            self._show(page)

    def _show(self, page: ProgressPage) -> None:
        """Shows the line, as the supervisor does later."""
        self._due = time.monotonic() + INTERVAL
        took = time.time() - self._spawned
        if took >= PATIENCE:
            terminal_line.show(page, f"Starting: {page.read().words()}, {took:.1f} s")

    def on_resume(self) -> None:
        """This process goes on from a checkpoint, which was before a module that has been told of then."""
        if self._page is not None and self._role() is Role.WORKER:
            self._page.tell(Phase.APPS + self._phase(), self._own[-1] if self._own else "", self._module)
        if self.profile is not None:
            self.profile.on_resume()
        if self._guard is not None:
            self._guard.install()  # a spare's output may not have gone to the terminal before

    def on_ready(self) -> None:
        """The models are imported, and the apps' ``ready()`` follow."""
        if self.profile is not None:
            with faults.contained("the profile of the start"):
                self.profile.around_ready(apps.get_app_configs())

    def on_urlconf(self) -> None:
        """The project is set up: what is left to import is the URLconf."""
        if self.profile is not None:
            self.profile.on_phase(Phase.URLCONF)

    def on_checks(self) -> None:
        """The system checks begin."""
        if self.profile is not None:
            self.profile.on_phase(Phase.CHECKS)
        if self._page is not None:
            self._page.tell(Phase.CHECKS, "", "")

    def on_program(self) -> None:
        """A program is about to be started: the terminal is its own until we go on to import."""
        if self._page is not None and self._role() in HEARD:
            self._page.is_hidden = True  # before the line is taken away: none follows
            terminal_line.clear(self._page)

    def end(self) -> None:
        """The start is over: nothing is told from here on."""
        self.hide()
        if self.profile is not None:
            self.profile.end()

    def hide(self) -> None:
        """Nothing is shown from here on, as somebody is asked at the terminal, or all is over."""
        if self._page is not None:
            self.on_program()
            self._page = None
        if self._guard is not None:
            self._guard.remove()
            self._guard = None
