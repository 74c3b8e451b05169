"""Faults of our own, one at a time: every method of every class of the supervisor's raises an exception.

What is there to be broken is found by introspection, so that what comes new is covered by itself. After each fault:
does a worker serve, does the next save show, and is anything left behind?
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import os
import pkgutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from devrunserver import supervisor
from devrunserver.common.messages import (
    Broken,
    CheckpointMade,
    FreshAsked,
    Hello,
    Listening,
    PromptLeft,
    Verdict,
    Watching,
)
from devrunserver.supervisor.lifecycle import State
from devrunserver.supervisor.optional_parts import Part
from devrunserver.supervisor.preparation.manager import Preparation
from devrunserver.supervisor.safe_mode import FAULT_STATUS
from devrunserver.supervisor.setup import Limits
from devrunserver.supervisor.watching.events import Event, Kind
from devrunserver.supervisor.worker_cycle import RELOAD_PATIENCE
from devrunserver.supervisor.worker_handle import HELLO_PATIENCE
from devrunserver.supervisor.worker_messages import HANDLERS
from tests.supervisor.stage import SERVING, Stage, open_stage
from tests.supervisor.test_supervisor import close_sockets, example

# What only the faulty call has held is closed with its frame, of which Python would warn
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.skipif(sys.platform == "win32", reason="plays signals that Windows does not have"),
]

EXCLUDED = {
    "Console.say": "contains what it calls",
    "HeldConnections._close_placeholder": "contains what it calls",
    "HeldConnections.close": "is what follows after all",
    "Parts.close_pages": "cleans up",
    "Setup.be_safe": "is what follows a fault",
    "Setup.close_tools": "cleans up",
    "Supervisor._close_tools": "cleans up",
    "Tools.close": "cleans up",
    "Supervisor.close": "contains each of its steps",
}
EXCLUDED_CLASSES = {"SafeMode", "OptionalParts", "ContainedSelector", "Terminal", "Launcher", "PlaceholderServer"}
PLAYED = (Hello, CheckpointMade, Listening, type(SERVING), Broken, Verdict, PromptLeft)  # where they belong
WATCHING = Watching(directories=[], globs=[], files=[])


ALWAYS = math.inf
# Of these all methods but a few are called on the day that is played
LOOP = ("Supervisor", "WorkerCycle", "WorkerMessages", "WorkerStarter", "FileEvents", "ChangeReview", "HeldConnections")
FEW = 0.1  # of all


class Fault(Exception):
    """A fault of ours."""


def classes() -> Iterator[type]:
    """Those of the supervisor's folder, and what prepares reloads."""
    for found in pkgutil.iter_modules(supervisor.__path__, f"{supervisor.__name__}."):
        if found.ispkg or found.name.endswith(("placeholder_server", "early_start")):
            continue
        module = importlib.import_module(found.name)
        for kind in vars(module).values():
            is_protocol = getattr(kind, "_is_protocol", False)
            if inspect.isclass(kind) and kind.__module__ == module.__name__ and not is_protocol:
                yield kind
    yield Preparation


def methods() -> Iterator[tuple[type, str]]:
    for kind in classes():
        for name, value in vars(kind).items():
            is_method = inspect.isfunction(value) or isinstance(value, property)
            if name.startswith("__") or not is_method or kind.__name__ in EXCLUDED_CLASSES:
                continue
            if f"{kind.__name__}.{name}" not in EXCLUDED:
                yield kind, name


METHODS = {f"{kind.__name__}.{name}": (kind, name) for kind, name in methods()}


class Saboteur:
    """Has a method raise an exception, the first times that it is called."""

    def __init__(self, original: Callable[..., Any], times: float) -> None:
        self.count = 0
        self._original = original
        self._times = times

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        if self.count <= self._times:
            raise Fault("on purpose")
        return self._original(*args, **kwargs)


def sabotage(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, times: float) -> Saboteur:
    value = vars(kind)[name]
    original: Any = value.fget if isinstance(value, property) else value
    saboteur = Saboteur(original, times)

    def replacement(*args: Any, **kwargs: Any) -> Any:
        return saboteur(*args, **kwargs)

    monkeypatch.setattr(kind, name, property(replacement) if isinstance(value, property) else replacement)
    for message, handler in HANDLERS.items():
        if handler is value:
            monkeypatch.setitem(HANDLERS, message, replacement)
    return saboteur


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="dr") as directory:  # the path of a socket has to be short
        monkeypatch.setenv("XDG_RUNTIME_DIR", directory)
        yield from open_stage(monkeypatch, Limits(checkpoints=3, memory=100.0, prepares=True), tools=True)
        assert not list(Path(directory).rglob("*.sock")), "a socket is left behind"


