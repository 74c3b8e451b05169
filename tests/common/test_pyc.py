"""Two saves of equal size within one second: Python would load the older code from its cache."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from devrunserver.common.pyc import forget

SECOND = 1_700_000_000  # of both saves


def save(path: Path, text: str, nanoseconds: int) -> None:
    path.write_text(text)
    os.utime(path, ns=(SECOND * 10**9 + nanoseconds,) * 2)


def imported(directory: Path, *options: str) -> str:
    """What a new process gets when it imports the module."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, *options, "-c", "import module; print(module.VALUE)"]
    return subprocess.check_output(command, cwd=directory, env=environ, text=True).strip()


@pytest.mark.parametrize("options", [[], ["-O"], ["-OO"]])
def test_the_trap_and_the_way_out(tmp_path: Path, options: list[str]) -> None:
    source = tmp_path / "module.py"
    save(source, "VALUE = 'old'\n", 100)
    assert imported(tmp_path, *options) == "old"
    save(source, "VALUE = 'new'\n", 900)
    assert imported(tmp_path, *options) == "old"  # the trap
    forget([str(source)])
    assert imported(tmp_path, *options) == "new"


def test_only_the_named_are_forgotten(tmp_path: Path) -> None:
    caches = []
    for name in ("one", "two"):
        cache = Path(cache_from_source(str(tmp_path / f"{name}.py")))
        cache.parent.mkdir(exist_ok=True)
        cache.touch()
        caches.append(cache)
    forget([str(tmp_path / "one.py"), str(tmp_path / "not_there.py"), str(tmp_path), "/nowhere/at/all.py"])
    assert [cache.exists() for cache in caches] == [False, True]


def test_what_cannot_be_deleted_is_left(tmp_path: Path) -> None:
    cache = Path(cache_from_source(str(tmp_path / "module.py")))
    cache.mkdir(parents=True)
    forget([str(tmp_path / "module.py")])
    assert cache.is_dir()
