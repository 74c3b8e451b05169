"""Checkpoints: the starting worker leaves copies of itself behind, each paused before one module.

Theory of operation
-------------------
The finder asks before each module of the project whether a checkpoint is due (``policy.py``) and allowed
(``fork_safety.py``). If so the process forks. The parent pauses right there, in the middle of the import, and is the
checkpoint; the child goes on as the worker, with the worker's link. Nothing is executed twice: a checkpoint that is
told to resume forks again, and that child returns from the very same line, finds the module anew and goes on.

    worker --fork--> worker ----fork----> worker ... serves
      | pauses         | pauses
    checkpoint 1     checkpoint 2 --resume--> worker, from the same line on

A new process is to be the supervisor's child, not the checkpoint's: so the supervisor alone waits for
all of them, can signal each by its pid, and a checkpoint that dies takes none with it. For that there is a process in
between, which ends at once: the kernel gives its child to the supervisor (``forking.py``).

Fork and threads do not mix: a checkpoint is made on the main thread alone, and only while it is the only one.
A checkpoint holds its own link and nothing else of ours. It waits for a message without any time limit; end-of-file
ends it. Signals do not reach it, but for SIGTERM and SIGKILL. What is paused does not change: so it may fork before the
message comes, and the *standby* then waits for it on a link of its own.

What a checkpoint forks has one of three tasks. It goes on as the worker; or it makes a dry run, which is the same
without serving, to tell in what state that ends; or it builds: it imports modules ahead of their turn and pauses again,
as a *prepared* checkpoint (``supervisor/preparation/``). It may also go on with the start first, and build further on.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from importlib.machinery import PathFinder
from typing import Any, NamedTuple, NoReturn, Protocol

from devrunserver.checkpoints import connections
from devrunserver.checkpoints.building import Building
from devrunserver.checkpoints.fork_safety import ForkSafety
from devrunserver.checkpoints.forking import Forks, signals_held, silenced
from devrunserver.checkpoints.policy import CheckpointPolicy
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.common import link, module_files, open_files, process_exit
from devrunserver.common.import_plan import URLCONF
from devrunserver.common.messages import (
    Build,
    BuildFailed,
    CheckpointMade,
    DryRun,
    FactsRead,
    ForkAhead,
    Hello,
    Message,
    Resume,
)
from devrunserver.common.role import Role


class Lender(Protocol):
    """What the worker lends to its checkpoints."""

    def progress(self) -> tuple[int, int]:
        """How many modules were looked up, and in which phase of Django's set-up this process is."""

    def say(self, message: Message) -> None:
        """Sends a message to the supervisor."""

    def checkpoints_ended(self, at: str, reason: str) -> None:
        """There are no checkpoints from here on."""

    def sockets(self) -> set[int]:
        """The descriptors of our own sockets."""

    def let_go(self) -> None:
        """Closes what would be opened again when it is wanted, and must not be open in a checkpoint."""

    def leave(self) -> None:
        """Closes what belongs to the worker, in a process that is none any more."""

    def become(self, role: Role) -> None:
        """From now on this process is something else; what goes on says so itself."""

    def before_pause(self, later: Collection[str]) -> None:
        """Does ahead what each process that is resumed would have to do, as it imports these modules."""

    def take_up(self, resumption: Resume | DryRun) -> None:
        """Becomes the worker, with what a message brings."""


Order = Resume | DryRun | Build  # what has a paused process go on, in a fork


class PostponedBuild(NamedTuple):
    """Modules are to be imported ahead, further on in the start."""

    message: Build
    to_supervisor: link.Link
    silence: contextlib.ExitStack  # until then


