"""What a module's source says of its namespace."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from devrunserver.background.literals import Literals, constants

SOURCE = """
import events

MARK = "one"
NUMBER: int = 3
COMPUTED = len(events.ORDER)
TWICE = 1
TWICE = 2
if events.ORDER:
    CONDITIONAL = 1
A = B = 5
for LOOPED in ():
    pass
ADDED = 1
ADDED += len(events.ORDER)
first, second = 1, 2


class Thing:
    size = 2
    found = events.find()

    def method(self):
        pass


def function():
    LOCAL = 1


alias = events.function
"""


def test_constants() -> None:
    found = constants(ast.parse(SOURCE))
    names = {"MARK": "one", "NUMBER": 3, "A": 5, "B": 5, "Thing.size": 2}
    assert {name: found[name] for name in names} == names
    assert not {"COMPUTED", "TWICE", "CONDITIONAL", "LOOPED", "ADDED", "first", "alias", "Thing.found"} & found.keys()


@pytest.mark.parametrize(
    ("attribute", "explained"),
    [
        ("MARK", True),
        ("COMPUTED", False),
        ("Thing.size", True),
        ("Thing.method", True),
        ("function", True),
        ("alias", False),
        ("TWICE", False),
    ],
)
def test_explain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attribute: str, explained: bool) -> None:
    (tmp_path / "literal_events.py").write_text("ORDER = [1]\ndef find(): return 7\ndef function(): pass\n")
    (tmp_path / "literal_source.py").write_text(SOURCE.replace("import events", "import literal_events as events"))
    monkeypatch.syspath_prepend(tmp_path)
    import literal_source  # type: ignore[import-not-found]

    value: object = literal_source
    for part in attribute.split("."):
        value = vars(value)[part]
    try:
        assert Literals().explain("literal_source", attribute, value) is explained
    finally:
        del sys.modules["literal_source"], sys.modules["literal_events"]


def test_a_value_that_was_changed_since_is_not_explained(tmp_path: Path) -> None:
    assert not Literals().explain("devrunserver.background.literals", "MANY", 3)
    assert not Literals().explain("no_such_module", "MANY", 3)
