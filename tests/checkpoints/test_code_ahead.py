"""Code of modules that are not imported yet."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path

import pytest

from devrunserver.checkpoints import code_ahead
from devrunserver.checkpoints.code_ahead import CodeAhead

SOURCES = {
    "ahead/__init__.py": "",
    "ahead/imported.py": "",
    "ahead/inner/__init__.py": "",
    "ahead/inner/views.py": "VALUE = 1\n",
    "ahead/broken.py": "def\n",
    "ahead/folder/module.py": "VALUE = 1\n",
    "ahead_top.py": "VALUE = 1\n",
}
READABLE = ["ahead.inner", "ahead.inner.views", "ahead.folder.module", "ahead_top"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Some modules, of which one is imported; all were written long ago."""
    for name, source in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(code_ahead, "SETTLED", -3600.0)
    importlib.import_module("ahead.imported")
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("ahead", "ahead_top")]:
        del sys.modules[name]


def read(modules: list[str]) -> CodeAhead:
    code = CodeAhead(contextlib.nullcontext)
    code.read(modules)
    return code


def lent(code: CodeAhead, module: str) -> ModuleSpec:
    """What a finder finds, with the code that was read."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    code.lend(spec)
    return spec


def has_code(spec: ModuleSpec) -> bool:
    return "get_code" in getattr(spec.loader, "__dict__", ())


def test_it_reads_what_is_not_imported_yet(project: Path) -> None:
    others = ["ahead", "ahead.imported", "ahead.broken", "ahead.folder", "ahead.broken.child", "ahead.nowhere"]
    code = read([*others, *reversed(READABLE)])
    assert [name for name in [*others[:4], *READABLE] if has_code(lent(code, name))] == READABLE


def test_nothing_is_executed(project: Path) -> None:
    read(READABLE)
    assert not sys.modules.keys() & set(READABLE)


def test_a_module_is_as_its_loader_would_have_made_it(project: Path) -> None:
    expected = importlib.import_module("ahead_top")
    del sys.modules["ahead_top"]
    spec = lent(read(["ahead_top"]), "ahead_top")
    module = importlib.util.module_from_spec(spec)
    assert spec.loader is not None
    spec.loader.exec_module(module)
    assert (module.VALUE, module.__file__, vars(module).keys()) == (1, expected.__file__, vars(expected).keys())
    assert vars(spec.loader) == vars(expected.__loader__)


CHANGES: dict[str, Callable[[Path], object]] = {
    "saved": lambda file: file.write_text("VALUE = 23\n"),
    "saved, of equal size": lambda file: file.write_text("VALUE = 2\n"),
    "another in its place": lambda file: other(file).replace(file),
}


def other(file: Path) -> Path:
    new = file.with_suffix(".new")
    new.write_text("VALUE = 2\n")
    return new


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_has_changed_is_read_anew(project: Path, change: Callable[[Path], object]) -> None:
    code = read(["ahead_top"])
    spec = lent(code, "ahead_top")
    change(project / "ahead_top.py")
    Path(importlib.util.cache_from_source(str(project / "ahead_top.py"))).unlink(missing_ok=True)  # as a reload does
    module = importlib.util.module_from_spec(spec)
    assert spec.loader is not None
    spec.loader.exec_module(module)
    assert module.VALUE in (2, 23)


def test_what_was_written_a_moment_ago_is_left_to_the_worker(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.syspath_prepend(project)
    assert not has_code(lent(read(["ahead_top"]), "ahead_top"))


def test_it_is_lent_once(project: Path) -> None:
    code = read(["ahead_top"])
    assert has_code(lent(code, "ahead_top"))
    assert not has_code(lent(code, "ahead_top"))


def test_other_loaders_are_left_alone(project: Path) -> None:
    class Loader(SourceFileLoader):
        """Somebody else's, who may change the source."""

    code = read(["ahead_top"])
    spec = ModuleSpec("ahead_top", Loader("ahead_top", str(project / "ahead_top.py")))
    code.lend(spec)
    code.lend(None)
    assert not has_code(spec)
