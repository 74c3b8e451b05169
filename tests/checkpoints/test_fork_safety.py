"""What forbids further checkpoints, each in a process of its own, and which module is named for it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from devrunserver.checkpoints.connections import unfollow
from devrunserver.checkpoints.fork_safety import ForkSafety, describe, listening
from devrunserver.common import memory

REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there are checkpoints on Linux alone")

PREPARED = """
import json, os, sys
sys.path += [{repository!r}]
import asyncio, ctypes, signal, socket, sqlite3, subprocess, tempfile, threading, time
from devrunserver.checkpoints import audit
from devrunserver.checkpoints.fork_safety import ForkSafety
from devrunserver.checkpoints.native_threads import others

def trial():
    if pid := os.fork():
        os.waitpid(pid, 0)
    else:
        os._exit(0)

def until_alone():
    while others():  # the system counts a thread for some time after it was joined
        time.sleep(0.001)

socket.create_server(("127.0.0.1", 0)).detach()  # was there before us
ours = socket.create_server(("127.0.0.1", 0))
fork_safety = ForkSafety(lambda: {{ours.fileno()}}, trial, lambda fact: None)
audit.listen(fork_safety.handlers, print)
fork_safety.connections.follow()
"""
ASKED = """
print(json.dumps([fork_safety.forbids(), fork_safety.reason]))
sys.stdout.flush()
os._exit(0)  # a native thread is not waited for
"""


def sealed(directory: Path, code: str, main: str = "import culprit") -> str:
    """Why a process is sealed that imports a module with this code; empty if it is not.

    Args:
        directory: where it is put.
        code: of the module ``culprit``.
        main: the statements that import it.
    """
    (directory / "culprit.py").write_text("from __main__ import *\n" + dedent(code))
    script = directory / "script.py"
    script.write_text(PREPARED.format(repository=str(REPOSITORY)) + dedent(main) + ASKED)
    environ = {**os.environ, "TMPDIR": str(directory)}  # forked ones leave what they have there
    output = subprocess.check_output([sys.executable, str(script)], cwd=directory, env=environ, text=True)
    closed, reason = json.loads(output)
    assert closed is bool(reason)
    return str(reason)


BY = "(culprit)"
# before, nothing tells of a new thread
STARTED_BY = {name: BY if sys.version_info >= (3, 12) else f"({name})" for name in ("waiter", "timer")}
SLEEPER = "subprocess.Popen([sys.executable, '-c', 'open(0).read()'], stdin=subprocess.PIPE)"  # ends with its parent
UDP = "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
REFUSED = f"s = {UDP}; s.bind(('127.0.0.1', 0)); socket.socket().{{}}(s.getsockname())"
RULES = {
    "nothing": ("pass", ""),
    "thread": (
        "threading.Thread(target=threading.Event().wait, daemon=True, name='waiter').start()",
        f"a thread runs {STARTED_BY['waiter']}",
    ),
    "timer thread": (
        "t = threading.Timer(99, print); t.daemon = True; t.name = 'timer'; t.start()",
        f"a thread runs {STARTED_BY['timer']}",
    ),
    "thread that has ended": ("t = threading.Thread(target=int); t.start(); t.join(); until_alone()", ""),
    "listening socket": ("s = socket.create_server(('127.0.0.1', 0))", f"a socket is open {BY}"),
    "stream socket": ("s = socket.socket()", f"a socket is open {BY}"),
    "socket pair": ("s = socket.socketpair()", f"a socket is open {BY}"),
    "event loop": ("loop = asyncio.new_event_loop()", f"a socket is open {BY}"),
    "closed socket": ("socket.create_server(('127.0.0.1', 0)).close()", ""),
    "datagram socket": (f"s = {UDP}", ""),
    "connected datagram socket": (f"s = {UDP}; s.connect(('127.0.0.1', 9))", ""),
    "connection": (
        "s = socket.create_connection(ours.getsockname()); s.close()",
        f"it connected to a server {BY}",
    ),
    "refused connection": (REFUSED.format("connect_ex"), ""),
    "refused connection that raises": (f"try: {REFUSED.format('connect')}\nexcept OSError: pass", ""),
    "connection that is being made": (
        f"s = {UDP}; s.bind(('127.0.0.1', 0)); t = socket.socket(); t.setblocking(False)\n"
        "try: t.connect(ours.getsockname())\nexcept BlockingIOError: pass\nt.close()",
        f"it connected to a server {BY}",
    ),
    "refused connection of a class of its own": (
        f"import _socket; s = {UDP}; s.bind(('127.0.0.1', 0)); _socket.socket().connect_ex(s.getsockname())",
        f"it connected to a server {BY}",
    ),
    "running child": (f"child = {SLEEPER}", f"a process that was started runs {BY}"),
    "child nobody has waited for": (
        "if not os.fork(): os._exit(0)",
        f"a process that was started runs {BY}",
    ),
    "child that has ended": ("subprocess.run([sys.executable, '-c', ''])", ""),
    "database": ("sqlite3.connect('db.sqlite3').close()", ""),
    "database that is open": ("d = sqlite3.connect('db.sqlite3')", f"a database is open {BY}"),
    "database that is not known": ("sqlite3.connect('file:db?mode=rwc', uri=True)", f"it opened a database {BY}"),
    "database in memory": ("d = sqlite3.connect(':memory:')", ""),
    "temporary file": ("f = tempfile.NamedTemporaryFile()", f"a temporary file exists {BY}"),
    "temporary file that is left": (
        "f, name = tempfile.mkstemp(dir='.'); os.close(f)",
        f"a temporary file exists {BY}",
    ),
    "temporary file that is gone": ("tempfile.NamedTemporaryFile().close()", ""),
    "temporary directory": ("d = tempfile.TemporaryDirectory()", f"a temporary directory exists {BY}"),
    "temporary directory that is gone": ("tempfile.TemporaryDirectory().cleanup()", ""),
    "alarm": ("signal.alarm(99)", "a timer runs"),
    "interval timer": ("signal.setitimer(signal.ITIMER_REAL, 99, 99)", "a timer runs"),
    "timer that was stopped": ("signal.alarm(99); signal.alarm(0)", ""),
    "tracer": ("sys.settrace(lambda *args: None)", "a debugger, tracer or profiler is attached"),
    "profiler": ("sys.setprofile(lambda *args: None)", "a debugger, tracer or profiler is attached"),
    "debugger": ("sys.modules['debugpy'] = None", "a debugger, tracer or profiler is attached"),
    "file": ("f = open(__file__)", ""),
    "pipe": ("p = os.pipe()", ""),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule(tmp_path: Path, rule: str) -> None:
    code, reason = RULES[rule]
    assert sealed(tmp_path, code) == reason


def test_whose_a_thread_is_that_was_started_before_us(tmp_path: Path) -> None:
    (tmp_path / "early.py").write_text(
        "import threading\nevent = threading.Event()\ndef run(): event.wait()\n"
        "threading.Thread(target=run, daemon=True).start()"
    )
    (tmp_path / "sitecustomize.py").write_text("import early")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    (tmp_path / "script.py").write_text(PREPARED.format(repository=str(REPOSITORY)) + ASKED)
    output = subprocess.check_output([sys.executable, "script.py"], cwd=tmp_path, env=environ, text=True)
    assert json.loads(output) == [True, "a thread runs (early)"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is new in Python 3.12")
def test_monitoring(tmp_path: Path) -> None:
    code = "sys.monitoring.use_tool_id(sys.monitoring.{}, 'tool')"
    for tool in ("DEBUGGER_ID", "PROFILER_ID", "OPTIMIZER_ID"):
        assert sealed(tmp_path, code.format(tool)) == "a debugger, tracer or profiler is attached"
    monitoring: Any = vars(sys)["monitoring"]
    if monitoring.get_tool(monitoring.COVERAGE_ID) is None:  # or else these tests are measured themselves
        assert sealed(tmp_path, code.format("COVERAGE_ID")) == ""


# A thread that Python does not know of: it waits for a semaphore.
NATIVE_THREAD = """
libc = ctypes.CDLL(None)
semaphore, thread = ctypes.create_string_buffer(64), ctypes.c_ulong()
assert libc.sem_init(semaphore, 0, 0) == 0
assert libc.pthread_create(ctypes.byref(thread), None, ctypes.cast(libc.sem_wait, ctypes.c_void_p), semaphore) == 0
assert len(others()) == 1

