"""When the first worker may be a copy of the supervisor."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from devrunserver.checkpoints import first_worker
from devrunserver.checkpoints.audit import is_measured
from devrunserver.common import module_files

SETTINGS = "settings_of_first_worker"
EVERY_FILE_IS_OLDER = time.time() + 1_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="there are copies on Linux alone")
@pytest.mark.skipif(is_measured(), reason="a process that is measured is not copied")
def test_obstacles() -> None:
    """In one process, as a fresh interpreter takes its time: what stands in the way, and no more once it is gone."""
    code = """
        import functools, os, select, signal, socket, subprocess, sys, tempfile, threading
        from devrunserver.checkpoints import first_worker
        from devrunserver.common.process import started_at

        obstacle = functools.partial(first_worker.obstacle, started_at())

        where = tempfile.mkdtemp()
        print(obstacle())
        with open(f"{where}/log", "a"), open(sys.executable), open(os.devnull, "r+b"):
            print(obstacle())
        with open(f"{where}/db.sqlite3", "w+b"):
            print(obstacle())
        with socket.socket():
            print(obstacle())
        with select.epoll():
            print(obstacle())
        with socket.socket() as one:
            one.set_inheritable(True)  # as what this process was started with
            print(obstacle())
        signal.setitimer(signal.ITIMER_REAL, 1000)
        print(obstacle())
        signal.setitimer(signal.ITIMER_REAL, 0)
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as program:
            print(obstacle())
        sys.settrace(lambda *args: None)
        print(obstacle())
        sys.settrace(None)
        sys.modules["coverage"] = sys
        print(obstacle())
        del sys.modules["coverage"]
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        print(obstacle())
        sys.orig_argv[1:] = ["-u", "-m", "devrunserver", "manage.py", "runserver"]
        print(obstacle())
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=60)
    expected = [
        *("", "", "db.sqlite3 is open", "is open", "is open", "", "a timer runs", "a program that was started runs"),
        *["a debugger, tracer or profiler is attached"] * 2,
        *("a thread runs", "python -m devrunserver"),
    ]
    told = done.stdout.splitlines()
    assert len(told) == len(expected), done.stderr
    assert all(line.endswith(end) and bool(line) == bool(end) for line, end in zip(told, expected, strict=True)), told


def test_a_process_that_has_waited_was_another_program_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell, say: when Python began cannot be known then, nor what was changed since."""
    monkeypatch.setattr(sys, "orig_argv", ["python", "manage.py", "runserver"])
    monkeypatch.setattr(time, "process_time", lambda: 1.0)
    for age, is_told in ((9.0, False), (11.0, True)):
        assert (first_worker.obstacle(time.time() - age) == "it was another program before") == is_told


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module that is loaded."""
    file = tmp_path / f"{SETTINGS}.py"
    file.write_text("")
    spec = importlib.util.spec_from_file_location(SETTINGS, file)
    assert spec is not None
    monkeypatch.setitem(sys.modules, SETTINGS, importlib.util.module_from_spec(spec))
    return file


@pytest.mark.parametrize(
    ("text", "is_asking"),
    [
        ("DEBUG = True\n", False),
        ('if os.environ.get("RUN_MAIN"):\n    import debugpy\n', True),
        ("from django.utils.autoreload import DJANGO_AUTORELOAD_ENV\n", True),
    ],
)
@pytest.mark.parametrize("is_compiled", [False, True])
def test_what_is_loaded_may_ask_in_which_process_it_is(
    monkeypatch: pytest.MonkeyPatch, loaded: Path, text: str, is_asking: bool, is_compiled: bool
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", not is_compiled)
    monkeypatch.setattr(first_worker, "_searched", lambda names: [SETTINGS, "no_such_module", "sys"])
    if is_compiled:
        cached = Path(importlib.util.cache_from_source(str(loaded)))
        cached.parent.mkdir()
        cached.write_bytes(b"\0" + text.encode())
        loaded.write_text("")
    else:
        loaded.write_text(text)
    assert first_worker.doubt(EVERY_FILE_IS_OLDER) == (str(loaded) if is_asking else "")
    if not is_compiled:
        loaded.unlink()
        assert first_worker.doubt(EVERY_FILE_IS_OLDER) == str(loaded), "it cannot be read"


def test_what_is_searched() -> None:
    names = ["__main__", "os.path", "json.decoder", "django.conf", "devrunserver.apps", "shop.settings", "environ"]
    assert first_worker._searched(names) == ["__main__", "shop.settings", "environ"]


def test_a_file_that_has_changed_since_this_process_began(monkeypatch: pytest.MonkeyPatch, loaded: Path) -> None:
    monkeypatch.setattr(first_worker, "_searched", lambda names: [])
    monkeypatch.setattr(module_files, "loaded_files", lambda: {str(loaded)})
    assert first_worker.doubt(EVERY_FILE_IS_OLDER) == ""
    assert first_worker.doubt(loaded.stat().st_ctime) == str(loaded)
