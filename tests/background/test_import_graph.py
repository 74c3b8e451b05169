"""Who imports whom, in a process of its own."""

from __future__ import annotations

import builtins
import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from devrunserver.background import import_graph
from devrunserver.background.import_graph import EdgeRecorder, absolute, body_of
from devrunserver.checkpoints.import_hook import ImportHook
from devrunserver.checkpoints.read_recorder import ReadRecorder
from tests.live import REPOSITORY

MODULES = {
    "loaded.py": "",
    "plain.py": "import loaded",
    "package/__init__.py": "",
    "package/sub.py": "from . import other",
    "package/other.py": "from .deep import leaf\nfrom loaded import __name__ as name",
    "package/deep/__init__.py": "",
    "package/deep/leaf.py": "",
    "by_name.py": "from importlib import import_module\nimport_module('loaded')\nimport_module('.other', 'package')",
    "by_function.py": "import helper\nhelper.load()",
    "helper.py": "def load():\n    import loaded",
    "by_c.py": "import c_helper\nc_helper.load()",
    "c_helper.py": "import pickle\ndef load():\n    pickle.loads(b'cloaded\\n__name__\\n.')",
    "in_class.py": "class A:\n    import loaded",
    "failing.py": "try:\n    import missing\nexcept ImportError:\n    pass",
    "broken.py": "import loaded\nraise ValueError",
}
PROGRAM = """
import json, sys
sys.path[:0] = [{repository!r}, {directory!r}]
import importlib, loaded
from types import SimpleNamespace
from devrunserver.background.import_graph import EdgeRecorder
recorder = EdgeRecorder(print, SimpleNamespace(history=[]))
try:
    importlib.import_module({name!r})
except ValueError:
    pass
print(json.dumps(sorted(recorder.edges.get({name!r}, ()))))
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loaded", []),
        ("plain", ["loaded"]),
        ("package.sub", ["package", "package.other"]),
        ("package.other", ["loaded", "package.deep", "package.deep.leaf"]),
        ("by_name", ["loaded", "package", "package.other"]),
        ("by_function", ["helper", "loaded"]),
        ("by_c", ["c_helper", "loaded"]),
        ("c_helper", []),
        ("in_class", ["loaded"]),
        ("failing", ["missing"]),
        ("broken", ["loaded"]),
        ("helper", []),
    ],
)
def test_edges(tmp_path: Path, name: str, expected: list[str]) -> None:
    for path, source in MODULES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(source)
    program = PROGRAM.format(repository=str(REPOSITORY), directory=str(tmp_path), name=name)
    edges = json.loads(subprocess.check_output([sys.executable, "-c", program]))
    ours = {path.partition(".")[0].partition("/")[0] for path in MODULES} | {"missing"}
    assert [one for one in edges if one.partition(".")[0] in ours] == expected  # the import system imports too


def test_one_that_rests_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.__import__", builtins.__import__)  # whatever happens, these are put back
    monkeypatch.setattr(importlib._bootstrap, "_gcd_import", importlib._bootstrap._gcd_import)  # type: ignore[attr-defined]
    recorder = EdgeRecorder(lambda fault: pytest.fail(str(fault)), cast(ImportHook, SimpleNamespace(history=[])))
    before = builtins.__import__
    recorder.rest()
    import json as imported

    by_name = importlib.import_module("json")
    recorder.note_use("somewhere")
    assert imported is by_name is json
    assert builtins.__import__ == before
    assert recorder.edges == {}
    recorder.stop()
    assert builtins.__import__ != before


WORKING = {
    "clock.py": "now = 0\n",
    "first.py": "import clock\nclock.now += 1\nimport second\nclock.now += 10\nimport last, second\nclock.now += 5\n",
    "second.py": "import clock\nclock.now += 2\ndef load():\n    import third\nload()\nclock.now += 20\n",
    "third.py": "import clock\nclock.now += 3\n",
    "last.py": "import clock, missing\n",
}
WORK = """
import json, sys, time
sys.path[:0] = [{repository!r}, {directory!r}]
import clock
from devrunserver.background.import_graph import EdgeRecorder, record
from devrunserver.checkpoints.import_hook import ImportHook
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.common.import_record import from_json, to_json
time.monotonic = lambda: clock.now
finder = ImportHook(ReadRecorder(lambda directory: False), lambda name, file: False, print)
finder.install()
recorder = EdgeRecorder(print, finder)
try:
    import first
except ImportError:
    clock.now += 100
made = from_json(to_json(record(finder, recorder.edges, str, lambda file: True)))
work = {{}}
for name, seconds in made.work({imported}):
    work[name] = work.get(name, 0) + seconds
print(json.dumps([made.order, made.seconds, work]))
"""


@pytest.mark.parametrize(
    ("imported", "expected"),
    [
        (0, {"first": 11, "second": 22, "third": 3, "last": 0, "__main__": 100}),
        (2, {"first": 10, "second": 20, "third": 3, "last": 0, "__main__": 100}),
    ],
)
def test_who_has_worked(tmp_path: Path, imported: int, expected: dict[str, int]) -> None:
    """Most modules work after what they import is there; some are looked up right before, and do nothing."""
    for path, source in WORKING.items():
        (tmp_path / path).write_text(source)
    program = WORK.format(repository=str(REPOSITORY), directory=str(tmp_path), imported=imported)
    order, seconds, work = json.loads(subprocess.check_output([sys.executable, "-c", program]))
    assert order == ["first", "second", "third", "last"]
    assert seconds == [1, 2, 33, 100]
    assert work == expected


def test_a_process_that_was_a_checkpoint_has_not_worked_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 0.0
    monkeypatch.setattr("time.monotonic", lambda: moment)
    finder = ImportHook(ReadRecorder(lambda directory: False), lambda name, file: False, lambda fault: None)
    finder.history.append((finder.now(), "a", 0))
    moment = 2.0
    finder.on_return("b")
    moment = 100.0
    finder.on_resume()
    moment = 101.0
    finder.reach_end()
    finder.on_return("too late")
    made = import_graph.record(finder, {}, str, lambda file: False)
    assert made.work(0) == [("a", 2.0), ("b", 1.0)]


NAMES = {"__name__": "a.b"}


@pytest.mark.parametrize(
    ("names", "local_names", "fromlist", "expected"),
    [
        (NAMES, NAMES, None, "a.b"),
        (NAMES, NAMES, ("c",), "a.b"),
        (NAMES, None, ("c",), ""),  # in a function
        (NAMES, {}, None, ""),  # in a class
        (NAMES, dict(NAMES), None, ""),
        (NAMES, NAMES, ["__doc__"], ""),  # by C
        (None, None, None, ""),
        ({}, {}, None, ""),
    ],
)
def test_whose_body_an_import_is_in(
    names: dict[str, object] | None,
    local_names: dict[str, object] | None,
    fromlist: Sequence[str] | None,
    expected: str,
) -> None:
    assert body_of(names, local_names, fromlist) == expected


@pytest.mark.parametrize(
    ("name", "package", "level", "expected"),
    [
        ("a.b", "p", 0, "a.b"),
        ("a", "p", 1, "p.a"),
        ("", "p.q", 1, "p.q"),
        ("a", "p.q", 2, "p.a"),
        ("a", "p", 3, ""),  # beyond the top
        ("a", None, 1, ""),
    ],
)
def test_absolute(name: str, package: str | None, level: int, expected: str) -> None:
    assert absolute(name, {"__package__": package}, level) == expected