def end():
    libc.sem_post(semaphore)
    libc.pthread_join(thread, None)
"""


def test_native_thread(tmp_path: Path) -> None:
    assert sealed(tmp_path, NATIVE_THREAD) == "a thread runs that an extension module has started"


def test_native_thread_that_ends_before_a_fork(tmp_path: Path) -> None:
    assert sealed(tmp_path, NATIVE_THREAD + "os.register_at_fork(before=end)\n") == ""


def test_low_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    one = ForkSafety(set, lambda: None, lambda fact: None)
    for look in ("_debugger", "_threads", "_sockets", "_children", "_timers"):
        monkeypatch.setattr(one, look, str)  # of the process that runs the tests
    monkeypatch.setattr(memory, "memory", lambda: (101, 1000))
    assert not one.forbids()
    monkeypatch.setattr(memory, "memory", lambda: (99, 1000))
    assert one.forbids()
    assert one.reason == "memory is low"
    monkeypatch.setattr(memory, "memory", lambda: (900, 1000))
    assert not one.forbids()  # it is asked anew


PASSING = {
    "thread": (
        "e = threading.Event(); t = threading.Thread(target=e.wait); t.start()",
        "e.set(); t.join(); until_alone()",
    ),
    "socket": ("s = socket.create_server(('127.0.0.1', 0))", "s.close()"),
    "temporary file": ("f = tempfile.NamedTemporaryFile()", "f.close()"),
    "child": ("c = subprocess.Popen(['cat'], stdin=subprocess.PIPE)", "c.stdin.close(); c.wait()"),
    "timer": ("signal.alarm(99)", "signal.alarm(0)"),
    "tracer": ("sys.settrace(lambda *args: None)", "sys.settrace(None)"),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_is_there_forbids_and_what_is_gone_does_not(tmp_path: Path, name: str) -> None:
    begin, end = PASSING[name]
    assert sealed(tmp_path, f"{begin}\nassert fork_safety.forbids() and not fork_safety.is_lasting\n{end}") == ""


def test_an_event_loop_that_nobody_runs(tmp_path: Path) -> None:
    """daphne's, which is there as soon as daphne is imported; any other may be run."""
    of_daphne = "import types\nloop = asyncio.new_event_loop()\n"
    of_daphne += "sys.modules['daphne.server'] = types.SimpleNamespace(twisted_loop=loop)"
    assert sealed(tmp_path, of_daphne) == ""
    assert sealed(tmp_path, f"{of_daphne}\nother = asyncio.new_event_loop()") == f"a socket is open {BY}"
    assert sealed(tmp_path, "loop = asyncio.new_event_loop()") == f"a socket is open {BY}"


