"""The state file: found while its server lives, and not a moment longer."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from devrunserver.common.runtime_directory import key_of, runtime_directory
from devrunserver.common.state_file import Running, StateFile, find, running_servers, who_listens
from tests.live import REPOSITORY


@pytest.fixture(autouse=True)
def _runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def server(project: str = "/srv/shop", pid: int = 4711, port: int = 8000, **others: object) -> Running:
    return Running(pid, project, f"http://127.0.0.1:{port}/", **others)  # type: ignore[arg-type]


def test_it_is_found_until_it_is_closed() -> None:
    file = StateFile.create(server())
    assert running_servers() == [server()]
    file.write(server(generation=3))
    assert running_servers() == [server(generation=3)]
    file.write(server())  # shorter than before
    assert running_servers() == [server()]
    if os.name == "posix":
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    file.close()
    file.close()
    assert running_servers() == []
    assert list(runtime_directory().iterdir()) == []


DIES = """
import os
from devrunserver.common.state_file import Running, StateFile
file = StateFile.create(Running(os.getpid(), "/srv/shop", "http://127.0.0.1:8000/"))
os._exit(0)
"""


def test_what_a_killed_server_has_left_is_no_server_and_is_removed() -> None:
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", DIES], env=environ, check=True)
    (left,) = runtime_directory().glob("*.json")
    left.with_suffix(".sock").touch()
    assert running_servers() == []
    assert left.exists()  # who only looks changes nothing
    file = StateFile.create(server())
    assert [path.name for path in runtime_directory().iterdir()] == [file.path.name]
    file.close()


@pytest.mark.parametrize("content", ["", "{", "[]", "5", '{"pid": 3}', "null"])
def test_garbage_is_no_server(content: str) -> None:
    file = StateFile.create(server())
    file.path.write_text(content)
    assert running_servers() == []
    file.close()


def test_what_another_version_says_in_addition_is_left_out() -> None:
    file = StateFile.create(server())
    file.path.write_text(json.dumps({**vars(server()), "version": 2, "mood": "good"}))
    assert running_servers() == [replace(server(), version=2)]
    file.close()


@pytest.mark.parametrize(
    ("directory", "pids"),
    [
        ("/srv/shop", [2, 1]),
        ("/srv/shop/app/views", [2, 1]),
        ("/srv/shop/inner", [3]),
        ("/srv/shop/inner/app", [3]),
        ("/srv/shop-two", []),
        ("/srv", []),
    ],
)
def test_find(directory: str, pids: list[int]) -> None:
    servers = [server(pid=2), server(pid=1), server("/srv/shop/inner", 3)]
    assert [one.pid for one in find(directory, servers)] == pids


@pytest.mark.parametrize(
    ("port", "sentence"),
    [
        (8000, " This project's server runs at http://127.0.0.1:8000/ as process 4711, and writes to /tmp/log."),
        (8001, " The server of /srv/blog runs at http://127.0.0.1:8001/ as process 12."),
        (800, ""),
        (18000, ""),
    ],
)
def test_who_listens(port: int, sentence: str) -> None:
    servers = [server(log="/tmp/log"), server("/srv/blog", 12, 8001)]
    assert who_listens(port, "/srv/shop", servers) == sentence


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_directory_that_is_open_to_others_is_refused() -> None:
    runtime_directory().chmod(0o755)
    with pytest.raises(PermissionError, match="you alone"):
        StateFile.create(server())
    assert running_servers() == []


def test_keys_differ_by_project(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert key_of(str(tmp_path)) == key_of(str(tmp_path / "link")) != key_of("/srv")


def test_a_full_disk_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "ftruncate", fail)
    with pytest.raises(OSError, match="No space"):
        StateFile.create(server())
    assert running_servers() == []
