"""Forking: this file alone calls ``os.fork``.

A process that is forked to go on by itself is the child of the supervisor, which adopts orphans: it is forked twice,
and the process in between ends at once. One that does something on the side is our own child, and dies with us.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from devrunserver.common import open_files, process, process_exit
from devrunserver.common.process import OUTPUTS

NICENESS = 15  # of what runs while the worker already serves


class Forks:
    """Makes processes of this one.

    Args:
        looking_away: in which what we do ourselves is not taken for the project's doing.
    """

    def __init__(self, looking_away: Callable[[], AbstractContextManager[None]]) -> None:
        self.forking = False  # the process that is just being forked is ours, not the project's
        self._looking_away = looking_away
        self._supervisor = os.getppid()

    def sibling(self) -> bool:
        """Forks; returns True in the new process, which is a child of the supervisor as this one is."""
        open_files.flush_output()
        waiting, done = os.pipe()
        try:
            with self._forks(), _children_awaited():
                between = self._fork_twice()
                if between:
                    _, status = os.waitpid(between, 0)
        except OSError:
            os.close(waiting)
            os.close(done)
            raise
        if between == 0:
            os.close(done)
            os.read(waiting, 1)  # until the process in between has ended, or this process' creator has
            os.close(waiting)
            process.die_with_parent(self._supervisor)
            return True
        os.close(waiting)
        os.close(done)
        if status:
            raise OSError("the second fork failed")
        return False

    def _fork_twice(self) -> int:
        """Returns 0 in the last of three processes, and in the first the pid of the one in between."""
        between = os.fork()
        if between == 0:
            try:
                if os.fork():
                    process_exit.leave(process_exit.SUCCESS)
            except OSError:
                process_exit.leave(process_exit.FAILURE)
        return between

    def child(self) -> int:
        """Forks a process that does something on the side, and dies with this one. Returns 0 in it."""
        open_files.flush_output()
        parent = os.getpid()
        with self._forks(), self._looking_away():
            pid = os.fork()
        if pid == 0:
            process.die_with_parent(parent)
        return pid

    def on_the_side(self, work: Callable[[], None]) -> bool:
        """Has a child do something, and waits for it; whether it was done.

        Memory that is shared with other processes stays so: what the work allocates and counts is gone with the child.
        """
        with _children_awaited():
            pid = self.child()
            if pid:
                return has_succeeded(pid)
        status = process_exit.FAILURE
        try:
            work()
            status = process_exit.SUCCESS
        finally:
            process_exit.leave(status)

    @contextmanager
    def _forks(self) -> Iterator[None]:
        """What is forked here is ours, not the project's."""
        self.forking = True
        measure_once()
        try:
            yield
        finally:
            self.forking = False

    def trial(self) -> None:
        """Forks a process that ends at once."""
        with suppress(OSError):
            if (pid := self.child()) == 0:
                process_exit.leave(process_exit.SUCCESS)
            os.waitpid(pid, 0)


def measure_once() -> None:
    """Has what measures coverage start once in each process that is forked (``patch = fork`` of its settings).

    Each start registers one more handler of forks, so that there would be twice as many with each generation: a
    thousand in the fifth checkpoint, each of which starts it again.
    """
    if (coverage := sys.modules.get("coverage")) is None:
        return
    with suppress(Exception):  # as it is in some other version; measuring is none of our promises
        if (current := coverage.Coverage.current()) is not None:
            patches = current.get_option("run:patch") or []
            current.set_option("run:patch", [one for one in patches if one != "fork"])


def copy() -> int:
    """Forks a process that goes on in place of one that starts afresh (``first_worker.py``). Returns 0 in it.

    Raises:
        OSError: the system does not fork.
    """
    open_files.flush_output()
    open_files.freeze()  # a collection would write to every object, and have memory copied that is shared
    return os.fork()


@contextmanager
def silenced() -> Iterator[None]:
    """What is printed goes nowhere: it is no part of a start that the user sees."""
    saved = [(descriptor, os.dup(descriptor)) for descriptor in OUTPUTS]
    silence()
    try:
        yield
    finally:
        open_files.flush_output()
        for descriptor, copy in saved:
            os.dup2(copy, descriptor)
            os.close(copy)


def silence() -> None:
    """From now on what this process prints goes nowhere."""
    open_files.flush_output()
    release(OUTPUTS, inheritable=True)


def release(descriptors: Collection[int], inheritable: bool = False) -> None:
    """Leads to nowhere what this process has open: a port or a lock of the worker is to be free once that has ended.

    They stay open, so that no file that is opened later takes a number that an object of the project holds.

    Args:
        inheritable: whether programs that this process starts have them, too.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor, inheritable)
    os.close(nowhere)


def open_descriptors() -> Iterator[tuple[int, str]]:
    """The descriptors of this process, and what each leads to. Source: proc(5)."""
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                yield int(name), os.readlink(f"/proc/self/fd/{name}")


def has_succeeded(pid: int) -> bool:
    """Waits for a child. False also where its status is lost: the project has taken it, or ignores its children."""
    try:
        return os.waitpid(pid, 0)[1] == 0
    except ChildProcessError:
        return False


@contextmanager
def _children_awaited() -> Iterator[None]:
    """The kernel keeps the status of children for us, also where the project ignores its own."""
    ignored = signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        if ignored:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)


@contextmanager
def signals_held() -> Iterator[None]:
    """Signals wait: none is handled by two processes, or by the wrong one."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
