"""The supervisor: the process that the user started.

Theory of operation
-------------------
It holds the listening socket from start to end, so that the port answers through every reload: connections wait
in the kernel's backlog while no worker accepts. It serves nothing itself and runs no code of the project.

It is one selector loop. The watcher, the links to its processes and signals all wake it (a signal handler does nothing
but let Python write to the wake-up socket), and with nothing to do it sleeps without a time limit. Every wait has a
deadline. The loop only dispatches:

- to the worker's cycle (``worker_cycle.py``), whose state (``lifecycle.py``) decides what comes next;
- to the messages of the worker (``worker_messages.py``);
- to the events of files (``file_events.py``) and what follows from them (``change_review.py``);
- to the checkpoints (``checkpoint_chain.py``), and what is prepared (``preparation/``), which the next worker may be
  resumed from (``worker_starter.py``);
- to the connections that no worker holds (``held_connections.py``).

A changed file is shown to the worker, which alone knows whether it has loaded it and whose signal receivers
may handle it without a reload (templates, translations). Its answer comes with a verdict: reload or not. A
worker that is leaving is not asked: its successor reads everything anew. One that starts may not hear us yet; then the
change waits, until it does or until a checkpoint tells that it has read the file as it was before. Until all that is
decided the worker answers no request (``freshness.py``), and what waits then goes to the next one (``handoff.py``).

All processes are our children: those that are forked become so because we adopt orphans. What is optional is contained
(``optional_parts.py``); a fault anywhere else ends this supervisor, and another one goes on (``safe_mode.py``).
"""

from __future__ import annotations

import selectors
import signal
import socket
from contextlib import suppress

from devrunserver.common import process
from devrunserver.common.link import Link, LinkClosed
from devrunserver.common.messages import Changed, Fresh
from devrunserver.supervisor import relevance
from devrunserver.supervisor.lifecycle import Happening, State
from devrunserver.supervisor.optional_parts import ContainedSelector, Part
from devrunserver.supervisor.setup import Parts, Setup
from devrunserver.supervisor.signals import END_SIGNALS, HANGUP
from devrunserver.supervisor.supervisor_view import SupervisorView
from devrunserver.supervisor.worker_cycle import END_PATIENCE, UNVERIFIED, WorkerCycle
from devrunserver.supervisor.worker_handle import HEAR_PATIENCE
from devrunserver.supervisor.worker_messages import WorkerMessages

FAULT_PATIENCE = 1.0  # seconds for a worker to finish its answers after a fault of ours


