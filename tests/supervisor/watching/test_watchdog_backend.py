"""watchdog's own observer, which serves on macOS and Windows, exercised with the events that Linux sends it."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
)

from devrunserver.supervisor.watching import backends
from devrunserver.supervisor.watching import watchdog_backend as observer_module
from devrunserver.supervisor.watching import watcher as watcher_module
from devrunserver.supervisor.watching.events import Event, Kind
from devrunserver.supervisor.watching.exclusions import Exclusions
from devrunserver.supervisor.watching.mode import Mode
from devrunserver.supervisor.watching.watchdog_backend import Observer, _Handler
from devrunserver.supervisor.watching.watcher import Watcher
from tests.live import wait_for
from tests.supervisor.watching.reported import PATIENCE, make_change_and_delete, paths_until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the events differ from system to system"),
    # of watchdog on Linux, for a directory that it sees twice; as an error it would end the thread that reads events
    pytest.mark.filterwarnings("ignore:Callback with id:RuntimeWarning"),
]

W, R = Kind.WRITTEN, Kind.REMOVED
INTERVAL = 0.05  # seconds
Operation = Callable[[Path], object]


def make_files(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x = 1\n")
    return root


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.fixture
def _nothing_is_left() -> Iterator[None]:
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    yield
    assert set(threading.enumerate()) <= threads
    assert open_descriptors() <= descriptors


# The observer


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (FileCreatedEvent("/a"), [(W, "/a")]),
        (FileModifiedEvent("/a"), [(W, "/a")]),
        (FileClosedEvent("/a"), [(W, "/a")]),
        (FileDeletedEvent("/a"), [(R, "/a")]),
        (FileMovedEvent("/a", "/b"), [(R, "/a"), (W, "/b")]),
        (FileMovedEvent("/a", ""), [(R, "/a")]),
        (DirCreatedEvent("/a"), [(W, "/a")]),
        (DirDeletedEvent("/a"), [(R, "/a")]),
        (DirMovedEvent("/a", "/b"), [(R, "/a"), (W, "/b")]),
        (FileCreatedEvent(b"/\xff"), [(W, os.fsdecode(b"/\xff"))]),
    ],
)
def test_translation(event: FileSystemEvent, expected: list[tuple[Kind, str]]) -> None:
    events: list[Event] = []
    _Handler(events.append).dispatch(event)
    assert events == [Event(*one) for one in expected]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    make_files(tmp_path, "watched/sub/inner.py", "watched/a.py", "outside/from.py", "outside/pkg/mod.py")
    return tmp_path / "watched"


@pytest.fixture
def woken() -> threading.Event:
    return threading.Event()


@pytest.fixture
def observer(_nothing_is_left: None, directory: Path, woken: threading.Event) -> Iterator[Observer]:
    observer = Observer(woken.set)
    observer.add(str(directory))
    yield observer
    observer.close()


def atomic_save(directory: Path) -> None:
    (directory / "a.py.tmp").write_text("x = 2\n")
    os.replace(directory / "a.py.tmp", directory / "a.py")


def read_all(directory: Path) -> None:
    (directory / "a.py").read_text()
    (directory / "sub/inner.py").stat()
    list(directory.rglob("*"))


OPERATIONS: list[tuple[str, Operation, list[tuple[Kind, str]]]] = [
    ("nothing", lambda d: None, []),
    ("read", read_all, []),
    ("write", lambda d: (d / "a.py").write_text("x = 2\n"), [(W, "a.py")]),
    ("write below", lambda d: (d / "sub/inner.py").write_text("x = 2\n"), [(W, "sub/inner.py")]),
    ("append", lambda d: (d / "a.py").open("a").close(), [(W, "a.py")]),
    ("create", lambda d: (d / "new.py").touch(), [(W, "new.py")]),
    ("delete", lambda d: (d / "a.py").unlink(), [(R, "a.py")]),
    ("atomic save", atomic_save, [(W, "a.py.tmp"), (R, "a.py.tmp"), (W, "a.py")]),
    ("rename", lambda d: os.rename(d / "a.py", d / "b.py"), [(R, "a.py"), (W, "b.py")]),
    ("move away", lambda d: os.rename(d / "a.py", d.parent / "outside/a.py"), [(R, "a.py")]),
    ("move in", lambda d: os.rename(d.parent / "outside/from.py", d / "from.py"), [(W, "from.py")]),
    ("symlink", lambda d: (d / "link.py").symlink_to(d / "a.py"), [(W, "link.py")]),
    ("hard link", lambda d: (d / "link.py").hardlink_to(d.parent / "outside/from.py"), [(W, "link.py")]),
    ("mkdir", lambda d: (d / "new").mkdir(), [(W, "new")]),
    (
        "a new tree",
        lambda d: make_files(d, "new/er/code.py"),
        [(W, "new"), (W, "new/er"), (W, "new/er/code.py")],
    ),
    (
        "move a directory in",
        lambda d: os.rename(d.parent / "outside/pkg", d / "pkg"),
        [(W, "pkg"), (W, "pkg/mod.py")],
    ),
    ("move a directory away", lambda d: os.rename(d / "sub", d.parent / "outside/sub"), [(R, "sub")]),
    (
        "rename a directory",
        lambda d: os.rename(d / "sub", d / "two"),
        [(R, "sub"), (W, "two"), (R, "sub/inner.py"), (W, "two/inner.py")],
    ),
    ("remove a tree", lambda d: shutil.rmtree(d / "sub"), [(R, "sub/inner.py"), (R, "sub")]),
]


def events_until(observer: Observer, woken: threading.Event, expected: set[Event]) -> set[Event]:
    """What comes until all that is expected has come. It is woken for each event, so that nothing has to be polled."""
    events: set[Event] = set()
    deadline = time.monotonic() + PATIENCE
    while not expected <= events:
        assert woken.wait(max(0.0, deadline - time.monotonic())), f"not reported: {expected - events}, but {events}"
        woken.clear()
        events.update(observer.read())
    return events


@pytest.mark.parametrize(("operation", "expected"), [row[1:] for row in OPERATIONS], ids=[row[0] for row in OPERATIONS])
def test_operations(
    directory: Path,
    observer: Observer,
    woken: threading.Event,
    operation: Operation,
    expected: list[tuple[Kind, str]],
) -> None:
    operation(directory)
    wanted = {Event(kind, str(directory / name)) for kind, name in expected}
    events = events_until(observer, woken, wanted)
    (directory / "last.py").touch()  # what comes before its event is all that came of the operation
    last = Event(W, str(directory / "last.py"))
    events |= events_until(observer, woken, {last})
    assert events == wanted | {last}


def test_trees_are_added_while_it_runs_and_once(
    tmp_path: Path, directory: Path, observer: Observer, woken: threading.Event
) -> None:
    for _ in range(2):
        observer.add(str(tmp_path / "outside"))
    assert set(observer.directories) == {str(directory), str(tmp_path / "outside")}
    for path in (tmp_path / "outside/pkg/mod.py", directory / "a.py"):
        path.write_text("x = 2\n")
        events_until(observer, woken, {Event(W, str(path))})


@pytest.mark.parametrize(
    ("name", "covered"), [("", True), ("/sub", True), ("/nowhere", True), ("-two", False), ("/..", False)]
)
def test_covers(directory: Path, observer: Observer, name: str, covered: bool) -> None:
    assert observer.covers(os.path.normpath(f"{directory}{name}")) is covered


def test_what_does_not_exist_is_refused(directory: Path, observer: Observer) -> None:
    with pytest.raises(FileNotFoundError):
        observer.add(str(directory / "nowhere"))
    assert set(observer.directories) == {str(directory)}


# The watcher with it


@pytest.fixture
def search_path(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the watcher takes for ``sys.path``, on what it takes for macOS."""
    search_path: list[str] = []
    for module in (watcher_module, backends):
        monkeypatch.setattr(module, "sys", SimpleNamespace(platform="darwin", path=search_path))
    return search_path


