"""What a worker says, and what is done about it: one handler for each message.

A message may come late (the worker has been told to leave), twice, or where it makes no sense any more; then it changes
nothing. One that nobody knows comes from another version of this package, and ends the worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from devrunserver.common import globs, handoff
from devrunserver.common.facts import AskedServer
from devrunserver.common.link import LinkClosed
from devrunserver.common.messages import (
    AnswerChanged,
    Broken,
    Checked,
    CheckpointMade,
    CheckpointsEnded,
    Connections,
    FreshAsked,
    FreshnessShared,
    Generation,
    Hello,
    History,
    Listening,
    Message,
    MessageError,
    PageStream,
    PromptLeft,
    Serving,
    Verdict,
    ViewAsked,
    Watching,
)
from devrunserver.common.page_changes import ERROR, PAGE
from devrunserver.supervisor.first_start import FirstStart
from devrunserver.supervisor.lifecycle import TRANSITIONS, Happening
from devrunserver.supervisor.optional_parts import Part
from devrunserver.supervisor.relevance import Concerns
from devrunserver.supervisor.reload import Reload
from devrunserver.supervisor.setup import Parts
from devrunserver.supervisor.worker_cycle import WorkerCycle
from devrunserver.supervisor.worker_handle import WorkerHandle

MEMORY_DELAY = 2.0  # seconds after a start until the memory of its checkpoints is looked at


class WorkerMessages:
    """Hears the present worker.

    Args:
        parts: of the supervisor.
        cycle: whose worker it is.
    """

    def __init__(self, parts: Parts, cycle: WorkerCycle) -> None:
        self._parts = parts
        self._setup = parts.setup
        self._cycle = cycle
        self._first_start = FirstStart(parts.setup)
        self._concerns = Concerns()  # what a worker has told last, of all that concerns it

    def read(self) -> None:
        """Reads what the worker says, and does what is to be done."""
        worker = self._cycle.worker
        if worker is None or worker.link is None:
            return
        try:
            messages = worker.link.receive()
        except LinkClosed:
            self._cycle.unlink(worker)
            return
        except MessageError as error:
            self._setup.console.say(
                f"The server process is not of this version of devrunserver ({error}). Start the server again."
            )
            self._cycle.unlink(worker)
            worker.kill()
            return
        for message in messages:
            HANDLERS[type(message)](self, worker, message)

    def _on_hello(self, worker: WorkerHandle, message: Hello) -> None:
        """A worker has joined, or goes on where it has left a checkpoint behind."""
        self._parts.files.settings_names.update(message.settings)
        self._cycle.written.on_joined(time.time())
        worker.on_hello(message.pid)

    def _on_checkpoint_made(self, worker: WorkerHandle, message: CheckpointMade) -> None:
        """The worker process becomes a checkpoint; a new one says hello next."""
        process = worker.become_checkpoint()
        if process is None:  # it is one already
            message.link.close()
            return
        self._setup.optional.call(Part.SPARES, self._parts.spares.on_checkpoint)
        self._parts.chain.add(message.number, message.at, message.elapsed, message.link, process)

    def _on_checkpoints_ended(self, worker: WorkerHandle, message: CheckpointsEnded) -> None:
        self._parts.chain.ended_at = message.at
        self._setup.optional.call(Part.TELLING, self._setup.console.checkpoints_ended, message.at, message.reason)
        self._setup.optional.call(Part.SPARES, self._parts.spares.on_checkpoints_ended, bool(self._parts.chain))

    def _on_listening(self, worker: WorkerHandle, message: Listening) -> None:
        worker.hears = True

    def _on_watching(self, worker: WorkerHandle, message: Watching) -> None:
        """The worker's modules and the globs of its signal receivers."""
        were_known = worker.concerns.are_known
        if message.is_complete:
            self._concerns = Concerns(set(message.files), message.globs, are_known=True)
            worker.concerns = self._concerns
        elif not were_known:  # until it tells the rest, what the last one has told is the best guess
            worker.concerns = Concerns(
                self._concerns.files.union(message.files), [*self._concerns.patterns, *message.globs]
            )
        if not were_known:
            self._parts.files.show_unheard()  # before it may look, as that is undecided from now on
        if not worker.can_look:
            worker.can_look = True
            worker.send(Generation(self._parts.pages.rendered))
            worker.send(FreshnessShared(*self._parts.notice.descriptors))
        watcher = self._setup.watcher
        added = [one for directory in message.directories for one in watcher.add_directory(directory)]
        for directory, pattern in message.globs:
            add = watcher.add_tree if globs.is_recursive(pattern) else watcher.add_directory
            added += add(directory)
        # they were not watched yet when the worker read them
        self._parts.files.learn(added, since=self._setup.launcher.began)

    def _on_serving(self, worker: WorkerHandle, message: Serving) -> None:
        if not _is_expected(self._cycle, Happening.SERVES):
            return
        now = self._setup.clock()
        worker.serving_since = now
        self._cycle.memory_due = now + MEMORY_DELAY if self._parts.chain else None
        reload, self._cycle.reload = self._cycle.reload, None
        path, took = (reload.path, now - reload.began) if reload is not None else (None, None)
        self._setup.tell_tools(lambda tools: tools.on_serving(message, path, took))
        if reload is not None:
            self._tell_of_reload(reload, now - reload.began, message)
        self._served(self._setup.has_served)
        self._cycle.on_answers(worker)
        self._first_start.on_serving(message)
        self._cycle.happens(Happening.SERVES)
        self._setup.optional.call(Part.PAGES, self._announce_start, worker)
        generation, console = self._parts.pages.generation, self._setup.console
        self._setup.optional.call(Part.TELLING, console.log_ready, generation, path, took, message)
        self._parts.files.show_unanswered()

    def _announce_start(self, worker: WorkerHandle) -> None:
        pages = self._parts.pages
        known_to_worker = pages.rendered
        pages.announce_start(PAGE)
        if pages.rendered != known_to_worker:
            worker.send(Generation(pages.rendered))

    def _on_broken(self, worker: WorkerHandle, message: Broken) -> None:
        if _is_expected(self._cycle, Happening.BREAKS):
            self._setup.tell_tools(lambda tools: tools.on_broken(message))
            self._first_start.on_broken()
            self._served(True, broken=True)
            self._cycle.on_answers(worker)
            self._cycle.happens(Happening.BREAKS)
            self._setup.optional.call(Part.PAGES, self._parts.pages.announce_start, ERROR)
            generation, console = self._parts.pages.generation, self._setup.console
            self._setup.optional.call(Part.TELLING, console.log_broken, generation, message.error)

    def _on_checked(self, worker: WorkerHandle, message: Checked) -> None:
        self._setup.tell_tools(lambda tools: tools.on_checked())
        self._first_start.on_checked()  # also of one that is leaving: it has printed the banner

    def _on_history(self, worker: WorkerHandle, message: History) -> None:
        self._setup.tell_tools(lambda tools: tools.on_history(message))

    def _on_verdict(self, worker: WorkerHandle, message: Verdict) -> None:
        review, question = self._parts.review, self._parts.review.question
        if question is not None and question.number == message.id:
            if message.stale is not None or not self._cycle.lifecycle.is_answered:  # who starts may not know all yet
                self._parts.files.kept.keep_unanswered(question.paths)
            self._setup.optional.call(Part.PAGES, self._parts.pages.announce, message.pages)
        was_waiting = review.waits_for_prompt
        path = review.on_verdict(message.id, message.stale, message.prompt is not None)
        if path is not None:
            self._cycle.on_change(path)
        elif review.waits_for_prompt is not None and was_waiting is None:
            waits = self._setup.console.waits_for_prompt
            self._setup.optional.call(Part.TELLING, waits, review.waits_for_prompt, message.prompt or "")

    def _on_prompt_left(self, worker: WorkerHandle, message: PromptLeft) -> None:
        if (path := self._parts.review.on_prompt_left()) is not None:
            self._cycle.on_change(path)

    def _on_view_asked(self, worker: WorkerHandle, message: ViewAsked) -> None:
        edited, preparation = self._parts.edited, self._parts.preparation
        self._setup.optional.call(Part.EDITED_FILES, edited.on_view, message.file)
        self._setup.optional.call(Part.PREPARING, preparation.on_view, edited.likely)

    def _on_fresh_asked(self, worker: WorkerHandle, message: FreshAsked) -> None:
        """A request waits; answered when all that has happened to files is decided on."""
        worker.asks = True
        self._parts.files.read()

    def _on_connections(self, worker: WorkerHandle, message: Connections) -> None:
        """The worker leaves, and these connections to the next."""
        self._setup.held.add(handoff.from_message(message))

    def _on_page_stream(self, worker: WorkerHandle, message: PageStream) -> None:
        if Part.PAGES in self._setup.optional.off:
            message.stream.close()
        self._setup.optional.call(Part.PAGES, self._parts.pages.add, message.stream)

    def _tell_of_reload(self, reload: Reload, seconds: float, message: Serving) -> None:
        console, optional = self._setup.console, self._setup.optional
        optional.call(Part.TELLING, console.reloaded, reload.path or "", seconds, message)
        optional.call(
            Part.EXPLAINING, lambda: console.explain(message, reload.reason, self._parts.starter.why_not_prepared)
        )

    def _served(self, is_reload: bool, broken: bool = False) -> None:
        preparation = self._parts.preparation
        self._setup.optional.call(
            Part.PREPARING, preparation.served, self._parts.edited.likely, is_reload, broken=broken
        )
        self._setup.optional.call(Part.SPARES, self._parts.spares.served, is_reload, broken)