def test_what_was_learnt_forbids_for_ever(tmp_path: Path) -> None:
    connects = "s = socket.create_connection(ours.getsockname())"
    code = f"{connects}\nassert fork_safety.forbids() and fork_safety.is_lasting\ns.close()"
    assert sealed(tmp_path, code) == f"it connected to a server {BY}"


def test_sockets_get_back_what_they_had() -> None:
    one = ForkSafety(set, lambda: None, lambda fact: None)
    one.connections.follow()
    one.connections.follow()
    assert "connect" in vars(socket.socket)
    unfollow()
    assert not {"connect", "connect_ex"} & set(vars(socket.socket))


def test_memory_of_this_machine() -> None:
    available, total = memory.memory()
    assert 0 < available <= total


def test_the_first_reason_counts() -> None:
    one = ForkSafety(set, lambda: None, lambda fact: None)
    one.forbid("it opened a database")
    one.forbid("memory is low")
    assert one.forbids()
    assert one.reason == "it opened a database"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("s = socket.socket(); d = sqlite3.connect('file:db.sqlite3', uri=True)", "it opened a database"),
        ("s = socket.socket(); os.fork() or os._exit(0)", "a socket is open"),
        ("tempfile.mkdtemp(dir='.'); sqlite3.connect('file:db.sqlite3', uri=True)", "it opened a database"),
    ],
)
def test_one_reason_is_told(tmp_path: Path, code: str, reason: str) -> None:
    assert sealed(tmp_path, code) == f"{reason} {BY}"


