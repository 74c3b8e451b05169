"""One worker after the other: what starts, ends and follows them.

Theory of operation
-------------------
What comes next is decided by one state (``lifecycle.py``). A worker is told to leave, and the next one starts when it
is gone; one that does not leave in time is killed. One that ends unasked is started again, in a way that tells more
about why, until that would end the same; then the next change of the code is waited for.
"""

from __future__ import annotations

import logging
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import replace

from devrunserver.common.facts import Fact, why_broken
from devrunserver.common.shown_path import shown_path
from devrunserver.supervisor import relevance
from devrunserver.supervisor.lifecycle import Attempt, Happening, Lifecycle, State, death_notice, next_state
from devrunserver.supervisor.optional_parts import Part
from devrunserver.supervisor.reload import Reload
from devrunserver.supervisor.setup import Parts
from devrunserver.supervisor.worker_handle import WorkerHandle
from devrunserver.supervisor.worker_starter import Order
from devrunserver.supervisor.written_at_start import WrittenAtStart

logger = logging.getLogger("django.utils.autoreload")  # Django's, so that the project's LOGGING applies

RELOAD_PATIENCE = 3.0  # seconds for a worker to finish answers (half of it) and run `atexit` before it is killed
UNVERIFIED = "what was prepared cannot be verified any more"
MOST_ANSWERS_CHANGED = 3  # by which nothing was resumed; then nothing relies on databases on servers any more
END_PATIENCE = 0.6  # seconds; when the user quits, all is over in under a second