def _is_expected(cycle: WorkerCycle, happening: Happening) -> bool:
    """Whether anything follows from it; not from the late words of a worker that is leaving."""
    return (cycle.lifecycle.state, happening) in TRANSITIONS


Handler = Callable[[WorkerMessages, WorkerHandle, Any], None]

HANDLERS: dict[type[Message], Handler] = {
    Hello: WorkerMessages._on_hello,
    CheckpointMade: WorkerMessages._on_checkpoint_made,
    CheckpointsEnded: WorkerMessages._on_checkpoints_ended,
    AnswerChanged: lambda self, worker, message: self._cycle.on_answer_changed(
        worker, AskedServer(message.database, message.statement, message.answer)
    ),
    Listening: WorkerMessages._on_listening,
    Watching: WorkerMessages._on_watching,
    Serving: WorkerMessages._on_serving,
    Broken: WorkerMessages._on_broken,
    Checked: WorkerMessages._on_checked,
    History: WorkerMessages._on_history,
    Verdict: WorkerMessages._on_verdict,
    PromptLeft: WorkerMessages._on_prompt_left,
    ViewAsked: WorkerMessages._on_view_asked,
    FreshAsked: WorkerMessages._on_fresh_asked,
    Connections: WorkerMessages._on_connections,
    PageStream: WorkerMessages._on_page_stream,
}