MakeWatcher = Callable[..., Watcher]


@pytest.fixture
def make_watcher(_nothing_is_left: None, search_path: list[str]) -> Iterator[MakeWatcher]:
    made = []

    def make(mode: Mode = "events") -> Watcher:
        made.append(Watcher(mode, INTERVAL, Exclusions(["*.log", "dumps"])))
        return made[-1]

    yield make
    for watcher in made:
        watcher.close()


@pytest.fixture
def watcher(make_watcher: MakeWatcher) -> Watcher:
    return make_watcher()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_files(
        tmp_path / "project",
        *("app/views.py", "app/deep/er/code.py", "node_modules/a/index.js", "dumps/x.py", "manage.py"),
        *("venv/pyvenv.cfg", "venv/lib/site-packages/shop/models.py", "venv/lib/site-packages/other/code.py"),
    )


def test_the_project_is_one_watch(watcher: Watcher, root: Path) -> None:
    watcher.add_project(str(root))
    assert (watcher.name, watcher.notes, watcher.directories) == ("watchdog", [], [])
    assert watcher._backends.observer is not None
    assert list(watcher._backends.observer.directories) == watcher.project_roots == [str(root)]
    assert watcher.watches(str(root)) and watcher.watches(str(root / "app/deep"))
    assert watcher.add_tree(str(root)) == watcher.add_tree(str(root / "app")) == []
    assert watcher.add_directory(str(root / "app")) == []
    assert list(watcher._backends.polling.directories) == []