class Supervisor:
    """Keeps one worker running on one listening socket until the user ends it.

    Args:
        setup: what it is given.
        signals: yields the numbers of signals that arrive.
    """

    def __init__(self, setup: Setup, signals: socket.socket) -> None:
        self.end_signal: int | None = None  # by which the user wants to end
        self._setup = setup
        self._signals = signals
        self._parts = Parts(
            setup,
            lambda difference: self._cycle.on_difference(difference),
            lambda: self._cycle.happens(Happening.CHANGE),
        )
        self._cycle = WorkerCycle(self._parts, lambda: self._messages.read(), self._on_signals)
        self._messages = WorkerMessages(self._parts, self._cycle)
        setup.optional.clean_up_with(Part.PREPARING, self._end_preparing)
        setup.optional.clean_up_with(Part.TOOLS, self._close_tools)
        self._tool_sockets = ContainedSelector(self._parts.selector, setup.optional, Part.TOOLS)

    @property
    def is_ended(self) -> bool:
        return self._cycle.lifecycle.state is State.ENDED

    @property
    def status(self) -> int:
        """The exit status, as Django's: 0, or a negated signal to die of."""
        return -HANGUP if HANGUP is not None and self.end_signal == HANGUP else 0

    def start(self) -> None:
        """Starts the first worker, which may have begun before we watch."""
        watcher, selector = self._setup.watcher, self._parts.selector
        self._signals.setblocking(False)
        selector.register(self._signals, selectors.EVENT_READ, self._on_signals)
        for descriptor in watcher.filenos:
            selector.register(descriptor, selectors.EVENT_READ, self._parts.files.read)
        view = SupervisorView(self._parts, self._cycle)
        self._setup.tell_tools(lambda tools: tools.open(self._tool_sockets, view))
        self._setup.held.on_nobody_answers(self._setup.clock())
        self._cycle.happens(Happening.CHANGE)
        known = self._parts.files.learn(watcher.directories, since=self._setup.launcher.began)
        modified = {path: token[0] for path, token in known.items() if watcher.in_project(path)}
        self._setup.optional.call(Part.EDITED_FILES, self._parts.edited.guess, modified)

    def step(self, timeout: float | None) -> None:
        """Waits for something to happen, and does all that is to be done then.

        Args:
            timeout: seconds; None: for as long as nothing happens.
        """
        for key, _ in self._parts.selector.select(timeout):
            key.data()
        now = self._setup.clock()
        self._parts.chain.look_after()
        self._cycle.look_after(now)
        self._look_after_changes(now)
        self._look_after_preparation(now)
        self._setup.optional.call(Part.SPARES, self._parts.spares.step, now)
        self._reap_orphans()
        self._limit_memory(now)
        self._setup.held.step(now)
        self._settle()
        self._setup.tell_tools(lambda tools: tools.step(self._setup.clock()))
        self._setup.tell_progress(lambda progress: progress.step(now))
        for note in self._parts.files.take_notes():
            self._setup.console.say(note)

    def _reap_orphans(self) -> None:
        worker = self._cycle.worker
        if worker is None or worker.process is not None:  # or else it may be one of them, which has yet to say hello
            process.reap_orphans(self._pids())

    def timeout(self) -> float | None:
        """Seconds until something is due; None: only an event can wake us."""
        now = self._setup.clock()
        moments = (
            self._cycle.worker.due if self._cycle.worker is not None else None,
            self._cycle.memory_due,
            self._parts.review.due,
            self._setup.held.due,
            self._setup.tell_tools(lambda tools: tools.due),
            self._setup.optional.call(Part.PREPARING, lambda: self._parts.preparation.due),
            self._setup.tell_progress(lambda progress: progress.due),
            self._setup.optional.call(Part.SPARES, lambda: self._parts.spares.due),
        )
        due = [one - now for one in moments if one is not None]
        if (wait := self._wait_for_changes(now)) is not None:
            due.append(wait)
        return max(0.0, min(due)) if due else None

    def close(self) -> None:
        """Leaves no process and no descriptor behind, whatever made us leave."""
        for step in (
            self._setup.progress.stop,
            self._end_worker,
            self._parts.starter.close,
            self._end_preparing,
            self._close_tools,
            lambda: self._parts.chain.close(END_PATIENCE),
            self._parts.spares.close,
            self._parts.close_pages,
            self._close_links,
            self._parts.notice.close,
            self._parts.selector.close,
        ):
            with suppress(Exception):  # the others follow in any case
                step()

    # What wakes us

    def _on_signals(self) -> None:
        """Reads which signals have arrived, if any have."""
        numbers = b""
        with suppress(BlockingIOError):
            numbers = self._signals.recv(256)
        for number in numbers:
            if number not in END_SIGNALS:
                continue
            ends_already = self._cycle.lifecycle.state is State.ENDING
            if ends_already and number == signal.SIGINT and self._cycle.worker is not None:
                self._cycle.worker.kill()
            self.end_signal = self.end_signal or number
            self._cycle.happens(Happening.QUIT)

    # What is due

    def _wait_for_changes(self, now: float) -> float | None:
        """Seconds until the waiting changes are due; None: there are none, or something else comes first."""
        review, worker = self._parts.review, self._cycle.worker
        if review.is_busy or self._cycle.lifecycle.is_leaving or not review.changes.paths:
            return None
        wait = review.changes.wait(now, self._parts.files.git_patience)
        if wait is None or worker is None or worker.hears:
            return wait
        if any(map(self._parts.chain.is_outdated, review.changes.paths)):
            return wait
        moved_at = self._setup.tell_progress(lambda progress: progress.moved_at)
        hears_by = worker.hears_by if moved_at is None else max(worker.hears_by, moved_at + HEAR_PATIENCE)
        return max(wait, hears_by - now)

    def _look_after_changes(self, now: float) -> None:
        review, worker = self._parts.review, self._cycle.worker
        if review.take_overflow():
            self._setup.optional.call(Part.PAGES, self._parts.pages.forget)
            self._cycle.on_change(None)
            return
        unanswered = review.question
        path = review.give_up_waiting(now)
        if unanswered is not None and review.question is None:
            self._parts.files.kept.keep_unanswered(unanswered.paths)
        if path is not None:
            self._cycle.on_change(path)
            return
        if self._wait_for_changes(now) != 0.0:
            return
        before = review.changes.before
        paths = self._cycle.followed(review.take())
        if not paths:
            return
        is_broken = self._cycle.lifecycle.state is State.BROKEN
        if worker is not None and worker.link is not None and worker.hears and not is_broken:
            question = review.ask(paths, now, before)
            generation = self._parts.pages.next_generation()
            worker.send(Changed(question.number, question.paths, generation, sorted(question.before)))
        elif code := [path for path in paths if relevance.is_source(path) or self._setup.watcher.in_project(path)]:
            self._cycle.on_change(next(filter(relevance.is_source, code), code[0]))

    def _look_after_preparation(self, now: float) -> None:
        self._setup.optional.call(Part.PREPARING, self._parts.preparation.step, now)
        self._cycle.replace_if_different()

    def _limit_memory(self, now: float) -> None:
        if self._cycle.memory_due is not None and now >= self._cycle.memory_due:
            self._cycle.memory_due = None
            if (worker := self._cycle.worker) is not None and worker.process is not None:
                self._setup.optional.call(Part.WEIGHING, self._parts.chain.weigh, worker.process.pid)

    def _settle(self) -> None:
        """Lets requests through to a worker that is fresh."""
        is_answered, worker = self._cycle.lifecycle.is_answered, self._cycle.worker
        # the worker may have to be replaced, or be shown a change, before it answers anything
        is_undecided = not is_answered or self._parts.review.is_open
        self._parts.notice.undecided = is_undecided
        if worker is None or worker.link is None or not worker.can_look:
            return
        with suppress(LinkClosed):  # its exit follows
            if is_answered:
                self._setup.held.hand_to(worker.link)
            if worker.asks and not is_undecided:
                worker.asks = False
                worker.link.send(Fresh())

    def _pids(self) -> set[int]:
        """The children that somebody waits for."""
        worker = self._cycle.worker
        pids = {worker.process.pid} if worker is not None and worker.process is not None else set()
        prepared = self._setup.optional.call(Part.PREPARING, lambda: self._parts.preparation.processes.pids) or set()
        spares = self._setup.optional.call(Part.SPARES, lambda: self._parts.spares.pids) or set()
        return self._setup.own_children | self._parts.chain.pids | prepared | spares | pids

    # The end

    def _end_worker(self) -> None:
        """Ends the worker, where it has not left before. What it holds waits for the next one, if there is any."""
        if (worker := self._cycle.worker) is not None:
            with suppress(Exception):  # it is killed in any case
                self._setup.held.add(worker.leave(FAULT_PATIENCE))
            worker.end(END_PATIENCE)
            self._cycle.unlink(worker)

    def _end_preparing(self) -> None:
        """Ends what is being prepared. A worker that was resumed from there cannot be verified any more."""
        worker = self._cycle.worker
        if worker is not None and worker.prepared_by is Part.PREPARING:
            self._cycle.on_difference(UNVERIFIED)
        try:
            self._parts.preparation.forget()
        finally:
            self._parts.background.close_all()

    def _close_tools(self) -> None:
        """Ends the interface for tools: no client waits any more, and nobody finds us."""
        try:
            self._setup.close_tools()
        finally:
            self._tool_sockets.close_all()

    def _close_links(self) -> None:
        """Closes every link that is left, which ends the process at its other end."""
        for key in list(self._parts.selector.get_map().values()):
            if isinstance(key.fileobj, Link):
                key.fileobj.close()
