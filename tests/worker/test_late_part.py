"""The part of a start that is left for later: done once, by whoever needs it first."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from devrunserver.worker.late_part import LatePart


class Stage:
    """Plays all that it does, and can be told to fail."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.errors: list[str] = []
        self.error: Exception | None = None
        self.can_tell_apart = True
        played: Any = self
        self.part = LatePart(played, played, played, lambda error: self.errors.append(str(error)))

    def know_read_files(self) -> None:
        self.done.append("read files")

    def start(self) -> None:
        self.fail()
        self.done.append("all receivers")

    def start_all_but_frameworks(self) -> bool:
        if self.can_tell_apart:
            self.done.append("others' receivers")
        return self.can_tell_apart

    def start_frameworks(self) -> None:
        self.fail()
        self.done.append("Django's receivers")

    def fail(self) -> None:
        if self.error is not None:
            raise self.error

    def send(self) -> None:
        self.done.append("report")

    def send_what_is_new(self) -> None:
        self.done.append("news")


@pytest.mark.parametrize(("may_wait", "can_tell_apart"), [(False, True), (True, False)])
def test_what_cannot_wait_is_done_at_once(may_wait: bool, can_tell_apart: bool) -> None:
    stage = Stage()
    stage.can_tell_apart = can_tell_apart
    stage.part.begin(may_wait)
    stage.part.report()
    stage.part.finish()
    assert stage.done == ["read files", "all receivers", "report"]


def test_what_is_left_is_done_once_by_any_thread() -> None:
    stage = Stage()
    stage.part.begin(may_wait=True)
    stage.part.report()
    assert stage.done == ["others' receivers", "news"]
    threads = [threading.Thread(target=stage.part.finish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert stage.done[2:] == ["read files", "Django's receivers", "report"]


def test_an_error_of_the_project_is_told_when_it_comes_late_and_raised_when_not() -> None:
    stage = Stage()
    stage.error = ValueError("no such template engine")
    with pytest.raises(ValueError, match="engine"):
        stage.part.begin(may_wait=False)
    stage.part.begin(may_wait=True)
    stage.part.finish()
    stage.part.finish()
    assert stage.errors == ["no such template engine"]