def test_only_what_is_not_excluded_is_reported(watcher: Watcher, root: Path) -> None:
    watcher.add_project(str(root))
    left_out = [
        "node_modules/a/index.js", "node_modules/a/new.js", "node_modules/b/index.js", "dumps/x.py", "app/debug.log",
        "venv/lib/site-packages/shop/models.py", "app/__pycache__/views.pyc", ".git/index.lock", "app/dumps/y/z.py",
    ]  # fmt: skip
    make_files(root, *left_out, "app/views.py")
    assert paths_until(watcher, root / "app/views.py") - {str(root / "app/views.py")} == set()


@pytest.mark.parametrize("name", ["app/new.py", "app/deep/er/new.py", "top.py", "README"])
def test_new_changed_and_deleted_files(watcher: Watcher, root: Path, name: str) -> None:
    watcher.add_project(str(root))
    make_change_and_delete(watcher, root / name)


def test_new_moved_and_renamed_directories_bring_their_files(watcher: Watcher, root: Path, tmp_path: Path) -> None:
    watcher.add_project(str(root))
    make_files(root, "new/er/code.py", "new/node_modules/x.js")
    paths = paths_until(watcher, root / "new/er/code.py")
    os.rename(make_files(tmp_path / "elsewhere", "er/code.py"), root / "one")
    paths |= paths_until(watcher, root / "one/er/code.py")
    os.rename(root / "one", root / "two")
    paths |= paths_until(watcher, root / "one", root / "two/er/code.py")
    make_files(root, "two/er/code.py", "two/er/later.py")
    paths |= paths_until(watcher, root / "two/er/code.py", root / "two/er/later.py")
    os.rename(root / "two", tmp_path / "elsewhere")
    paths |= paths_until(watcher, root / "two")
    assert not any("node_modules" in path for path in paths)


def test_modules_outside_are_watched_by_their_search_path(
    watcher: Watcher, root: Path, tmp_path: Path, search_path: list[str]
) -> None:
    library = tmp_path / "lib"
    make_files(library, "json/decoder.py", "site-packages/shop/models.py", "site-packages/shop/sub/code.py")
    search_path += ["", str(library), str(library / "site-packages")]
    watcher.add_project(str(root))
    for name in ("json", "site-packages/shop"):
        watcher.add_directory(str(library / name))
        assert watcher.add_directory(str(library / name)) == []
        assert watcher.watches(str(library / name))
    assert watcher._backends.observer is not None
    assert set(watcher._backends.observer.directories) == {str(root), str(library)}
    for name in ("json/decoder.py", "site-packages/shop/models.py"):
        (library / name).write_text("changed\n")
        paths_until(watcher, library / name)


def test_a_directory_outside_of_every_search_path(watcher: Watcher, root: Path, tmp_path: Path) -> None:
    watcher.add_project(str(root))
    outside = make_files(tmp_path / "project-two", "code.py")
    assert watcher.add_directory(str(outside)) == [str(outside)]
    assert watcher.add_directory(str(outside)) == []
    (outside / "code.py").write_text("changed\n")
    paths_until(watcher, outside / "code.py")
    assert not watcher.in_project(str(outside / "code.py"))


def test_a_module_directory_that_the_user_excludes(watcher: Watcher, root: Path) -> None:
    watcher.add_project(str(root))
    assert watcher.add_directory(str(root / "dumps")) == []
    make_files(root, "dumps/x.py", "manage.py")
    assert paths_until(watcher, root / "manage.py") == {str(root / "manage.py")}


@pytest.mark.parametrize("name", ["add_tree", "add_directory", "add_project"])
def test_what_does_not_exist_is_not_watched(watcher: Watcher, tmp_path: Path, name: str) -> None:
    assert not getattr(watcher, name)(str(tmp_path / "nowhere"))
    assert watcher.notes == []


def test_a_silent_file_system_is_polled(make_watcher: MakeWatcher, root: Path) -> None:
    watcher = make_watcher("auto")
    watcher._backends._mountinfo = f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {root} rw - 9p x rw"
    watcher.add_project(str(root))
    assert watcher.notes == [f"Polling {root}: its file system (9p) sends no events."]
    assert str(root / "app/deep") in watcher._backends.polling.directories
    assert str(root / "node_modules") not in watcher._backends.polling.directories
    (root / "app/views.py").write_text("changed\n")
    paths_until(watcher, root / "app/views.py")
    make_files(root, "new/er/code.py")
    paths_until(watcher, root / "new/er/code.py")


