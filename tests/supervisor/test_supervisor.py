"""The supervisor in every state: what each message, each deadline and each happening leads to."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, get_origin, get_type_hints

import pytest

from devrunserver.common import process
from devrunserver.common.messages import (
    ROUTES,
    Broken,
    Checked,
    CheckpointMade,
    CheckpointsEnded,
    Connections,
    FreshAsked,
    Hello,
    Listening,
    Message,
    PromptLeft,
    Verdict,
    Watching,
)
from devrunserver.common.role import Role
from devrunserver.supervisor.change_review import VERDICT_PATIENCE
from devrunserver.supervisor.console import Console
from devrunserver.supervisor.lifecycle import Attempt, State
from devrunserver.supervisor.start_progress import StartProgress
from devrunserver.supervisor.watching.events import Event, Kind
from devrunserver.supervisor.worker_cycle import END_PATIENCE, RELOAD_PATIENCE
from devrunserver.supervisor.worker_handle import HEAR_PATIENCE, HELLO_PATIENCE
from devrunserver.supervisor.worker_messages import HANDLERS, MEMORY_DELAY
from devrunserver.supervisor.written_at_start import WrittenAtStart
from tests.supervisor.stage import NOBODY, SERVING, Stage, open_stage

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="plays signals that Windows does not have")

A_LITTLE = 0.001  # seconds


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    yield from open_stage(monkeypatch)


def starting(stage: Stage) -> None:
    stage.step()
    stage.say(Hello(stage.worker.process.pid))


def serving(stage: Stage) -> None:
    stage.start()


def broken(stage: Stage) -> None:
    stage.step()
    stage.say(Hello(stage.worker.process.pid), Listening(), Broken())


def stopping(stage: Stage) -> None:
    stage.start()
    stage.watcher.happened.append(Event(Kind.OVERFLOW, ""))
    stage.watcher.wake()
    stage.step()


def down(stage: Stage) -> None:
    stage.launcher.fault = OSError("no process left")
    stage.step()
    stage.launcher.fault = None


def ending(stage: Stage) -> None:
    stage.start()
    stage.send_signal(signal.SIGINT)


STATES: dict[State, Callable[[Stage], None]] = {
    State.STARTING: starting,
    State.SERVING: serving,
    State.BROKEN: broken,
    State.STOPPING: stopping,
    State.DOWN: down,
    State.ENDING: ending,
}
WITH_WORKER = [state for state in STATES if state is not State.DOWN]


def checkpoint() -> CheckpointMade:
    """Each time with a link of its own, whose other end is gone."""
    ours, theirs = socket.socketpair()
    theirs.close()
    return CheckpointMade(number=1, at="shop.views", elapsed=0.1, link=ours)


def connections() -> Connections:
    ours, theirs = socket.socketpair()
    theirs.close()
    return Connections([ours], [""])


MESSAGES: dict[type[Message], Callable[[], Message]] = {
    Hello: lambda: Hello(NOBODY + 77),
    CheckpointMade: checkpoint,
    CheckpointsEnded: lambda: CheckpointsEnded("shop.views", "a thread runs"),
    Listening: Listening,
    Watching: lambda: Watching(directories=["/p"], globs=[("/p", "*.html"), ("/q", "**/*.html")], files=["/p/a.so"]),
    type(SERVING): lambda: SERVING,
    Broken: Broken,
    Verdict: lambda: Verdict(1, "/p/views.py", None),
    PromptLeft: PromptLeft,
    FreshAsked: FreshAsked,
    Connections: connections,
}


EXAMPLES: dict[object, Any] = {str: "", int: 1, float: 1.0, bool: False, list: [], dict: {}, set: set()}


def example(kind: type[Message]) -> Message:
    """One of a kind: as it is above, or with a value of each field's type."""
    if kind in MESSAGES:
        return MESSAGES[kind]()
    values: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        values[name] = EXAMPLES.get(get_origin(hint) or hint)
        if hint is socket.socket:
            values[name], theirs = socket.socketpair()
            theirs.close()
    return kind(**values)


def close_sockets(message: Message) -> None:
    for value in vars(message).values():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, socket.socket):
                one.close()


