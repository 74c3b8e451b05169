"""Polling: two looks at a directory, compared."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devrunserver.supervisor.watching.events import Event, Kind
from devrunserver.supervisor.watching.polling import DIRECTORY, Polling, Snapshot, compare, look, survey, token_of

W, R = Kind.WRITTEN, Kind.REMOVED
NEVER = 3600.0  # seconds between the looks of the thread: the tests look themselves


@pytest.mark.parametrize(
    ("before", "after", "events"),
    [
        ({}, {}, []),
        ({"a": (5, 1, 1)}, {"a": (5, 1, 1)}, []),
        ({}, {"a": (5, 1, 1)}, [(W, "a")]),
        ({"a": (5, 1, 1)}, {}, [(R, "a")]),
        ({"a": (5, 1, 1)}, {"a": (6, 1, 1)}, [(W, "a")]),
        ({"a": (5, 1, 1)}, {"a": (4, 1, 1)}, [(W, "a")]),  # back-dated
        ({"a": (5, 1, 1)}, {"a": (5, 2, 1)}, [(W, "a")]),
        ({"a": (5, 1, 1)}, {"a": (5, 1, 2)}, [(W, "a")]),  # replaced
        ({"a": (5, 1, 1)}, {"b": (5, 1, 1)}, [(R, "a"), (W, "b")]),  # renamed
        ({"a": (5, 1, 1)}, {"a": DIRECTORY}, [(W, "a")]),
        ({"a": DIRECTORY}, {"a": DIRECTORY}, []),
    ],
)
def test_compare(before: Snapshot, after: Snapshot, events: list[tuple[Kind, str]]) -> None:
    assert compare(before, after) == [Event(*event) for event in events]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two files of the same old time, a sub-directory, a dangling link."""
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x = 1\n")
        os.utime(tmp_path / name, ns=(10**18, 10**18))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.py").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    return tmp_path


def keep_time(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, ns=(10**18, 10**18))


def remove_sub(directory: Path) -> None:
    (directory / "sub" / "c.py").unlink()
    (directory / "sub").rmdir()


OPERATIONS: list[tuple[Callable[[Path], object], list[tuple[Kind, str]]]] = [
    (lambda d: None, []),
    (lambda d: (d / "a.py").read_text(), []),
    (lambda d: (d / "a.py").chmod(0o600), []),
    (lambda d: (d / "a.py").write_text("x = 2\n"), [(W, "a.py")]),  # of the same size
    (lambda d: keep_time(d / "a.py", "x = 12\n"), [(W, "a.py")]),  # of the same time
    (lambda d: os.utime(d / "a.py", (5, 5)), [(W, "a.py")]),
    (lambda d: os.replace(d / "b.py", d / "a.py"), [(R, "b.py"), (W, "a.py")]),  # of the same size and time
    (lambda d: (d / "a.py").unlink(), [(R, "a.py")]),
    (lambda d: (d / "new.py").touch(), [(W, "new.py")]),
    (lambda d: (d / "new").mkdir(), [(W, "new")]),
    (lambda d: (d / "nowhere").touch(), [(W, "dangling"), (W, "nowhere")]),
    (lambda d: (d / "sub" / "c.py").write_text("below\n"), []),  # only what is in the directory, not below it
    (lambda d: (d / "sub" / "new.py").touch(), []),
    (remove_sub, [(R, "sub")]),
]


@pytest.fixture
def polling() -> Iterator[Polling]:
    polling = Polling(NEVER, lambda: None)
    yield polling
    polling.close()


@pytest.mark.parametrize(("operation", "events"), OPERATIONS, ids=range(len(OPERATIONS)))
def test_poll(
    directory: Path, polling: Polling, operation: Callable[[Path], object], events: list[tuple[Kind, str]]
) -> None:
    polling.add(str(directory))
    operation(directory)
    polling.poll()
    found = sorted(polling.read(), key=lambda event: (event.kind is W, event.path))
    assert found == [Event(kind, str(directory / name)) for kind, name in events]
    polling.poll()
    assert polling.read() == []


def test_a_directory_that_cannot_be_read_is_empty(directory: Path, polling: Polling) -> None:
    gone = directory / "gone"
    assert look([str(gone)]) == {}
    polling.add(str(gone))
    gone.mkdir()
    (gone / "a.py").touch()
    polling.poll()
    assert polling.read() == [Event(W, str(gone / "a.py"))]


def test_remove_forgets_what_is_below(directory: Path, polling: Polling) -> None:
    for name in ("", "sub", "subway"):
        polling.add(str(directory / name) if name else str(directory))
    polling.remove(str(directory / "sub"))
    assert set(polling.directories) == {str(directory), str(directory / "subway")}


def test_the_thread_wakes_the_loop(directory: Path) -> None:
    woken = threading.Event()
    polling = Polling(0.01, woken.set)
    polling.add(str(directory))
    (directory / "new.py").touch()
    assert woken.wait(10)
    assert Event(W, str(directory / "new.py")) in polling.read()
    polling.close()


@pytest.mark.parametrize("path", ["/nowhere/at/all", "nul\0byte"])
def test_there_is_no_token_where_there_is_no_file(path: str) -> None:
    assert token_of(path) is None


def test_survey_tells_sources_from_what_has_changed_since(tmp_path: Path) -> None:
    for name in ("old.py", "old.txt"):
        (tmp_path / name).write_text("text")
    (tmp_path / "package").mkdir()
    (tmp_path / "broken").symlink_to("nowhere")
    path = str(tmp_path / "old.py")
    directories = [str(tmp_path), str(tmp_path / "missing")]
    assert survey(directories, ".py", math.inf) == ({path: token_of(path)}, [])
    # set back: the change time tells
    os.utime(path, (1, 1))
    snapshot, changed = survey(directories, ".py", 0)
    assert snapshot == {}
    assert sorted(changed) == [path, str(tmp_path / "old.txt")]
