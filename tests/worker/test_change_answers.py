"""What a worker answers to the question whether a change concerns it; the safe thing where it cannot know."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from devrunserver.common.messages import Changed, Message, PromptLeft, Verdict
from devrunserver.worker import change_answers, debugger_prompt
from devrunserver.worker.change_answers import ANSWERS_PATIENCE, LOG_PATIENCE, ChangeAnswers
from devrunserver.worker.live_pages import LivePages
from devrunserver.worker.staleness import Answer
from tests.worker.played import PATIENCE

ANSWERS = {"/stale.py": Answer.STALE, "/x.html": Answer.STALE_UNLESS_HANDLED, "/a.so": Answer.STALE}


class Stage:
    """Plays all that answers rest on; each of it can be told to fail."""

    def __init__(self) -> None:
        self.said: list[Message] = []
        self.shown: list[str] = []
        self.waited: list[float] = []
        self.handles = False
        self.failing = ""
        self.leaving = threading.Event()
        played: Any = self
        self.finished = 0  # how often the rest of the start was asked for
        self.answers = ChangeAnswers(
            self.send, played, played, LivePages(bool), self.let_answers_end, self.finish_start, self.leaving
        )

    def fail(self, what: str) -> None:
        if what == self.failing:
            raise RuntimeError(what)

    def send(self, message: Message) -> None:
        self.said.append(message)

    def of(self, path: str) -> Answer:
        self.fail("of")
        return ANSWERS.get(path, Answer.NOTHING)

    def spelled(self, path: str) -> Path:
        self.fail("spelled")
        return Path("/as/the/receivers/know/it") / path.strip("/")

    def handle(self, path: Path) -> bool:
        self.fail("handle")
        self.shown.append(str(path))
        return self.handles

    def finish_start(self) -> None:
        self.finished += 1

    def let_answers_end(self, patience: float) -> None:
        self.fail(f"wait {patience}")
        self.waited.append(patience)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(debugger_prompt, "open_prompt", lambda: None)
    return Stage()


SPELLED = "/as/the/receivers/know/it/x.html"


@pytest.mark.parametrize(
    ("paths", "serving", "handles", "stale", "shown", "waited"),
    [
        (["/other.py"], True, False, None, [], []),
        (["/stale.py"], True, False, "/stale.py", ["/stale.py"], [LOG_PATIENCE]),
        (["/stale.py"], True, True, "/stale.py", ["/stale.py"], [LOG_PATIENCE]),  # nobody else decides on code
        (["/stale.py"], False, False, "/stale.py", [], [LOG_PATIENCE]),
        (["/a.so"], True, False, "/a.so", [], [LOG_PATIENCE]),
        (["/x.html"], True, True, None, [SPELLED], [ANSWERS_PATIENCE]),
        (["/x.html"], True, False, "/x.html", [SPELLED], [ANSWERS_PATIENCE, LOG_PATIENCE]),
        (["/x.html"], False, False, None, [], [ANSWERS_PATIENCE]),  # a start reads templates anew
        (["/other.py", "/x.html", "/stale.py", "/a.so"], True, True, "/stale.py", [SPELLED, "/stale.py"], None),
        ([], True, False, None, [], []),
    ],
)
def test_answers(
    stage: Stage,
    paths: list[str],
    serving: bool,
    handles: bool,
    stale: str | None,
    shown: list[str],
    waited: list[float] | None,
) -> None:
    stage.answers.is_serving, stage.handles = serving, handles
    stage.answers.on_changed(Changed(7, paths))
    assert stage.said == [Verdict(7, stale, None)]
    assert stage.shown == shown
    assert waited is None or stage.waited == waited


def test_what_changed_before_this_process_started_concerns_pages_alone(stage: Stage) -> None:
    stage.answers.is_serving = True
    stage.answers.on_changed(Changed(7, ["/x.html", "/other.py"], before=["/x.html"]))
    assert stage.said == [Verdict(7, None, None)]
    assert stage.shown == []


def test_a_question_that_comes_twice_is_answered_twice(stage: Stage) -> None:
    for _ in range(2):
        stage.answers.on_changed(Changed(1, ["/stale.py"]))
    assert stage.said == [Verdict(1, "/stale.py", None)] * 2


@pytest.mark.parametrize("failing", ["of", "spelled", "handle", f"wait {ANSWERS_PATIENCE}"])
def test_where_it_cannot_know_the_answer_is_a_reload(
    stage: Stage, capfd: pytest.CaptureFixture[str], failing: str
) -> None:
    stage.answers.is_serving, stage.failing = True, failing
    stage.answers.on_changed(Changed(7, ["/x.html"]))
    assert stage.said == [Verdict(7, "/x.html", None)]
    assert "the look at what changed has failed" in capfd.readouterr().err


def test_a_reload_waits_for_who_is_at_a_prompt(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str | None] = ["(Pdb) ", None]  # when asked; when looked again
    monkeypatch.setattr(debugger_prompt, "open_prompt", lambda: prompts.pop(0))
    told = threading.Event()

    def send(message: Message) -> None:
        stage.said.append(message)
        if isinstance(message, PromptLeft):
            told.set()

    monkeypatch.setattr(stage.answers._prompt_watch, "_send", send)
    stage.answers.on_changed(Changed(7, ["/stale.py"]))
    assert told.wait(PATIENCE)
    assert stage.said == [Verdict(7, "/stale.py", "(Pdb) "), PromptLeft()]
    assert stage.waited == []


def test_a_look_at_the_prompt_that_fails_lets_the_reload_go_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str | None] = ["(Pdb) "]
    told = threading.Event()
    monkeypatch.setattr(debugger_prompt, "open_prompt", lambda: prompts.pop(0))  # the second time it raises
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    monkeypatch.setattr(stage.answers._prompt_watch, "_send", lambda message: told.set())
    stage.answers.on_changed(Changed(7, ["/stale.py"]))
    assert told.wait(PATIENCE)


def test_patience_is_urgent() -> None:
    """The supervisor answers itself after half a second."""
    assert change_answers.ANSWERS_PATIENCE + change_answers.LOG_PATIENCE < 0.25