def test_every_message_of_a_worker_has_a_handler() -> None:
    sent = {
        kind for kind, route in ROUTES.items() if Role.WORKER in route.senders and Role.SUPERVISOR in route.receivers
    }
    assert set(HANDLERS) == sent


@pytest.mark.parametrize("state", STATES)
def test_the_states_are_reached(stage: Stage, state: State) -> None:
    STATES[state](stage)
    assert stage.is_in(state)


@pytest.mark.parametrize("kind", HANDLERS)
@pytest.mark.parametrize("state", WITH_WORKER)
def test_a_message_in_any_state_and_twice(stage: Stage, state: State, kind: type[Message]) -> None:
    """It is no fault, and the next save shows."""
    STATES[state](stage)
    for _ in range(2):
        message = example(kind)
        stage.say(message)
        close_sockets(message)
    assert not stage.launcher.is_safe, stage.lines
    assert len(stage.made) == 1
    if state is State.ENDING:
        return
    # whatever has become of this worker, it ends, and the next one serves
    stage.worker.end()
    count = len(stage.launcher.workers)
    for _ in range(2):
        stage.wait(RELOAD_PATIENCE + HELLO_PATIENCE)
    if len(stage.launcher.workers) == count:  # it was one too many that ended so
        stage.save()
    assert len(stage.launcher.workers) > count
    stage.start()
    assert stage.is_in(State.SERVING)


@pytest.mark.parametrize("state", [State.STOPPING, State.ENDING])
def test_late_words_change_no_state(stage: Stage, state: State) -> None:
    STATES[state](stage)
    lines = list(stage.lines)
    for kind in (type(SERVING), Broken, Verdict, PromptLeft):
        stage.say(MESSAGES[kind]())
        assert stage.is_in(state)
    assert stage.lines == lines, "nothing is told of a reload that is none"


def test_the_first_start_is_told_when_its_checks_have_passed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []
    monkeypatch.setattr(stage.setup.console, "tell_ready", lambda: told.append(True))
    stage.step()
    stage.say(Hello(stage.worker.process.pid), Listening(), Watching([], [], []), replace(SERVING, is_checked=False))
    assert stage.is_in(State.SERVING)
    assert (told, stage.setup.has_served) == ([], False), "a save before that leads to another first start"
    for _ in range(2):
        stage.say(Checked())
        assert (told, stage.setup.has_served) == ([True], True)


def test_a_first_start_whose_checks_fail_is_not_told(stage: Stage) -> None:
    stage.step()
    stage.say(Hello(stage.worker.process.pid), Listening(), Watching([], [], []), replace(SERVING, is_checked=False))
    stage.say(Broken(), Checked())
    assert stage.is_in(State.BROKEN)
    assert not stage.setup.has_served


def test_a_message_of_another_version_ends_the_worker(stage: Stage) -> None:
    worker = stage.start()
    worker.link._socket.sendall(b'{"kind": "Unheard"}\n')
    stage.step()
    assert stage.told("not of this version") and stage.told("'Unheard'")
    assert worker.process.status == -signal.SIGKILL
    stage.step()
    assert len(stage.launcher.workers) == 2
    assert not stage.launcher.is_safe


# Each happening in each state


@pytest.mark.parametrize(
    ("state", "follows", "workers"),
    [
        (State.STARTING, State.STARTING, 2),
        (State.SERVING, State.STARTING, 2),
        (State.BROKEN, State.STARTING, 2),
        (State.STOPPING, State.STARTING, 2),
        (State.ENDING, State.ENDED, 1),
    ],
)
def test_a_worker_that_ends(stage: Stage, state: State, follows: State, workers: int) -> None:
    STATES[state](stage)
    supervisor = stage.supervisor
    stage.worker.end(1)
    stage.step()
    assert supervisor._cycle.lifecycle.state is follows
    assert len(stage.launcher.workers) == workers


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_user_ends_it(stage: Stage, state: State, number: int) -> None:
    STATES[state](stage)
    stage.send_signal(number)
    if stage.safe_mode.status is None:
        assert stage.is_in(State.ENDING)
        stage.worker.end()
        stage.step()
    assert stage.safe_mode.status == 0


