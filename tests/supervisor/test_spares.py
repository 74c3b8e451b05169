"""The spare, as the supervisor keeps it: when it is started, when it serves, and when it is dropped."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from devrunserver.common import file_state
from devrunserver.common.facts import Fact, Read
from devrunserver.common.import_plan import Base, Plan
from devrunserver.common.link import LinkClosed
from devrunserver.common.messages import (
    BuildFailed,
    CheckpointsEnded,
    FactsRead,
    Hello,
    ImportAhead,
    Listening,
    Resume,
    Watching,
)
from devrunserver.supervisor import spares as spares_module
from devrunserver.supervisor.edited_files import IN_TURN
from devrunserver.supervisor.lifecycle import State
from devrunserver.supervisor.optional_parts import ContainedSelector, OptionalParts, Part
from devrunserver.supervisor.preparation.spare_steps import SparePlan
from devrunserver.supervisor.setup import Limits
from devrunserver.supervisor.spares import LEAVE_PATIENCE, NOT_READY, QUIET, Spares
from tests.supervisor.stage import SERVING, PlayedClock, PlayedEnd, PlayedLauncher, PlayedProcess, Stage, open_stage

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="plays signals that Windows does not have")

WITHOUT_FORKS = Limits(checkpoints=3, memory=100.0, prepares=False, forks=False, spares=True)
WATCHING = Watching(directories=[], globs=[], files=[])


class PlayedPlans:
    """What spares import ahead: what the test says."""

    due: float | None = None

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self.plan: SparePlan | None = None
        self.told: list[object] = []  # what has happened

    def plan_for(self, edited: frozenset[str], base: Base) -> SparePlan | None:
        return self.plan

    def on_change(self, path: str) -> None:
        self.told.append(path)

    def on_resumed(self, plan: SparePlan) -> None:
        self.told.append(plan)

    def on_failed(self, why: str) -> None:
        self.told.append(why)
        self.plan = None

    def served(self, is_broken: bool) -> None:
        self.told.append(is_broken)

    def begin(self, edited: frozenset[str]) -> None:
        self.told.append(edited)

    def step(self, now: float) -> None: ...
    def close(self) -> None: ...


PLAN = SparePlan(frozenset(["/p/views.py"]), Base(7, ["shop.views"], 3), Plan(["slow"], {"shop.views"}), [], {}, [])


class Scene:
    """Spares, and the spare that is played."""

    def __init__(self, enabled: bool = True, are_forked: bool = False) -> None:
        self.clock = PlayedClock()
        self.launcher = PlayedLauncher()
        self.selector = selectors.DefaultSelector()
        self.faults: list[str] = []
        contained = ContainedSelector(self.selector, OptionalParts(self.faults.append, self.faults.append), Part.SPARES)
        launcher: Any = self.launcher
        self.useless = 0  # workers that turned out to be
        self.plans = PlayedPlans()
        plans: Any = self.plans
        self.spares = Spares(contained, launcher, self.clock, enabled, are_forked, self._on_useless, plans)
        self.listener, self.worker_link = socket.socketpair()

    def _on_useless(self) -> None:
        self.useless += 1

    def save(self, path: str = "/p/views.py") -> None:
        self.spares.on_change(path)

    def serve(self, seconds: float = QUIET) -> None:
        """A worker has served for so long."""
        self.spares.served(is_reload=True)
        self.wait(seconds)

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        self.spares.step(self.clock.now)

    def pause(self, *facts: Fact) -> None:
        """The spare comes to its pause."""
        self.spare.link.send(FactsRead(list(facts), 7, ["shop.views"]))
        self.hear()

    def hear(self) -> None:
        for key, _ in self.selector.select(0):
            key.data()

    def reload(self) -> bool:
        """The next reload asks for the spare; whether it has got it."""
        if not self.spares.may_serve():
            return False
        return self.spares.resume(Resume(self.worker_link, self.listener, None, [], True)) is not None

    @property
    def spare(self) -> PlayedEnd:
        return self.launcher.spares[-1]

    @property
    def process(self) -> PlayedProcess:
        return self.launcher.spare_processes[-1]

    def close(self) -> None:
        self.spares.close()
        for one in self.launcher.spares:
            one.heard()
            one.link.close()
        for sock in (self.listener, self.worker_link):
            sock.close()
        self.selector.close()
        assert not self.faults


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def ready(scene: Scene, *facts: Fact) -> None:
    scene.save()
    scene.serve()
    scene.pause(*facts)


def test_a_spare_serves_once(scene: Scene) -> None:
    ready(scene)
    spare, process = scene.spare, scene.process
    assert scene.launcher.edited == [["/p/views.py"]]
    assert scene.spares.pids == {process.pid}
    scene.save()
    assert scene.reload()
    assert [type(one) for one in spare.heard()] == [Resume]
    assert spare.is_cut_off
    assert (scene.launcher.began, scene.spares.why_not, process.status) == (1.0, "", None)
    assert not scene.spares.pids, "the worker's is the worker's"
    assert not scene.reload()
    scene.serve()
    assert len(scene.launcher.spares) == 2


def test_it_imports_ahead_what_is_verified(scene: Scene) -> None:
    """From then on until it pauses again it is one that is under way."""
    ready(scene)
    scene.plans.plan = PLAN
    scene.wait(0.0)
    assert [type(one) for one in scene.spare.heard()] == [ImportAhead]
    scene.wait(0.0)
    assert scene.spare.heard() == [], "once"
    scene.save()
    assert scene.reload()
    assert scene.spare.heard() == []
    scene.pause()
    assert [type(one) for one in scene.spare.heard()] == [Resume]
    assert scene.plans.told[-2:] == ["/p/views.py", PLAN]


def test_what_it_has_read_first_counts_to_the_end(scene: Scene) -> None:
    scene.plans.plan = PLAN
    ready(scene, Read("/p/nothing", (1, 2, 3)))
    scene.wait(0.0)
    scene.pause()
    assert not scene.reload()
    assert scene.spares.why_not == "/p/nothing changed"


def test_an_exact_worker_is_none_that_has_imported_ahead(scene: Scene) -> None:
    scene.plans.plan = PLAN
    ready(scene)
    scene.wait(0.0)
    assert not scene.spares.may_serve(is_exact=True)
    scene.spare.heard()
    assert scene.spare.is_cut_off
    scene.plans.plan = None
    ready(scene)
    assert scene.spares.may_serve(is_exact=True)


@pytest.mark.parametrize("is_awaited", [False, True])
def test_one_that_cannot_import_ahead(scene: Scene, is_awaited: bool) -> None:
    scene.plans.plan = PLAN
    ready(scene)
    scene.wait(0.0)
    if is_awaited:
        scene.save()
        assert scene.reload()
    scene.spare.link.send(BuildFailed("slow", "it comes to a thread"))
    scene.spare.heard()
    scene.spare.link.close()
    scene.hear()
    scene.hear()
    assert "it comes to a thread" in scene.plans.told
    assert scene.useless == is_awaited
    scene.serve()
    assert len(scene.launcher.spares) == 2


def test_it_is_started_when_all_is_quiet(scene: Scene) -> None:
    scene.spares.served(is_reload=False)
    assert scene.spares.due is None, "nobody has saved anything"
    scene.save()
    assert scene.spares.due is None
    scene.serve(QUIET / 2)
    assert not scene.launcher.spares
    assert scene.spares.due == scene.clock.now + QUIET / 2
    scene.save()
    scene.wait(QUIET)
    assert not scene.launcher.spares, "it would compete with the reload"


def test_one_that_is_not_ready_does_not_delay_the_reload(scene: Scene) -> None:
    scene.save()
    scene.serve()
    scene.save("/p/models.py")
    assert scene.process.is_told_to_end
    assert not scene.reload()
    assert scene.spares.why_not == NOT_READY
    assert scene.spares.pids == {scene.process.pid}
    assert scene.spares.due == scene.clock.now + LEAVE_PATIENCE
    scene.wait(LEAVE_PATIENCE)
    assert scene.process.status == -signal.SIGKILL


def test_one_that_is_under_way_is_waited_for(scene: Scene, tmp_path: Path) -> None:
    """It is ahead of a fresh start; the word comes when it has paused, and what it relies on holds."""
    path = tmp_path / "models.py"
    for number, is_useless in enumerate((False, True)):
        path.write_text("A = 1")
        state = file_state.state_of(str(path))
        scene.save()
        scene.serve()
        scene.save()
        process, spare = scene.process, scene.spare
        assert scene.reload()
        assert not scene.spares.pids, "it is the worker"
        assert (process.is_told_to_end, spare.heard()) == (False, [])
        if is_useless:
            path.write_text("A = 1234")
        scene.pause(Read(str(path), state))
        assert [type(one) for one in spare.heard()] == ([] if is_useless else [Resume])
        assert spare.is_cut_off
        assert scene.useless == number


def test_one_that_is_awaited_may_end(scene: Scene) -> None:
    scene.save()
    scene.serve()
    scene.save()
    assert scene.reload()
    scene.spare.link.close()
    scene.hear()
    assert (scene.useless, scene.spares.due) == (1, None)
    scene.serve()
    scene.save()
    assert scene.process.is_told_to_end, "the next may end as well"


def test_what_it_relies_on_has_changed(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "models.py"
    path.write_text("A = 1")
    ready(scene, Read(str(path), file_state.state_of(str(path))))
    path.write_text("A = 1234")
    scene.save()
    scene.spares.foresee()
    assert not scene.reload()
    assert scene.spares.why_not.endswith("models.py changed")
    assert not scene.process.is_told_to_end, "the end of its link tells it"
    assert scene.spare.heard() == []
    assert scene.spare.is_cut_off
    scene.serve()
    assert scene.launcher.edited[-1] == ["/p/views.py", "/p/views.py", str(path)], "both were saved"


def test_facts_that_come_after_the_look_ahead(scene: Scene) -> None:
    """While the last worker leaves it is looked ahead; what the spare tells only then counts too."""
    scene.save()
    scene.serve()
    scene.save()
    scene.spares.foresee()
    scene.pause(Read("/p/nothing", (1, 2, 3)))
    assert not scene.reload()
    assert scene.spares.why_not == "/p/nothing changed"


def test_one_that_is_awaited_when_another_worker_follows(scene: Scene) -> None:
    scene.save()
    scene.serve()
    scene.save()
    assert scene.reload()
    scene.spares.drop("the server process ended unasked")
    assert scene.spare.heard() == []
    assert scene.spare.is_cut_off
    scene.hear()
    assert scene.useless == 0


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (lambda scene: scene.spare.link.send(BuildFailed("", "a thread runs")), "a thread runs"),
        (lambda scene: scene.spare.link.close(), "it ended while it started"),
        (lambda scene: setattr(scene.process, "status", 1), "it ended by exit status 1"),
    ],
    ids=["gives up", "closes its link", "ends"],
)
def test_one_that_ends_by_itself(scene: Scene, end: Any, why: str) -> None:
    scene.save()
    scene.serve()
    end(scene)
    scene.hear()
    scene.wait(0.0)
    scene.spare.link.close()
    scene.hear()
    scene.wait(LEAVE_PATIENCE)
    assert scene.spares.why_not == why
    assert not scene.spares.pids
    assert scene.spares.due is None
    assert len(scene.launcher.spares) == 1, "not again before the next reload"


def test_one_that_has_died_while_it_waited(scene: Scene) -> None:
    ready(scene)
    scene.spare.link.close()
    assert not scene.reload()
    assert scene.spares.why_not == "it has ended"


def test_the_last_saves_count(scene: Scene) -> None:
    for name in ("models", "a", "b", "a", "b"):
        scene.save(f"/p/{name}.py")
    scene.save("/p/data.yaml")
    scene.serve()
    assert scene.launcher.edited == [["/p/a.py", "/p/b.py"] * (IN_TURN // 2)]


def test_no_memory_and_no_processes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spares_module, "is_memory_low", lambda: True)
    scene.save()
    scene.serve()
    assert (scene.launcher.spares, scene.spares.why_not) == ([], "memory is low")
    monkeypatch.setattr(spares_module, "is_memory_low", lambda: False)
    scene.launcher.fault = BlockingIOError("no process left")
    scene.serve()
    assert scene.spares.why_not == "it cannot be started: no process left"


@pytest.mark.parametrize(
    ("enabled", "are_forked", "ended", "is_wanted"),
    [
        (True, False, None, True),
        (False, False, None, False),
        (True, True, None, False),
        (True, True, False, True),  # checkpoints ended before there was any
        (True, True, True, False),
        (False, True, False, False),
    ],
)
def test_where_a_spare_is_wanted(enabled: bool, are_forked: bool, ended: bool | None, is_wanted: bool) -> None:
    scene = Scene(enabled, are_forked)
    if ended is not None:
        scene.spares.on_checkpoints_ended(are_any=ended)
    assert scene.spares.is_wanted is is_wanted
    scene.spares.on_checkpoint()
    scene.save()
    scene.serve()
    assert not scene.launcher.spares
    scene.close()


# In the supervisor


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    yield from open_stage(monkeypatch, WITHOUT_FORKS)


def reload(stage: Stage, is_configured: bool = False) -> None:
    """A save, the worker's verdict and its end."""
    stage.save("/p/.env") if is_configured else None
    stage.save()
    with suppress(LinkClosed):
        stage.supervisor._cycle.on_change("/p/views.py")
    stage.step()
    stage.worker.end()
    process = stage.supervisor._cycle.worker
    assert process is not None and process.process is not None
    process.process.kill()
    stage.step()
    stage.resume()
    stage.say(Hello(stage.worker.process.pid), Listening(), WATCHING, SERVING)
    assert stage.is_in(State.SERVING), stage.lines


