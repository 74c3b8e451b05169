"""What the supervisor is told to watch: what is new at first, all of it once it is known which data files count."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from devrunserver.common.messages import Message, Watching
from devrunserver.worker.watch_report import WatchReport


class Told:
    """What is known, as the report asks for it."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        played: Any = self
        self.report = WatchReport(self.sent.append, played, played, lambda: ["/p/data.json"], played)

    def loaded_files(self) -> set[str]:
        return {"/p/a.py", "/p/sub/b.py"}

    def new_files(self) -> set[str]:
        return {"/p/sub/b.py", "/p/new/c.so"}

    def other_files(self) -> list[str]:
        return ["/p/new/c.so"]

    def globs(self) -> list[tuple[str, str]]:
        return [("/p/templates", "**/*")]

    def files(self) -> list[str]:
        return []


def test_a_request_before_all_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    told.report.send_what_is_new()
    monkeypatch.setitem(sys.modules, "imported_by_a_request", ModuleType("imported_by_a_request"))
    told.report.after_request()
    told.report.after_request()
    globs = [("/p/templates", "**/*")] * 2
    new = Watching(["/p/new", "/p/sub"], globs, ["/p/new/c.so"], is_complete=False)
    assert told.sent == [new, new]
    told.report.send()
    told.report.after_request()
    monkeypatch.setitem(sys.modules, "another", ModuleType("another"))
    told.report.after_request()
    assert told.sent[2:] == [Watching(["/p", "/p/sub"], globs, ["/p/new/c.so", "/p/data.json"])] * 2