class Checkpoints:
    """The checkpoints that this process makes while it starts.

    Args:
        lender: the worker that this process is.
        reads: what it has read so far.
        policy: where to make checkpoints; None: nowhere.
        is_project: whether a file is the project's own.
    """

    def __init__(
        self, lender: Lender, reads: ReadRecorder, policy: CheckpointPolicy | None, is_project: Callable[[str], bool]
    ) -> None:
        self.active = policy is not None
        self.resumed_at = ""  # the module, where this process was resumed
        self.prepared = False  # modules were imported ahead of their turn, so this process makes no more checkpoints
        self.forks = Forks(lambda: self.fork_safety.looking_away())
        self.fork_safety = ForkSafety(self._sockets, self.forks.trial, reads.note)
        self._lender = lender
        self._reads = reads
        self._policy = policy or CheckpointPolicy((), 1, 0.0)
        self._is_project = is_project
        self._number = 0
        self._refused: tuple[str, str] | None = None  # the first place without a checkpoint since the last, and why
        self.building: Building | None = None  # while this process imports ahead
        self._postponed: PostponedBuild | None = None  # while it is on the way to where it is to do so

    def before(self, fullname: str, file: str) -> bool:
        """A module is about to be loaded. Makes a checkpoint where it is due; returns True in one that was resumed."""
        if self.building is not None:
            self.building.before(fullname)
        if self._postponed is not None and fullname == self._postponed.message.at:
            return self._build_at_last(fullname)
        return (
            self.active
            and self._is_project(file)
            and self._policy.is_due(self._reads.path_of(file), time.monotonic(), self._lender.progress()[1])
            and self.make(fullname)
        )

    def give_up_building(self, reason: str) -> None:
        """Ends this process where it imports ahead, or is on the way to where it is to do so."""
        if self.building is not None:
            self.building.give_up(reason, module_files.executed())
        if self._postponed is not None:
            with suppress(link.LinkClosed):
                self._postponed.to_supervisor.send(BuildFailed("", reason))
            self._leave_building()

    def make(self, at: str) -> bool:
        """Makes a checkpoint here, unless something forbids it. Returns True in a process that was resumed from it.

        Args:
            at: what comes next, for the user.
        """
        if self._postponed is not None and at == self._postponed.message.at:
            return self._build_at_last(at)
        if at == URLCONF and self._postponed is not None:
            self.give_up_building(f"{self._postponed.message.at} is imported later, or not at all")
        if not self.active or self.prepared or threading.current_thread() is not threading.main_thread():
            return False
        began = time.monotonic()
        if not self.may_fork():
            self._refused = self._refused or (at, self.fork_safety.reason)
            if self.fork_safety.is_lasting:
                self.finish()
            self._policy.postponed(began)
            return False
        self._refused = None
        self._number += 1
        with signals_held(), self.fork_safety.looking_away():
            goes_on, resumption = self._fork(at, self._policy.elapsed(began))
        if resumption is not None:
            self._take_up(at, resumption)
        cost = time.monotonic() - began if goes_on else 0.0
        self._policy.made(time.monotonic(), cost, self._lender.progress()[1])
        return resumption is not None

    def _take_up(self, at: str, order: Order) -> None:
        """Goes on as a message says, in a process that was paused."""
        self.resumed_at = at
        if isinstance(order, Build):
            self._postponed = PostponedBuild(order, self._become_builder(order), contextlib.ExitStack())
            self._postponed.silence.enter_context(silenced())
            return
        self._policy.edited = set(order.edited) if isinstance(order, Resume) else set()
        self.prepared = self.prepared or isinstance(order, DryRun)
        if self.prepared:
            self.fork_safety.databases.stop()  # nothing is resumed from this process, so what it reads is no fact
        self._lender.take_up(order)

    def may_fork(self) -> bool:
        """Whether a process that is forked now is what this one is; closes first what would be opened again."""
        self._lender.let_go()
        return not self.fork_safety.forbids()

    def end(self) -> None:
        """No more checkpoints are made."""
        self.active = False
        connections.unfollow()
        self.fork_safety.databases.end()

    def finish(self) -> None:
        """The start is over, or checkpoints are: tells from where on none could be made, if so, and why."""
        self.end()
        if self._refused is not None and not self.prepared:
            self._lender.checkpoints_ended(*self._refused)
        self._refused = None

    def _fork(self, at: str, elapsed: float) -> tuple[bool, Order | None]:
        """Leaves a checkpoint behind. Returns in each process that goes on; with a message in those resumed later."""
        ours, theirs = socket.socketpair()
        self._lender.say(CheckpointMade(self._number, at, elapsed, theirs))
        theirs.close()
        facts = self._reads.take()
        # a garbage collection writes to every object, which would make memory pages differ that are shared; so in the
        # worker, too, what was there by now stays frozen
        open_files.freeze()
        try:
            goes_on = self.forks.sibling()
        except OSError as error:
            self.fork_safety.forbid(f"no process can be forked ({error})")
            goes_on = True
        if goes_on:
            ours.close()
            self._lender.say(Hello(os.getpid()))
            return True, None
        self._lender.leave()
        self._lender.become(Role.CHECKPOINT)

        def read() -> FactsRead:
            return FactsRead(facts, imported, [*module_files.incomplete(), at], phase)

        imported, phase = self._lender.progress()
        return False, self._pause_until_resumed(link.Link(ours, Role.CHECKPOINT, Role.SUPERVISOR), read)

    def _pause_until_resumed(self, to_supervisor: link.Link, read: Callable[[], FactsRead]) -> Order:
        """Waits, imports ahead what a message says, and waits again. Returns in a process that goes on from here."""
        message = self._pause(to_supervisor, read)
        while isinstance(message, Build) and not message.at:
            message = self._pause(*self._build(message, self._become_builder(message)))
        return message

    def _pause(self, to_supervisor: link.Link, read: Callable[[], FactsRead]) -> Order:
        """Waits, and forks whenever told to. Returns in the forked processes alone."""
        handler = signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        to_supervisor.be_patient()
        with suppress(link.LinkClosed):
            self._tell(to_supervisor, read)
            for message in to_supervisor.messages():
                assert isinstance(message, Resume | DryRun | Build | ForkAhead)  # by its route
                with suppress(OSError):  # the supervisor sees that nobody takes the new link
                    if self.forks.sibling():
                        to_supervisor.close()
                        order = stand_by(message) if isinstance(message, ForkAhead) else message
                        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
                        signal.signal(signal.SIGTERM, handler)
                        refresh()
                        return order
                close_carried(message)
        return process_exit.leave(process_exit.SUCCESS)  # what is registered with atexit is the workers'

    def _tell(self, to_supervisor: link.Link, read: Callable[[], FactsRead]) -> None:
        """Tells what this checkpoint relies on: by a child, as megabytes would stay that the worker does not share."""
        try:
            is_told = self.forks.on_the_side(lambda: to_supervisor.send(read()))
        except OSError:  # no process can be forked
            to_supervisor.send(read())
            return
        if not is_told:
            process_exit.leave(process_exit.FAILURE)

    # Building

    def _become_builder(self, message: Build) -> link.Link:
        to_supervisor = link.Link(message.link, Role.BUILDER, Role.SUPERVISOR)
        to_supervisor.be_patient()
        to_supervisor.send(Hello(os.getpid()))
        self._lender.become(Role.BUILDER)
        self.prepared = True
        return to_supervisor

    def _build(self, message: Build, to_supervisor: link.Link) -> tuple[link.Link, Callable[[], FactsRead]]:
        """Imports modules ahead of their turn. Returns what a checkpoint needs."""
        self.building = Building(
            to_supervisor, message.excluded, self.fork_safety, self._lender.let_go, self._leave_building
        )
        with silenced():
            with self.fork_safety.looking_away(is_ours=False):
                self.building.import_all(message.modules)
            self.building = None
            self._lender.before_pause(message.excluded)
        open_files.freeze()
        self._lender.become(Role.CHECKPOINT)
        to_supervisor.role = Role.CHECKPOINT
        return to_supervisor, functools.partial(FactsRead, self._reads.take())

    def _build_at_last(self, at: str) -> bool:
        """The start has come to where modules are to be imported ahead. Returns True in a process that was resumed."""
        assert self._postponed is not None
        if not self.may_fork():
            self.give_up_building(self.fork_safety.reason)
        postponed, self._postponed = self._postponed, None
        with signals_held(), self.fork_safety.looking_away():
            with postponed.silence:
                told = self._build(postponed.message, postponed.to_supervisor)
            order = self._pause_until_resumed(*told)
        self._take_up(at, order)
        return True

    def _leave_building(self) -> NoReturn:
        """What was to be imported ahead cannot be."""
        self.fork_safety.temporary_files.remove()
        process_exit.leave(process_exit.FAILURE)

    def _sockets(self) -> set[int]:
        """The descriptors of our own sockets."""
        builds = [one.to_supervisor.fileno() for one in (self.building, self._postponed) if one is not None]
        return self._lender.sockets() | set(builds)