@pytest.mark.parametrize("state", WITH_WORKER)
def test_a_signal_that_ends_the_worker_too_while_we_look_elsewhere(stage: Stage, state: State) -> None:
    """As ``timeout`` sends it, to all at once: the worker's end is no surprise then."""
    STATES[state](stage)
    worker = stage.worker

    def poll() -> int:
        if worker.process.status is None:
            stage.queue_signal(signal.SIGTERM)
            worker.end()
        return 0

    worker.process.poll = poll  # type: ignore[method-assign]
    stage.step()
    assert stage.safe_mode.status == 0
    assert len(stage.launcher.workers) == 1
    assert not stage.told("ended by")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")
def test_a_hangup_is_what_it_dies_of(stage: Stage) -> None:
    stage.start()
    stage.send_signal(signal.SIGHUP)
    stage.worker.end()
    stage.step()
    assert stage.safe_mode.status == -signal.SIGHUP


def test_a_second_interrupt_kills(stage: Stage) -> None:
    ending(stage)
    assert stage.worker.process.status is None
    stage.send_signal(signal.SIGINT)
    assert stage.worker.process.status == -signal.SIGKILL


def test_a_signal_of_a_child_ends_nothing(stage: Stage) -> None:
    stage.start()
    stage.send_signal(signal.SIGCHLD)
    assert stage.is_in(State.SERVING)


@pytest.mark.parametrize(
    ("state", "follows", "asks"),
    [
        (State.STARTING, State.STARTING, False),  # it may not hear us yet
        (State.SERVING, State.SERVING, True),
        (State.BROKEN, State.STOPPING, False),
        (State.STOPPING, State.STOPPING, False),
        (State.DOWN, State.STARTING, False),
        (State.ENDING, State.ENDING, False),
    ],
)
def test_a_save(stage: Stage, state: State, follows: State, asks: bool) -> None:
    STATES[state](stage)
    if stage.launcher.workers:
        stage.heard()
    stage.save()
    assert stage.is_in(follows)
    assert ("Changed" in stage.heard()) is asks


@pytest.mark.parametrize("state", STATES)
def test_an_overflow(stage: Stage, state: State) -> None:
    """Anything may have changed."""
    STATES[state](stage)
    stage.watcher.happened.append(Event(Kind.OVERFLOW, ""))
    stage.watcher.wake()
    stage.step()
    follows = {State.DOWN: State.STARTING, State.ENDING: State.ENDING}
    assert stage.is_in(follows.get(state, State.STOPPING))


def test_attempts_tell_more_and_more(stage: Stage) -> None:
    """By the user's command line, then to catch the error, then to report it, then not before the next change."""
    stage.step()
    for _ in range(3):
        stage.worker.end(1)
        stage.step()
    assert stage.launcher.attempts == [Attempt.NORMAL, Attempt.GUARDED, Attempt.REPORT]
    assert stage.is_in(State.DOWN)
    stage.save()
    assert stage.launcher.attempts[-1] is Attempt.NORMAL


# Questions and their answers


def test_a_verdict_of_stale_reloads(stage: Stage) -> None:
    worker = stage.start()
    stage.save()
    stage.say(Verdict(1, "/p/views.py", None))
    assert stage.is_in(State.STOPPING)
    assert "Stop" in stage.heard()
    worker.end()
    stage.step()
    stage.start()
    assert stage.told("/p/views.py changed: reloaded in")


