"""A worker in every state hears every message; and every handler of it fails once: what is left, serves."""

from __future__ import annotations

import ast
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devrunserver.common import faults, messages, process_exit
from devrunserver.common.environment import WorkerStart
from devrunserver.common.messages import (
    Changed,
    Connections,
    FreshnessShared,
    Generation,
    Go,
    HistoryAsked,
    Listening,
    Message,
    Stop,
    Verdict,
)
from devrunserver.common.role import Role
from devrunserver.worker import interrupts
from devrunserver.worker.channel import OPTIONAL
from devrunserver.worker.worker import Worker
from tests.worker.played import Exits, Supervisor, exits, link_pair
from tests.worker.test_server_handle import FakeServer

__all__ = ["exits"]

PACKAGE = Path(interrupts.__file__).parent

TO_WORKER = [kind for kind, route in messages.ROUTES.items() if Role.WORKER in route.receivers]

EXAMPLES: dict[type[Message], Callable[[], Message]] = {  # of those that carry something
    Go: lambda: Go(socket.socket(), None, False),
    FreshnessShared: lambda: FreshnessShared(None, None),
    Changed: lambda: Changed(1, ["/nobody/knows/this.py"]),
    Generation: lambda: Generation(7),
    Connections: lambda: Connections([socket.socket()], [""]),
    HistoryAsked: lambda: HistoryAsked(1, False),
}


class Stage:
    """A worker that was not joined, so that nothing of this process is changed."""

    def __init__(self, supervisor: Supervisor, worker: Worker) -> None:
        self.supervisor = supervisor
        self.worker = worker
        self.interrupted = 0

    def enter(self, state: str) -> None:
        if state in ("told to serve", "serving", "leaving"):
            self.worker._identity.on_go(Go(socket.socket(), None, False))
        if state in ("serving", "leaving"):
            server: Any = FakeServer()
            self.worker._server.open(server)
            self.worker._changes.is_serving = True
        if state == "leaving":
            self.worker._on_stop(Stop())

    def hear(self, message: Message) -> None:
        """Has the worker handle a message, as its thread does."""
        self.worker._channel._hear(message)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, exits: Exits) -> Iterator[Stage]:
    with link_pair() as (supervisor, link):
        stage = Stage(supervisor, Worker(link, WorkerStart()))

        def interrupt() -> None:
            stage.interrupted += 1

        monkeypatch.setattr(interrupts, "interrupt_main_thread", interrupt)
        yield stage
        stage.worker._identity.leave()


def test_every_message_has_its_handler(stage: Stage) -> None:
    assert set(stage.worker._channel.handlers) == set(TO_WORKER)
    for kind, handler in stage.worker._channel.handlers.items():
        words = "".join(f"_{one.lower()}" if one.isupper() else one for one in kind.__name__)
        assert handler.__name__.lstrip("_") == f"on{words}"


@pytest.mark.parametrize("kind", TO_WORKER)
@pytest.mark.parametrize("state", ["starting", "told to serve", "serving", "leaving"])
def test_every_message_in_every_state_twice(stage: Stage, exits: Exits, state: str, kind: type[Message]) -> None:
    stage.enter(state)
    stage.interrupted = 0
    for _ in range(2):
        stage.hear(EXAMPLES.get(kind, kind)())
    verdicts = [one for one in stage.supervisor.heard() if isinstance(one, Verdict)]
    assert verdicts == ([Verdict(1, None, None)] * 2 if kind is Changed else [])
    assert exits.statuses == []
    assert stage.interrupted == (2 if kind is Stop and state in ("starting", "told to serve") else 0)


@pytest.mark.parametrize("kind", TO_WORKER)
def test_a_fault_of_any_handler_ends_in_a_fresh_start(
    stage: Stage, exits: Exits, kind: type[Message], capfd: pytest.CaptureFixture[str]
) -> None:
    """The supervisor has the port, and starts this process again; nothing is answered in a state that nobody knows."""

    def fail(message: Message) -> None:
        raise RuntimeError("no idea")

    stage.enter("serving")
    stage.worker._channel.handlers[kind] = fail
    message = EXAMPLES.get(kind, kind)()
    if kind in OPTIONAL:
        stage.hear(message)
    else:
        with pytest.raises(SystemExit):
            stage.hear(message)
    for one in (getattr(message, "listener", None), *getattr(message, "sockets", ())):
        if one is not None:
            one.close()
    assert exits.statuses == ([] if kind in OPTIONAL else [process_exit.FAILURE])
    assert f"what follows from {kind.__name__} has failed" in capfd.readouterr().err