def stand_by(message: ForkAhead) -> Resume:
    """Waits in a process that was forked ahead: to fork a large one takes a fifth of a whole prepared reload."""
    to_supervisor = link.Link(message.link, Role.STANDBY, Role.SUPERVISOR)
    for order in to_supervisor.messages():
        assert isinstance(order, Resume)  # by its route
        to_supervisor.close()
        return order
    return process_exit.leave(process_exit.SUCCESS)  # another one is wanted


def close_carried(message: Resume | DryRun | Build | ForkAhead) -> None:
    """Closes here what a message has brought for the process that was forked."""
    message.link.close()
    if isinstance(message, Resume):
        message.listener.close()
        if message.state_link is not None:
            message.state_link.close()


def refresh() -> None:
    """Makes a resumed process like one that has just come here: it may have been paused for hours."""
    for path, known in list(sys.path_importer_cache.items()):
        if known is None or not os.path.isabs(path):
            del sys.path_importer_cache[path]
    finders: list[Any] = [*sys.path_importer_cache.values(), *sys.meta_path]
    for finder in finders:
        # ``importlib.invalidate_caches`` also imports ``importlib.metadata``, with a dozen other modules
        if finder is not PathFinder and hasattr(finder, "invalidate_caches"):
            finder.invalidate_caches()
    numpy = sys.modules.get("numpy")
    if numpy is not None and "numpy.random" in sys.modules:  # Python's own generator is seeded anew at each fork
        numpy.random.seed()