OPENER = """
import sqlite3

def connect():
    sqlite3.connect("file:db.sqlite3", uri=True).close()
"""


@pytest.mark.parametrize(
    ("culprit", "main", "by"),
    [
        ("import opener; opener.connect()", "import culprit", "opener, while culprit was imported"),
        ("import opener", "import culprit; culprit.opener.connect()", "opener"),
        ("import opener", "import opener; import culprit; opener.connect()", "opener"),
        ("from opener import *\ndef f(): connect()\nf()", "import culprit", "opener, while culprit was imported"),
        ("", OPENER + "connect()", "__main__"),
        ("from shop import models", "import culprit", "opener, while shop.models was imported"),
        ("import shop.views", "import culprit", "shop.views"),
    ],
)
def test_the_culprit(tmp_path: Path, culprit: str, main: str, by: str) -> None:
    (tmp_path / "opener.py").write_text(OPENER)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").touch()
    (tmp_path / "shop/models.py").write_text("import opener\nopener.connect()\n")
    (tmp_path / "shop/views.py").write_text(OPENER + "connect()\n")
    assert sealed(tmp_path, culprit, main) == f"it opened a database ({by})"


def frame_in(file: str, name: str, importer: str) -> Any:
    """The frame of a function in a module of this file and name, called while another module is imported."""
    module = {"__name__": name}
    exec(compile("import sys\ndef frame(): return sys._getframe()", file, "exec"), module)
    caller: dict[str, Any] = {"__name__": importer, "module": module}
    exec(compile("frame = module['frame']()", f"/srv/{importer}.py", "exec"), caller)
    return caller["frame"]


STDLIB = sysconfig.get_path("stdlib")


@pytest.mark.parametrize(
    ("file", "name", "importer", "expected"),
    [
        ("/srv/shop/tasks.py", "shop.tasks", "shop.models", "shop.tasks, while shop.models was imported"),
        (f"{STDLIB}/threading.py", "threading", "shop.models", "shop.models"),
        (f"{STDLIB}/concurrent/futures/thread.py", "concurrent.futures.thread", "shop.models", "shop.models"),
        ("<frozen importlib._bootstrap>", "importlib._bootstrap", "shop.models", "shop.models"),
        ("/venv/site-packages/sentry/worker.py", "sentry.worker", "shop", "sentry.worker, while shop was imported"),
        # outside a virtual environment, in a container for example
        (f"{STDLIB}/site-packages/sentry/worker.py", "sentry.worker", "shop", "sentry.worker, while shop was imported"),
        (f"{STDLIB}/dist-packages/sentry/worker.py", "sentry.worker", "shop", "sentry.worker, while shop was imported"),
        ("/srv/shop/tasks.py", "shop.tasks", "__main__", "shop.tasks"),
    ],
)
def test_describe(file: str, name: str, importer: str, expected: str) -> None:
    assert describe(frame_in(file, name, importer)) == expected


def test_describe_no_frame() -> None:
    assert describe(None) == ""


def test_who_listens() -> None:
    """A connection does not."""
    before = listening()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        assert listening() - before == {server.fileno()}
    assert listening() == before