def test_the_second_reload_resumes_the_spare(stage: Stage) -> None:
    stage.start()
    reload(stage)
    assert len(stage.launcher.attempts) == 2, "there was none yet"
    stage.wait(QUIET)
    stage.pause_spare()
    reload(stage)
    assert stage.worker.process is stage.launcher.spare_processes[0]
    assert len(stage.launcher.attempts) == 2
    stage.wait(QUIET)
    assert len(stage.launcher.spares) == 2


@pytest.mark.parametrize("is_useless", [False, True])
def test_the_worker_is_a_spare_under_way(stage: Stage, is_useless: bool) -> None:
    """Where it turns out to be useless a fresh start follows, as after any change."""
    stage.start()
    reload(stage)
    stage.wait(QUIET)
    stage.supervisor._cycle.on_change("/p/views.py")
    stage.worker.end()
    stage.step()
    assert stage.is_in(State.STARTING)
    assert len(stage.launcher.attempts) == 2
    (process,) = stage.launcher.spare_processes
    stage.pause_spare(*([Read("/p/nothing", (1, 2, 3))] if is_useless else []))
    if is_useless:
        assert process.is_told_to_end
        process.kill()
        stage.step()
        assert len(stage.launcher.attempts) == 3
    stage.resume()
    stage.say(Hello(stage.worker.process.pid), Listening(), WATCHING, SERVING)
    assert stage.is_in(State.SERVING)
    assert (stage.worker.process is process) is not is_useless
    assert not stage.told("unasked")