def is_over(stage: Stage) -> bool:
    return stage.safe_mode.status is not None


def serve(stage: Stage, leave_checkpoint: bool = False) -> None:
    """Plays the worker that has been started, whichever it is, until it serves."""
    for _ in range(4):
        stage.step()
        if is_over(stage) or stage.is_in(State.SERVING):
            return
        stage.resume()
        if not stage.launcher.workers:
            continue
        stage.say(Hello(stage.worker.process.pid))
        if leave_checkpoint:
            stage.make_checkpoint()
            stage.say(Hello(stage.worker.process.pid))
        stage.say(Listening(), WATCHING, SERVING)
        if not is_over(stage) and not stage.is_in(State.SERVING):
            stage.wait(HELLO_PATIENCE + RELOAD_PATIENCE)


def save(stage: Stage, verdict: Verdict | None = None) -> None:
    """A save, and the worker's verdict: that it is stale, unless the test says more."""
    stage.save()
    asked = [one.id for one in stage.worker.heard() if hasattr(one, "id")] if stage.launcher.workers else []
    for number in asked:
        stage.say(verdict or Verdict(number, "/p/views.py", None))


def leave(stage: Stage) -> None:
    """The worker leaves, as it was told."""
    if stage.launcher.workers:
        stage.worker.end()
        process = stage.supervisor._cycle.worker
        if process is not None and process.process is not None:
            process.process.kill()  # one that was adopted
    stage.step()


def ask(stage: Stage, *commands: str) -> None:
    """A tool asks, and does not wait for the answer."""
    paths = list(Path(os.environ["XDG_RUNTIME_DIR"]).rglob("*.sock"))
    for command in commands if paths else ():
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.connect(str(paths[0]))
            stage.step()
            client.sendall(json.dumps({"command": command, "timeout": 0}).encode() + b"\n")
            stage.step()
            stage.step()


def live(stage: Stage) -> None:
    """A day with the server: all sorts of things happen to it."""
    serve(stage, leave_checkpoint=True)
    for kind in HANDLERS:
        if kind not in PLAYED:
            message = example(kind)
            stage.say(message)
            close_sockets(message)
    stage.send_signal(signal.SIGCHLD)
    ask(stage, "status", "routes", "wait", "nonsense")
    stage.wait(3.0)
    save(stage)
    leave(stage)
    serve(stage)
    save(stage, Verdict(2, "/p/views.py", ""))
    stage.say(PromptLeft())
    leave(stage)
    stage.wait(4.0)
    serve(stage)
    stage.save("/p/.env")
    stage.save()  # which the worker does not answer
    stage.wait(1.0)
    stage.wait(3.0)
    leave(stage)
    stage.resume()
    if stage.launcher.workers:
        stage.say(Hello(stage.worker.process.pid), Listening(), WATCHING, Broken())
    stage.save()
    leave(stage)
    serve(stage)
    leave(stage)  # unasked
    serve(stage)
    ask(stage, "reload")
    leave(stage)
    serve(stage)
    stage.watcher.happened.append(Event(Kind.OVERFLOW, ""))
    stage.watcher.notes.append("Polling /p: it is far away.")
    stage.watcher.wake()
    stage.step()
    leave(stage)
    serve(stage)


def check(stage: Stage) -> None:
    """A worker serves, the next save shows, and a request is let through."""
    for _ in range(2):
        serve(stage)
    assert stage.is_in(State.SERVING), stage.lines
    stage.heard()
    count = len(stage.launcher.workers)
    save(stage)
    assert stage.is_in(State.STOPPING), stage.lines
    leave(stage)
    serve(stage)
    assert stage.is_in(State.SERVING) and len(stage.launcher.workers) > count, stage.lines
    stage.say(FreshAsked())
    assert "Fresh" in stage.heard(), stage.lines
    stage.send_signal(signal.SIGTERM)
    leave(stage)
    assert stage.safe_mode.status == 0, stage.lines


