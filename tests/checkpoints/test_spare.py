"""A spare: where it pauses, what it says then, and how it goes on or leaves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from devrunserver.checkpoints.audit import is_measured
from devrunserver.checkpoints.checkpoint import close_carried
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.checkpoints.spare import Spare, SpareSafety
from devrunserver.common import process_exit
from devrunserver.common.link import Link
from devrunserver.common.messages import BuildFailed, DryRun, FactsRead, ImportAhead, Resume
from devrunserver.common.role import Role
from tests.live import REPOSITORY


class Left(BaseException):
    """The process would have ended."""


class Lender:
    def __init__(self) -> None:
        self.taken: list[Resume | DryRun] = []

    def progress(self) -> tuple[int, int]:
        return 7, 2

    def let_go(self) -> None:
        pass

    def before_pause(self, later: Collection[str]) -> None:
        pass

    def take_up(self, order: Resume | DryRun) -> None:
        self.taken.append(order)


class Scene:
    """A spare in this process, and the supervisor's end of its link."""

    def __init__(self, directory: Path) -> None:
        ours, theirs = socket.socketpair()
        self.supervisor = Link(theirs, Role.SUPERVISOR, Role.SPARE)
        self.lender = Lender()
        self.edited = str(directory / "views.py")
        reads = ReadRecorder(lambda one: False)
        to_supervisor = Link(ours, Role.SPARE, Role.SUPERVISOR)
        is_own = str(directory).__eq__
        self.spare = Spare(to_supervisor, self.lender, reads, [self.edited], (), lambda file: not is_own(file))
        self.to_supervisor = to_supervisor

    def order(self) -> None:
        """The word to go on is there already."""
        one, other = socket.socketpair()
        with one, other:
            self.supervisor.send(Resume(one, other, None, [], True))

    def close(self) -> None:
        for message in self.lender.taken:
            close_carried(message)
        self.to_supervisor.close()
        self.supervisor.close()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    def leave() -> None:
        raise Left

    monkeypatch.setattr(process_exit, "leave_in_order", leave)
    scene = Scene(tmp_path.resolve())
    yield scene
    scene.close()


def test_it_pauses_before_the_edited_file_and_goes_on_once(scene: Scene) -> None:
    scene.order()
    assert not scene.spare.before("shop.urls", scene.edited.replace("views", "urls"))
    assert scene.spare.before("shop.views", scene.edited)
    (told,) = scene.supervisor.receive()
    assert isinstance(told, FactsRead)
    assert (told.imported, told.phase, told.importing[-1]) == (7, 2, "shop.views")
    assert len(scene.lender.taken) == 1
    assert scene.spare.resumed_at == "shop.views"
    assert not scene.spare.before("shop.views", scene.edited)
    assert not scene.spare.pause("the end of the start")


