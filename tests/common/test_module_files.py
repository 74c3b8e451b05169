"""What a process has loaded, and what it looked for in vain."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from textwrap import dedent
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from devrunserver.common import module_files
from devrunserver.common.module_files import LoadedFiles, added_since, directories_of, imports_of, loaded_files, times

REPOSITORY = Path(__file__).parents[2]


def run(directory: Path, code: str) -> Any:
    """What a process prints as JSON that runs this code in a directory of its own."""
    script = directory / "script.py"
    script.write_text(f"import json, sys\nsys.path += [{str(REPOSITORY)!r}]\n{dedent(code)}")
    return json.loads(subprocess.check_output([sys.executable, str(script)], cwd=directory, text=True))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    for name in ("module.py", "package/__init__.py", "package/sub.py", "namespace/inner.py", "unused.py"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/real.py").touch()
    (directory / "linked.py").symlink_to(tmp_path / "elsewhere/real.py")
    with zipfile.ZipFile(directory / "archive.zip", "w") as archive:
        archive.writestr("zipped/__init__.py", "")
        archive.writestr("zipped/sub.py", "")
    return directory


@pytest.mark.parametrize(
    ("statement", "files"),
    [
        ("pass", []),
        ("import module", ["module.py"]),
        ("import package.sub", ["package/__init__.py", "package/sub.py"]),
        ("import namespace", []),
        ("import namespace.inner", ["namespace/inner.py"]),
        ("import linked", ["linked.py", "../elsewhere/real.py"]),
        ("sys.path += ['archive.zip']; import zipped.sub", ["archive.zip"]),
        ("import module; del sys.modules['module']", []),
        ("sys.modules['odd'] = None; sys.modules['odder'] = 5", []),
        ("sys.modules['bare'] = type(sys)('bare')", []),
    ],
)
def test_loaded_files(directory: Path, statement: str, files: list[str]) -> None:
    code = (
        f"{statement}\nfrom devrunserver.common.module_files import loaded_files\nprint(json.dumps([*loaded_files()]))"
    )
    found = {Path(file) for file in run(directory, code)}
    assert {file for file in found if directory.parent in file.parents} == {
        directory / "script.py",
        *((directory / file).resolve() if file.startswith("..") else directory / file for file in files),
    }
    assert not any(file.name == "unused.py" for file in found)


def test_loaded_files_does_not_touch_odd_objects(directory: Path) -> None:
    code = """
        class Touchy:
            def __getattribute__(self, name):
                raise SystemExit("touched: " + name)
        sys.modules["touchy"] = Touchy()
        from devrunserver.common.module_files import loaded_files
        print(json.dumps(len(loaded_files()) > 1))
    """
    assert run(directory, code) is True


def test_loaded_files_does_not_run_lazy_modules(directory: Path) -> None:
    (directory / "module.py").write_text("import sys\nsys.has_run = True\n")
    code = """
        import importlib.util
        spec = importlib.util.find_spec("module")
        spec.loader = importlib.util.LazyLoader(spec.loader)
        sys.modules["module"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["module"])
        from devrunserver.common.module_files import loaded_files
        files = loaded_files()
        print(json.dumps([spec.origin in files, hasattr(sys, "has_run")]))
    """
    assert run(directory, code) == [True, False]


def test_a_process_has_loaded_this_file() -> None:
    assert str(Path(__file__).resolve()) in loaded_files()


def test_loaded_files_of_modules_that_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    def come(name: str) -> None:
        module = ModuleType(name)
        module.__file__ = f"/nowhere/{name}.py"
        monkeypatch.setitem(sys.modules, name, module)

    def new_since(earlier: set[str]) -> set[str]:
        return {os.path.basename(file) for file in loaded.now() - earlier}

    loaded = LoadedFiles()
    first = loaded.now()
    assert str(Path(__file__).resolve()) in first
    come("a")
    come("b")
    assert added_since(module_files.state()) == []
    assert new_since(first) == {"a.py", "b.py"}
    come("c")
    monkeypatch.delitem(sys.modules, "a")
    assert new_since(first) == {"a.py", "b.py", "c.py"}, "the length is the same, and what is gone was loaded once"
    come("d")
    come("e")
    monkeypatch.delitem(sys.modules, "b")
    assert new_since(first) == {"a.py", "b.py", "c.py", "d.py", "e.py"}


@pytest.mark.parametrize(
    ("modules", "earlier", "added"),
    [
        ("ab", (0, ""), None),
        ("ab", (2, "b"), ""),
        ("abcd", (2, "b"), "cd"),
        ("bc", (2, "b"), "c"),  # one has gone, one has come
        ("acd", (3, "c"), "d"),
        ("acb", (2, "b"), None),  # the last one has come once more
        ("a", (3, "c"), None),
    ],
)
def test_added_since(
    monkeypatch: pytest.MonkeyPatch, modules: str, earlier: tuple[int, str], added: str | None
) -> None:
    monkeypatch.setattr(module_files, "sys", SimpleNamespace(modules=dict.fromkeys(modules)))
    found = added_since(earlier)
    assert (None if found is None else sorted(found)) == (None if added is None else list(added))


def test_links_to_directories_are_resolved(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(directory)
    code = f"""
        sys.path.insert(0, {str(tmp_path / "link")!r})
        import module
        from devrunserver.common.module_files import loaded_files
        print(json.dumps([module.__file__, *loaded_files()]))
    """
    spelled, *files = run(directory, code)
    assert spelled == str(tmp_path / "link/module.py")
    assert str(directory / "module.py") in files
    assert spelled not in files


@pytest.mark.parametrize(
    ("files", "directories"), [([], []), (["/b/x.py", "/a/y.py", "/a/z.py", "/a/b/c.py"], ["/a", "/a/b", "/b"])]
)
def test_directories_of(files: list[str], directories: list[str]) -> None:
    assert directories_of(files) == directories


def test_times() -> None:
    assert times([(1.0, "a"), (1.5, "b"), (2.0, "a.c"), (2.25, "b")], end=3.0) == {"a": 0.5, "b": 1.25, "a.c": 0.25}
    assert times([], end=3.0) == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", []),
        ("x = 1", []),
        ("import a", ["a"]),
        ("import a.b.c, d as e", ["a.b.c", "d"]),
        ("from a import b", ["a", "a.b"]),
        ("from a.b import *", ["a.b"]),
        ("from . import local", ["site.conf", "site.conf.local"]),
        ("from . import one, two as three", ["site.conf", "site.conf.one", "site.conf.two"]),
        ("from . import *", ["site.conf"]),
        ("from .local import *", ["site.conf.local"]),
        ("from .. import local", ["site", "site.local"]),
        ("from ..other.local import X", ["site.other.local", "site.other.local.X"]),
        ("from .... import local", []),  # beyond the top
        ("try:\n    import local\nexcept ImportError:\n    pass", ["local"]),
        ("def f():\n    from a import b\nclass C:\n    import c", ["a", "a.b", "c"]),
        ("if X:\n    import a\nelse:\n    import b", ["a", "b"]),
        ("import_module('a.b')", ["a.b"]),
        ("importlib.import_module('a.b', package=None)", ["a.b"]),
        ("__import__('a')", ["a"]),
        ("import_module(name)", []),
        ("import_module('.local', __package__)", []),
        ("import_module(5), import_module()", []),
        ("load('a.b'), x.load('a.b')", []),
        ("functions[0]('a.b')", []),
    ],
)
def test_imports_of(source: str, expected: list[str]) -> None:
    assert sorted(imports_of(ast.parse(source), "site.conf.dev", is_package=False)) == sorted(expected)
    # seen from the package itself, it is one level less
    assert sorted(imports_of(ast.parse(source), "site.conf", is_package=True)) == sorted(expected)


def test_imports_of_a_module_without_a_package() -> None:
    assert list(imports_of(ast.parse("from . import local\nimport other"), "settings", is_package=False)) == ["other"]


UNLOADED = """
    import module, package.sub
    from devrunserver.common.module_files import unloaded_imports
    try:
        import settings
    except ImportError:
        settings = type(sys)("settings")
        settings.__file__ = {file!r}
    print(json.dumps(sorted(unloaded_imports([settings]))))
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import module, sys, os.path, package.sub", []),
        ("try: import local_settings\nexcept ImportError: pass", ["local_settings"]),
        ("try: from local_settings import *\nexcept ImportError: pass", ["local_settings"]),
        ("try: import missing.part\nexcept ImportError: pass", ["missing"]),
        ("try: import package.missing.part\nexcept ImportError: pass", ["package.missing"]),
        ("def lazily(): import unused, package.sub", ["unused"]),
        ("from package import sub", []),
        ("from os import path; from json import dumps", []),
        ("try: import broken\nexcept ValueError: pass", ["broken"]),
        ("try: from package import local\nexcept ImportError: pass", ["package.local"]),
    ],
)
def test_unloaded_imports(directory: Path, source: str, expected: list[str]) -> None:
    (directory / "broken.py").write_text("raise ValueError")
    (directory / "settings.py").write_text(source)
    assert run(directory, UNLOADED.format(file=str(directory / "settings.py"))) == expected


@pytest.mark.parametrize("content", [b"x = (", b"import a\0", b"\xff", None], ids=["syntax", "null", "bytes", "gone"])
def test_unloaded_imports_of_what_cannot_be_read(directory: Path, content: bytes | None) -> None:
    if content is not None:
        (directory / "settings.py").write_bytes(content)
    code = UNLOADED.replace("import settings", "raise ImportError")
    assert run(directory, code.format(file=str(directory / "settings.py"))) == []


def test_unloaded_imports_does_not_run_lazy_modules(directory: Path) -> None:
    (directory / "module.py").write_text("import sys\nsys.has_run = True\nimport missing\n")
    code = """
        import importlib.util
        spec = importlib.util.find_spec("module")
        spec.loader = importlib.util.LazyLoader(spec.loader)
        sys.modules["module"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["module"])
        from devrunserver.common.module_files import unloaded_imports
        names = unloaded_imports([sys.modules["module"]])
        print(json.dumps([sorted(names), hasattr(sys, "has_run")]))
    """
    assert run(directory, code) == [["missing"], False]
