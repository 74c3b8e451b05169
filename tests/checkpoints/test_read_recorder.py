"""What a process has read: modules by the finder, data files by audit events."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.common import file_state
from devrunserver.common.facts import Answered, Linked, Listed, Read

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def reads() -> ReadRecorder:
    return ReadRecorder(lambda directory: "site-packages" in directory)


@pytest.mark.parametrize(
    ("event", "path", "flags", "is_told"),
    [
        ("open", "shop/generated.py", os.O_WRONLY | os.O_CREAT, True),
        ("open", "shop/generated.py", os.O_RDWR, True),
        ("open", b"shop/generated.py", os.O_WRONLY, True),
        ("open", "shop/generated.py", os.O_RDONLY, False),
        ("open", "shop/data.json", os.O_WRONLY, False),
        ("open", 4, os.O_WRONLY, False),
        ("os.rename", "shop/generated.py", -1, True),
        ("os.rename", "shop/data.json", -1, False),
        ("os.rename", "__pycache__/generated.cpython-311.pyc", -1, False),
    ],
)
def test_a_source_that_is_written_is_told_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: str, path: object, flags: int, is_told: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    told: list[str] = []
    reads = ReadRecorder(lambda directory: False, told.append)
    reads.handlers[event](("draft", path, -1, -1) if event == "os.rename" else (path, "w", flags))
    assert told == [str(tmp_path / "shop/generated.py")] * is_told


def test_what_a_start_has_written_is_none_of_its_data(reads: ReadRecorder, tmp_path: Path) -> None:
    for name in ("written", "renamed", "read"):
        (tmp_path / name).touch()
        reads.file(str(tmp_path / name))
    reads.handlers["open"]((str(tmp_path / "written"), "a", os.O_WRONLY))
    reads.handlers["os.rename"]((str(tmp_path / "draft"), str(tmp_path / "renamed"), -1, -1))
    assert reads.data_files() == [str(tmp_path / "read")]


SEARCHED = [
    ("local_settings", ["/srv", "/opt/lib"]),
    ("shop.local", ["/srv/shop"]),
    ("plug.extra", ["/srv/1", "/srv/2"]),
]


@pytest.mark.parametrize(
    ("path", "looked_for"),
    [
        ("/srv/local_settings.py", True),
        ("/srv/local_settings/__init__.py", True),
        ("/srv/local_settings", True),  # a namespace package
        ("/opt/lib/local_settings.py", True),
        ("/srv/shop/local_settings.py", False),
        ("/srv/settings.py", False),
        ("/srv/shop/local.py", True),
        ("/srv/shop/local/__init__.py", True),
        ("/srv/local.py", False),
        ("/srv/shop.py", False),
        ("/srv/1/extra.py", True),
        ("/srv/2/extra.py", True),
        ("/srv/extra.py", False),
        ("/srv/__init__.py", False),
    ],
)
def test_looked_for(reads: ReadRecorder, path: str, looked_for: bool) -> None:
    for fullname, directories in SEARCHED:
        reads.module(fullname, directories, None)
    assert reads.looked_for(path) is looked_for


def test_nothing_was_looked_for(reads: ReadRecorder) -> None:
    assert not reads.looked_for("/srv/local_settings.py")


def old(path: Path) -> Path:
    """Makes a file's state one without a checksum."""
    os.utime(path, (1_600_000_000, 1_600_000_000))
    return path


