"""What tools are told: the state of the server, its errors and requests, and when what was saved is served.

Theory of operation
-------------------
What the supervisor knows it answers at once, whatever the worker does. What only the worker knows (the requests and
errors since it was asked last, the routes) is asked of it, once for all questions that wait; a worker that does not
answer within ANSWER_PATIENCE is said to be busy, and what is known is told.

``wait`` first has the events read that the kernel holds: those of a file that was saved before the question are there.
It is answered when no change is left to decide on, and the checks of the worker are done.

All that is kept is in memory and bounded.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from devrunserver.common.messages import (
    MOST_CONSOLE_MESSAGES,
    MOST_ERRORS,
    MOST_REQUESTS,
    Broken,
    History,
    HistoryAsked,
    Serving,
)
from devrunserver.supervisor.control_server import Client, ControlServer, Question
from devrunserver.supervisor.lifecycle import State

ANSWER_PATIENCE = 0.04  # seconds for the worker
WAIT_LIMIT = 3600.0  # seconds
WAIT_DEFAULT = 60.0  # seconds
NAMES = {
    State.STARTING: "starting",
    State.SERVING: "ready",
    State.BROKEN: "broken",
    State.STOPPING: "reloading",
    State.DOWN: "down",
    State.ENDING: "ending",
    State.ENDED: "ended",
}
ANSWERED = (State.SERVING, State.BROKEN)
COMMANDS = ("status", "wait", "errors", "requests", "routes", "reload")
NOBODY = "No worker runs: it ended right after it was started. The terminal of the server tells more."


class Answering(Protocol):
    """What the answers need of the supervisor."""

    @property
    def state(self) -> State: ...

    @property
    def is_undecided(self) -> bool:
        """Whether a change may still have the worker replaced."""

    @property
    def worker_pid(self) -> int | None: ...

    @property
    def generation(self) -> int:
        """The number that pages carry which are rendered now, or a later one."""

    @property
    def progress(self) -> dict[str, Any] | None:
        """How far a start is that is under way."""

    def read_file_events(self) -> None:
        """Takes the events of all files that were saved before, as far as the system tells of them at once."""

    def reload(self) -> None:
        """Has another worker take the place of this one."""

    def ask_worker(self, message: HistoryAsked) -> bool:
        """Sends a message to the worker; False where it cannot hear yet."""


@dataclass
class Memory:
    """What is remembered, with bounds."""

    since: float = 0.0  # when this state began, in seconds since the epoch
    is_checked: bool = True  # the checks of the worker are done
    reload: dict[str, Any] | None = None  # the last one
    error: dict[str, Any] | None = None  # that keeps the project from starting
    errors: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MOST_ERRORS))
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MOST_REQUESTS))
    browser: deque[dict[str, Any]] = field(
        default_factory=lambda: deque(maxlen=MOST_CONSOLE_MESSAGES)
    )  # what pages wrote
    routes: list[dict[str, str]] = field(default_factory=list)


@dataclass
class _Waiting:
    """A question that is not answered yet."""

    client: Client
    question: Question
    due: float  # when it is answered in any case
    needs_worker: bool


class ToolAnswers:
    """Answers questions.

    Args:
        answering: the supervisor.
        facts: what does not change: pid, url, project, log.
        memory: what is remembered.
    """

    def __init__(self, answering: Answering, facts: Mapping[str, Any], memory: Memory) -> None:
        self.memory = memory
        self.server: ControlServer | None = None  # set once it is there
        self._answering = answering
        self._facts = dict(facts)
        self._waiting: list[_Waiting] = []
        self._asked = 0  # number of the last question to the worker
        self._has_asked = False  # and it is open
        self._state = answering.state

    @property
    def generation(self) -> int:
        """The last one that open pages have to know of."""
        return self._answering.generation

    # What happens

    def on_serving(self, message: Serving, path: str | None, seconds: float | None) -> None:
        """A worker serves: after a reload for the change of a path, which took so many seconds, or at first."""
        self._begin(message.is_checked, None)
        if seconds is not None:
            self.memory.reload = {
                "path": path,
                "seconds": round(seconds, 3),
                "resumed_at": message.resumed_at or None,
                "prepared": message.prepared,
                "time": time.time(),
            }

    def on_broken(self, message: Broken) -> None:
        """A worker shows the error that keeps the project from starting."""
        error = {"time": time.time(), "at": "start", **message.error}
        self._begin(True, error)
        self.memory.errors.append(error)

    def on_checked(self) -> None:
        """The checks of the worker are done, and have found nothing."""
        self.memory.is_checked = True

    def on_history(self, message: History) -> None:
        """The worker has told what it alone knew."""
        self.memory.requests.extend(message.requests)
        self.memory.errors.extend(message.errors)
        self.memory.browser.extend(message.browser)
        if message.routes:
            self.memory.routes = message.routes
        if message.id == self._asked and self._has_asked:
            self._has_asked = False
            for one in self._take(lambda one: one.needs_worker):
                self._answer(one, responds=True)

    def on_question(self, client: Client, question: Question) -> None:
        """A client asks."""
        command = question["command"]
        if command not in COMMANDS:
            self._send(client, {"error": f"There is no command {command!r}; there are {', '.join(COMMANDS)}."})
            return
        now = time.monotonic()
        if command == "wait":
            self._answering.read_file_events()
            patience = _seconds(question.get("timeout"), WAIT_DEFAULT)
            self._waiting.append(_Waiting(client, question, now + patience, needs_worker=False))
            return  # answered at the end of this step of the loop, when all events were looked at
        if command == "reload":
            self._answering.reload()
            self._send(client, {"ok": True})
            return
        if self._answering.state in ANSWERED and self._ask(command == "routes"):
            self._waiting.append(_Waiting(client, question, now + ANSWER_PATIENCE, needs_worker=True))
        else:
            self._answer(_Waiting(client, question, now, needs_worker=True), responds=None)

    # What is due

    @property
    def due(self) -> float | None:
        """When a question has to be answered, as a moment of the monotonic clock."""
        return min((one.due for one in self._waiting), default=None)

    def step(self, now: float) -> None:
        """Answers what can be answered now."""
        if self._answering.state is not self._state:
            self._state, self.memory.since = self._answering.state, time.time()
            if self._state not in ANSWERED:
                self._has_asked = False
        server = self.server
        self._waiting = [one for one in self._waiting if server is not None and server.is_waiting(one.client)]
        if self.is_settled:
            for one in self._take(lambda one: not one.needs_worker):
                self._answer(one, responds=None)
        for one in self._take(lambda one: one.due <= now):
            self._has_asked = False
            self._answer(one, responds=False if one.needs_worker else None)

    @property
    def is_settled(self) -> bool:
        """Whether what was saved is served, or is known to be broken."""
        if self._answering.state is State.DOWN:
            return True
        is_there = self._answering.state in ANSWERED
        return is_there and not self._answering.is_undecided and self.memory.is_checked

    # The answers

    def _answer(self, waiting: _Waiting, responds: bool | None) -> None:
        """Answers one question.

        Args:
            responds: whether the worker has; None: it was not asked.
        """
        command = waiting.question["command"]
        memory = self.memory
        if command == "wait":
            data = self._outcome()
        elif command == "status":
            data = self._status()
        else:
            most = int(_seconds(waiting.question.get("limit"), MOST_REQUESTS))
            if command == "errors":
                data = {"errors": list(memory.errors)[-most:], "browser": list(memory.browser)[-most:]}
            else:
                data = {command: list(memory.requests)[-most:] if command == "requests" else memory.routes}
        if responds is not None:
            data["worker_responds"] = responds
        self._send(waiting.client, data)

    def _outcome(self) -> dict[str, Any]:
        """What became of what was saved."""
        data: dict[str, Any] = {"state": NAMES[self._answering.state], "generation": self._answering.generation}
        if not self.is_settled:
            return {"ok": False, **data, "timed_out": True, "error": {"message": "It is not served in time."}}
        if self._answering.state is State.SERVING:
            return {"ok": True, **data}
        return {"ok": False, **data, "error": self.memory.error or {"message": NOBODY}}

    def _status(self) -> dict[str, Any]:
        state, memory = self._answering.state, self.memory
        return {
            **self._facts,
            "state": NAMES[state],
            "ready": state is State.SERVING,
            "state_seconds": round(time.time() - memory.since, 3),
            "generation": self._answering.generation,
            "worker": self._answering.worker_pid,
            "last_reload": memory.reload,
            "progress": self._answering.progress,
            "error": memory.error if state is not State.SERVING else None,
        }

    def _begin(self, is_checked: bool, error: dict[str, Any] | None) -> None:
        self.memory.is_checked = is_checked
        self.memory.error = error

    def _ask(self, routes: bool) -> bool:
        """Asks the worker; False where it cannot hear. Of several questions only the last is answered."""
        self._asked += 1
        self._has_asked = self._answering.ask_worker(HistoryAsked(self._asked, routes))
        return self._has_asked

    def _take(self, which: Any) -> list[_Waiting]:
        taken = [one for one in self._waiting if which(one)]
        self._waiting = [one for one in self._waiting if one not in taken]
        return taken

    def _send(self, client: Client, data: Mapping[str, Any]) -> None:
        if self.server is not None:
            self.server.answer(client, data)


def _seconds(value: object, default: float) -> float:
    """A number that a client has sent, within its bounds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and value == value
    return min(max(0.0, float(value)), WAIT_LIMIT) if is_number else default  # type: ignore[arg-type]
