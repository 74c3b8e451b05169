"""What the user is told of reloads, word for word."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from devrunserver.common.facts import Answered, AskedServer, Fact, Linked, Listed, Named, Opened, Queried, Read
from devrunserver.common.file_state import UNKNOWN
from devrunserver.common.messages import Serving
from devrunserver.supervisor.console import REMEDY, Console, describe


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    return project


def serving(**data: Any) -> Serving:
    """What a worker says once it serves."""
    times = {"prepared": False, "seconds": 0.0421, "slowest": [], "installed_seconds": 0.0}
    return Serving(**{"resumed_at": "shop.views", "imported": 3, **times, **data})


@pytest.mark.parametrize(
    ("path", "seconds", "message", "line"),
    [
        ("shop/views.py", 0.084, serving(), "shop/views.py changed: reloaded in 0.08 s (resumed at shop.views)"),
        ("shop/apps.py", 12.3, serving(resumed_at=""), "shop/apps.py changed: reloaded in 12.30 s (started afresh)"),
        ("../lib/x.py", 0.5, serving(), "{above}/lib/x.py changed: reloaded in 0.50 s (resumed at shop.views)"),
        ("", 0.5, serving(resumed_at="the URLconf"), "Something changed: reloaded in 0.50 s (resumed at the URLconf)"),
    ],
)
def test_reloaded(project: Path, path: str, seconds: float, message: Serving, line: str) -> None:
    lines: list[str] = []
    full = os.path.normpath(project / path) if path else ""
    Console(lines.append).reloaded(full, seconds, message)
    assert lines == [line.format(above=project.parent)]


SLOWEST = [("shop.models", 1.234), ("shop.views", 0.01), ("shop.urls", 0.009)]
IMPORTED = "  3 modules were imported in 0.04 s"


@pytest.mark.parametrize(
    ("verbosity", "explains", "message", "reason", "expected"),
    [
        (1, False, serving(), "a.py changed", []),
        (0, False, serving(), "a.py changed", []),
        (2, False, serving(), "a.py changed", ["  not resumed later: a.py changed"]),
        (3, False, serving(), "a.py changed", ["  not resumed later: a.py changed"]),
        (2, False, serving(resumed_at=""), "a.py changed", ["  not resumed: a.py changed"]),
        (2, False, serving(slowest=SLOWEST), "", []),
        (1, True, serving(), "", [IMPORTED]),
        (1, True, serving(), "a.py changed", ["  not resumed later: a.py changed", IMPORTED]),
        (2, True, serving(resumed_at=""), "a.py changed", ["  not resumed: a.py changed", IMPORTED]),
        (
            1,
            True,
            serving(slowest=SLOWEST),
            "",
            [IMPORTED, "  the slowest, without what they import: shop.models 1.23 s, shop.views 0.01 s"],
        ),
        (1, True, serving(slowest=[("shop.urls", 0.009)]), "", [IMPORTED]),
    ],
)
def test_explain(verbosity: int, explains: bool, message: Serving, reason: str, expected: list[str]) -> None:
    lines: list[str] = []
    Console(lines.append, verbosity, explains).explain(message, reason)
    assert lines == expected


TIMED = serving(slowest=SLOWEST, phases=[("apps", 1.0), ("ready()", 0.004)], parts=[("django", 5, 0.9), ("a", 1, 0.1)])
TABLE = ["  1.00 s: apps 1.00", "     0.90 s  django (5 modules)", "     0.10 s  a"]


def test_what_took_the_time_is_a_table() -> None:
    lines: list[str] = []
    Console(lines.append, explains=True).explain(TIMED, "")
    assert lines == [IMPORTED, *TABLE]
    lines.clear()
    Console(lines.append, explains=True).explain_start(TIMED)
    assert lines == []
    Console(lines.append, explains_start=True).explain_start(TIMED)
    assert lines == ["  3 modules were imported", *TABLE]


def test_programs_are_told_of_each_start() -> None:
    told: list[dict[str, Any]] = []
    Console(print).log_ready(1, None, None, TIMED)
    console = Console(print, log=told.append)
    console.log_ready(1, None, None, TIMED)
    console.log_ready(2, "/srv/shop/views.py", 0.1234, serving())
    console.log_broken(3, {"type": "ValueError", "message": "no", "file": "/srv/a.py", "line": 3, "text": "..."})
    for one in told:
        assert one.pop("time") > 0
    reload = {"path": "/srv/shop/views.py", "seconds": 0.123, "resumed_at": "shop.views", "prepared": False}
    error = {"type": "ValueError", "message": "no", "file": "/srv/a.py", "line": 3}
    assert told == [
        {"event": "ready", "generation": 1, "reload": None},
        {"event": "ready", "generation": 2, "reload": reload},
        {"event": "broken", "generation": 3, "error": error},
    ]


SEALED = f"No checkpoints from shop.tasks on: a thread runs (shop.worker). {REMEDY}"
SEALED_BEFORE = SEALED.replace("shop.tasks", "shop.apps").replace("a thread runs", "it opened a database")


def test_ended_is_said_once_and_explained_each_time() -> None:
    lines: list[str] = []
    console = Console(lines.append, explains=True)
    for _ in range(2):
        console.checkpoints_ended("shop.tasks", "a thread runs (shop.worker)")
    console.checkpoints_ended("shop.apps", "it opened a database (shop.worker)")
    assert lines == [SEALED, SEALED_BEFORE]
    for _ in range(2):
        lines.clear()
        console.explain(serving(), "")
        assert lines == [IMPORTED, f"  {SEALED}", f"  {SEALED_BEFORE}"]


def test_ended_is_not_explained_to_who_does_not_ask() -> None:
    lines: list[str] = []
    console = Console(lines.append, verbosity=2)
    console.checkpoints_ended("shop.tasks", "a thread runs (shop.worker)")
    console.explain(serving(), "a.py changed")
    assert lines == [SEALED, "  not resumed later: a.py changed"]


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (None, ""),
        (Read("shop/a.py", (1, 2, 3)), "shop/a.py changed"),
        (Read("shop/a.py", UNKNOWN), "shop/a.py changed"),
        (Read("local.py", None), "local.py appeared"),
        (Answered("shop", (1,), "local", ()), "what is found as local in shop changed"),
        (Answered("shop", (1,), "local", ("local", "local.py")), "what is found as local in shop changed"),
        (Listed("shop", (1,), 5), "the names in shop, which were listed, changed"),
        (Linked("shop", "/elsewhere"), "shop leads elsewhere"),
        (Queried("db.sqlite3", "SELECT 1", 7), "what the start asked db.sqlite3 has another answer"),
        (Opened("db.sqlite3", (1, 2)), "db.sqlite3 is another file"),
        (Named("shop/views.py", "shop.forms"), "shop/views.py does not name shop.forms any more"),
    ],
)
def test_describe(project: Path, fact: Fact | None, words: str) -> None:
    assert describe(fact) == words
    if fact is not None:
        kind: Any = type(fact)
        assert describe(kind(str(project / fact[0]), *fact[1:])) == words


def test_describe_what_a_server_was_asked() -> None:
    asked = AskedServer("default", "SELECT 1", 7)
    assert describe(asked) == "the database 'default' has another answer to SELECT 1"


@pytest.mark.parametrize("prompt", ["(Pdb) ", ""])
def test_a_debuggers_prompt_is_printed_again(prompt: str, capsys: pytest.CaptureFixture[str]) -> None:
    Console(lambda line: print(line, file=sys.stderr)).waits_for_prompt("shop/views.py", prompt)
    notice = "shop/views.py changed. The reload waits until you leave the debugger prompt.\n"
    assert capsys.readouterr().err == notice + prompt
