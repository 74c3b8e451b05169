"""What tools are told, by a played supervisor and a played worker."""

from __future__ import annotations

from typing import Any

import pytest

from devrunserver.common.messages import (
    MOST_CONSOLE_MESSAGES,
    MOST_ERRORS,
    MOST_REQUESTS,
    Broken,
    History,
    HistoryAsked,
    Serving,
)
from devrunserver.supervisor.control_server import Client, Question
from devrunserver.supervisor.lifecycle import State
from devrunserver.supervisor.tool_answers import (
    ANSWER_PATIENCE,
    WAIT_LIMIT,
    Memory,
    ToolAnswers,
)

ERROR = {"type": "ValueError", "message": "no", "file": "/srv/shop/a.py", "line": 3, "text": "..."}


class Play:
    """A supervisor, its worker and its clients."""

    def __init__(self) -> None:
        self.state = State.STARTING
        self.is_undecided = True
        self.worker_pid: int | None = 12
        self.progress: dict[str, Any] | None = None
        self.hears = True
        self.generation = 0
        self.asked: list[HistoryAsked] = []
        self.reloads = 0
        self.looks = 0
        self.told: list[dict[str, Any]] = []
        self.answers = ToolAnswers(self, {"pid": 1}, Memory())
        self.answers.server = self  # type: ignore[assignment]

    # as the supervisor

    def read_file_events(self) -> None:
        self.looks += 1

    def reload(self) -> None:
        self.reloads += 1

    def ask_worker(self, message: HistoryAsked) -> bool:
        if self.hears:
            self.asked.append(message)
        return self.hears

    # as the server of clients

    def answer(self, client: Client, data: dict[str, Any]) -> None:
        self.told.append(data)

    def is_waiting(self, client: Client) -> bool:
        return client is not GONE

    # what happens

    def ask(self, command: str, client: Any = None, **arguments: Any) -> None:
        self.answers.on_question(client, {"command": command, **arguments})

    def serves(self, is_checked: bool = True, path: str | None = None, seconds: float | None = None) -> None:
        self.state, self.is_undecided = State.SERVING, False
        self.generation += 1
        self.answers.on_serving(Serving("shop.views", False, 3, 0.1, 0.0, [], is_checked), path, seconds)

    def breaks(self) -> None:
        self.state, self.is_undecided = State.BROKEN, False
        self.generation += 1
        self.answers.on_broken(Broken(ERROR))

    def worker_answers(self, requests: Any = (), errors: Any = (), routes: Any = ()) -> None:
        self.answers.on_history(History(self.asked[-1].id, list(requests), list(errors), list(routes)))

    def step(self, now: float = 0.0) -> dict[str, Any] | None:
        """The end of a step of the loop: what was told."""
        self.answers.step(now)
        told, self.told = self.told, []
        assert len(told) < 2
        return told[0] if told else None


GONE: Any = object()
FOREVER = 1e12  # a moment at which everything is due


@pytest.fixture
def play() -> Play:
    return Play()


def test_wait_is_answered_when_it_is_served(play: Play) -> None:
    play.ask("wait")
    assert play.looks == 1  # what the kernel holds was read first
    assert play.step() is None
    play.serves()
    assert play.step() == {"ok": True, "state": "ready", "generation": 1}
    play.ask("wait")
    assert play.step() == {"ok": True, "state": "ready", "generation": 1}


@pytest.mark.parametrize("state", [State.STOPPING, State.STARTING, State.SERVING, State.BROKEN])
def test_wait_waits_while_a_change_is_decided_on(play: Play, state: State) -> None:
    play.serves()
    play.state, play.is_undecided = state, True
    play.ask("wait")
    assert play.step() is None
    play.serves()
    assert play.step() == {"ok": True, "state": "ready", "generation": 2}


def test_wait_waits_for_the_checks(play: Play) -> None:
    play.serves(is_checked=False)
    play.ask("wait")
    assert play.step() is None
    play.answers.on_checked()
    assert play.step() == {"ok": True, "state": "ready", "generation": 1}
    play.serves(is_checked=False)
    play.ask("wait")
    assert play.step() is None
    play.breaks()  # by them
    told = play.step()
    assert told is not None and told["error"]["type"] == "ValueError"


def test_wait_names_the_error(play: Play) -> None:
    play.breaks()
    play.ask("wait")
    told = play.step()
    assert told is not None and (told["ok"], told["state"]) == (False, "broken")
    assert {name: told["error"][name] for name in ERROR} == ERROR


