"""Answers whether what has changed concerns this process, once Django's receivers were shown what is theirs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from devrunserver.common import faults
from devrunserver.common.messages import Changed, Message, Verdict
from devrunserver.common.pyc import SOURCE_SUFFIX
from devrunserver.worker import debugger_prompt
from devrunserver.worker.autoreload_signals import AutoreloadSignals
from devrunserver.worker.live_pages import LivePages
from devrunserver.worker.prompt_watch import PromptWatch
from devrunserver.worker.staleness import Answer, Staleness

ANSWERS_PATIENCE = 0.1  # seconds for a template that is being compiled
LOG_PATIENCE = 0.02  # seconds for the line of an answer that the client has got already, before the reload is told


class ChangeAnswers:
    """Handles ``Changed``.

    Args:
        send: sends a message to the supervisor.
        staleness: knows what this process has seen.
        signals: shows a change to the receivers of Django's signal.
        pages: knows what a change means to open pages.
        let_answers_end: waits until nothing is being answered, for so many seconds at most.
        finish_start: does what is left of the start.
        leaving: set when this process is to leave.
    """

    def __init__(
        self,
        send: Callable[[Message], None],
        staleness: Staleness,
        signals: AutoreloadSignals,
        pages: LivePages,
        let_answers_end: Callable[[float], None],
        finish_start: Callable[[], None],
        leaving: threading.Event,
    ) -> None:
        self.is_serving = False  # the project, whose receivers may handle a change
        self._send = send
        self._staleness = staleness
        self._signals = signals
        self._pages = pages
        self._let_answers_end = let_answers_end
        self._finish_start = finish_start
        self._prompt_watch = PromptWatch(send, leaving)

    def on_changed(self, message: Changed) -> None:
        if not all(path.endswith(SOURCE_SUFFIX) for path in message.paths):  # of sources the rest knows nothing
            self._finish_start()
        try:
            before = set(message.before)
            stale = next((path for path in message.paths if path not in before and self._makes_stale(path)), None)
        except Exception as error:  # a reload is always right
            faults.tell("the look at what changed", error, "the server reloads")
            stale = message.paths[0]
        prompt = debugger_prompt.open_prompt() if stale is not None else None
        if stale is not None and prompt is None:
            self._let_answers_end(LOG_PATIENCE)
        pages = self._pages.on_changed(message, self._signals.spelled) if stale is None else []
        self._send(Verdict(message.id, stale, prompt, pages))
        if prompt is not None:
            self._prompt_watch.start()

    def _makes_stale(self, path: str) -> bool:
        """Whether this process has to be replaced, after the receivers were shown what is theirs."""
        answer = self._staleness.of(path)
        if answer is Answer.STALE_UNLESS_HANDLED:
            # what is being answered may have read a template before it changed, and would remember it afterwards
            self._let_answers_end(ANSWERS_PATIENCE)
            return self.is_serving and not self._signals.handle(self._signals.spelled(path) or Path(path))
        if answer is Answer.STALE and path.endswith(SOURCE_SUFFIX) and self.is_serving:
            self._signals.handle(Path(path))
        return answer is Answer.STALE