class WorkerCycle:
    """Keeps one worker.

    Args:
        parts: of the supervisor.
        on_words: called when the worker has said something.
        on_signals: called to look whether the user has ended us.
    """

    def __init__(self, parts: Parts, on_words: Callable[[], None], on_signals: Callable[[], None]) -> None:
        self.lifecycle = Lifecycle()
        self.worker: WorkerHandle | None = None
        self.reload: Reload | None = None  # that is under way
        self.difference: str | None = None  # why the worker is not what a fresh start gives
        self.memory_due: float | None = None  # when to look at the memory of checkpoints
        self.written = WrittenAtStart()
        self._parts = parts
        self._setup = parts.setup
        self._on_words = on_words
        self._on_signals = on_signals
        self._told_of: set[str] = set()  # files that starts write
        self._answers_changed = 0  # of databases on servers, that nothing could be resumed by
        self._report = ""  # what a worker that runs nothing of the project is to tell

    # What happens

    def happens(self, happening: Happening) -> None:
        """Goes on to the state that follows."""
        state = next_state(self.lifecycle.state, happening)
        if state is not self.lifecycle.state or happening is Happening.EXITS:
            self._enter(state)

    def on_change(self, path: str | None) -> None:
        """Code has changed, for which the worker has to be replaced.

        Args:
            path: of the change; None: anything may have changed.
        """
        optional = self._setup.optional
        if path is None:
            optional.call(Part.TELLING, logger.info, "Too many files changed at once to be told apart, reloading.")
        else:
            optional.call(Part.TELLING, logger.info, "%s changed, reloading.", path)
            if relevance.is_source(path):
                optional.call(Part.EDITED_FILES, self._parts.edited.on_edit, path)
        self._replace(Reload(path, self._parts.review.began))

    def followed(self, paths: list[str]) -> list[str]:
        """Of these changes those that count: not those that each start makes itself."""
        written = {path for path in paths if self.written.writes(path)}
        for path in written - self._told_of:
            shown = shown_path(path)
            self._setup.console.say(
                f"{shown} is written by each start, while settings are loaded: that starts no reload. Reloads are fresh"
                " starts unless it is written only where it differs."
            )
            # which would write it, too, and have the worker replaced for ever
            self._setup.optional.call(Part.SPARES, self._parts.spares.close, f"a start writes {shown}")
        self._told_of |= written
        return [path for path in paths if path not in written]

    def on_reload_asked(self) -> None:
        """Somebody wants another worker, though nothing has changed."""
        self._replace(Reload(None, self._setup.clock()))

    def _replace(self, reload: Reload) -> None:
        self._setup.optional.call(Part.PREPARING, self._parts.preparation.changed, reload.path or "")
        self._setup.optional.call(Part.SPARES, self._parts.spares.on_change, reload.path or "")
        self.reload = reload
        self.lifecycle.start_over()
        self.happens(Happening.CHANGE)

    def on_difference(self, difference: str) -> None:
        """The worker was resumed from what had been prepared, and is not what a fresh start gives."""
        self.difference = difference

    def on_answers(self, worker: WorkerHandle) -> None:
        """It is about to answer requests. One that was resumed from what had been prepared needs to be verified."""
        cannot_verify = worker.prepared_by in self._setup.optional.off
        self.difference = UNVERIFIED if cannot_verify else None

    def on_answer_changed(self, worker: WorkerHandle, fact: Fact) -> None:
        """A database on a server has another answer than what the worker was resumed from relies on, so it leaves."""
        if self.lifecycle.state is not State.STARTING:
            return
        worker.is_outdated = True
        self._answers_changed += 1
        self._setup.optional.call(Part.PREPARING, self._parts.preparation.forget)
        is_found = self._parts.chain.cut_relying_on(fact) or worker.prepared_by is not None
        if not is_found or self._answers_changed > MOST_ANSWERS_CHANGED:
            self._parts.chain.cut()
            self._setup.launcher.servers_change = True
        if self.reload is not None:
            self.reload = replace(self.reload, obstacle=why_broken(fact))

    def replace_if_different(self) -> None:
        """Has an exact worker follow one that is not what a fresh start gives."""
        if self.difference is not None and self.lifecycle.is_answered:
            self._setup.console.say(f"Reloading once more, from an exact checkpoint: {self.difference}.")
            self.happens(Happening.CHANGE)

    def look_after(self, now: float) -> None:
        """Notices that the worker is gone, or late."""
        worker = self.worker
        if worker is None:
            return
        if worker.process is None:
            if worker.link is None or worker.is_late(now):  # the fork has failed, or its process has died at once
                self._on_worker_exit(worker, -signal.SIGKILL)
        elif (status := worker.process.poll()) is not None:
            self._read_last_messages(worker)
            self._on_signals()  # what has ended it may have been sent to all of us: then this is no death, but the end
            if worker.process is not None:  # it has not become a checkpoint
                self._on_worker_exit(worker, status)
        elif worker.is_late(now):
            worker.kill()

    def unlink(self, worker: WorkerHandle) -> None:
        """The other end of its link is gone."""
        if worker.link is not None:
            self._parts.selector.unregister(worker.link)
            worker.link.close()
            worker.link = None

    # What follows

    def _enter(self, state: State) -> None:
        was_answered = self.lifecycle.is_answered
        self.lifecycle.state = state
        self._setup.tell_progress(lambda progress: progress.finish() if state is State.SERVING else progress.stop())
        if self.lifecycle.is_answered:
            self._setup.held.on_worker_answers()
        elif was_answered:
            self._setup.held.on_nobody_answers(self._setup.clock())
        if state in (State.BROKEN, State.DOWN):
            self._parts.files.audience = None  # what mends it may be a file that it has never loaded
        if state is State.STARTING:
            self._start()
        elif state is State.STOPPING:
            self._request_stop(RELOAD_PATIENCE)
            self._parts.starter.work_ahead(self._order())
        elif state is State.ENDING:
            self._request_stop(END_PATIENCE)

    def _start(self) -> None:
        """Resumes a checkpoint, or spawns a worker."""
        files = self._parts.files
        self.memory_due = None
        files.start_over()
        self._setup.optional.call(Part.PAGES, self._parts.pages.begin_generation)
        order = self._order()
        worker, reason = self._parts.starter.resume(order)
        if self.reload is not None:
            self.reload = replace(self.reload, reason=self.reload.obstacle or reason)
        self.written.on_resume()
        worker = worker or self._spawn(order)
        if worker is None:
            self._enter(State.DOWN)
            return
        self._tell_begin(is_resumed=worker.process is None)
        self.worker = files.audience = worker
        assert worker.link is not None
        self._parts.selector.register(worker.link, selectors.EVENT_READ, self._on_words)

    def _order(self) -> Order:
        return Order(
            self.lifecycle.attempt,
            self._parts.edited.paths,
            self._setup.has_served,
            self._report,
            self.difference is not None,
            self._parts.files.configured_by,
        )

    def _tell_begin(self, is_resumed: bool) -> None:
        """Has it shown how far this start is; the first may have begun before the loop."""
        now = self._setup.clock()
        if self.reload is not None:
            began = self.reload.began
        else:
            began = now - max(0.0, time.time() - self._setup.launcher.began)
        is_reload = self._setup.has_served
        self._setup.tell_progress(lambda progress: progress.begin(began, is_reload, is_resumed))

    def _spawn(self, order: Order) -> WorkerHandle | None:
        self._parts.files.configured_by = None
        try:
            worker = self._parts.starter.spawn(order)
            self.written.on_spawn(self._setup.launcher.began)
            return worker
        except OSError as error:
            self._setup.console.say(
                f"The server process cannot be started: {error}. The next change of the code tries again."
            )
            return None

    def _request_stop(self, patience: float) -> None:
        """Tells the worker to leave, within ``patience`` seconds."""
        if (question := self._parts.review.question) is not None:
            self._parts.files.kept.keep_unanswered(question.paths)
        self._parts.review.drop_question()  # its answer is of no interest any more
        if self.worker is None:
            self.happens(Happening.EXITS)
        else:
            is_reload = self.lifecycle.state is State.STOPPING
            self.worker.request_stop(self._setup.clock() + patience, is_reload)

    def _read_last_messages(self, worker: WorkerHandle) -> None:
        """Hears the last words of a process that is gone."""
        while worker.link is not None and worker.link.is_readable():
            self._on_words()

    def _on_worker_exit(self, worker: WorkerHandle, status: int) -> None:
        """The worker is gone: decides what follows."""
        self.unlink(worker)
        self.worker = self._parts.files.audience = None
        self._setup.optional.call(Part.TERMINAL, self._setup.terminal.restore)
        if self.lifecycle.is_leaving or worker.is_outdated:
            self.happens(Happening.EXITS)
            return
        self._parts.chain.cut()  # who knows what is the matter: start afresh
        self._setup.optional.call(Part.SPARES, self._parts.spares.drop, "the server process ended unasked")
        served = 0.0 if worker.serving_since is None else self._setup.clock() - worker.serving_since
        attempt = self.lifecycle.on_death(worker.attempt, status, served)
        if (notice := death_notice(worker.attempt, status, attempt)) is not None:
            self._setup.console.say(notice)
            if attempt is not Attempt.NORMAL:
                self._report = notice
        self.happens(Happening.EXITS if attempt else Happening.GIVES_UP)
