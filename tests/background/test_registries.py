"""Registries that modules of a folder fill, in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from devrunserver.background.registries import Registries
from devrunserver.background.state_report import with_traces
from devrunserver.common.import_record import ImportRecord, Trace
from tests.live import REPOSITORY

PROGRAM = """
import importlib, json, sys
sys.path[:0] = [{repository!r}, {directory!r}]
order = ["registry", "one", "other"]
for name in order:
    importlib.import_module(name)
from devrunserver.background.registries import Registries
from devrunserver.common.import_record import ImportRecord
record = ImportRecord(order, [0] * 3, [0.0] * 3, {{}}, {{}})
print(json.dumps(Registries(lambda name: name.startswith("devrunserver"), record, lambda module: {asks}).traces()))
"""
PLUGINS = "PLUGINS = []\ndef register(one):\n    PLUGINS.append(one)\n    return one\n"


@pytest.mark.parametrize(
    ("registry", "module", "traces"),
    [
        (PLUGINS, "import registry\n@registry.register\nclass Plugin: ...", [["registry"], ["one", "other"]]),
        (PLUGINS, "from registry import PLUGINS\nPLUGINS.append([print])", []),
        (
            PLUGINS,
            "from registry import PLUGINS\ndef view(): ...\nPLUGINS += [view, view]",
            [["registry", "one", "other"], ["one", "other"]],
        ),
        (
            "class Site:\n    def __init__(self): self.models = {}\nsite = Site()",
            "import registry\nclass Model: ...\nregistry.site.models[Model] = registry.Site()",
            [["registry"], ["one", "other"]],
        ),
        (
            "class Base:\n    plugins = {}",
            "import registry\nregistry.Base.plugins[__name__] = lambda: 0",
            [["registry"], ["one", "other"]],
        ),
        (
            "from collections import defaultdict\nhooks = defaultdict(list)",
            "import registry\nregistry.hooks['menu'].append((1, lambda: 0))",
            [["registry"], ["one", "other"]],
        ),
        (
            "from django.dispatch import Signal\nsaved = Signal()",
            "import registry\ndef on_save(**kwargs): ...\nregistry.saved.connect(on_save)",
            [["registry"], ["one", "other"]],
        ),
        # a decorator at hand, not the list
        (
            PLUGINS,
            "from registry import register\nclass Plugin: ...\nregister(Plugin)",
            [["registry", "one", "other"], ["one", "other"]],
        ),
        ("KINDS = {'a': 1}", "import registry\nregistry.KINDS[__name__] = 'text'", []),
        ("CLASSES = set()", "import registry\nclass One: ...\nregistry.CLASSES.add(One)", []),
        # a class of which nobody has a list but itself
        (
            "class Form: ...",
            "from registry import Form\nclass One(Form): ...",
            [["registry", "one", "other"], ["one", "other"]],
        ),
        ("class Form: ...", "from registry import Form\nONE = type('One', (Form,), {'__module__': 'registry'})", []),
        # an object of another one's class, which nobody but its maker has at hand
        (
            "class Store:\n    all = []\n    def __init__(self): self.all.append(self)",
            "import registry\nSTORE = registry.Store()",
            [["registry"], ["one", "other"]],
        ),
        (
            "class Store:\n    all = []\n    def __init__(self): self.all.append(self)",
            "import registry\nregistry.Store()",
            [],
        ),
    ],
)
def test_registries(tmp_path: Path, registry: str, module: str, traces: list[list[str]]) -> None:
    for name, text in {"registry": registry, "one": module, "other": module}.items():
        (tmp_path / f"{name}.py").write_text(dedent(text))
    program = PROGRAM.format(repository=str(REPOSITORY), directory=str(tmp_path), asks="True")
    told = json.loads(subprocess.check_output([sys.executable, "-c", program], env={**os.environ}))
    assert told == ([traces] if traces else [])


def test_subclasses_nobody_asks_for(tmp_path: Path) -> None:
    (tmp_path / "registry.py").write_text("class Form: ...")
    for name in ("one", "other"):
        (tmp_path / f"{name}.py").write_text("from registry import Form\nclass One(Form): ...")
    program = PROGRAM.format(repository=str(REPOSITORY), directory=str(tmp_path), asks="False")
    assert json.loads(subprocess.check_output([sys.executable, "-c", program], env={**os.environ})) == []


def test_what_cannot_be_looked_at_keeps_no_record_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(registries: Registries) -> list[Trace]:
        raise RuntimeError("it changed size during iteration")

    record = ImportRecord(["a"], [0], [1.0], {}, {})
    monkeypatch.setattr(Registries, "traces", fail)
    assert with_traces(record, lambda module: False) == record