def test_wait_does_not_wait_for_a_worker_that_nobody_starts(play: Play) -> None:
    play.state = State.DOWN
    play.ask("wait")
    told = play.step()
    assert told is not None and not told["ok"] and "No worker runs" in told["error"]["message"]


@pytest.mark.parametrize("timeout", [0, 5, WAIT_LIMIT * 2, -1, None, "5", True, float("nan"), float("inf")])
def test_wait_has_an_end(play: Play, timeout: object) -> None:
    play.ask("wait", timeout=timeout)
    assert play.answers.due is not None
    told = play.step(FOREVER)
    assert told is not None and told["timed_out"] and not told["ok"]
    assert play.answers.due is None


def test_who_does_not_wait_any_more_is_forgotten(play: Play) -> None:
    play.ask("wait", client=GONE)
    assert play.step(FOREVER) is None
    assert play.answers.due is None


def test_status_while_nobody_can_be_asked(play: Play) -> None:
    play.progress = {"phase": "URLconf"}
    play.ask("status")
    (told,) = play.told
    assert told["progress"] == play.progress
    expected = {"pid": 1, "state": "starting", "ready": False, "generation": 0, "worker": 12, "last_reload": None}
    assert {name: told[name] for name in expected} == expected
    assert "worker_responds" not in told and not play.asked


def test_status_after_a_reload(play: Play) -> None:
    play.serves()
    play.serves(path="shop/views.py", seconds=0.1234)
    play.ask("status")
    play.worker_answers()
    (told,) = play.told
    assert told["ready"] and told["generation"] == 2 and told["worker_responds"] and told["error"] is None
    assert told["last_reload"]["path"] == "shop/views.py" and told["last_reload"]["seconds"] == 0.123


def test_a_worker_that_is_stuck_is_said_to_be(play: Play) -> None:
    play.serves()
    play.ask("requests")
    assert play.answers.due is not None
    assert play.step() is None
    assert play.step(FOREVER) == {"requests": [], "worker_responds": False}
    play.worker_answers([{"path": "/"}])  # late
    assert play.step(FOREVER) is None
    play.ask("requests")
    play.worker_answers()
    assert play.step() == {"requests": [{"path": "/"}], "worker_responds": True}


def test_the_patience_is_within_what_is_promised() -> None:
    assert ANSWER_PATIENCE < 0.05


def test_a_worker_that_cannot_hear_is_not_waited_for(play: Play) -> None:
    play.serves()
    play.hears = False
    play.ask("errors")
    assert play.told == [{"errors": [], "browser": []}]


def test_what_is_remembered_has_bounds(play: Play) -> None:
    play.serves()
    for number in range(3):
        requests, errors = [{"path": str(number)}] * MOST_REQUESTS, [{"type": str(number)}] * MOST_ERRORS
        play.answers.on_history(History(0, requests, errors, [], [{"text": str(number)}] * MOST_CONSOLE_MESSAGES))
    play.breaks()
    for command, most in (("requests", MOST_REQUESTS), ("errors", MOST_ERRORS)):
        play.ask(command)
        play.worker_answers()
        told = play.step()
        assert told is not None and len(told[command]) == most
        assert command != "errors" or len(told["browser"]) == MOST_CONSOLE_MESSAGES
    play.ask("requests", limit=2)
    play.worker_answers()
    assert play.step() == {"requests": [{"path": "2"}] * 2, "worker_responds": True}


def test_routes_are_asked_for_only_where_they_are_wanted(play: Play) -> None:
    play.serves()
    play.ask("errors")
    play.ask("routes")
    assert [one.routes for one in play.asked] == [False, True]
    play.worker_answers(routes=[{"route": "/"}])  # the last question answers both
    assert play.told == [
        {"errors": [], "browser": [], "worker_responds": True},
        {"routes": [{"route": "/"}], "worker_responds": True},
    ]


def test_reload(play: Play) -> None:
    play.ask("reload")
    assert play.told == [{"ok": True}] and play.reloads == 1


@pytest.mark.parametrize("command", ["", "Status", "restart", "__init__"])
def test_unknown_commands_are_named(play: Play, command: str) -> None:
    question: Question = {"command": command}
    play.answers.on_question(None, question)  # type: ignore[arg-type]
    assert play.told[0]["error"].startswith(f"There is no command {command!r}; there are status, wait, ")
