"""Which operations on a watched directory are reported, and as what."""

from __future__ import annotations

import mmap
import os
import select
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devrunserver.supervisor.watching.events import Event, Kind

if TYPE_CHECKING:
    from devrunserver.supervisor.watching.inotify import Inotify

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

W, R = Kind.WRITTEN, Kind.REMOVED
Operation = Callable[[Path], object]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A file, a directory with a file, and a place outside to move things to and from."""
    watched = tmp_path / "watched"
    for name in ("watched/sub/inner.py", "watched/a.py", "outside/from.py", "outside/pkg/mod.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    return watched


@pytest.fixture
def inotify(directory: Path) -> Iterator[Inotify]:
    from devrunserver.supervisor.watching.inotify import Inotify

    inotify = Inotify()
    inotify.add(str(directory))
    yield inotify
    with suppress(OSError):
        inotify.close()


def waiting(inotify: Inotify) -> list[Event]:
    """What is waiting. The kernel queues an event before the call that causes it returns: there is no time to wait."""
    readable, _, _ = select.select([inotify.fileno()], [], [], 0)
    return inotify.read() if readable else []


def atomic_save(directory: Path) -> None:
    (directory / "a.py.tmp").write_text("x = 2\n")
    os.replace(directory / "a.py.tmp", directory / "a.py")


def save_with_backup(directory: Path) -> None:
    """As vim does with its default settings."""
    os.rename(directory / "a.py", directory / "a.py~")
    (directory / "a.py").write_text("x = 2\n")
    (directory / "a.py~").unlink()


def write_by_memory_map(directory: Path) -> None:
    with (directory / "a.py").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0:1] = b"y"


def append_and_hold(directory: Path) -> None:
    """As a program does with its log."""
    log = directory / "held.log"
    log.touch()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, b"a line\n")
    os.write(descriptor, b"a line\n")
    os.close(descriptor)


SINGLE: list[tuple[str, Operation, list[tuple[Kind, str]]]] = [
    ("nothing", lambda d: None, []),
    ("read", lambda d: (d / "a.py").read_text(), []),
    ("list", lambda d: os.listdir(d), []),
    ("stat", lambda d: (d / "a.py").stat(), []),
    ("list below", lambda d: os.listdir(d / "sub"), []),
    ("write", lambda d: (d / "a.py").write_text("x = 2\n"), [(W, "a.py")]),
    ("memory map", write_by_memory_map, [(W, "a.py")]),
    ("append", lambda d: (d / "a.py").open("a").close(), [(W, "a.py")]),
    ("back-date", lambda d: os.utime(d / "a.py", (5, 5)), [(W, "a.py")]),
    ("chmod", lambda d: (d / "a.py").chmod(0o600), [(W, "a.py")]),  # its state tells that it is no news
    ("delete", lambda d: (d / "a.py").unlink(), [(R, "a.py")]),
    ("create", lambda d: (d / "new.py").write_text("x = 1\n"), [(W, "new.py")]),
    ("atomic save", atomic_save, [(W, "a.py.tmp"), (R, "a.py.tmp"), (W, "a.py")]),
    ("save with backup", save_with_backup, [(R, "a.py"), (W, "a.py~"), (W, "a.py"), (R, "a.py~")]),
    ("held open", append_and_hold, [(W, "held.log"), (W, "held.log")]),
    ("rename", lambda d: os.rename(d / "a.py", d / "b.py"), [(R, "a.py"), (W, "b.py")]),
    ("move away", lambda d: os.rename(d / "a.py", d.parent / "outside" / "a.py"), [(R, "a.py")]),
    ("move in", lambda d: os.rename(d.parent / "outside" / "from.py", d / "from.py"), [(W, "from.py")]),
    ("symlink", lambda d: (d / "link.py").symlink_to(d / "a.py"), [(W, "link.py")]),
    ("dangling symlink", lambda d: (d / "link.py").symlink_to("nowhere"), [(W, "link.py")]),
    ("hard link", lambda d: (d / "link.py").hardlink_to(d.parent / "outside" / "from.py"), [(W, "link.py")]),
    ("mkdir", lambda d: (d / "new").mkdir(), [(W, "new")]),
    ("move a directory in", lambda d: os.rename(d.parent / "outside" / "pkg", d / "pkg"), [(W, "pkg")]),
    ("move a directory away", lambda d: os.rename(d / "sub", d.parent / "outside" / "sub"), [(R, "sub")]),
    ("write below", lambda d: (d / "sub" / "inner.py").write_text("x = 2\n"), []),  # it has no watch of its own
    ("remove a tree", lambda d: shutil.rmtree(d / "sub"), [(R, "sub")]),
]


@pytest.mark.parametrize(("operation", "expected"), [row[1:] for row in SINGLE], ids=[row[0] for row in SINGLE])
def test_operations(directory: Path, inotify: Inotify, operation: Operation, expected: list[tuple[Kind, str]]) -> None:
    operation(directory)
    events = list(dict.fromkeys(waiting(inotify)))  # a kind may come twice for one operation
    assert events == list(dict.fromkeys(Event(kind, str(directory / name)) for kind, name in expected))
    assert inotify.read() == []


def test_a_file_that_is_being_written_is_no_news(directory: Path, inotify: Inotify) -> None:
    with (directory / "new.py").open("w", buffering=1) as file:
        file.write("half a li\n")
        assert waiting(inotify) == []
    assert waiting(inotify) == [Event(W, str(directory / "new.py"))]


def test_a_directory_that_goes_takes_the_watches_below_with_it(directory: Path, inotify: Inotify) -> None:
    inotify.add(str(directory / "sub"))
    elsewhere = directory.parent / "outside" / "sub"
    os.rename(directory / "sub", elsewhere)
    assert Event(R, str(directory / "sub")) in waiting(inotify)
    assert set(inotify.directories) == {str(directory)}
    (elsewhere / "inner.py").write_text("x = 3\n")
    assert waiting(inotify) == []


def test_a_directory_that_comes_back_can_be_watched_again(directory: Path, inotify: Inotify) -> None:
    sub = directory / "sub"
    inotify.add(str(sub))
    (sub / "inner.py").unlink()
    sub.rmdir()
    sub.mkdir()
    events = waiting(inotify)
    assert {Event(R, str(sub / "inner.py")), Event(R, str(sub)), Event(W, str(sub))} <= set(events)
    assert str(sub) not in inotify.directories
    inotify.add(str(sub))
    (sub / "again.py").touch()
    assert Event(W, str(sub / "again.py")) in waiting(inotify)


def test_the_watched_directory_itself_goes(directory: Path, inotify: Inotify) -> None:
    os.rename(directory, directory.parent / "renamed")
    assert waiting(inotify) == [Event(R, str(directory))]
    assert set(inotify.directories) == set()


def test_a_renamed_directory_is_known_by_its_new_name(directory: Path, inotify: Inotify) -> None:
    sub, renamed = directory / "sub", directory / "renamed"
    inotify.add(str(sub))
    os.rename(sub, renamed)
    inotify.add(str(renamed))  # before the events were read
    waiting(inotify)
    inotify.add(str(renamed))
    assert set(inotify.directories) == {str(directory), str(renamed)}
    (renamed / "inner.py").write_text("x = 2\n")
    assert Event(W, str(renamed / "inner.py")) in waiting(inotify)


def test_remove_stops_the_events(directory: Path, inotify: Inotify) -> None:
    inotify.add(str(directory / "sub"))
    (directory / "a.py").write_text("x = 2\n")  # under way when the watch goes
    inotify.remove(str(directory))
    (directory / "sub" / "inner.py").write_text("x = 2\n")
    assert waiting(inotify) == []
    assert set(inotify.directories) == set()


def test_names_that_are_no_text(directory: Path, inotify: Inotify) -> None:
    name = os.path.join(os.fsencode(directory), b"\xff\xfe.py")
    with open(name, "wb"):
        pass
    assert {event.path for event in waiting(inotify)} == {os.fsdecode(name)}


def test_many_events_are_read_at_once(directory: Path, inotify: Inotify) -> None:
    names = [str(directory / f"{'long' * 50}-{number}.py") for number in range(500)]  # more than one read brings
    for name in names:
        Path(name).touch()
    written = [event.path for event in waiting(inotify) if event.kind is W]
    assert list(dict.fromkeys(written)) == names


@pytest.mark.parametrize("name", ["nowhere", "a.py"])
def test_what_is_no_directory_cannot_be_watched(directory: Path, inotify: Inotify, name: str) -> None:
    with pytest.raises(OSError, match=name):
        inotify.add(str(directory / name))


def test_the_descriptor_is_not_inherited(inotify: Inotify) -> None:
    assert not os.get_inheritable(inotify.fileno())
    assert not os.get_blocking(inotify.fileno())
