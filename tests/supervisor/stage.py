"""A supervisor on a stage: the test plays its processes, its files, its clock and its user."""

from __future__ import annotations

import itertools
import os
import signal
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from devrunserver.common import process
from devrunserver.common.facts import Fact
from devrunserver.common.handoff import Handed
from devrunserver.common.link import Link, LinkClosed, pair
from devrunserver.common.messages import (
    CheckpointMade,
    FactsRead,
    FreshnessShared,
    Hello,
    Listening,
    Message,
    Resume,
    Serving,
    Watching,
)
from devrunserver.common.role import Role
from devrunserver.supervisor import file_events, supervisor
from devrunserver.supervisor.console import Console
from devrunserver.supervisor.lifecycle import Attempt, State
from devrunserver.supervisor.safe_mode import SafeMode
from devrunserver.supervisor.setup import Limits, Setup
from devrunserver.supervisor.supervisor import Supervisor
from devrunserver.supervisor.tools import Tools
from devrunserver.supervisor.watching.events import Event, Kind

NOBODY = 2**30  # pids from here on are those of no process
FORKED = 500  # what is added to that for a process that goes on where it has left a checkpoint behind
SPARE = 250  # what is added to that for spares
RESUMED = 1000  # what is added to that for processes that a checkpoint has forked
SERVING = Serving(resumed_at="", prepared=False, imported=3, seconds=0.1, installed_seconds=0.0, slowest=[])


LONG_AGO = -1_000_000.0  # seconds: no deadline of the system's own clock is ever reached


class PlayedClock:
    """Seconds that go by when the test says so."""

    def __init__(self) -> None:
        self.now = LONG_AGO

    def __call__(self) -> float:
        return self.now


class PlayedProcess:
    """A process that ends when it is killed, or when the test says so."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None
        self.is_told_to_end = False

    def poll(self) -> int | None:
        return self.status

    def wait(self, timeout: float) -> int:
        assert self.status is not None, "nobody would end it"
        return self.status

    def terminate(self) -> None:
        self.is_told_to_end = True

    def kill(self) -> None:
        if self.status is None:
            self.status = -signal.SIGKILL


class PlayedEnd:
    """The other end of a link, as the test plays it."""

    def __init__(self, sock: socket.socket, role: Role) -> None:
        self.link = Link(sock, role, Role.SUPERVISOR)
        self.is_cut_off = False

    def receive(self) -> list[Message]:
        """What was said to it since the last look."""
        found: list[Message] = []
        try:
            while self.link.fileno() >= 0 and self.link.is_readable():
                found += self.link.receive()
        except LinkClosed:
            self.is_cut_off = True
        return found

    def heard(self) -> list[Message]:
        """What was said to it since the last look; what the messages bring is closed."""
        found = self.receive()
        for message in found:
            close_brought(message)
        return found


def close_brought(message: Message) -> None:
    for value in vars(message).values():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, socket.socket):
                one.close()
            elif isinstance(message, FreshnessShared) and one is not None:
                os.close(one)


class PlayedWorker(PlayedEnd):
    """The other end of a worker's link, and the process."""

    def __init__(self, played: PlayedProcess, sock: socket.socket) -> None:
        super().__init__(sock, Role.WORKER)
        self.process = played

    def end(self, status: int = 0) -> None:
        self.link.close()
        self.process.status = status


class PlayedLauncher:
    """Launches played workers; the test may have it fail."""

    began = 0.0

    def __init__(self) -> None:
        self.workers: list[PlayedWorker] = []
        self.edited: list[list[str]] = []  # by spares
        self.spares: list[PlayedEnd] = []
        self.spare_processes: list[PlayedProcess] = []
        self.attempts: list[Attempt] = []
        self.fault: Exception | None = None
        self.is_safe = False

    def be_safe(self) -> None:
        self.is_safe = True

    def spawn_spare(self, edited: Iterable[str], held: object) -> tuple[PlayedProcess, Link, float]:
        if self.fault is not None:
            raise self.fault
        self.edited.append(list(edited))
        ours, theirs = pair(Role.SPARE)
        played = PlayedProcess(NOBODY + SPARE + len(self.spares))
        self.spares.append(PlayedEnd(theirs, Role.SPARE))
        self.spare_processes.append(played)
        return played, ours, 1.0

    def spawn(self, attempt: Attempt, edited: object, report: str) -> tuple[PlayedProcess, Link]:
        if self.fault is not None:
            raise self.fault
        ours, theirs = pair(Role.WORKER)
        played = PlayedProcess(NOBODY + len(self.workers))
        self.workers.append(PlayedWorker(played, theirs))
        self.attempts.append(attempt)
        return played, ours


