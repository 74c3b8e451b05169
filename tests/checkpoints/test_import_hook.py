"""The first finder: it acts between look-up and loading, and records look-ups so that what changes them is known."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import zipfile
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES, BuiltinImporter, ModuleSpec, PathFinder
from pathlib import Path

import pytest

from devrunserver.checkpoints.import_hook import ImportHook, file_of
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.common.facts import Answered, Read
from devrunserver.common.present import first_broken

LONG_AGO = 1_600_000_000  # seconds since the epoch


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The first directory on ``sys.path``."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def create(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"created_as = {file.name!r}\n")
    importlib.invalidate_caches()


class Before:
    """Whoever is asked before each module is loaded: it knows who was, and may do something to the disk."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bool]] = []  # name, file, whether it was loaded
        self.finds_anew = False
        self.creates: list[Path] = []
        self.deletes: list[Path] = []

    def __call__(self, fullname: str, file: str) -> bool:
        self.asked.append((fullname, file, fullname in sys.modules))
        create(*self.creates)
        for path in self.deletes:
            path.unlink()
        importlib.invalidate_caches()
        return self.finds_anew


@pytest.fixture
def before(directory: Path) -> Before:
    return Before()


@pytest.fixture
def reads() -> ReadRecorder:
    return ReadRecorder(lambda directory: False)


faults: list[Exception] = []


@pytest.fixture
def finder(reads: ReadRecorder, before: Before) -> ImportHook:
    """In its place."""
    faults.clear()
    finder = ImportHook(reads, before, faults.append)
    finder.install()
    return finder


def test_it_is_asked_before_each_module_that_is_loaded(directory: Path, finder: ImportHook, before: Before) -> None:
    create(directory / "fx_mod.py", directory / "fx_pkg/__init__.py", directory / "fx_pkg/sub.py")
    create(directory / "fx_space/inner.py")
    for name in ("fx_mod", "fx_mod", "fx_pkg.sub", "fx_space.inner"):
        importlib.import_module(name)
    for name in ("fx_missing", "fx_pkg.missing", "fx_missing.sub"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)
    assert before.asked == [
        ("fx_mod", str(directory / "fx_mod.py"), False),
        ("fx_pkg", str(directory / "fx_pkg/__init__.py"), False),
        ("fx_pkg.sub", str(directory / "fx_pkg/sub.py"), False),
        ("fx_space.inner", str(directory / "fx_space/inner.py"), False),
    ]
    assert [name for _, name in finder.found] == [name for name, _, _ in before.asked]
    moments = [moment for moment, _ in finder.found]
    assert moments == sorted(moments)


