"""What is watched and by which means, and what follows from an event."""

from __future__ import annotations

import os
import select
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from devrunserver.supervisor.watching import watcher as watcher_module
from devrunserver.supervisor.watching.events import Kind
from devrunserver.supervisor.watching.exclusions import Exclusions
from devrunserver.supervisor.watching.mode import Mode
from devrunserver.supervisor.watching.watcher import Watcher
from tests.supervisor.watching.reported import make_change_and_delete, paths_until

W, R = Kind.WRITTEN, Kind.REMOVED
INTERVAL = 0.05  # seconds
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="by inotify")
MakeWatcher = Callable[..., Watcher]


@pytest.fixture
def make_watcher() -> Iterator[MakeWatcher]:
    with ExitStack() as stack:

        def make(mode: Mode = "auto", *patterns: str) -> Watcher:
            watcher = Watcher(mode, INTERVAL, Exclusions(patterns))
            stack.callback(watcher.close)
            return watcher

        yield make


@pytest.fixture(params=["auto", "events", "polling"])
def watcher(request: pytest.FixtureRequest, make_watcher: MakeWatcher) -> Watcher:
    return make_watcher(request.param, "*.log", "dumps")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "project")


def make_tree(root: Path) -> Path:
    for name in ("app/views.py", "app/deep/er/code.py", "node_modules/a/b/index.js", "dumps/x.py", "manage.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x = 1\n")
    return root


def test_a_tree_without_what_holds_no_code(watcher: Watcher, root: Path) -> None:
    watcher.add_project(str(root))
    assert watcher.project_roots == [str(root)]
    assert all(watcher.watches(str(root / name)) for name in ("", "app", "app/deep", "app/deep/er"))
    assert not any(watcher.watches(str(root / name)) for name in ("node_modules", "node_modules/a", "dumps"))
    assert watcher.notes == []


def test_only_what_is_watched_is_reported(watcher: Watcher, root: Path) -> None:
    watcher.add_project(str(root))
    for name in ("node_modules/a/b/index.js", "dumps/x.py", "app/debug.log", "app/views.py"):
        (root / name).write_text("x = 22\n")
    assert paths_until(watcher, root / "app/views.py") == {str(root / "app/views.py")}


@pytest.mark.parametrize("name", ["app/new.py", "app/deep/er/new.py", "top.py", "README"])
def test_new_changed_and_deleted_files(watcher: Watcher, root: Path, name: str) -> None:
    watcher.add_project(str(root))
    make_change_and_delete(watcher, root / name)
    assert watcher.in_project(str(root / name))


def test_a_new_directory_is_watched_and_its_files_count(watcher: Watcher, root: Path) -> None:
    watcher.add_project(str(root))
    make_tree(root / "new" / "er")  # a tree that may be there before its watches are
    paths_until(watcher, root / "new", root / "new/er/app/views.py", root / "new/er/app/deep/er/code.py")
    assert watcher.watches(str(root / "new/er/app/deep"))
    assert not watcher.watches(str(root / "new/er/node_modules"))
    (root / "new/er/app/deep/later.py").touch()
    paths_until(watcher, root / "new/er/app/deep/later.py")


def test_a_directory_moved_in_renamed_and_away(watcher: Watcher, root: Path, tmp_path: Path) -> None:
    watcher.add_project(str(root))
    package = make_tree(tmp_path / "elsewhere")
    os.rename(package, root / "one")
    paths_until(watcher, root / "one", root / "one/app/views.py")
    os.rename(root / "one", root / "two")
    paths_until(watcher, root / "one", root / "two", root / "two/app/views.py")
    (root / "two/app/views.py").write_text("changed\n")
    paths_until(watcher, root / "two/app/views.py")
    os.rename(root / "two", package)
    paths_until(watcher, root / "two")
    assert not any(watcher.watches(str(root / name)) for name in ("one", "one/app", "two", "two/app"))


def test_excluded_directories_that_appear_are_left_out(watcher: Watcher, root: Path) -> None:
    watcher.add_project(str(root))
    for name in (".venv", "app/node_modules", "app/dumps"):
        make_tree(root / name)
    (root / "new").mkdir()
    (root / "new/debug.log").touch()
    paths = paths_until(watcher, root / "new")
    (root / "last.py").touch()
    assert paths | paths_until(watcher, root / "last.py") == {str(root / "new"), str(root / "last.py")}


def test_a_directory_is_watched_without_what_is_below(watcher: Watcher, root: Path) -> None:
    assert watcher.add_directory(str(root / "app")) == [str(root / "app")]
    assert watcher.add_directory(str(root / "app")) == []
    assert not watcher.watches(str(root / "app/deep"))
    assert not watcher.in_project(str(root / "app"))
    (root / "app/deep/code.py").touch()
    (root / "app/new").mkdir()
    (root / "app/new/code.py").touch()
    (root / "app/views.py").write_text("changed\n")
    reported = paths_until(watcher, root / "app/views.py")
    assert {path for path in reported if path.endswith(".py")} == {str(root / "app/views.py")}


def test_trees_tell_what_they_add(watcher: Watcher, root: Path) -> None:
    added = watcher.add_tree(str(root / "app"))
    assert added == [str(root / name) for name in ("app", "app/deep", "app/deep/er")]
    assert watcher.add_tree(str(root / "app")) == []
    assert watcher.add_directory(str(root / "app/deep")) == []
    assert watcher.project_roots == []