class PlayedWatcher:
    """Reports what the test says; every file is the project's."""

    events = None

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.happened: list[Event] = []
        self.directories: list[str] = []
        self.project_roots: list[str] = []
        self.fault: Exception | None = None
        self._woken, self._waker = socket.socketpair()
        self.filenos = [self._woken.fileno()]

    def wake(self) -> None:
        self._waker.send(b"\0")

    def read(self) -> list[Event]:
        self._woken.setblocking(False)
        with suppress(BlockingIOError):
            self._woken.recv(4096)
        happened, self.happened = self.happened, []
        if self.fault is not None:
            raise self.fault
        return happened

    def in_project(self, path: str) -> bool:
        return True

    def poll_now(self) -> None:
        pass

    def restore(self) -> None:
        pass

    def add_directory(self, directory: str) -> list[str]:
        return []

    add_tree = add_directory

    def close(self) -> None:
        self._woken.close()
        self._waker.close()


class PlayedPlaceholder:
    patience = 3.0  # seconds

    def __init__(self) -> None:
        self.is_open = False
        self.fault: Exception | None = None
        self._held: list[Handed] = []

    def open(self, waiting: list[Handed]) -> None:
        if self.fault is not None:
            raise self.fault
        self.is_open = True
        self._held = waiting

    def close(self) -> list[Handed]:
        self.is_open = False
        held, self._held = self._held, []
        return held