def fail(*args: object, **kwargs: object) -> Any:
    raise RuntimeError("no idea")


def test_who_is_called_by_others_is_guarded() -> None:
    """Receivers of Django's signals, hooks of the server and threads: found in the source, so a new one is too."""
    unguarded = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        guards: list[Any] = [one for one in ast.walk(tree) if is_guard(getattr(one, "value", None), one)]
        guarded = {ast.unparse(one.targets[0]) for one in guards}
        for node in ast.walk(tree):
            callback = callback_in(node)
            if callback is not None and not is_guard(callback) and ast.unparse(callback) not in guarded:
                unguarded.append(f"{path.name}: {ast.unparse(callback)}")
    assert unguarded == ["channel.py: self._listen"], "that one tells, and ends the process"


def is_guard(node: object, assignment: ast.AST | None = None) -> bool:
    is_assigned = assignment is None or isinstance(assignment, ast.Assign)
    return is_assigned and isinstance(node, ast.Call) and ast.unparse(node.func) == "faults.guarded"


def callback_in(node: ast.AST) -> ast.expr | None:
    """What a piece of source gives to others to be called."""
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith("server.on_answer"):
        return node.value
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".connect") and node.args:
        return node.args[0]
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "threading.Thread":
        return next(one.value for one in node.keywords if one.arg == "target")
    return None


def test_a_guard_tells_once_and_switches_off(capfd: pytest.CaptureFixture[str]) -> None:
    calls: list[int] = []

    def callback(number: int, **kwargs: object) -> None:
        calls.append(number)
        if number == 2:
            raise RuntimeError("no idea")

    guarded = faults.guarded("a part", callback, lambda: calls.append(0))
    for number in (1, 2, 3):
        guarded(number, sender=None)
    assert calls == [1, 2, 0]
    line = "devrunserver: a part has failed (RuntimeError('no idea')) and is off until the next start.\n"
    assert capfd.readouterr().err == line


def test_audit_handlers_that_fail_are_told_and_checkpoints_end(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    startup = stage.worker._startup
    startup.checkpoints.active = True
    for _ in range(3):  # one for each module that is imported
        startup._on_read_fault(RuntimeError("no idea"))
    assert not startup.checkpoints.active
    assert capfd.readouterr().err.count("the record of what the start reads has failed") == 1


def test_a_checkpoint_that_fails_does_no_harm_to_the_import(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    startup = stage.worker._startup
    startup.checkpoints.active = True
    monkeypatch.setattr(startup.checkpoints, "before", fail)
    assert startup._before_import("shop.views", "/shop/views.py") is False
    assert not startup.checkpoints.active
    assert "leaving checkpoints behind has failed" in capfd.readouterr().err


@pytest.mark.parametrize("role", [Role.CHECKPOINT, Role.BUILDER, Role.DRY_RUN])
def test_a_fault_in_who_does_not_serve_ends_it(
    stage: Stage, exits: Exits, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    """It must not go on as a second worker."""
    startup = stage.worker._startup
    monkeypatch.setattr(startup.checkpoints, "before", fail)
    startup.identity.become(role)
    with pytest.raises(SystemExit):
        startup._before_import("shop.views", "/shop/views.py")
    assert exits.statuses == [process_exit.FAILURE]


@pytest.mark.parametrize("role", [Role.CHECKPOINT, Role.BUILDER, Role.DRY_RUN, Role.STATE_REPORTER, Role.CHECK_PROCESS])
def test_who_does_not_serve_shows_no_error_and_asks_nobody(stage: Stage, exits: Exits, role: Role) -> None:
    stage.worker._identity.become(role)
    ways: list[Callable[[], object]] = [lambda: stage.worker.show(RuntimeError("no idea")), stage.worker._on_prompt]
    for leaves in ways:
        with pytest.raises(SystemExit):
            leaves()
    assert exits.statuses == [process_exit.FAILURE] * 2


def test_a_worker_at_a_prompt_waits_for_the_word_to_serve(stage: Stage, exits: Exits) -> None:
    stage.supervisor.say(Go(listener := socket.socket(), None, False))
    listener.close()
    stage.worker._on_prompt()
    assert stage.supervisor.hear() == Listening()
    assert stage.worker.listener is not None
    stage.supervisor.link.close()
    exits.wait()