def test_a_directory_that_was_watched_alone_becomes_a_tree(watcher: Watcher, root: Path) -> None:
    watcher.add_directory(str(root / "app"))
    assert watcher.add_tree(str(root / "app")) == [str(root / "app/deep"), str(root / "app/deep/er")]
    (root / "app/deep/er/code.py").write_text("changed\n")
    paths_until(watcher, root / "app/deep/er/code.py")


@pytest.mark.parametrize(("name", "added"), [("dumps", False), ("dumps/sub", False), ("node_modules/a", True)])
def test_modules_in_excluded_directories(watcher: Watcher, root: Path, name: str, added: bool) -> None:
    """The user's exclusions hold for loaded modules too; ours are of places where modules may well be installed."""
    (root / "dumps/sub").mkdir()
    watcher.add_project(str(root))
    assert watcher.add_directory(str(root / name)) == ([str(root / name)] if added else [])


def test_links_to_a_root_are_resolved_and_links_inside_are_not_followed(watcher: Watcher, root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    (root / "app/loop").symlink_to(root)
    watcher.add_project(str(link))
    assert watcher.project_roots == [str(root)]
    assert not watcher.watches(str(root / "app/loop"))
    assert watcher.add_directory(str(link / "app")) == []
    (root / "app/views.py").write_text("changed\n")
    paths_until(watcher, root / "app/views.py")


def test_a_root_that_was_deleted_is_restored(watcher: Watcher, root: Path) -> None:
    watcher.add_project(str(root))
    shutil.rmtree(root)
    paths_until(watcher, root / "app/views.py" if watcher.name == "inotify" else root / "app")
    make_tree(root)
    watcher.restore()
    watcher.read()
    (root / "app/deep/new.py").touch()
    paths_until(watcher, root / "app/deep/new.py")


def test_what_does_not_exist_is_not_watched(watcher: Watcher, tmp_path: Path) -> None:
    assert watcher.add_tree(str(tmp_path / "nowhere")) == []
    assert watcher.add_directory(str(tmp_path / "nowhere")) == []


@pytest.mark.parametrize(
    ("path", "expected"),
    [("", True), ("/app/views.py", True), ("/nowhere", True), ("-two/app", False), ("/..", False)],
)
def test_in_project(make_watcher: MakeWatcher, root: Path, path: str, expected: bool) -> None:
    watcher = make_watcher()
    watcher.add_project(str(root))
    assert watcher.in_project(os.path.normpath(f"{root}{path}")) is expected


def test_polling_by_force_needs_no_note(make_watcher: MakeWatcher, root: Path) -> None:
    watcher = make_watcher("polling")
    watcher.add_project(str(root))
    assert (watcher.name, watcher.notes) == ("polling", [])


@on_linux
@pytest.mark.parametrize(("mode", "notes"), [("auto", 1), ("events", 0)])
def test_a_silent_file_system_is_polled(make_watcher: MakeWatcher, root: Path, mode: Mode, notes: int) -> None:
    watcher = make_watcher(mode)
    watcher._backends._mountinfo = f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {root}/app rw - 9p x rw"
    watcher.add_project(str(root))
    expected = f"Polling {root}: its file system (9p) sends no events."
    assert watcher.notes == [expected][:notes]
    assert {str(root / "app"), str(root / "app/deep")} <= set(watcher._backends.polling.directories) or not notes
    (root / "app/views.py").write_text("changed\n")
    (root / "manage.py").write_text("changed\n")
    paths_until(watcher, root / "app/views.py", root / "manage.py")


@on_linux
def test_without_a_descriptor_for_inotify_it_polls(make_watcher: MakeWatcher, root: Path) -> None:
    import resource

    import devrunserver.supervisor.watching.inotify  # noqa: F401  (importing it takes descriptors)

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 5, limits[1]))
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for _ in range(2):  # for the sockets that wake the loop
            os.close(taken.pop())
        watcher = make_watcher()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in taken:
            os.close(descriptor)
    assert watcher.name == "polling"
    assert watcher.notes == [
        "Watching by polling: the limit of inotify instances is reached "
        "(sysctl fs.inotify.max_user_instances raises it)."
    ]
    watcher.add_project(str(root))
    (root / "app/views.py").write_text("changed\n")
    paths_until(watcher, root / "app/views.py")


def test_a_tree_that_is_too_large(make_watcher: MakeWatcher, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_module, "MAX_DIRECTORIES", 3)
    watcher = make_watcher("polling")
    assert len(watcher.add_tree(str(root))) == 3
    assert [note for note in watcher.notes if f"{root} has more than 3 directories" in note] == watcher.notes != []


def test_reading_takes_the_wake_up_away(make_watcher: MakeWatcher) -> None:
    watcher = make_watcher("polling")
    watcher._backends._wake()
    watcher._backends._wake()
    assert select.select(watcher.filenos, [], [], 0)[0] == watcher.filenos
    assert watcher.read() == []
    assert select.select(watcher.filenos, [], [], 0)[0] == []


@pytest.mark.parametrize("mode", ["events", "polling"])
def test_packages_in_a_virtual_environment_stay_watched_when_a_tree_around_it_comes_later(
    tmp_path: Path, mode: Mode
) -> None:
    package = tmp_path / "venv/lib/package"
    package.mkdir(parents=True)
    (tmp_path / "venv/pyvenv.cfg").touch()
    watcher = Watcher(mode, 3600, Exclusions())
    try:
        assert watcher.add_directory(str(package)) == [str(package)]
        assert watcher.add_tree(str(tmp_path)) == [str(tmp_path)]
        assert watcher.watches(str(package))
        assert not watcher.watches(str(tmp_path / "venv"))
        assert not watcher.watches(str(tmp_path / "venv/lib"))
    finally:
        watcher.close()