@pytest.mark.parametrize("unasked", [False, True])
def test_what_makes_a_spare_useless(stage: Stage, unasked: bool) -> None:
    stage.start()
    reload(stage)
    stage.wait(QUIET)
    stage.pause_spare()
    if unasked:
        stage.worker.end(-signal.SIGSEGV)
        stage.step()
    else:
        reload(stage, is_configured=True)
    assert len(stage.launcher.attempts) == 3
    assert stage.launcher.spares[0].heard() == []
    assert stage.launcher.spares[0].is_cut_off


def test_checkpoints_that_end_before_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    for stage in open_stage(monkeypatch, Limits(3, 100.0, prepares=False, forks=True, spares=True)):
        stage.start()
        stage.say(CheckpointsEnded("the first app", "a debugger is attached"))
        reload(stage)
        stage.wait(QUIET)
        assert stage.launcher.spares


CLEANING = ("close", "_end_awaiting")
METHODS = [name for name, value in vars(Spares).items() if callable(value) or isinstance(value, property)]


# What only the faulty call has held is closed with its frame, of which Python would warn
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith("__") and name not in CLEANING])
def test_a_fault_is_contained(stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("on purpose")

    is_property = isinstance(vars(Spares)[name], property)
    monkeypatch.setattr(Spares, name, property(fail) if is_property else fail)
    stage.start()
    for _ in range(3):
        reload(stage)
        stage.wait(QUIET)
        stage.pause_spare()
    assert stage.setup.optional.off <= {Part.SPARES}
    assert not stage.launcher.is_safe
    assert sum("on purpose" in line for line in stage.lines) <= 1, stage.lines


# What is printed


@pytest.mark.parametrize("is_terminal", [False, True])
def test_what_it_prints_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_terminal: bool) -> None:
    """It looks like our own outputs, and is shown when it is wanted."""
    from devrunserver.supervisor import held_output

    if is_terminal:
        shown, like = os.openpty()
        ours = (like, like)
    else:
        out, err = (os.open(tmp_path / name, os.O_CREAT | os.O_RDWR) for name in ("out", "err"))
        ours = (out, err)
    monkeypatch.setattr(held_output, "OUTPUTS", ours)
    with selectors.DefaultSelector() as selector:
        output = held_output.HeldOutput(selector)
        children = output.descriptors
        assert os.isatty(children[0]) is is_terminal
        assert (children[0] == children[1]) is is_terminal, "the order of lines stays"
        copies = [os.dup(one) for one in children]
        output.on_spawned()
        os.write(copies[0], b"one\n")
        for key, _ in selector.select(0):
            key.data()
        os.write(copies[1], b"two\n")
        output.show()
        output.close()
        output.close()
        assert not selector.get_map()
    if is_terminal:
        assert os.read(shown, 100).replace(b"\r", b"") == b"one\ntwo\n"
        os.close(shown)
    else:
        assert [os.pread(one, 100, 0) for one in ours] == [b"one\n", b"two\n"]
    for one in {*copies, *ours}:
        os.close(one)