def test_a_reload_is_explained_by_what_was_so_when_it_was_decided(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the worker starts there may be something else to say of the next one."""
    explained: list[str] = []
    monkeypatch.setattr(Console, "explain", lambda self, message, reason, why_not: explained.append(why_not))
    worker = stage.start()
    preparation = stage.supervisor._parts.preparation
    monkeypatch.setattr(preparation, "forget", lambda: setattr(preparation, "why_not", "of this one"))
    stage.save()
    stage.say(Verdict(1, "/p/views.py", None))
    worker.end()
    stage.step()
    preparation.why_not = "of the next"
    stage.start()
    assert explained == ["of this one"]


def test_a_verdict_of_fresh_lets_requests_through(stage: Stage) -> None:
    stage.start()
    stage.save()
    stage.say(FreshAsked())
    assert "Fresh" not in stage.heard(), "it is not decided yet"
    stage.say(Verdict(1, None, None))
    assert stage.is_in(State.SERVING)
    assert "Fresh" in stage.heard()


def test_an_answer_to_an_older_question_counts_no_more(stage: Stage) -> None:
    stage.start()
    stage.save()
    stage.say(Verdict(1, None, None))
    stage.save("/p/urls.py")
    stage.say(Verdict(1, "/p/views.py", None))
    assert stage.is_in(State.SERVING)
    stage.say(Verdict(2, "/p/urls.py", None))
    assert stage.is_in(State.STOPPING)


def test_a_reload_waits_for_the_debugger(stage: Stage) -> None:
    stage.start()
    stage.save()
    stage.say(Verdict(1, "/p/views.py", ""))
    assert stage.is_in(State.SERVING)
    assert stage.told("waits until you leave the debugger prompt")
    stage.save("/p/urls.py")
    stage.heard()
    stage.wait(VERDICT_PATIENCE)
    assert stage.is_in(State.SERVING), "other changes wait too"
    stage.say(PromptLeft())
    assert stage.is_in(State.STOPPING)


def test_a_worker_that_is_not_what_a_fresh_start_gives(stage: Stage) -> None:
    """It is replaced, once."""
    worker = stage.start()
    stage.supervisor._cycle.on_difference("the order of imports shows in a.b")
    stage.step()
    assert stage.is_in(State.STOPPING)
    assert stage.told("Reloading once more, from an exact checkpoint: the order of imports shows in a.b.")
    worker.end()
    stage.step()
    stage.start()
    stage.step()
    assert stage.is_in(State.SERVING)


def test_an_exact_start_that_breaks_is_the_last(stage: Stage) -> None:
    worker = stage.start()
    stage.supervisor._cycle.on_difference("a fresh start does not fail")
    stage.step()
    worker.end()
    stage.step()
    stage.say(Hello(stage.worker.process.pid), Listening(), Broken())
    stage.step()
    assert stage.is_in(State.BROKEN)


def test_changes_wait_until_they_are_heard(stage: Stage) -> None:
    starting(stage)
    stage.save()
    stage.wait(HEAR_PATIENCE - A_LITTLE)
    assert stage.is_in(State.STARTING)
    stage.heard()
    stage.say(Listening())
    assert stage.heard() == ["Changed"]


def test_what_a_worker_holds_goes_to_the_next(stage: Stage) -> None:
    worker = stage.start()
    message = connections()
    stage.say(message)
    close_sockets(message)
    assert "Connections" in stage.heard(), "it is the next one itself, as it serves"
    stage.save()
    stage.say(Verdict(1, "/p/views.py", None))
    message = connections()
    stage.say(message)
    close_sockets(message)
    worker.end()
    stage.step()
    stage.start()
    assert "Connections" in stage.heard()


# Deadlines


@pytest.mark.parametrize(
    ("state", "patience", "is_late"),
    [
        (State.STOPPING, RELOAD_PATIENCE, lambda stage: stage.worker.process.status == -signal.SIGKILL),
        (State.ENDING, END_PATIENCE, lambda stage: stage.worker.process.status == -signal.SIGKILL),
    ],
)
def test_a_worker_that_does_not_leave(
    stage: Stage, state: State, patience: float, is_late: Callable[[Stage], bool]
) -> None:
    STATES[state](stage)
    assert stage.supervisor.timeout() == pytest.approx(patience)
    stage.wait(patience - A_LITTLE)
    assert not is_late(stage)
    stage.wait(A_LITTLE)
    assert is_late(stage)


def test_a_worker_that_does_not_answer(stage: Stage) -> None:
    stage.start()
    stage.save()
    assert stage.supervisor.timeout() == pytest.approx(VERDICT_PATIENCE)
    stage.wait(VERDICT_PATIENCE - A_LITTLE)
    assert stage.is_in(State.SERVING)
    stage.wait(A_LITTLE)
    assert stage.is_in(State.STOPPING)


def test_a_worker_that_does_not_hear(stage: Stage) -> None:
    starting(stage)
    stage.save()
    assert stage.supervisor.timeout() == pytest.approx(stage.placeholder.patience)
    stage.wait(HEAR_PATIENCE)
    assert stage.is_in(State.STOPPING)


def test_a_checkpoint_that_does_not_fork(stage: Stage) -> None:
    """Its fork never says hello."""
    starting(stage)
    link, theirs = socket.socketpair()
    stage.say(CheckpointMade(number=1, at="shop.views", elapsed=0.1, link=link))
    link.close()
    worker = stage.worker
    stage.say(Hello(NOBODY + 50), Listening(), Watching([], [], []), SERVING)
    assert stage.is_in(State.SERVING)
    cycle = stage.supervisor._cycle
    assert cycle.worker is not None
    cycle.worker.process, cycle.worker.hello_by = None, stage.clock.now + HELLO_PATIENCE
    assert stage.supervisor.timeout() == pytest.approx(HELLO_PATIENCE)
    stage.wait(HELLO_PATIENCE)
    assert cycle.worker is not None and cycle.worker.process is not None
    assert stage.launcher.workers[-1] is not worker, "started afresh"
    worker.process.kill()
    theirs.close()


def test_worker_that_has_yet_to_say_hello_is_no_orphan(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have ended already, and how is not known any more once somebody has waited for it."""
    reaped: list[bool] = []
    stage.start()
    worker = stage.supervisor._cycle.worker
    assert worker is not None
    monkeypatch.setattr(process, "reap_orphans", lambda known: reaped.append(worker.process is not None))
    adopted, worker.process = worker.process, None
    stage.step()
    assert reaped == []
    worker.process = adopted
    stage.step()
    assert reaped == [True]


def test_changes_wait_for_as_long_as_a_start_goes_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have written the file itself, and would do so again in the next start."""
    starting(stage)
    stage.save()
    moved_at = stage.clock.now
    monkeypatch.setattr(StartProgress, "moved_at", property(lambda self: moved_at))
    for _ in range(3):
        stage.wait(HEAR_PATIENCE - A_LITTLE)
        assert stage.is_in(State.STARTING)
        moved_at = stage.clock.now
    stage.wait(HEAR_PATIENCE)
    assert stage.is_in(State.STOPPING)


def test_what_each_start_writes_is_no_change(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WrittenAtStart, "writes", lambda self, path: path == "/p/version.py")
    stage.start()
    stage.heard()
    for _ in range(2):
        stage.save("/p/version.py")
        assert "Changed" not in stage.heard()
        assert stage.is_in(State.SERVING)
    assert sum("is written by each start" in line for line in stage.lines) == 1
    assert stage.supervisor._parts.spares.why_not == "a start writes /p/version.py"


def test_the_placeholder_opens_when_nobody_answers(stage: Stage) -> None:
    stage.step()
    stage.wait(stage.placeholder.patience - A_LITTLE)
    assert not stage.placeholder.is_open
    stage.wait(A_LITTLE)
    assert stage.placeholder.is_open
    stage.start()
    assert not stage.placeholder.is_open


def test_memory_is_looked_at_once_it_serves(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    starting(stage)
    weighed: list[float] = []
    monkeypatch.setattr(stage.supervisor._parts.chain, "weigh", lambda worker: weighed.append(stage.clock.now))
    link, theirs = socket.socketpair()
    stage.say(CheckpointMade(number=1, at="shop.views", elapsed=0.1, link=link))
    link.close()
    first = stage.worker.process
    stage.say(Hello(NOBODY + 50), Listening(), Watching([], [], []), SERVING)
    stage.wait(MEMORY_DELAY - A_LITTLE)
    assert not weighed
    stage.wait(A_LITTLE)
    stage.wait(MEMORY_DELAY)
    assert len(weighed) == 1
    first.kill()
    theirs.close()


@pytest.mark.parametrize("state", [State.SERVING, State.BROKEN])
def test_with_nothing_to_do_it_sleeps(stage: Stage, state: State) -> None:
    STATES[state](stage)
    stage.wait(60)
    assert stage.supervisor.timeout() is None