class Stage:
    """The supervisor, and whom it deals with.

    Args:
        limits: of what makes reloads quick.
        tools: whether tools may ask.
    """

    def __init__(self, limits: Limits, tools: bool) -> None:
        self.clock = PlayedClock()
        self.launcher = PlayedLauncher()
        self.watcher = PlayedWatcher()
        self.placeholder = PlayedPlaceholder()
        self.lines: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self._signals, self._signal_sender = socket.socketpair()
        console = Console(self.lines.append)
        watcher: Any = self.watcher
        launcher: Any = self.launcher
        asked = Tools("http://127.0.0.1:8000/", os.getcwd(), self.lines.append) if tools else None
        self.setup = Setup(self.listener, watcher, console, launcher, limits, self.placeholder, self.clock, asked)
        self.safe_mode = SafeMode(self._make, self.setup.be_safe, self.setup.console.say, self.clock)
        self.made: list[Supervisor] = []
        self.checkpoints: list[PlayedEnd] = []

    def _make(self) -> Supervisor:
        supervisor = Supervisor(self.setup, self._signals)
        self.made.append(supervisor)
        return supervisor

    # What the test does

    def step(self) -> None:
        """One step of the loop, without waiting."""
        if self.safe_mode.status is None:
            self.safe_mode.step(0.0)

    def say(self, *messages: Message) -> None:
        """The worker says something, which is heard."""
        with suppress(LinkClosed):
            for message in messages if self.launcher.workers else ():
                self.worker.link.send(message)
        self.step()

    def start(self) -> PlayedWorker:
        """Up to a worker that serves."""
        if not self.launcher.workers:
            self.step()
        worker = self.worker
        watching = Watching(directories=[], globs=[], files=[])
        self.say(Hello(worker.process.pid), Listening(), watching, SERVING)
        return worker

    def make_checkpoint(self) -> None:
        """The worker leaves a checkpoint behind, which has told its facts."""
        ours, theirs = socket.socketpair()
        self.checkpoints.append(PlayedEnd(theirs, Role.CHECKPOINT))
        self.checkpoints[-1].link.send(FactsRead([]))
        with ours:
            self.say(CheckpointMade(number=len(self.checkpoints), at="shop.views", elapsed=0.1, link=ours))
        self.worker.process = PlayedProcess(self.worker.process.pid + FORKED)

    def pause_spare(self, *facts: Fact) -> None:
        """The spare, if there is one, comes to its pause and tells its facts."""
        if self.launcher.spares:
            with suppress(LinkClosed):
                self.launcher.spares[-1].link.send(FactsRead(list(facts), 7, ["shop.views"]))
        self.step()

    def resume(self) -> None:
        """Plays a spare, or the fork of a checkpoint, that was told to resume, if any was: it is the latest worker."""
        for spare, played in zip(self.launcher.spares, self.launcher.spare_processes, strict=True):
            for message in spare.receive():
                if isinstance(message, Resume) and played.status is None:
                    self.launcher.workers.append(PlayedWorker(played, message.link.dup()))
                close_brought(message)
        for message in [one for checkpoint in self.checkpoints for one in checkpoint.receive()]:
            if isinstance(message, Resume):
                pid = NOBODY + RESUMED + len(self.launcher.workers)
                self.launcher.workers.append(PlayedWorker(PlayedProcess(pid), message.link.dup()))
            close_brought(message)

    def save(self, path: str = "/p/views.py") -> None:
        """A file is saved, and the event comes."""
        self.watcher.happened.append(Event(Kind.WRITTEN, path))
        self.watcher.wake()
        self.step()

    def send_signal(self, number: int) -> None:
        self.queue_signal(number)
        self.step()

    def queue_signal(self, number: int) -> None:
        """It has arrived, and nobody has read that yet."""
        self._signal_sender.send(bytes([number]))

    def wait(self, seconds: float) -> None:
        """Time goes by."""
        self.clock.now += seconds
        self.step()

    # What there is to see

    @property
    def worker(self) -> PlayedWorker:
        """The latest."""
        return self.launcher.workers[-1]

    @property
    def supervisor(self) -> Supervisor:
        return self.made[-1]

    def is_in(self, state: State) -> bool:
        return self.supervisor._cycle.lifecycle.state is state

    def heard(self) -> list[str]:
        """By their names, the messages that the latest worker got since the last look."""
        return [type(one).__name__ for one in self.worker.heard()]

    def told(self, text: str) -> bool:
        """Whether the user was told of something."""
        return any(text in line for line in self.lines)

    def close(self) -> None:
        self.safe_mode.close()
        self.setup.held.close()
        self.watcher.close()
        left = []
        for one in [*self.launcher.workers, *self.launcher.spares, *self.checkpoints]:
            one.heard()
            left += [one] if one.link.fileno() >= 0 and not one.is_cut_off else []
            one.link.close()
        for sock in (self.listener, self._signals, self._signal_sender):
            sock.close()
        assert not left, "a process is left behind: nobody has closed its link"


def open_stage(monkeypatch: pytest.MonkeyPatch, limits: Limits | None = None, tools: bool = False) -> Iterator[Stage]:
    """A stage, on which adopted processes are played, and which leaves no descriptor open."""
    monkeypatch.setattr(process, "Adopted", PlayedProcess)
    monkeypatch.setattr(process, "reap_orphans", lambda known: None)
    monkeypatch.setattr(supervisor, "FAULT_PATIENCE", 0.0)  # it is as if no worker left in time
    states = itertools.count()
    monkeypatch.setattr(file_events, "token_of", lambda path: (next(states), 0, 0))  # no file is what it was
    before = open_descriptors()
    stage = Stage(limits or Limits(checkpoints=3, memory=100.0, prepares=False), tools)
    try:
        yield stage
    finally:
        stage.close()
    assert open_descriptors() <= before, "a descriptor is left open"


def open_descriptors() -> set[str]:
    """Where the descriptors of this process lead to; nothing where the system does not tell."""
    found = set()
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                found.add(os.readlink(f"/proc/self/fd/{name}"))
    return found