@pytest.mark.skipif(is_measured(), reason="a process that is measured imports nothing ahead")
def test_it_imports_ahead_and_pauses_again(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_ahead.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(SpareSafety, "forbids", lambda self: False)  # this process has threads of other tests
    scene.supervisor.send(ImportAhead(["imported_ahead"], []))
    scene.order()
    assert scene.spare.before("shop.views", scene.edited)
    assert [type(one) for one in scene.supervisor.receive()] == [FactsRead, FactsRead]
    assert "imported_ahead" in sys.modules
    assert scene.spare.is_prepared


def test_it_goes_on_as_a_dry_run(scene: Scene) -> None:
    one, other = socket.socketpair()
    with one, other:
        scene.supervisor.send(DryRun(one, False))
    assert scene.spare.before("shop.views", scene.edited)
    assert [type(message) for message in scene.lender.taken] == [DryRun]
    assert not scene.supervisor.is_readable() or scene.supervisor.receive(), "the link stays, by which it is ended"


def test_it_leaves_when_it_is_not_wanted(scene: Scene) -> None:
    scene.supervisor.close()
    with pytest.raises(Left):
        scene.spare.pause("shop.views")
    assert not scene.lender.taken


def test_it_gives_up_where_it_would_wait_with_a_lock(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.spare.databases, "why_not_to_wait", lambda: "a query has not ended")
    with pytest.raises(Left):
        scene.spare.pause("shop.views")
    (told,) = scene.supervisor.receive()
    assert told == BuildFailed("", "a query has not ended")


def test_another_thread_does_not_pause(scene: Scene) -> None:
    paused = [True]
    thread = threading.Thread(target=lambda: paused.append(scene.spare.before("shop.views", scene.edited)))
    thread.start()
    thread.join()
    assert paused == [True, False]


def test_it_gives_up_where_a_thread_runs(scene: Scene) -> None:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        with pytest.raises(Left):
            scene.spare.begin()
    finally:
        ended.set()
        thread.join()
    (told,) = scene.supervisor.receive()
    assert isinstance(told, BuildFailed)
    assert told.reason


# Of each, what it would have paused before
DOING = """
import contextlib, ctypes.util, json, os, socket, sqlite3, subprocess, sys, threading, types
from devrunserver.checkpoints import audit
from devrunserver.checkpoints.checkpoint import close_carried
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.checkpoints.spare import Spare
paused = []

class Told(Spare):
    def pause(self, at):
        paused.append(at)

lender = types.SimpleNamespace(let_go=lambda: None)
link = types.SimpleNamespace(messages=lambda: iter(()))
spare = Told(link, lender, ReadRecorder(lambda one: False), (), (), lambda one: True)
handlers = spare.handlers
spare._follow_threads()
audit.listen(handlers, lambda fault: paused.append(repr(fault)))

def refused(kind, *address):
    try:
        with socket.socket(*kind) as sock:
            sock.connect(address if len(address) > 1 else address[0])
    except OSError:
        pass

def connect():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass

def bind(port):
    with socket.socket() as sock, contextlib.suppress(OSError):
        sock.bind(("127.0.0.1", port))

def open_database(name):
    sqlite3.connect(name).close()

def start(*argv):
    with subprocess.Popen(argv):
        pass

def thread():
    one = threading.Thread(target=int)
    one.start()
    one.join()

python = [sys.executable, "-S", "-c", ""]
ways = {
    "thread": thread,
    "connection": connect,
    "connection that is refused": lambda: refused((socket.AF_INET, socket.SOCK_STREAM), "127.0.0.1", 1),
    "local connection that is refused": lambda: refused((socket.AF_UNIX, socket.SOCK_STREAM), "/nowhere/at all")
    if hasattr(socket, "AF_UNIX") else None,
    "datagram": lambda: refused((socket.AF_INET, socket.SOCK_DGRAM), "127.0.0.1", 1),
    "server": lambda: bind(1),
    "look for an address": lambda: bind(0),
    "database": lambda: open_database(sys.argv[1]),
    "database in memory": lambda: open_database(":memory:"),
    "program": lambda: start(*python),
    "program that is awaited": lambda: subprocess.run(python),
    "output of a program": lambda: subprocess.check_output(python),
    "library": lambda: ctypes.util.find_library("c"),
    "file": lambda: open(__file__).close(),
}
found = {}
for name, do in ways.items():
    do()
    found[name] = sorted(set(paused))
    paused.clear()
handlers.clear()
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="looks for a library as Unix does")
def test_what_it_pauses_before(tmp_path: Path) -> None:
    script = tmp_path / "doing.py"
    script.write_text(DOING)
    argv = [sys.executable, str(script), str(tmp_path / "db.sqlite3")]
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    told = subprocess.run(argv, capture_output=True, text=True, cwd=REPOSITORY, env=environ)
    assert not told.stderr
    assert json.loads(told.stdout) == {
        "thread": ["a thread of __main__"],
        "connection": ["a connection of __main__"],
        "connection that is refused": [],
        "local connection that is refused": [],
        "datagram": [],
        "server": ["a server of __main__"],
        "look for an address": [],
        "database": ["a database of __main__"],
        "database in memory": [],
        "program": ["a program of __main__"],
        "program that is awaited": [],
        "output of a program": [],
        "library": [],
        "file": [],
    }


# A spare that has paused, with its supervisor's order there already
PAUSING = """
import socket, sys, types
from devrunserver.checkpoints import audit
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.checkpoints.spare import Spare
from devrunserver.common.link import Link
from devrunserver.common.role import Role

to_supervisor = Link(socket.socket(fileno=int(sys.argv[1])), Role.SPARE, Role.SUPERVISOR)
lender = types.SimpleNamespace(let_go=lambda: None, progress=lambda: (7, 2))
spare = Spare(to_supervisor, lender, ReadRecorder(lambda one: False), (), (), lambda one: True)
audit.listen(spare.handlers, lambda fault: print(repr(fault)))
spare.begin()

class Finder:
    def find_spec(self, name, path, target=None):
        spare.before(name, name)

sys.meta_path.insert(0, Finder())
spare.pause("shop.views")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="passes a descriptor")
@pytest.mark.parametrize(
    ("source", "excluded", "reason"),
    [
        ("import threading\nthreading.Thread(target=print).start()", [], "it comes to a thread of given_up"),
        ("import sqlite3\nsqlite3.connect('one.db')", [], "it comes to a database of given_up"),
        ("1 / 0", [], "ZeroDivisionError('division by zero')"),
        ("", ["given_up"], "it imports given_up"),
    ],
    ids=["a thread", "a database", "an error", "an excluded module"],
)
def test_what_it_does_not_import_ahead(tmp_path: Path, source: str, excluded: list[str], reason: str) -> None:
    (tmp_path / "given_up.py").write_text(source)
    script = tmp_path / "pausing.py"
    script.write_text(PAUSING)
    ours, theirs = socket.socketpair()
    supervisor = Link(ours, Role.SUPERVISOR, Role.SPARE)
    supervisor.send(ImportAhead(["given_up"], excluded))
    with theirs:
        argv, environ = [sys.executable, str(script), str(theirs.fileno())], {"PYTHONPATH": str(REPOSITORY)}
        subprocess.run(argv, cwd=tmp_path, env=environ, pass_fds=[theirs.fileno()], check=True)
    told = list(supervisor.messages())
    supervisor.close()
    assert [type(one) for one in told] == [FactsRead, BuildFailed]
    assert told[1] == BuildFailed("given_up", reason, wanted="".join(excluded))
