"""The supervisor: the process that the user started.

Theory of operation
-------------------
It holds the listening socket from start to end, so that the port answers through every reload: connections wait
in the kernel's backlog while no worker accepts. It serves nothing itself and runs no code of the project.

It is one selector loop. The watcher, the link to the worker and signals all wake it (a signal handler does nothing
but let Python write to the wake-up socket), and with nothing to do it sleeps without a time limit. What it does
next is decided by one state (``lifecycle.py``); every wait for the worker has a deadline, after which the worker is
killed or taken to have said the safe thing.

A changed file is shown to the worker, which alone knows whether it has loaded it and whose signal receivers
may handle it without a reload (templates, translations). Its answer comes with a verdict: reload or not. A
worker that is leaving is not asked: its successor reads everything anew. One that starts may not hear us yet; then the
change waits, until it does or until a checkpoint tells that it has read the file as it was before. Until all that is
decided the worker answers no request (``freshness.py``), and what waits then goes to the next one (``handover.py``).

A reload resumes what is prepared for it (``preparation.py``) or else the latest checkpoint whose facts all hold
(``chain.py``); where there is none, or anything is odd, it spawns a fresh process. All processes are our children:
those that are forked become so because we adopt orphans.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any, Protocol

from devrunserver.common import globs, handoff, link, process, pyc
from devrunserver.common.facts import ResumePoint
from devrunserver.common.freshness import Notice
from devrunserver.common.messages import (
    Broken,
    Changed,
    CheckpointMade,
    CheckpointsEnded,
    Connections,
    Fresh,
    FreshAsked,
    FreshnessShared,
    Go,
    Hello,
    Listening,
    Message,
    PromptLeft,
    Resume,
    Serving,
    Stop,
    Verdict,
    Watching,
)
from devrunserver.common.process import Process
from devrunserver.common.pyc import SOURCE_SUFFIX
from devrunserver.common.role import Role
from devrunserver.supervisor import relevance
from devrunserver.supervisor.change_review import Changes
from devrunserver.supervisor.checkpoint_chain import Chain
from devrunserver.supervisor.console import Console, describe
from devrunserver.supervisor.edited_files import recently_edited
from devrunserver.supervisor.launcher import Launcher
from devrunserver.supervisor.lifecycle import (
    RESTART_STATUS,
    SETTLED,
    Attempt,
    Happening,
    State,
    next_attempt,
    next_state,
)  # fmt: skip
from devrunserver.supervisor.preparation.manager import Preparation
from devrunserver.supervisor.signals import END_SIGNALS, HANGUP, signals_as_bytes
from devrunserver.supervisor.terminal import Terminal
from devrunserver.supervisor.watching import git
from devrunserver.supervisor.watching.events import Event, Kind
from devrunserver.supervisor.watching.polling import Snapshot, survey, token_of
from devrunserver.supervisor.watching.watcher import Watcher

logger = logging.getLogger("django.utils.autoreload")  # Django's, so that the project's LOGGING applies

RELOAD_PATIENCE = 2.0  # seconds for a worker to finish answers and run `atexit` before it is killed
END_PATIENCE = 0.6  # seconds; when the user quits, all is over in under a second
HEAR_PATIENCE = 5.0  # seconds for a worker to hear us, until which changes wait to be shown to it
RESUME_PATIENCE = 2.0  # seconds for a checkpoint to fork
WEIGH_DELAY = 2.0  # seconds after a start until the memory of its checkpoints is looked at
VERDICT_PATIENCE = 0.5  # seconds for a worker to say whether a change concerns it; a busy one is not asked twice
CLOCK_GRAIN = 0.02  # seconds by which the kernel's file times may lag behind the clock
NANOSECONDS = 1_000_000_000  # in a second

SERVED = (State.SERVING, State.BROKEN)  # in which a worker answers
EDITED_KEPT = 5  # files that were edited last
EDITED_AT_FIRST = 3  # files that may be edited next, when nobody has edited one yet


class PlaceholderServer(Protocol):
    """Answers on the listening socket that the project is still starting."""

    @property
    def patience(self) -> float:
        """Seconds in which nobody answers, until it should."""

    def open(self, waiting: list[handoff.Handed]) -> None:
        """Starts to answer, on these connections first."""

    def close(self) -> list[handoff.Handed]:
        """Stops; returns the connections on which the next request is awaited. Again is harmless."""


@dataclass
class _Worker:
    """The present worker process and what it has told us."""

    process: Process | None  # None: forked, and has not said hello yet
    link: link.Link | None
    attempt: Attempt
    hear_due: float  # by when it should hear what we say
    hears: bool = False
    looks: bool = False  # it has what it needs to look whether it is fresh
    asks: bool = False  # it waits for us to say whether it is
    serving_since: float | None = None
    globs: list[globs.Glob] = field(default_factory=list)
    files: set[str] = field(default_factory=set)


@dataclass
class _Reload:
    """The reload that is under way, to tell the user of."""

    path: str  # what changed
    began: float
    reason: str = ""  # why it is a fresh start, or why it was not resumed later


class Supervisor:
    """Keeps one worker running on one listening socket until the user ends it.

    Args:
        listener: the listening socket.
        watcher: reports what happens to files; its trees are set.
        console: tells the user.
        launcher: starts workers; it may have started the first.
        checkpoints: how many are kept.
        memory: megabytes that they may take.
        prepares: whether reloads are prepared.
        placeholder: answers while no worker does, for long.
    """

    def __init__(
        self,
        listener: socket.socket,
        watcher: Watcher,
        console: Console,
        launcher: Launcher,
        checkpoints: int,
        memory: float,
        prepares: bool,
        placeholder: PlaceholderServer,
    ) -> None:
        self._listener = listener
        self._watcher = watcher
        self._console = console
        self._say = console.say
        self._launcher = launcher
        self._checkpoints = checkpoints
        self._memory = memory
        self._prepares = prepares
        self._placeholder = placeholder
        self._placeholder_due: float | None = None  # when it opens; None: it is open, or a worker answers
        self._own_children = process.children()
        self._state = State.DOWN
        self._attempt = Attempt.NORMAL
        self._deaths = 0  # workers that ended unasked, in a row
        self._happened = 0  # how many events there were
        self._foreseen = -1, ResumePoint(None, None)  # how many there had been, and the resume point
        self._has_served = False  # any worker: the next are reloads
        self._report = ""
        self._worker: _Worker | None = None
        self._changes = Changes()
        self._rewritten: set[str] = set()  # sources changed since the last start
        self._configured = ""  # a change of what settings may have been read from, since the last spawn
        self._settings_names: set[str] = set()  # files that the settings name
        self._edited: list[str] = []  # the sources that were edited last
        self._reloading: _Reload | None = None
        self._difference = ""  # why the worker is not what a fresh start gives
        self._weigh_due: float | None = None
        self._waiting: list[handoff.Handed] = []  # connections, for the next worker
        self._question = 0  # number of the last question to the worker
        self._asked: list[str] = []  # what the open question is about; empty where there is none
        self._prompt = ""  # the change that waits for a debugger prompt to be left
        self._changed_at = 0.0
        self._deadline: float | None = None  # of the worker's answer, exit or first word
        self._end_signal: int | None = None
        self._noted = 0  # how many of the watcher's notes the user has seen
        self._git = _git_directories(watcher)

    def run(self) -> int:
        """Runs until the end. Returns the exit status, as Django's: 0, or a negated signal to die of."""
        with contextlib.ExitStack() as stack:
            terminal = Terminal()
            stack.callback(terminal.restore)
            self._terminal = terminal
            self._selector = stack.enter_context(selectors.DefaultSelector())
            self._chain = Chain(self._selector, self._checkpoints, self._memory)
            self._preparation = Preparation(
                self._selector, self._chain, self._on_difference, self._console.remark, self._prepares
            )
            self._notice = Notice(self._watcher.events)
            stack.callback(self._notice.close)
            stack.callback(self._abandon)
            signals = stack.enter_context(signals_as_bytes())
            self._selector.register(signals, selectors.EVENT_READ, lambda: self._on_signals(signals))
            stack.callback(self._watcher.close)
            for descriptor in self._watcher.filenos:
                self._selector.register(descriptor, selectors.EVENT_READ, self._on_files)
            self._tell_notes()
            self._placeholder_due = time.monotonic() + self._placeholder.patience
            self._enter(State.STARTING)
            # while the worker starts, which may have begun before we watched
            known = self._learn(self._watcher.directories, since=self._launcher.began - CLOCK_GRAIN)
            modified = {path: token[0] for path, token in known.items() if self._watcher.in_project(path)}
            self._edited = recently_edited(modified, EDITED_AT_FIRST)
            while self._state is not State.ENDED:
                self._step()
        return -HANGUP if HANGUP is not None and self._end_signal == HANGUP else 0

    # The loop

    def _step(self) -> None:
        for key, _ in self._selector.select(self._timeout()):
            key.data()
        self._chain.look_after()
        self._look_after_worker()
        self._look_after_changes()
        self._look_after_preparation()
        process.reap_orphans(self._pids())
        if self._weigh_due is not None and time.monotonic() >= self._weigh_due:
            self._weigh_due = None
            self._chain.weigh()
        self._look_after_placeholder()
        self._settle()

    def _timeout(self) -> float | None:
        """Seconds until something is due; None: only an event can wake us."""
        moments = (self._deadline, self._weigh_due, self._placeholder_due, self._preparation.due)
        due = [one - time.monotonic() for one in moments if one is not None]
        if (wait := self._wait_for_changes()) is not None:
            due.append(wait)
        return max(0.0, min(due)) if due else None

    def _happens(self, happening: Happening) -> None:
        state = next_state(self._state, happening)
        if state is not self._state or happening is Happening.EXITS:
            self._enter(state)

    def _enter(self, state: State) -> None:
        if state in SERVED:
            self._placeholder_due = None
            self._waiting += self._placeholder.close()
        elif self._state in SERVED:
            self._placeholder_due = time.monotonic() + self._placeholder.patience
        self._state = state
        self._deadline = None
        if state is State.STARTING:
            self._start()
        elif state is State.STOPPING:
            self._dismiss(RELOAD_PATIENCE)
            self._foresee()
        elif state is State.ENDING:
            self._dismiss(END_PATIENCE)

    # The worker

    def _start(self) -> None:
        """Resumes a checkpoint, or spawns a worker."""
        self._asked, self._prompt = [], ""
        self._weigh_due = None
        self._watcher.restore()
        for event in self._read_events():
            if event.kind is not Kind.OVERFLOW:
                self._on_file(event)
        self._changes.take()  # whatever they are, the new worker reads them
        pyc.forget(self._rewritten)
        self._rewritten.clear()
        if not (self._attempt is Attempt.NORMAL and self._resume()):
            self._spawn()

    def _foresee(self) -> None:
        """Looks for the resume point while the worker leaves; counts unless something happens meanwhile."""
        self._foreseen = self._happened, self._chain.resume_point()
        self._preparation.foresee()

    def _resume(self) -> bool:
        """Has the worker start from the resume point; False where there is none."""
        if not self._chain:
            return False
        happened, point = self._foreseen
        if happened != self._happened:
            point = self._chain.resume_point()
            self._preparation.foresee()
        self._foreseen = -1, point
        if self._configured:
            point = ResumePoint(None, None)
        if self._reloading is not None:
            self._reloading.reason = self._configured or describe(point.obstacle)
        try:
            ours, theirs = link.pair(Role.WORKER)
            witness = self._preparation.witness()
        except OSError:  # there are no descriptors left
            return False
        with theirs, contextlib.ExitStack() as stack:
            state_link = stack.enter_context(witness) if witness is not None else None
            message = Resume(theirs, self._listener, state_link, self._edited, self._has_served)
            if not self._resume_from(point, message):
                ours.close()
                return False
        self._accept(None, ours)
        self._deadline = time.monotonic() + RESUME_PATIENCE
        return True

    def _resume_from(self, point: ResumePoint, message: Resume) -> bool:
        """Has a prepared checkpoint go on, or else the exact one."""
        if point.number is None:
            return False
        self._chain.cut(point.number)
        if not self._difference and self._preparation.resume(message):
            return True
        return self._chain.resume(message)

    def _spawn(self) -> None:
        self._chain.cut()
        self._preparation.forget()
        self._configured = ""
        try:
            popen, ours = self._launcher.spawn(self._attempt, self._edited, self._report)
        except OSError as error:
            self._say(f"The server process cannot be started: {error}. The next change of the code tries again.")
            self._enter(State.DOWN)
            return
        self._accept(popen, ours)
        with contextlib.suppress(link.LinkClosed):  # its exit follows
            ours.send(Go(self._listener, self._has_served))

    def _accept(self, popen: Process | None, ours: link.Link) -> None:
        self._worker = _Worker(popen, ours, self._attempt, time.monotonic() + HEAR_PATIENCE)
        self._selector.register(ours, selectors.EVENT_READ, self._on_link)

    def _dismiss(self, patience: float) -> None:
        """Tells the worker to leave, within ``patience`` seconds."""
        assert self._worker is not None
        self._asked = []  # its answer is of no interest any more
        self._deadline = time.monotonic() + patience
        if self._worker.hears and self._worker.link is not None:
            with contextlib.suppress(link.LinkClosed):
                self._worker.link.send(Stop())
                return
        if self._worker.process is not None:  # or else when it says hello
            self._worker.process.terminate()

    def _look_after_worker(self) -> None:
        worker = self._worker
        if worker is None:
            return
        late = self._deadline is not None and time.monotonic() >= self._deadline
        if late:
            self._deadline = None
        if worker.process is None:
            if late or worker.link is None:  # the fork has failed, or its process has died at once
                self._bury(-signal.SIGKILL)
        elif (status := worker.process.poll()) is not None:
            self._hear_out(worker)
            if worker.process is not None:  # it has not become a checkpoint
                self._bury(status)
        elif late and self._asked:
            self._decide(self._asked[0], prompt=None)
        elif late and self._state in (State.STOPPING, State.ENDING):
            worker.process.kill()

    def _hear_out(self, worker: _Worker) -> None:
        """Hears the last words of a process that is gone."""
        while worker.link is not None and worker.link.is_readable():
            self._on_link()

    def _bury(self, status: int) -> None:
        """The worker is gone: decides what follows."""
        assert self._worker is not None
        worker = self._worker
        self._unlink(worker)
        self._worker = None
        self._terminal.restore()
        if self._state in (State.STOPPING, State.ENDING):
            self._happens(Happening.EXITS)
            return
        self._chain.cut()  # who knows what is the matter: start afresh
        if worker.serving_since is not None and time.monotonic() - worker.serving_since > SETTLED:
            self._deaths = 0
        self._deaths += 1
        attempt = next_attempt(worker.attempt, status, self._deaths)
        self._explain_death(worker, status, attempt)
        self._attempt = attempt or Attempt.NORMAL
        self._happens(Happening.EXITS if attempt else Happening.GIVES_UP)

    def _explain_death(self, worker: _Worker, status: int, attempt: Attempt | None) -> None:
        if worker.attempt is Attempt.GUARDED or status == RESTART_STATUS or attempt is Attempt.GUARDED:
            return  # the error itself is told, by the process that has it
        what = f"The server process ended by {process.describe_status(status)}"
        if attempt is Attempt.NORMAL:
            self._say(f"{what}; starting it again.")
        else:
            self._report = f"{what}, again right after it was started. It starts again at the next change of the code."
            self._say(self._report)

    def _unlink(self, worker: _Worker) -> None:
        if worker.link is not None:
            self._selector.unregister(worker.link)
            worker.link.close()
            worker.link = None

    def _pids(self) -> set[int]:
        """The children that somebody waits for."""
        worker = {self._worker.process.pid} if self._worker is not None and self._worker.process is not None else set()
        return self._own_children | self._chain.pids | self._preparation.pids | worker

    def _abandon(self) -> None:
        """Leaves no process behind, whatever made us leave."""
        if self._worker is not None:
            if self._worker.process is not None:
                self._worker.process.kill()
                with contextlib.suppress(TimeoutExpired):
                    self._worker.process.wait(END_PATIENCE)
            self._unlink(self._worker)
        for waiting in [*self._waiting, *self._placeholder.close()]:
            waiting.socket.close()
        self._preparation.forget()
        self._chain.close(END_PATIENCE)

    # What wakes us

    def _on_signals(self, signals: socket.socket) -> None:
        for number in signals.recv(256):
            if number not in END_SIGNALS:
                continue
            worker = self._worker.process if self._worker is not None else None
            if self._state is State.ENDING and number == signal.SIGINT and worker is not None:
                worker.kill()
            self._end_signal = self._end_signal or number
            self._happens(Happening.QUIT)

    def _on_link(self) -> None:
        """Reads what the worker says."""
        assert self._worker is not None and self._worker.link is not None
        try:
            messages = self._worker.link.receive()
        except link.LinkClosed:
            self._unlink(self._worker)
            return
        for message in messages:
            _HANDLERS[type(message)](self, message)

    def _on_files(self) -> None:
        for event in self._read_events():
            self._on_file(event)
        self._tell_notes()

    def _read_events(self) -> list[Event]:
        self._notice.undecided = True
        return self._watcher.read()

    def _learn(self, directories: list[str], since: float) -> Snapshot:
        """Takes the present state of source files for the one that the worker reads, so that a mere ``chmod`` is none.

        What has changed since the worker was spawned may have changed after the worker has read it, and so may a
        file with an event that waits.
        """
        snapshot, changed = survey(directories, SOURCE_SUFFIX, since)
        events = self._read_events()
        for event in events:
            snapshot.pop(event.path, None)
        self._changes.know(snapshot)
        for event in [*events, *(Event(Kind.WRITTEN, path) for path in changed)]:
            self._on_file(event)
        return snapshot

    def _on_file(self, event: Event) -> None:
        self._happened += 1
        if event.kind is Kind.OVERFLOW:
            logger.info("Too many files changed at once to be told apart, reloading.")
            self._changed_at = time.monotonic()
            self._reload()
            return
        if Path(event.path).parent in self._git:
            return
        if event.path.endswith(SOURCE_SUFFIX):
            self._rewritten.add(event.path)
            pyc.forget([event.path])
        elif self._watcher.in_project(event.path) and relevance.may_configure(event.path, self._settings_names):
            self._configured = f"{event.path} changed, which settings may have been read from"
        if self._concerns(event.path):
            token = token_of(event.path)
            is_telling = token is None or abs(time.time_ns() - token[0]) > CLOCK_GRAIN * NANOSECONDS
            self._changes.add(event.path, token, time.monotonic(), is_telling)

    # Changes

    def _concerns(self, path: str) -> bool:
        """Whether a worker, or the next one, might want to know of this path."""
        if self._worker is None or self._state in (State.BROKEN, State.DOWN):
            return relevance.concerns_next_worker(path, os.path.isdir(path))
        return relevance.concerns_worker(path, self._worker.files, self._worker.globs)

    def _wait_for_changes(self) -> float | None:
        """Seconds until the waiting changes are due; None: there are none, or something else comes first."""
        if self._asked or self._prompt or self._state in (State.STOPPING, State.ENDING, State.ENDED):
            return None
        now = time.monotonic()
        patience = max((git.patience(directory) for directory in self._git), default=0.0)
        wait = self._changes.wait(now, patience)
        if wait is None or self._worker is None or self._worker.hears:
            return wait
        if any(map(self._chain.is_outdated, self._changes.paths)):
            return wait
        return max(wait, self._worker.hear_due - now)

    def _look_after_changes(self) -> None:
        if self._wait_for_changes() != 0.0:
            return
        self._changed_at = self._changes.first
        paths = self._changes.take()
        worker = self._worker
        if worker is not None and worker.link is not None and worker.hears and self._state is not State.BROKEN:
            self._ask(paths)
        elif code := [path for path in paths if path.endswith(SOURCE_SUFFIX) or self._watcher.in_project(path)]:
            self._reload(next((path for path in code if path.endswith(SOURCE_SUFFIX)), code[0]))

    def _look_after_placeholder(self) -> None:
        if self._placeholder_due is not None and time.monotonic() >= self._placeholder_due:
            self._placeholder_due = None
            waiting, self._waiting = self._waiting, []
            try:
                self._placeholder.open(waiting)
            except OSError:  # there are no descriptors left
                self._waiting = waiting

    def _settle(self) -> None:
        """Lets requests through to a worker that is fresh."""
        self._notice.undecided = self._is_undecided()
        worker = self._worker
        if worker is None or worker.link is None or not worker.looks:
            return
        with contextlib.suppress(link.LinkClosed):  # its exit follows
            if self._waiting and self._state in SERVED:
                try:
                    handoff.send(worker.link, self._waiting)
                finally:  # what was not sent waits for the next one
                    self._waiting = [one for one in self._waiting if one.socket.fileno() >= 0]
            if worker.asks and not self._notice.undecided:
                worker.asks = False
                worker.link.send(Fresh())

    def _is_undecided(self) -> bool:
        """Whether the worker may have to be replaced, or be shown a change, before it answers anything."""
        return self._state not in SERVED or bool(self._changes.paths or self._asked or self._prompt)

    def _look_after_preparation(self) -> None:
        self._preparation.step(time.monotonic())
        if self._difference and self._state in (State.SERVING, State.BROKEN):
            self._say(f"Reloading once more, from an exact checkpoint: {self._difference}.")
            self._happens(Happening.CHANGE)

    def _on_difference(self, difference: str) -> None:
        self._difference = difference

    def _ask(self, paths: list[str]) -> None:
        """Shows the worker what changed; it answers with a verdict, or its silence is one."""
        assert self._worker is not None and self._worker.link is not None
        self._question += 1
        self._asked = paths
        self._deadline = time.monotonic() + VERDICT_PATIENCE
        with contextlib.suppress(link.LinkClosed):  # its exit follows
            self._worker.link.send(Changed(self._question, paths))

    def _reload(self, path: str = "") -> None:
        if path:
            logger.info("%s changed, reloading.", path)
        if path.endswith(SOURCE_SUFFIX):
            self._edited = [*(one for one in self._edited if one != path), path][-EDITED_KEPT:]
        self._preparation.changed(path)
        self._reloading = _Reload(path, self._changed_at)
        self._attempt, self._deaths = Attempt.NORMAL, 0
        self._happens(Happening.CHANGE)

    # What the worker says

    def _on_hello(self, message: Hello) -> None:
        """A worker has joined, or goes on where it has left a checkpoint behind."""
        assert self._worker is not None
        self._settings_names.update(message.settings)
        if self._worker.process is None:
            self._worker.process = process.Adopted(message.pid)
            if self._state is State.STARTING:
                self._deadline = None
            else:
                self._worker.process.terminate()

    def _on_checkpoint_made(self, message: CheckpointMade) -> None:
        """The worker process becomes a checkpoint; a new one says hello next."""
        assert self._worker is not None and self._worker.process is not None
        self._chain.add(message.number, message.at, message.elapsed, message.link, self._worker.process)
        self._worker.process = None

    def _on_checkpoints_ended(self, message: CheckpointsEnded) -> None:
        self._console.sealed(message.at, message.reason)

    def _on_listening(self, message: Listening) -> None:
        assert self._worker is not None
        self._worker.hears = True

    def _on_watching(self, message: Watching) -> None:
        """The worker's modules and the globs of its signal receivers."""
        assert self._worker is not None
        if not self._worker.looks and self._worker.link is not None:
            self._worker.looks = True
            with contextlib.suppress(link.LinkClosed):  # its exit follows
                self._worker.link.send(FreshnessShared(*self._notice.descriptors))
        self._worker.globs += message.globs
        self._worker.files.update(message.files)
        added = [one for directory in message.directories for one in self._watcher.add_directory(directory)]
        for directory, pattern in message.globs:
            add = self._watcher.add_tree if globs.is_recursive(pattern) else self._watcher.add_directory
            added += add(directory)
        # they were not watched yet when the worker read them
        self._learn(added, since=self._launcher.began - CLOCK_GRAIN)
        self._tell_notes()

    def _on_serving(self, message: Serving) -> None:
        assert self._worker is not None
        self._worker.serving_since = time.monotonic()
        self._weigh_due = self._worker.serving_since + WEIGH_DELAY if self._chain else None
        if self._reloading is not None:
            self._console.reloaded(self._reloading.path, time.monotonic() - self._reloading.began, message)
            self._console.explain(message, self._reloading.reason, self._preparation.why_not)
        self._reloading, self._difference = None, ""
        self._preparation.served(self._edited, self._has_served)
        if not self._has_served:
            self._console.tell_ready()
        self._has_served = True
        self._happens(Happening.SERVES)

    def _on_broken(self, message: Broken) -> None:
        self._preparation.served(self._edited, True, broken=True)
        self._happens(Happening.BREAKS)

    def _on_verdict(self, message: Verdict) -> None:
        if message.id == self._question and self._asked:  # or else we have answered the question ourselves
            self._decide(message.stale, message.prompt)

    def _decide(self, stale: str | None, prompt: str | None) -> None:
        """The open question is answered: the path that makes a reload necessary, if any, and whether it has to wait."""
        self._asked, self._deadline = [], None
        if stale and prompt is not None:
            self._prompt = stale
            self._console.waits_for_prompt(stale, prompt)
        elif stale:
            self._reload(stale)

    def _on_fresh_asked(self, message: FreshAsked) -> None:
        """A request waits; answered when all that has happened to files is decided on."""
        assert self._worker is not None
        self._worker.asks = True
        self._on_files()

    def _on_connections(self, message: Connections) -> None:
        """The worker leaves, and these connections to the next."""
        self._waiting += handoff.from_message(message)

    def _on_prompt_left(self, message: PromptLeft) -> None:
        if self._prompt:
            path, self._prompt = self._prompt, ""
            self._reload(path)

    def _tell_notes(self) -> None:
        for note in self._watcher.notes[self._noted :]:
            self._say(note)
        self._noted = len(self._watcher.notes)


_HANDLERS: dict[type[Message], Callable[[Supervisor, Any], None]] = {
    Hello: Supervisor._on_hello,
    CheckpointMade: Supervisor._on_checkpoint_made,
    CheckpointsEnded: Supervisor._on_checkpoints_ended,
    Listening: Supervisor._on_listening,
    Watching: Supervisor._on_watching,
    Serving: Supervisor._on_serving,
    Broken: Supervisor._on_broken,
    Verdict: Supervisor._on_verdict,
    PromptLeft: Supervisor._on_prompt_left,
    FreshAsked: Supervisor._on_fresh_asked,
    Connections: Supervisor._on_connections,
}


def _git_directories(watcher: Watcher) -> list[Path]:
    """The ``.git`` directories of the project's trees, watched so that the end of an operation wakes us."""
    found = {directory for root in watcher.project_roots if (directory := git.git_directory(root))}
    for directory in found:
        watcher.add_directory(str(directory))
    return sorted(found)
