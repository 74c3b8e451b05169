"""The processes that prepare reloads, as the supervisor knows them."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Any

from devrunserver.common import link, process
from devrunserver.common.messages import Build, DryRun, Hello, Loaded, Message
from devrunserver.common.role import Role
from devrunserver.supervisor.optional_parts import Registry
from devrunserver.supervisor.preparation.jobs import Job, Run

OnMessage = Callable[[Run, Message | None], bool]  # told what a process says, or None: it is gone; whether it was heard


class Purpose(StrEnum):
    """What a process is there for: it ends with that."""

    BUILD = "to make a prepared checkpoint"
    VERIFY = "to compare states"
    STATE = "to tell in what state the worker was before it served"
    PREPARED = "to be resumed"


class BackgroundProcesses:
    """Forks, hears and ends them.

    Args:
        selector: wakes the loop when one of them says something; the data of its keys is to be called then.
        on_message: is told what they say.
    """

    def __init__(self, selector: Registry, on_message: OnMessage) -> None:
        self.cpu_seconds = 0.0  # that those have taken which have ended
        self.jobs: dict[Purpose, Job[Any]] = {}  # what they do is a step of these
        self._selector = selector
        self._on_message = on_message
        self._purposes: dict[Run, Purpose] = {}

    @property
    def pids(self) -> set[int]:
        return {run.process.pid for run in self._purposes if run.process is not None}

    def listen(self, ours: link.Link, purpose: Purpose) -> Run:
        """Hears what comes by a link."""
        run = Run(ours)
        self._purposes[run] = purpose
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(run))
        return run

    def dry_run(self, checkpoint: link.Link, purpose: Purpose, is_urgent: bool = False) -> Run:
        """A start from a checkpoint that does not serve, but answers questions.

        Args:
            is_urgent: it is to have read its sources before somebody saves again.
        """
        return self._fork(checkpoint, purpose, Role.DRY_RUN, lambda theirs: DryRun(theirs, is_urgent))

    def builder(self, checkpoint: link.Link, modules: list[str], excluded: list[str], at: str = "") -> Run:
        """A process that imports modules ahead of their turn, and pauses.

        Args:
            at: the place that it goes on to before; empty: none.
        """
        return self._fork(checkpoint, Purpose.BUILD, Role.BUILDER, lambda theirs: Build(theirs, modules, excluded, at))

    def _fork(
        self, checkpoint: link.Link, purpose: Purpose, role: Role, order: Callable[[socket.socket], DryRun | Build]
    ) -> Run:
        ours, theirs = link.pair(role)
        run = self.listen(ours, purpose)
        with theirs, suppress(link.LinkClosed):  # then the new one is closed too
            checkpoint.send(order(theirs))
        return run

    def on_hello(self, run: Run, pid: int) -> None:
        """A process tells its number: it was forked by another one."""
        run.process = process.Adopted(pid)

    @staticmethod
    def ask(run: Run, question: Message) -> Run:
        """Asks a process; what it says next is the answer."""
        with suppress(link.LinkClosed):
            run.link.send(question)
        return run

    def cpu_of(self, run: Run) -> float:
        """CPU seconds of all that have ended, and of this one."""
        return self.cpu_seconds + (cpu_seconds(run.process.pid) if run.process is not None else 0.0)

    def keep_for(self, run: Run, purpose: Purpose) -> None:
        """From now on a process is there for something else."""
        if run in self._purposes:
            self._purposes[run] = purpose

    def end_job(self, purpose: Purpose) -> None:
        """Ends the work that serves a purpose, and its processes."""
        job = self.jobs.pop(purpose, None)
        if job is not None:
            job.close()
        self.end_all(purpose)

    def release(self, run: Run | None) -> None:
        """Ends a process that nobody is to ask any more, once those are done that ask it already."""
        job = self.jobs.get(Purpose.BUILD)
        if run is None:
            return
        if Purpose.VERIFY in self.jobs:
            self.keep_for(run, Purpose.VERIFY)
        elif job is not None and job.awaited is run:
            self.keep_for(run, Purpose.BUILD)
        else:
            self.end(run)

    def end_all(self, purpose: Purpose) -> None:
        for run in [run for run, one in self._purposes.items() if one is purpose]:
            self.end(run)

    def end(self, run: Run) -> None:
        """Ends a process, if that has not happened yet."""
        if self._purposes.pop(run, None) is None:
            return
        run.ended = True
        self._selector.unregister(run.link)
        run.link.close()
        run.end_standby()
        if run.process is not None:
            self.cpu_seconds += cpu_seconds(run.process.pid)
            run.process.kill()

    def _hear(self, run: Run) -> None:
        try:
            messages = run.link.receive()
        except link.LinkClosed:
            self.end(run)
            self._on_message(run, None)
            return
        for message in messages:
            if isinstance(message, Hello):
                self.on_hello(run, message.pid)
                continue
            if isinstance(message, Loaded):
                run.is_loaded = True
            if not self._on_message(run, message):
                run.said = message


def cpu_seconds(pid: int) -> float:
    """What a process has taken so far, where the system tells. Source: proc(5)."""
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