def test_what_is_imported_on_first_use_is_no_part_of_the_history(
    directory: Path, finder: ImportHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the time until somebody asks."""
    create(directory / "fx_mod.py", directory / "fx_late.py")
    now = [1.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    importlib.import_module("fx_mod")
    now[0] = 3.0
    finder.reach_end()
    now[0] = 60.0
    importlib.import_module("fx_late")
    assert (finder.history, finder.ends()) == ([(1.0, "fx_mod", 0)], [3.0])


@pytest.mark.parametrize(("finds_anew", "file"), [(False, "fx_mod.py"), (True, "__init__.py")])
def test_the_module_is_found_anew_where_time_has_passed(
    directory: Path, finder: ImportHook, reads: ReadRecorder, before: Before, finds_anew: bool, file: str
) -> None:
    """As in a process that was resumed: here a package has come, which is found before the module."""
    create(directory / "fx_mod.py")
    before.finds_anew, before.creates = finds_anew, [directory / "fx_mod/__init__.py"]
    assert importlib.import_module("fx_mod").created_as == file
    assert [Path(fact.path).name for fact in reads.take() if isinstance(fact, Read)] == [file]


def test_a_module_that_is_gone_when_it_is_found_anew(
    directory: Path, finder: ImportHook, reads: ReadRecorder, before: Before
) -> None:
    create(directory / "fx_mod.py")
    before.finds_anew, before.deletes = True, [directory / "fx_mod.py"]
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("fx_mod")
    assert reads.looked_for(str(directory / "fx_mod.py"))
    assert finder.found == []


class Other:
    """Another project's finder, which answers for one module."""

    def __init__(self, name: str, file: Path) -> None:
        self.name, self.file = name, file

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        return importlib.util.spec_from_file_location(fullname, self.file) if fullname == self.name else None


def test_finders_that_come_later_are_asked_in_their_order(
    directory: Path, finder: ImportHook, reads: ReadRecorder, before: Before
) -> None:
    create(directory / "fx_mod.py", directory / "elsewhere/hooked.py")
    sys.meta_path.insert(1, Other("fx_mod", directory / "elsewhere/hooked.py"))
    sys.meta_path.insert(1, object())  # type: ignore[arg-type]  # of the days before find_spec
    assert importlib.import_module("fx_mod").created_as == "hooked.py"
    assert before.asked == [("fx_mod", str(directory / "elsewhere/hooked.py"), False)]


def test_who_comes_before_us_is_not_asked_twice(directory: Path, finder: ImportHook, before: Before) -> None:
    create(directory / "fx_mod.py", directory / "elsewhere/hooked.py")
    sys.meta_path.insert(0, Other("fx_mod", directory / "elsewhere/hooked.py"))
    assert importlib.import_module("fx_mod").created_as == "hooked.py"
    assert before.asked == []


def test_out_of_its_place_it_finds_nothing(directory: Path, finder: ImportHook) -> None:
    create(directory / "fx_mod.py")
    sys.meta_path.remove(finder)
    assert finder.find_spec("fx_mod", None) is None


@pytest.mark.parametrize(
    ("name", "read", "answered"),
    [
        ("fx_missing", [], [(".", "fx_missing", ())]),
        ("fx_broken", ["fx_broken.py"], [(".", "fx_broken", ("fx_broken.py",))]),
        ("fx_pkg.missing", [], [("fx_pkg", "missing", ())]),
        ("fx_pkg.broken", ["fx_pkg/broken.py"], [("fx_pkg", "broken", ("broken.py",))]),
        ("fx_mod.attribute", [], []),  # what is no package has no modules
    ],
)
def test_note(
    directory: Path,
    finder: ImportHook,
    reads: ReadRecorder,
    before: Before,
    name: str,
    read: list[str],
    answered: list[object],
) -> None:
    """What was looked up before there was a finder is looked up again, and not loaded."""
    create(directory / "fx_mod.py", directory / "fx_broken.py", directory / "fx_pkg/__init__.py")
    create(directory / "fx_pkg/broken.py")
    importlib.import_module("fx_mod")
    importlib.import_module("fx_pkg")
    reads.take()
    before.asked.clear()
    finder.note(name)
    facts = reads.take()
    assert [str(Path(fact.path).relative_to(directory)) for fact in facts if isinstance(fact, Read)] == read
    assert [
        (str(Path(fact.directory).relative_to(directory)), fact.name, fact.entries)
        for fact in facts
        if isinstance(fact, Answered) and Path(fact.directory).is_relative_to(directory)
    ] == answered
    assert name not in sys.modules
    assert before.asked == []


@pytest.mark.parametrize(
    ("files", "imported", "created"),
    [
        (["fx_mod.py"], "fx_mod", "fx_mod/__init__.py"),
        (["later/fx_mod.py"], "fx_mod", "fx_mod.py"),
        (["later/fx_pkg/__init__.py"], "fx_pkg", "fx_pkg/__init__.py"),
        (["fx_pkg/__init__.py", "fx_pkg/sub.py"], "fx_pkg.sub", "fx_pkg/sub/__init__.py"),
        (["fx_space/inner.py"], "fx_space.inner", "later/fx_space.py"),
        (["fx_space/inner.py"], "fx_space.inner", "fx_space/__init__.py"),
        (["fx_pkg/data.txt", "later/fx_pkg/__init__.py"], "fx_pkg", "fx_pkg/__init__.py"),
    ],
)
def test_what_a_fresh_start_would_find_instead(
    directory: Path, finder: ImportHook, reads: ReadRecorder, files: list[str], imported: str, created: str
) -> None:
    """Nothing that was read has changed, and yet no checkpoint may be resumed, and the worker has to be replaced."""
    sys.path.insert(1, str(directory / "later"))
    create(*(directory / file for file in files))
    for known in (directory, *directory.rglob("*")):
        os.utime(known, (LONG_AGO, LONG_AGO))
    importlib.import_module(imported)
    facts = reads.take()
    assert not any(reads.looked_for(str(directory / file)) for file in files)
    assert first_broken(facts) is None
    create(directory / created)
    assert first_broken(facts) is not None
    assert reads.looked_for(str(directory / created))


def test_file_of(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("zipped/__init__.py", "")
    (tmp_path / "space").mkdir()
    assert file_of(None) is None
    assert file_of(ModuleSpec("made_up", None)) is None
    assert file_of(ModuleSpec("made_up", None, origin="somewhere")) is None
    assert file_of(BuiltinImporter.find_spec("sys")) is None
    assert file_of(PathFinder.find_spec("space", [str(tmp_path)])) is None
    assert file_of(PathFinder.find_spec("zipped", [str(tmp_path / "archive.zip")])) == str(tmp_path / "archive.zip")
    assert file_of(PathFinder.find_spec("pytest")) == pytest.__file__
    assert file_of(PathFinder.find_spec("test_import_hook", [str(Path(__file__).parent)])) == __file__
    for suffix in EXTENSION_SUFFIXES:
        (tmp_path / f"extension{suffix}").touch()
    extension = file_of(PathFinder.find_spec("extension", [str(tmp_path)]))
    assert extension == str(tmp_path / f"extension{EXTENSION_SUFFIXES[0]}")


def test_what_cannot_be_recorded_is_imported_all_the_same(
    directory: Path, finder: ImportHook, reads: ReadRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("no idea")

    monkeypatch.setattr(reads, "module", fail)
    create(directory / "fx_fault.py")
    importlib.import_module("fx_fault")
    assert [repr(fault) for fault in faults] == ["RuntimeError('no idea')"]