def test_a_tree_that_the_system_refuses_is_polled(
    watcher: Watcher, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(watcher._backends.observer, "add", refuse)
    watcher.add_project(str(root))
    assert watcher.notes == [f"Polling {root}: [Errno {errno.EMFILE}] Too many open files."]
    assert str(root / "node_modules") not in watcher._backends.polling.directories
    (root / "app/views.py").write_text("changed\n")
    paths_until(watcher, root / "app/views.py")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(errno.EMFILE, ""), "the limit of inotify instances is reached"),
        (OSError(errno.EPERM, "no"), "[Errno 1] no"),
        (ImportError("no _fsevents"), "native file events are not available (no _fsevents)"),
    ],
)
def test_without_an_observer_it_polls(
    make_watcher: MakeWatcher, root: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, cause: str
) -> None:
    def refuse() -> NoReturn:
        raise error

    monkeypatch.setattr(observer_module, "WatchdogObserver", refuse)
    watcher = make_watcher()
    watcher.add_project(str(root))
    [note] = watcher.notes
    assert note.startswith(f"Watching by polling: {cause}")
    assert watcher.name == "polling"
    (root / "app/views.py").write_text("changed\n")
    paths_until(watcher, root / "app/views.py")


def test_many_events_are_not_lost(watcher: Watcher, root: Path) -> None:
    watcher.add_project(str(root))
    many = [root / f"app/deep/many_{number}.py" for number in range(500)]  # more than fit into the waking socket
    for path in many:
        path.touch()
    paths_until(watcher, *many)


def test_nothing_is_reported_after_close(make_watcher: MakeWatcher, root: Path) -> None:
    watcher = make_watcher()
    watcher.add_project(str(root))
    observer = watcher._backends.observer
    assert observer is not None
    observer.close()
    wait_for(lambda: not observer._observer.is_alive(), "its thread has ended", PATIENCE)
    (root / "app/views.py").write_text("changed\n")
    assert observer.read() == []


def test_backdated(directory: Path, observer: Observer, woken: threading.Event) -> None:
    os.utime(directory / "a.py", (5, 5))
    events_until(observer, woken, {Event(W, str(directory / "a.py"))})


def test_moved_without_source() -> None:
    events: list[Event] = []
    _Handler(events.append).dispatch(FileMovedEvent("", "/b"))
    assert events == [Event(W, "/b")]


def test_module_directory_inside_an_excluded_venv(watcher: Watcher, root: Path, search_path: list[str]) -> None:
    site = root / "venv/lib/site-packages"
    search_path += [str(root), str(site)]
    watcher.add_project(str(root))
    assert watcher.add_directory(str(site / "shop"))
    (site / "other/code.py").write_text("changed\n")
    (site / "shop/models.py").write_text("changed\n")
    assert paths_until(watcher, site / "shop/models.py") == {str(site / "shop/models.py")}


def test_project_root_inside_an_excluded_directory(watcher: Watcher, root: Path) -> None:
    src = make_files(root / "venv/src/editable", "code.py", "node_modules/x.js")
    watcher.add_project(str(root))
    watcher.add_project(str(src))
    (src / "node_modules/x.js").write_text("changed\n")
    (src / "code.py").write_text("changed\n")
    assert paths_until(watcher, src / "code.py") == {str(src / "code.py")}


def test_new_directory_is_reported(watcher: Watcher, root: Path) -> None:
    watcher.add_project(str(root))
    (root / "namespace").mkdir()
    paths_until(watcher, root / "namespace")


def test_root_deleted_and_restored(watcher: Watcher, root: Path) -> None:
    watcher.add_project(str(root))
    shutil.rmtree(root)
    paths_until(watcher, root)
    make_files(root, "app/views.py")
    watcher.restore()
    watcher.read()
    (root / "app/views.py").write_text("changed\n")
    paths_until(watcher, root / "app/views.py")


def test_not_below_a_single_directory(watcher: Watcher, root: Path, tmp_path: Path) -> None:
    watcher.add_project(str(root))
    lib = make_files(tmp_path / "lib", "shop/a.py", "shop/sub/b.py")
    watcher.add_directory(str(lib / "shop"))
    make_files(lib, "shop/sub/b.py", "shop/a.py")
    assert paths_until(watcher, lib / "shop/a.py") == {str(lib / "shop/a.py")}


def test_refused_single_polls_only_itself(
    watcher: Watcher, root: Path, tmp_path: Path, search_path: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(watcher._backends.observer, "add", refuse)
    lib = make_files(tmp_path / "lib", "shop/a.py", "other/b.py", "more/c.py")
    search_path.append(str(lib))
    watcher.add_directory(str(lib / "shop"))
    assert list(watcher._backends.polling.directories) == [str(lib / "shop")]


@pytest.mark.parametrize("kind", [SystemError, RuntimeError])
def test_fsevents_errors_are_no_oserror(
    watcher: Watcher, root: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def refuse(*args: object) -> None:
        raise kind("Cannot start fsevents stream. Use a kqueue or polling observer instead.")

    monkeypatch.setattr(watcher._backends.observer, "add", refuse)
    watcher.add_project(str(root))
    assert watcher.notes
