"""Checks: who runs them, and what their failure leads to."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from devrunserver.common.process_exit import FAILURE, SUCCESS
from devrunserver.common.role import Role
from devrunserver.worker import startup_checks, state_reporting
from devrunserver.worker.channel import Channel
from devrunserver.worker.identity import Identity
from devrunserver.worker.startup_checks import StartupChecks
from tests.worker.played import PATIENCE, Exits, Left, exits, link_pair

__all__ = ["exits"]

PID = 4711


class Stage:
    """Plays the start: whether it may fork, in which of the two processes it is then, and how the other one ends."""

    def __init__(self, identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
        self.identity = identity
        self.is_child = False
        self.succeeds = True
        self.may = True
        self.calls: list[tuple[bool, bool]] = []
        self.errors: list[Exception] = []
        self.error: Exception | None = None
        self.ended = threading.Event()
        self.leaving = threading.Event()
        startup: Any = SimpleNamespace(
            may_fork=lambda: self.may,
            checkpoints=SimpleNamespace(
                forks=SimpleNamespace(child=lambda: 0 if self.is_child else PID), end=lambda: None
            ),
            project_files=SimpleNamespace(is_own=lambda file: True),
            may_leave_reporter=lambda: False,
            reads=None,
            history=SimpleNamespace(record=lambda: None),
        )
        monkeypatch.setattr(startup_checks, "has_succeeded", self.has_succeeded)
        monkeypatch.setattr(os, "nice", lambda by: by, raising=False)
        self.checks = StartupChecks(identity, startup, self.on_error, self.leaving)

    def has_succeeded(self, pid: int) -> bool:
        assert pid == PID
        return self.succeeds

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)
        self.ended.set()

    def check(self, announces: bool, counts: bool) -> None:
        self.calls.append((announces, counts))
        if self.error is not None:
            raise self.error


@pytest.fixture
def stage(exits: Exits, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with link_pair() as (_, link):
        stage = Stage(Identity(Channel(link), lambda order: None), monkeypatch)
        yield stage
        stage.identity.leave()


@pytest.mark.parametrize("is_reload", [False, True])
def test_where_nothing_can_be_forked_the_worker_runs_them(stage: Stage, is_reload: bool) -> None:
    stage.may, stage.identity.is_reload = False, is_reload
    stage.checks.run(stage.check)
    assert stage.calls == [(not is_reload, not is_reload)]
    stage.checks.start_waiting()  # for nothing


@pytest.mark.parametrize(("may_fork", "is_reload"), [(True, False), (False, False), (True, True)])
def test_the_banner_follows_those_of_a_first_start(stage: Stage, may_fork: bool, is_reload: bool) -> None:
    told: list[str] = []
    stage.may, stage.identity.is_reload = may_fork, is_reload
    waits = may_fork and not is_reload
    stage.checks.run(stage.check)
    stage.checks.when_passed(lambda: told.append("the banner"))
    assert told == ([] if waits else ["the banner"])
    if waits:
        stage.checks._wait(PID, stage.check)
    assert told == ["the banner"]


def test_there_is_no_banner_where_they_fail(stage: Stage) -> None:
    stage.succeeds, stage.error = False, RuntimeError("a check")
    stage.checks.run(stage.check)
    stage.checks.when_passed(lambda: pytest.fail("the banner"))
    stage.checks._wait(PID, stage.check)
    assert stage.errors == [stage.error]


def test_a_banner_that_fails_is_told_and_the_rest_goes_on(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []
    stage.checks.run(stage.check)
    stage.checks.when_passed(lambda: 1 / 0)
    stage.checks.when_passed(lambda: told.append("more"))
    stage.checks._wait(PID, stage.check)
    assert told == ["more"]
    assert "what is told when the checks have passed has failed" in capfd.readouterr().err


@pytest.mark.parametrize("error", [None, RuntimeError("a check"), SystemExit(3)])
@pytest.mark.parametrize("is_reload", [False, True])
def test_the_process_that_runs_them_ends(stage: Stage, exits: Exits, error: Exception | None, is_reload: bool) -> None:
    stage.is_child, stage.error, stage.identity.is_reload = True, error, is_reload
    with pytest.raises(Left):
        stage.checks.run(stage.check)
    assert exits.statuses == [FAILURE if error else SUCCESS]
    assert stage.identity.role is Role.CHECK_PROCESS
    assert stage.calls == [(not is_reload, not is_reload)]


@pytest.mark.parametrize("is_reload", [False, True])
def test_the_worker_serves_meanwhile_and_shows_the_error(stage: Stage, is_reload: bool) -> None:
    stage.identity.is_reload, stage.succeeds, stage.error = is_reload, False, RuntimeError("a check")
    stage.checks.run(stage.check)
    assert stage.calls == []
    stage.checks.start_waiting()
    assert stage.ended.wait(PATIENCE)
    assert stage.errors == [stage.error]
    assert stage.calls == [(False, True)]


@pytest.mark.parametrize(("succeeds", "leaves"), [(True, False), (False, True)])
def test_nothing_follows_where_they_succeed_or_the_worker_leaves(stage: Stage, succeeds: bool, leaves: bool) -> None:
    stage.succeeds = succeeds
    if leaves:
        stage.leaving.set()
    stage.checks._wait(PID, stage.check)
    assert (stage.calls, stage.errors) == ([], [])


def test_a_fault_of_the_thread_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(pid: int) -> bool:
        raise RuntimeError("no idea")

    monkeypatch.setattr(startup_checks, "has_succeeded", fail)
    stage.identity.is_reload = True
    stage.checks.run(stage.check)
    stage.checks.start_waiting()
    for thread in threading.enumerate():
        if thread.name == "devrunserver-checks":
            thread.join(PATIENCE)
    assert "the thread that waits for the checks has failed (RuntimeError('no idea'))" in capfd.readouterr().err


def test_a_state_reporter_that_cannot_be_made(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    """The worker goes on, and the supervisor sees that nobody reports."""

    def fail() -> bool:
        raise RuntimeError("no idea")

    class Socket:
        closed = False

        def close(self) -> None:
            self.closed = True

    sock: Any = Socket()
    checkpoints: Any = SimpleNamespace(forks=SimpleNamespace(sibling=fail))
    reads: Any = None
    record: Any = None
    stage.identity.state_link = sock
    state_reporting.leave_reporter(stage.identity, checkpoints, lambda file: True, reads, record)
    assert sock.closed
    assert "the report of the project's state has failed" in capfd.readouterr().err
    state_reporting.leave_reporter(
        stage.identity, checkpoints, lambda file: True, reads, record
    )  # nobody wants to know
    assert capfd.readouterr().err == ""