def test_a_day_without_a_fault(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    spies = {
        name: sabotage(monkeypatch, *place, times=0)
        for name, place in METHODS.items()
        if name.partition(".")[0] in LOOP
    }
    live(stage)
    check(stage)
    not_called = {name for name, spy in spies.items() if not spy.count}
    assert not {name for name in not_called if name.startswith("WorkerMessages.")}, "every handler is called"
    assert len(not_called) < FEW * len(spies), f"too little is tried: {not_called}"
    assert not stage.launcher.is_safe, stage.lines
    assert not stage.setup.optional.off, stage.lines


@pytest.mark.parametrize("name", METHODS)
def test_a_fault(stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Once. It is told once, and the server goes on: in safe mode, or without what is optional."""
    saboteur = sabotage(monkeypatch, *METHODS[name], times=1)
    live(stage)
    if not saboteur.count:
        return  # nobody calls it on that day
    check(stage)
    told = [line for line in stage.lines if "fault of devrunserver's own (Fault: on purpose)" in line]
    assert len(told) <= 1, stage.lines
    assert bool(told) is (stage.launcher.is_safe or bool(stage.setup.optional.off)), stage.lines


@pytest.mark.parametrize("name", METHODS)
def test_a_fault_that_stays(stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It is optional and does without, or it ends with a clear message. In both cases nothing is left behind."""
    saboteur = sabotage(monkeypatch, *METHODS[name], times=ALWAYS)
    live(stage)
    if not saboteur.count:
        return  # nobody calls it on that day
    try:
        check(stage)
    except AssertionError:
        assert stage.safe_mode.status == FAULT_STATUS
        assert stage.told("the second within a minute. The server ends."), stage.lines


OPTIONAL = {"Preparation": Part.PREPARING, "Tools": Part.TOOLS, "ControlServer": Part.TOOLS, "ToolAnswers": Part.TOOLS}


@pytest.mark.parametrize("name", [name for name in METHODS if name.partition(".")[0] in OPTIONAL])
def test_what_is_optional(stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    saboteur = sabotage(monkeypatch, *METHODS[name], times=ALWAYS)
    live(stage)
    if not saboteur.count:
        return  # nobody calls it on that day
    check(stage)
    assert not stage.launcher.is_safe, stage.lines
    assert stage.setup.optional.off <= {OPTIONAL[name.partition(".")[0]]}, stage.lines


def test_what_cannot_be_verified_does_not_serve_for_long(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Preparing fails after a worker was resumed from what had been prepared: an exact one follows."""
    for broken in (False, True):
        serve(stage)
        worker = stage.supervisor._cycle.worker
        assert worker is not None
        worker.prepared_by = Part.PREPARING
        if broken:
            stage.say(Broken())
        else:
            monkeypatch.setattr(Preparation, "step", Saboteur(Preparation.step, ALWAYS))
            stage.step()
        stage.step()
        assert stage.told("Reloading once more, from an exact checkpoint: what was prepared cannot be verified")
        assert stage.is_in(State.STOPPING)
        stage.lines.clear()
        leave(stage)
    check(stage)


@pytest.mark.parametrize("fault", [Fault("on purpose"), OSError("no descriptors left")])
def test_the_placeholder_is_optional(stage: Stage, fault: Exception) -> None:
    stage.placeholder.fault = fault
    stage.step()
    stage.wait(stage.placeholder.patience)
    assert not stage.placeholder.is_open
    check(stage)
    assert not stage.launcher.is_safe, stage.lines


def test_a_terminal_that_is_gone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be told is not told."""

    def broken_pipe(line: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(stage.setup.console, "_print", broken_pipe)
    live(stage)
    check(stage)
    assert not stage.launcher.is_safe


def test_who_wants_to_end_gets_no_other_supervisor(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(stage)
    stage.send_signal(signal.SIGTERM)
    stage.watcher.fault = Fault("on purpose")
    stage.watcher.wake()
    stage.step()
    assert stage.safe_mode.status == 0
    assert len(stage.made) == 1


def test_the_watcher_fails_for_good(stage: Stage) -> None:
    serve(stage)
    stage.watcher.fault = Fault("on purpose")
    stage.watcher.wake()
    for _ in range(3):
        stage.step()
    assert stage.safe_mode.status == FAULT_STATUS
    assert stage.told("Traceback (most recent call last)")
