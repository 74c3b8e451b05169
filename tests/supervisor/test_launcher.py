"""Starting workers: which command line and environment, the first one early, and its end if nobody asks for it."""

from __future__ import annotations

import math
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from devrunserver.common import environment, process, progress_page
from devrunserver.common.environment import WorkerStart
from devrunserver.common.link import LinkClosed
from devrunserver.common.process import Process
from devrunserver.supervisor.launcher import Launcher
from devrunserver.supervisor.lifecycle import Attempt

ORIG_ARGV = ["python", "-u", "manage.py", "runserver"]
PATIENCE = 30.0  # seconds; only a failing test waits so long
NORMAL = [sys.executable, "-u", "manage.py", "runserver"]
GUARDED = [sys.executable, "-u", "-m", "devrunserver", "manage.py", "runserver"]
REPORT = [sys.executable, "-u", "-m", "devrunserver"]


@pytest.fixture(autouse=True)
def atexit(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What is registered to run at exit; and this process adopts nobody, but believes that it does."""
    registered: list[Callable[[], None]] = []
    monkeypatch.setattr("atexit.register", registered.append)
    monkeypatch.setattr(process, "adopt_orphans", lambda: True)
    monkeypatch.setattr(progress_page, "make", lambda: None)
    return registered


class FakePopen:
    pid = 4711


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], WorkerStart]]:
    """The command lines and variables that processes would have been started with."""
    spawned: list[tuple[list[str], WorkerStart]] = []

    def spawn(argv: list[str], link: object, start: WorkerStart, held: Sequence[int], variables: object) -> Any:
        spawned.append((argv, start._replace(spawned=math.inf)))
        return FakePopen()

    monkeypatch.setattr(process, "spawn", spawn)
    return spawned


@pytest.mark.parametrize(
    ("attempt", "edited", "report", "argv", "start"),
    [
        (Attempt.NORMAL, [], "", NORMAL, WorkerStart(makes_checkpoints=True)),
        (
            Attempt.NORMAL,
            ["/a.py", "/b.py"],
            "",
            NORMAL,
            WorkerStart(makes_checkpoints=True, edited=("/a.py", "/b.py")),
        ),
        (Attempt.GUARDED, [], "", GUARDED, WorkerStart(is_rerun=True)),
        (Attempt.REPORT, [], "it ended", REPORT, WorkerStart(report="it ended")),
    ],
)
def test_spawn(
    spawned: list[tuple[list[str], WorkerStart]],
    attempt: Attempt,
    edited: list[str],
    report: str,
    argv: list[str],
    start: WorkerStart,
) -> None:
    before, launcher = time.time(), Launcher(ORIG_ARGV)
    popen, ours = launcher.spawn(attempt, edited, report)
    assert spawned == [(argv, start)]
    assert (popen.pid, ours.peer_pid) == (4711, 4711)
    assert before <= launcher.began <= time.time()
    with pytest.raises(LinkClosed):
        ours.receive()  # the other end is the process' alone, and this one has none
    ours.close()


def test_a_spare_is_a_worker_that_makes_no_checkpoints(spawned: list[tuple[list[str], WorkerStart]]) -> None:
    launcher = Launcher(ORIG_ARGV)
    launcher.began = 5.0
    popen, ours, began = launcher.spawn_spare(["/a.py"], (7, 8))
    assert spawned == [(NORMAL, WorkerStart(edited=("/a.py",)))]
    assert (popen.pid, ours.peer_pid) == (4711, 4711)
    assert (launcher.began, began > 5.0) == (5.0, True), "the present worker's, until the spare is used"
    ours.close()


@pytest.mark.parametrize(
    ("seed", "variables"), [(None, {"PYTHONHASHSEED": "0"}), ("random", {"PYTHONHASHSEED": "0"}), ("7", {})]
)
def test_starts_that_are_compared_have_one_seed(
    monkeypatch: pytest.MonkeyPatch, seed: str | None, variables: dict[str, str]
) -> None:
    given: list[object] = []

    def spawn(argv: object, link: object, start: WorkerStart, held: object, variables: object) -> FakePopen:
        given.append((start.edited, held, variables))
        return FakePopen()

    monkeypatch.setattr(process, "spawn", spawn)
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    if seed is not None:
        monkeypatch.setenv("PYTHONHASHSEED", seed)
    _, ours = Launcher(ORIG_ARGV).spawn_to_compare(["/a.py"], [7, 7])
    assert given == [(("/a.py",), [7, 7], variables)]
    ours.close()


def test_no_checkpoints_where_orphans_are_not_adopted(
    monkeypatch: pytest.MonkeyPatch, spawned: list[tuple[list[str], WorkerStart]]
) -> None:
    monkeypatch.setattr(process, "adopt_orphans", lambda: False)
    _, ours = Launcher(ORIG_ARGV).spawn(Attempt.NORMAL, [], "")
    assert spawned == [(NORMAL, WorkerStart())]
    ours.close()


def test_a_worker_says_on_a_page_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, spawned: list[tuple[list[str], WorkerStart]]
) -> None:
    """But not one that runs only for its error, or that runs nothing."""
    monkeypatch.setattr(progress_page, "make", lambda: SimpleNamespace(descriptor=7))
    launcher = Launcher(ORIG_ARGV)
    for attempt in Attempt:
        launcher.spawn(attempt, [], "")[1].close()
    assert [start.progress for _, start in spawned] == [7, -1, -1]


def test_a_process_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def spawn(*args: object) -> None:
        raise BlockingIOError("no process left")

    monkeypatch.setattr(process, "spawn", spawn)
    with pytest.raises(OSError, match="no process left"):
        Launcher(ORIG_ARGV).spawn(Attempt.NORMAL, [], "")


def test_the_first_is_started_early_and_once(
    spawned: list[tuple[list[str], WorkerStart]], atexit: list[Callable[[], None]]
) -> None:
    launcher = Launcher(ORIG_ARGV)
    launcher.spawn_early(edited=["/a.py"])
    began = launcher.began
    assert [(argv, start.edited) for argv, start in spawned] == [(NORMAL, ("/a.py",))]
    assert atexit == [launcher.abandon]
    _, first = launcher.spawn(Attempt.NORMAL, [], "")
    assert len(spawned) == 1
    assert launcher.began == began  # when it was spawned, not when it was asked for
    _, second = launcher.spawn(Attempt.NORMAL, [], "")
    assert len(spawned) == 2
    assert first is not second
    launcher.abandon()  # it was asked for, so it is not ours to end
    first.close()
    second.close()


def fail_to_fork() -> int:
    raise BlockingIOError("no process left")


@pytest.mark.parametrize(("copy", "spawns"), [(lambda: 4712, 0), (fail_to_fork, 1)])
def test_the_first_may_be_a_copy_of_the_supervisor(
    monkeypatch: pytest.MonkeyPatch,
    spawned: list[tuple[list[str], WorkerStart]],
    copy: Callable[[], int],
    spawns: int,
) -> None:
    monkeypatch.setattr(process, "started_at", lambda: 5.0)
    launcher = Launcher(ORIG_ARGV)
    assert not launcher.spawn_early(copy)
    worker, ours = launcher.spawn(Attempt.NORMAL, [], "")
    assert len(spawned) == spawns
    assert (worker.pid, ours.peer_pid) == ((4711, 4711) if spawns else (4712, 4712))
    assert (launcher.began == 5.0) == (not spawns), "it has read files since this process began"
    with pytest.raises(LinkClosed):
        ours.receive()  # the other end is the worker's alone
    ours.close()


def test_in_the_copy(monkeypatch: pytest.MonkeyPatch, atexit: list[Callable[[], None]]) -> None:
    environ: dict[str, str] = {}
    monkeypatch.setattr(process, "started_at", lambda: 5.0)
    monkeypatch.setattr(os, "environ", environ)
    assert Launcher(ORIG_ARGV).spawn_early(lambda: 0, ["/a.py"])
    assert not atexit, "it ends no other process"
    assert environment.serves(environ)
    descriptor, start = environment.take(environ)
    assert start == WorkerStart(spawned=5.0, makes_checkpoints=True, edited=("/a.py",))
    assert descriptor is not None
    to_supervisor = process.inherited_socket(descriptor)
    assert to_supervisor is not None
    with to_supervisor:
        assert to_supervisor.recv(1) == b"", "the supervisor's end is closed here"


# A worker that says hello as the process of some pid, or as itself, and waits
PROGRAM = """
import os, signal, sys
from devrunserver.common import environment, link, process
from devrunserver.common.messages import Hello
from devrunserver.common.role import Role
process.die_with_parent(os.getppid())
to_supervisor = link.Link(process.inherited_socket(environment.take(os.environ)[0]), Role.WORKER, Role.SUPERVISOR)
to_supervisor.send(Hello(int(sys.argv[1]) or os.getpid()))
signal.pause()
"""


def start(launcher: Launcher) -> Process:
    """Starts a worker early, and returns it once it has said hello."""
    launcher.spawn_early()
    assert launcher._first is not None
    worker, ours = launcher._first
    assert select.select([ours], [], [], PATIENCE)[0]
    return worker


@pytest.mark.skipif(sys.platform == "win32", reason="waits for a signal")
def test_a_worker_that_nobody_asks_for_is_ended(atexit: list[Callable[[], None]]) -> None:
    worker = start(Launcher(["python", "-c", PROGRAM, "0"]))
    assert worker.poll() is None
    (abandon,) = atexit
    abandon()
    assert worker.poll() == -signal.SIGKILL
    abandon()  # once more does no harm


@pytest.mark.skipif(sys.platform != "linux", reason="there are checkpoints on Linux alone")
def test_those_that_it_has_become_are_ended_too() -> None:
    """A worker that left a checkpoint behind says hello as another process of ours."""
    other = Launcher(["python", "-c", PROGRAM, "0"])
    successor = start(other)
    launcher = Launcher(["python", "-c", PROGRAM, str(successor.pid)])
    worker = start(launcher)
    launcher.abandon()
    assert worker.poll() == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(successor.pid, 0)
    other.abandon()


@pytest.mark.skipif(sys.platform == "win32", reason="waits for a signal")
def test_a_worker_that_has_ended_by_itself() -> None:
    launcher = Launcher(["python", "-c", ""])
    launcher.spawn_early()
    assert launcher._first is not None
    worker, _ = launcher._first
    assert worker.wait(PATIENCE) == 0
    launcher.abandon()
    assert worker.poll() == 0
