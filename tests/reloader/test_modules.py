"""What a process has loaded, and what it looked for in vain."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from devrunserver.reloader.modules import directories_of, loaded_files, times

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
    code = f"{statement}\nfrom devrunserver.reloader.modules import loaded_files\nprint(json.dumps([*loaded_files()]))"
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
        from devrunserver.reloader.modules import loaded_files
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
        from devrunserver.reloader.modules import loaded_files
        files = loaded_files()
        print(json.dumps([spec.origin in files, hasattr(sys, "has_run")]))
    """
    assert run(directory, code) == [True, False]


def test_a_process_has_loaded_this_file() -> None:
    assert str(Path(__file__).resolve()) in loaded_files()


def test_links_to_directories_are_resolved(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(directory)
    code = f"""
        sys.path.insert(0, {str(tmp_path / "link")!r})
        import module
        from devrunserver.reloader.modules import loaded_files
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
