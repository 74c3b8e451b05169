"""The state of a file or directory: it differs whenever the file would be read differently now."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devrunserver.common import file_state

LONG_AGO = 1_600_000_000  # seconds since the epoch


def age(path: Path) -> None:
    """Sets mtime back, so that the state is one without a checksum."""
    os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.py"
    path.write_text("one")
    age(path)
    return path


def write(file: Path) -> None:
    file.write_text("two")


def grow(file: Path) -> None:
    file.write_text("three")
    age(file)


def date_back(file: Path) -> None:
    os.utime(file, (LONG_AGO - 1, LONG_AGO - 1))


def touch(file: Path) -> None:
    os.utime(file, ns=(0, LONG_AGO * 10**9 + 1))


def replace(file: Path) -> None:
    draft = file.with_suffix(".draft")
    draft.write_text("two")
    age(draft)
    draft.replace(file)


def replace_by_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def replace_by_link(file: Path) -> None:
    replace(file.with_name("other.py"))
    file.unlink()
    file.symlink_to("other.py")


@pytest.mark.parametrize(
    "change", [write, grow, date_back, touch, replace, replace_by_directory, replace_by_link, Path.unlink]
)
def test_a_change_changes_the_state(file: Path, change: Callable[[Path], object]) -> None:
    state = file_state.state_of(str(file))
    assert state is not None and len(state) == 3
    assert file_state.is_still(str(file), state)
    change(file)
    assert not file_state.is_still(str(file), state)
    assert file_state.state_of(str(file)) != state


def move_and_back(file: Path) -> None:
    file.rename(file.with_suffix(".moved")).rename(file)


def read(file: Path) -> None:
    assert file.read_text()


def link(file: Path) -> None:
    os.link(file, file.with_suffix(".link"))


def change_mode(file: Path) -> None:
    file.chmod(0o600)


@pytest.mark.parametrize("change", [move_and_back, read, link, change_mode])
def test_what_is_no_change(file: Path, change: Callable[[Path], object]) -> None:
    state = file_state.state_of(str(file))
    change(file)
    assert file_state.is_still(str(file), state)


@pytest.mark.parametrize("create", [Path.touch, lambda file: file.symlink_to(__file__)], ids=["file", "link"])
def test_what_is_not_there_may_appear(tmp_path: Path, create: Callable[[Path], object]) -> None:
    file = tmp_path / "local.py"
    assert file_state.state_of(str(file)) is None
    assert file_state.is_still(str(file), None)
    create(file)
    assert not file_state.is_still(str(file), None)


@pytest.mark.parametrize("path", ["", "/nowhere/file.py", "a\0b", "x" * 300])
def test_odd_names_are_not_there(path: str) -> None:
    assert file_state.state_of(path) is None
    assert file_state.is_still(path, None)
    assert not file_state.is_still(path, (1, 2, 3))
    assert file_state.directory_state(path) is None
    assert file_state.names_in(path) == set()
    assert not file_state.unchanged_since(path, time.time() + 60)


def test_only_regular_files_have_a_state(tmp_path: Path) -> None:
    for path in (tmp_path, Path(os.devnull)):
        assert file_state.state_of(str(path)) is None
        assert file_state.is_still(str(path), None)


def make_young(path: Path) -> None:
    """Sets mtime to what is young for as long as a test takes."""
    later = time.time() + 3600
    os.utime(path, (later, later))


def rewrite_unseen(file: Path, content: bytes) -> None:
    """Writes as if within one tick of the clock: mtime, size and inode stay."""
    before = file.stat()
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (before.st_mtime_ns, before.st_size, before.st_ino)


def test_a_young_file_is_told_by_its_content(file: Path) -> None:
    make_young(file)
    state = file_state.state_of(str(file))
    assert state is not None and len(state) == 4
    assert file_state.is_still(str(file), state)
    rewrite_unseen(file, b"two")
    assert not file_state.is_still(str(file), state)
    rewrite_unseen(file, b"one")
    assert file_state.is_still(str(file), state)


def test_no_save_is_missed_however_quickly_it_follows(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_bytes(b"00")
    for number in range(100):
        state = file_state.state_of(str(file))
        file.write_bytes(b"%02d" % (number % 2 + 1))
        assert not file_state.is_still(str(file), state)


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_a_young_file_is_still_what_it_was_if_its_content_is(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, now: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "young.py"
    file.write_bytes(before)
    make_young(file)
    state, times = file_state.state_of(str(file)), (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_bytes(now)
    os.utime(file, ns=times)
    assert file_state.is_still(str(file), state) is (before == now)


def test_of_a_large_young_file_nothing_is_known(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_state, "MAX_CHECKED", 2)
    make_young(file)
    state = file_state.state_of(str(file))
    assert state == file_state.UNKNOWN
    assert not file_state.is_still(str(file), state)
    age(file)
    state = file_state.state_of(str(file))
    assert file_state.is_still(str(file), state)


def test_the_unknown_state_is_no_files(file: Path) -> None:
    for path in (str(file), "/nowhere"):
        assert file_state.state_of(path) != file_state.UNKNOWN
        assert not file_state.is_still(path, file_state.UNKNOWN)


def test_unchanged_since(file: Path) -> None:
    now = time.time()
    assert file_state.unchanged_since(str(file), now + 60)
    assert not file_state.unchanged_since(str(file), now - 60)  # mtime was set back, ctime cannot be
    assert not file_state.unchanged_since(str(file), file.stat().st_ctime)
    later = now + 3600
    os.utime(file, (later, later))
    assert file_state.unchanged_since(str(file), now + 60)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "directory"
    directory.mkdir()
    for name in ("a.py", "b.txt"):
        (directory / name).touch()
    (directory / "package").mkdir()
    age(directory)
    return directory


@pytest.mark.parametrize(
    "change",
    [
        lambda directory: (directory / "new.py").touch(),
        lambda directory: (directory / "new").mkdir(),
        lambda directory: (directory / "a.py").unlink(),
        lambda directory: (directory / "a.py").rename(directory / "c.py"),
        lambda directory: (directory / "package").rmdir(),
        shutil.rmtree,
    ],
    ids=["new file", "new directory", "deleted", "renamed", "directory deleted", "all deleted"],
)
def test_names_that_come_and_go(directory: Path, change: Callable[[Path], object]) -> None:
    state, digest = file_state.directory_state(str(directory)), file_state.digest_of(str(directory))
    assert state is not None and state != file_state.UNKNOWN
    assert file_state.directory_state(str(directory)) == state
    change(directory)
    assert file_state.directory_state(str(directory)) != state
    assert file_state.digest_of(str(directory)) != digest


def test_a_directory_that_has_just_changed_is_not_known(directory: Path) -> None:
    make_young(directory)
    assert file_state.directory_state(str(directory)) == file_state.UNKNOWN


@pytest.mark.parametrize("name", [".a.py.swp", ".git", "a.py~", "__pycache__", ".DS_Store"])
def test_what_editors_and_python_leave_is_not_seen(directory: Path, name: str) -> None:
    digest = file_state.digest_of(str(directory))
    (directory / name).touch()
    assert file_state.names_in(str(directory)) == {"a.py", "b.txt", "package"}
    assert file_state.digest_of(str(directory)) == digest


def test_digest_of_odd_names(tmp_path: Path) -> None:
    before = file_state.digest_of(str(tmp_path))
    (tmp_path / os.fsdecode(b"\xff.py")).touch()
    assert file_state.digest_of(str(tmp_path)) != before


@given(st.sets(st.sampled_from("abcd")), st.sets(st.sampled_from("abcd")))
def test_digests_differ_as_names_do(
    tmp_path_factory: pytest.TempPathFactory, first: set[str], second: set[str]
) -> None:
    digests = []
    for names in (first, second):
        directory = tmp_path_factory.getbasetemp() / ("names-" + "".join(sorted(names)))
        directory.mkdir(exist_ok=True)
        for name in names:
            (directory / name).touch()
        digests.append(file_state.digest_of(str(directory)))
    assert (digests[0] == digests[1]) is (first == second)
