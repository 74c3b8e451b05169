"""Starts worker processes: the first of them as early as possible, beside the supervisor's own set-up."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from subprocess import TimeoutExpired

from devrunserver.common import environment, link, process, progress_page, terminal_line
from devrunserver.common.environment import WorkerStart
from devrunserver.common.messages import Hello
from devrunserver.common.role import Role
from devrunserver.supervisor.lifecycle import Attempt

END_PATIENCE = 0.5  # seconds for a worker that was killed
HASH_SEED, RANDOM = "PYTHONHASHSEED", "random"  # Python's variable, and its default


class Launcher:
    """Starts workers by the command line that started this process.

    Args:
        orig_argv: that command line.
    """

    def __init__(self, orig_argv: Sequence[str]) -> None:
        self.began = 0.0  # when the last worker was spawned, in seconds since the epoch
        self._orig_argv = orig_argv
        self._first: tuple[process.Process, link.Link] | None = None
        self._makes_checkpoints = True  # the workers
        self.servers_change = False  # databases on servers have other answers too often
        self._guard: terminal_line.OutputGuard | None = None  # while a worker that was started early may show its line
        self.progress = progress_page.make()  # where workers say how far they are; None: they cannot

    def spawn_early(self, copy: Callable[[], int] | None = None, edited: Collection[str] = ()) -> bool:
        """Starts the first worker now; the first call of ``spawn`` returns it.

        Args:
            copy: forks this process, in the state that a worker is in where it joins us; None: it starts afresh.
            edited: the files that may be edited first.

        Returns:
            Whether this process is that worker: its environment says so, too.
        """
        self._first = self._spawn(Attempt.NORMAL, edited, "") if copy is None else self._copied(copy, edited)
        if self._first is None:
            return True
        if self.progress is not None and terminal_line.is_capable(os.environ):
            self._guard = terminal_line.OutputGuard(self.progress)
            self._guard.install()  # it may show where it is while we set up the project, too
        atexit.register(self.abandon)
        return False

    def _copied(self, copy: Callable[[], int], edited: Collection[str]) -> tuple[process.Process, link.Link] | None:
        """The worker that ``copy`` makes of this process; None in that."""
        began = process.started_at()
        start = WorkerStart(
            spawned=began, makes_checkpoints=process.adopt_orphans(), edited=tuple(edited), progress=self._page
        )
        ours, theirs = link.pair(Role.WORKER)
        with theirs:
            try:
                pid = copy()
            except OSError:
                ours.close()
                return self._spawn(Attempt.NORMAL, edited, "")
            if pid == 0:
                ours.close()
                os.environ.update(environment.write(start, os.dup(theirs.fileno())))
                return None
        self.began, ours.peer_pid = began, pid
        return process.Adopted(pid), ours

    def be_safe(self) -> None:
        """From now on workers make no checkpoints, and one that was started early is not asked for."""
        self._makes_checkpoints = False
        self.abandon()

    def abandon(self) -> None:
        """Ends the worker that was started early and that nobody has asked for."""
        if self._first is None:
            return
        (popen, ours), self._first = self._first, None
        workers: list[process.Process] = [popen]
        with suppress(link.LinkClosed):
            while ours.is_readable():
                told = {one.pid for one in ours.receive() if isinstance(one, Hello)}
                workers += map(process.Adopted, told - {popen.pid})  # each process is waited for by one alone
        ours.close()
        for worker in workers:
            worker.kill()
        for worker in workers:
            with suppress(TimeoutExpired):
                worker.wait(END_PATIENCE)
        if self.progress is not None:
            terminal_line.clear(self.progress)

    def spawn(self, attempt: Attempt, edited: Collection[str], report: str) -> tuple[process.Process, link.Link]:
        """A worker, and our end of the link to it.

        Args:
            attempt: how it is started.
            edited: the files that are being edited.
            report: what it is to tell the browser, where it runs nothing of the project.

        Raises:
            OSError: the system does not start it.
        """
        first, self._first = self._first, None
        if self._guard is not None:
            self._guard.remove()
            self._guard = None
        return first or self._spawn(attempt, edited, report)

    def spawn_spare(self, edited: Collection[str], held: Sequence[int]) -> tuple[process.Process, link.Link, float]:
        """A worker that starts ahead of a reload, our end of the link to it, and when it began (since the epoch).

        Args:
            edited: the files before the first of which it is to pause.
            held: where it is to write until it is used, in place of standard output and error.

        Raises:
            OSError: the system does not start it.
        """
        began = time.time()
        start = WorkerStart(spawned=began, edited=tuple(edited), progress=self._page)
        popen, ours = self._connect(Role.SPARE, process.worker_argv(self._orig_argv), start, held)
        return popen, ours, began

    def spawn_to_compare(self, edited: Collection[str], held: Sequence[int]) -> tuple[process.Process, link.Link]:
        """A spare that never serves, whose state can be compared with that of another one; and our end of the link.

        Args:
            edited: the files before the first of which it is to pause.
            held: where it writes to, in place of standard output and error.

        Raises:
            OSError: the system does not start it.
        """
        start = WorkerStart(spawned=time.time(), edited=tuple(edited))
        variables = {} if os.environ.get(HASH_SEED, RANDOM) != RANDOM else {HASH_SEED: "0"}
        return self._connect(Role.SPARE, process.worker_argv(self._orig_argv), start, held, variables)

    @property
    def _page(self) -> int:
        """The descriptor of the page on which workers say how far they are; -1: they cannot."""
        return self.progress.descriptor if self.progress is not None else -1

    def _spawn(self, attempt: Attempt, edited: Collection[str], report: str) -> tuple[process.Process, link.Link]:
        make_argv = {
            Attempt.NORMAL: process.worker_argv,
            Attempt.GUARDED: process.guarded_argv,
            Attempt.REPORT: process.report_argv,
        }[attempt]
        self.began = time.time()
        start = WorkerStart(
            spawned=self.began,
            makes_checkpoints=self._makes_checkpoints and attempt is Attempt.NORMAL and process.adopt_orphans(),
            edited=tuple(edited),
            is_rerun=attempt is Attempt.GUARDED,
            report=report if attempt is Attempt.REPORT else "",
            progress=self._page if attempt is Attempt.NORMAL else -1,
            servers_change=self.servers_change,
        )
        return self._connect(Role.WORKER, make_argv(self._orig_argv), start)

    @staticmethod
    def _connect(
        role: Role,
        argv: Sequence[str],
        start: WorkerStart,
        held: Sequence[int] = (),
        variables: Mapping[str, str] | None = None,
    ) -> tuple[process.Process, link.Link]:
        ours, theirs = link.pair(role)
        try:
            with theirs:
                popen = process.spawn(argv, theirs, start, held, variables)
        except OSError:
            ours.close()
            raise
        ours.peer_pid = popen.pid
        return popen, ours
