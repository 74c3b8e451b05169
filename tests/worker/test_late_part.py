"""The part of a start that is left for later: done once, by whoever needs it first."""

from __future__ import annotations

import threading
from typing import Any

from devrunserver.worker.late_part import LatePart


class Stage:
    """Plays all that it does."""

    def __init__(self) -> None:
        self.done: list[str] = []
        played: Any = self
        self.part = LatePart(played, played, played)

    def know_read_files(self) -> None:
        self.done.append("read files")

    def start(self) -> None:
        self.done.append("receivers")

    def send(self) -> None:
        self.done.append("report")

    def send_what_is_new(self) -> None:
        self.done.append("news")


def test_what_may_not_wait_is_done_at_once() -> None:
    stage = Stage()
    stage.part.begin(may_wait=False)
    stage.part.report()
    stage.part.finish()
    assert stage.done == ["read files", "receivers", "report"]


def test_what_is_left_is_done_once_by_any_thread() -> None:
    stage = Stage()
    stage.part.begin(may_wait=True)
    stage.part.report()
    assert stage.done == ["receivers", "news"], "receivers may import something, before the first request does"
    threads = [threading.Thread(target=stage.part.finish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert stage.done[2:] == ["read files", "report"]