def test_module_is_read_and_what_would_come_before_it_is_known(reads: ReadRecorder, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    file = second / "module.py"
    file.touch()
    reads.module("module", [str(first), str(second)], str(old(file)))
    facts = reads.take()
    assert [type(fact) for fact in facts] == [Answered, Answered, Read]
    assert [(fact.directory, fact.entries) for fact in facts if isinstance(fact, Answered)] == [
        (str(first), ()),
        (str(second), ("module.py",)),
    ]
    assert facts[-1] == Read(str(file), file_state.state_of(str(file)))
    assert reads.looked_for(str(first / "module.py"))  # it would come first
    assert reads.looked_for(str(second / "module"))  # a package comes before a module
    assert not reads.looked_for(str(file))


def test_installed_package_has_no_neighbours(reads: ReadRecorder, tmp_path: Path) -> None:
    directory = tmp_path / "site-packages"
    directory.mkdir()
    (directory / "module.py").touch()
    reads.module("module", [str(directory)], str(directory / "module.py"))
    assert [type(fact) for fact in reads.take()] == [Read]


def test_package_is_found_in_the_directory_around_it(reads: ReadRecorder, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    reads.module("package", [str(tmp_path)], str(package / "__init__.py"))
    answered, inner, read = reads.take()
    assert isinstance(answered, Answered) and answered[0] == str(tmp_path) and answered.entries == ("package",)
    assert isinstance(inner, Answered) and inner[0] == str(package) and inner.entries == ("__init__.py",)
    assert isinstance(read, Read) and read.path == str(package / "__init__.py")


def test_each_fact_is_told_once(reads: ReadRecorder, tmp_path: Path) -> None:
    (tmp_path / "module.py").touch()
    for _ in range(2):
        reads.module("module", [str(tmp_path)], str(tmp_path / "module.py"))
        reads.module("missing", [str(tmp_path)], None)
    assert len(reads.take()) == 3
    assert reads.take() == []


def test_directories_are_resolved_and_remembered(reads: ReadRecorder, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/module.py").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    reads.file(str(tmp_path / "link/module.py"))
    linked, read = reads.take()
    assert linked == Linked(str(tmp_path / "link"), str(tmp_path / "real"))
    assert isinstance(read, Read) and read.path == str(tmp_path / "real/module.py")
    assert reads.has_read(str(tmp_path / "real/module.py"))


def test_file_that_changes_after_it_was_read_is_outdated(reads: ReadRecorder, tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("one")
    reads.file(str(file))
    assert not reads.is_outdated(str(file))
    file.write_text("two")
    assert reads.is_outdated(str(file))
    file.write_text("one")
    os.utime(old(file))
    assert reads.is_outdated(str(file))


def test_file_read_before_the_record_began(reads: ReadRecorder, tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.touch()
    later = time.time() + 60
    reads.file_read_before(str(file), since=later)
    assert not reads.is_outdated(str(file))
    other = tmp_path / "changed_while_starting.py"
    other.touch()
    reads.file_read_before(str(other), since=time.time() - 60)
    assert reads.is_outdated(str(other))


def run(directory: Path, code: str) -> Any:
    """What a process prints as JSON that records what it reads and runs this code in a directory of its own."""
    script = directory / "script.py"
    script.write_text(
        f"import json, sys\nsys.path += [{str(REPOSITORY)!r}]\n"
        + dedent(
            """
            import os
            from devrunserver.checkpoints import audit
            from devrunserver.checkpoints.import_hook import ImportHook
            from devrunserver.checkpoints.read_recorder import ReadRecorder
            reads = ReadRecorder(lambda directory: False)
            finder = ImportHook(reads, lambda fullname, file: False, print)
            finder.install()
            audit.listen(reads.handlers, print)
            """
        )
        + dedent(code)
        + dedent(
            """
            facts = [[type(fact).__name__, os.path.relpath(fact[0]), *fact[1:]] for fact in reads.take()]
            print(json.dumps([fact for fact in facts if not fact[1].startswith("..")]))
            """
        )
    )
    return json.loads(subprocess.check_output([sys.executable, str(script)], cwd=directory, text=True))


def names(facts: list[list[Any]], kind: str) -> list[str]:
    return [fact[1] for fact in facts if fact[0] == kind]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    for name in ("module.py", "package/__init__.py", "package/sub.py", "namespace/inner.py", "unused.py", "data.txt"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()
    (directory / "broken.py").write_text("raise ValueError")
    return directory


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("import module", ["module.py"]),
        ("import package.sub", ["package/__init__.py", "package/sub.py"]),
        ("import namespace.inner", ["namespace/inner.py"]),
        ("try: import broken\nexcept ValueError: pass", ["broken.py"]),
        ("open('data.txt').close()", ["data.txt"]),
        ("open('data.txt', 'a').close(); open('new.txt', 'w').close(); open('data.txt', 'r+').close()", []),
        ("os.close(os.open('data.txt', os.O_RDONLY))", ["data.txt"]),
        ("import pathlib; pathlib.Path('data.txt').read_text()", ["data.txt"]),
        ("open(os.open('data.txt', os.O_RDONLY)).close()", ["data.txt"]),
        ("try: open('none.txt')\nexcept OSError: pass", ["none.txt"]),
        ("open('/dev/null').close()", []),
        ("open(b'data.txt').close()", ["data.txt"]),
        (
            "import importlib.util as u; s = u.spec_from_file_location('x', 'unused.py');"
            "s.loader.exec_module(u.module_from_spec(s))",
            ["unused.py"],
        ),
    ],
)
def test_what_is_read(directory: Path, statement: str, read: list[str]) -> None:
    for _ in range(2):  # from source, and from cached bytecode
        assert names(run(directory, statement), "Read") == read
        (directory / "new.txt").unlink(missing_ok=True)


def test_state_of_a_file_that_is_not_there(directory: Path) -> None:
    code = "try: open('none.txt')\nexcept OSError: pass"
    assert ["Read", "none.txt", None] in run(directory, code)


def test_listed_directories(directory: Path) -> None:
    facts = run(directory, "os.listdir('package'); list(os.scandir('namespace')); list(os.walk('.'))")
    assert names(facts, Listed.__name__) == ["package", "namespace", "."]


def test_bytecode_that_is_listed_is_none_of_it(directory: Path) -> None:
    assert names(run(directory, "os.makedirs('__pycache__'); os.listdir('__pycache__')"), Listed.__name__) == []


def test_directories_that_python_lists_are_none(directory: Path) -> None:
    assert names(run(directory, "import module, package.sub"), Listed.__name__) == []


def test_finder_is_asked_first_and_changes_nothing(directory: Path) -> None:
    code = """
        import module, package.sub, namespace.inner
        assert sys.meta_path[0] is finder
        assert module.__spec__.loader.__class__.__name__ == "SourceFileLoader", module.__spec__
        assert [name for _, name in finder.found] == ["module", "package", "package.sub", "namespace.inner"]
        import importlib.util
        assert importlib.util.find_spec("missing") is None
        other = type("Other", (), {"find_spec": staticmethod(lambda name, path, target=None: None)})
        sys.meta_path.append(other)
        try:
            import missing
        except ModuleNotFoundError as error:
            assert error.name == "missing"
        else:
            raise AssertionError
    """
    facts = run(directory, code)
    assert ["missing", []] in [fact[3:] for fact in facts if fact[0] == Answered.__name__]
