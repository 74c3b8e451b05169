"""Checkpoints, with a process that plays the worker, and this test as its supervisor.

The kernel gives orphans to a process, not to a test: a third process is the parent of all, and tells of its children.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from devrunserver.checkpoints.checkpoint import Checkpoints
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.common.facts import Read
from devrunserver.common.link import Link, LinkClosed, pair
from devrunserver.common.messages import (
    Build,
    BuildFailed,
    CheckpointMade,
    CheckpointsEnded,
    FactsRead,
    Hello,
    Message,
    Resume,
    Serving,
    Stop,
)
from devrunserver.common.role import Role
from tests.live import is_alive, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there are checkpoints on Linux alone")

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 30.0  # seconds for a message; only a failing test waits so long

Kind = TypeVar("Kind", bound=Message)

PARENT = """
import json, os, socket, sys
from devrunserver.common import process
from devrunserver.common.environment import WorkerStart
assert process.adopt_orphans()
link = socket.socket(fileno=int(sys.argv[1]))
os.chdir(os.path.dirname(sys.argv[2]))
worker = process.spawn([sys.executable, sys.argv[2]], link, WorkerStart())
link.close()
print(worker.pid, flush=True)
for line in sys.stdin:
    question, pid = line.split()
    answer = sorted(process.children()) if question == "children" else process.Adopted(int(pid)).wait(10.0)
    print(json.dumps(answer), flush=True)
"""

WORKER = """
import json, os, signal, socket, sqlite3, subprocess, sys, threading, time
sys.path.append({repository!r})
from devrunserver.checkpoints import audit
from devrunserver.common import environment, link, process
from devrunserver.common.messages import CheckpointsEnded, Hello, Serving
from devrunserver.common.role import Role
from devrunserver.checkpoints.checkpoint import Checkpoints
from devrunserver.checkpoints.import_hook import ImportHook
from devrunserver.checkpoints.policy import CheckpointPolicy
from devrunserver.checkpoints.read_recorder import ReadRecorder

class Lender:
    def __init__(self):
        self.link = link.Link(process.inherited_socket(environment.take(os.environ)[0]), Role.WORKER, Role.SUPERVISOR)
        self.listener = socket.create_server(("127.0.0.1", 0))

    def say(self, message):
        self.link.send(message)

    def progress(self):
        return len(finder.history), 0

    def checkpoints_ended(self, at, reason):
        self.say(CheckpointsEnded(at, reason))

    def sockets(self):
        return {{self.link.fileno(), self.listener.fileno()}}

    def let_go(self):
        pass

    def leave(self):
        self.link.close()
        self.listener.close()

    def become(self, role):
        self.role = role

    def before_pause(self, later):
        pass

    def take_up(self, resumption):
        self.listener = resumption.listener
        self.link = link.Link(resumption.link, Role.WORKER, Role.SUPERVISOR)
        self.say(Hello(os.getpid(), [str(resumption.is_reload), checkpoints.resumed_at]))

def serve(**data):
    lender.say(Serving(json.dumps(data), False, 0, 0.0, 0.0, []))  # the test hears it as text
    next(lender.link.messages(), None)  # until told to leave, or left alone

here = os.getcwd()
process.die_with_parent(os.getppid())
lender, reads = Lender(), ReadRecorder(lambda directory: False)
policy = CheckpointPolicy([os.path.join(here, name) for name in {edited!r}], 12, time.monotonic())
checkpoints = Checkpoints(lender, reads, policy, lambda file: file.startswith(here))
finder = ImportHook(reads, checkpoints.before, print)
finder.install()
audit.listen(reads.handlers | checkpoints.fork_safety.handlers, print)
"""


class Line:
    """The supervisor's end of a link to one process, which it hears with a deadline."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.pid = 0  # of the process
        self._waiting: list[Message] = []

    def hear(self, kind: type[Kind]) -> Kind:
        """The next message, which has to be of this kind."""
        while not self._waiting:
            assert select.select([self.link], [], [], PATIENCE)[0], f"no word of {kind}"
            self._waiting += self.link.receive()
        message = self._waiting.pop(0)
        assert isinstance(message, kind), message
        return message

    def hear_served(self) -> Any:
        """What the worker tells when it serves."""
        return json.loads(self.hear(Serving).resumed_at)

    def hear_hello(self) -> None:
        self.pid = self.hear(Hello).pid

    def close(self) -> None:
        self.link.close()
        for message in self._waiting:
            if isinstance(message, CheckpointMade):
                message.link.close()

    def has_ended(self) -> bool:
        """Waits until the other end is gone without a further word."""
        assert not self._waiting, self._waiting
        assert select.select([self.link], [], [], PATIENCE)[0], "neither a word nor the end"
        try:
            return not self.link.receive()
        except LinkClosed:
            return True


class Stage:
    """A worker, its checkpoints, and the parent of all.

    Args:
        directory: where the worker runs; the project's modules are there.
        code: what it runs.
        edited: the files that are being edited, so that there is a checkpoint before each.
    """

    def __init__(self, directory: Path, code: str, edited: Iterable[str]) -> None:
        script = directory / "script.py"
        script.write_text(WORKER.format(repository=str(REPOSITORY), edited=[*edited]) + dedent(code))
        ours, theirs = pair(Role.WORKER)
        command = [sys.executable, "-c", PARENT, str(theirs.fileno()), str(script)]
        environ = {**os.environ, "TMPDIR": str(directory)}  # a builder leaves what it has there
        with theirs:
            self._parent = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=environ,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        self.listener = socket.create_server(("127.0.0.1", 0))
        self._lines: list[Line] = []
        self.worker = self._line(ours)
        self.worker.pid = self._answer()

    def _line(self, link: Link) -> Line:
        self._lines.append(Line(link))
        return self._lines[-1]

    def hear_checkpoint(self, worker: Line | None = None) -> tuple[Line, CheckpointMade]:
        """The next checkpoint of the worker, and what was said of it; the worker goes on in another process."""
        worker = worker or self.worker
        message = worker.hear(CheckpointMade)
        checkpoint = self._line(Link(message.link, Role.SUPERVISOR, Role.CHECKPOINT))
        checkpoint.pid = worker.pid
        worker.hear_hello()
        return checkpoint, message

    def resume(self, checkpoint: Line, edited: Iterable[str] = (), hello: bool = True) -> Line:
        """A new worker, from a checkpoint on."""
        ours, theirs = pair(Role.WORKER)
        with theirs:
            checkpoint.link.send(Resume(theirs, self.listener, None, [*edited], True))
        worker = self._line(ours)
        if hello:
            worker.pid = worker.hear(Hello).pid
        return worker

    def build(self, checkpoint: Line, modules: list[str], excluded: list[str], at: str = "") -> Line:
        """A process that imports ahead, from a checkpoint on."""
        ours, theirs = pair(Role.BUILDER)
        with theirs:
            checkpoint.link.send(Build(theirs, modules, excluded, at))
        builder = self._line(ours)
        builder.pid = builder.hear(Hello).pid
        return builder

    def ask(self, question: str, pid: int = 0) -> Any:
        """Asks the parent for its ``children``, or for the ``status`` of one."""
        assert self._parent.stdin is not None
        self._parent.stdin.write(f"{question} {pid}\n".encode())
        self._parent.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._parent.stdout is not None
        return json.loads(self._parent.stdout.readline())

    def kill_parent(self) -> None:
        self._parent.kill()
        self._parent.wait()

    def close(self) -> None:
        """Ends all: who does not leave by itself, the kernel ends with its parent."""
        for line in self._lines:
            line.close()
        self.listener.close()
        everyone = self.ask("children") if self._parent.poll() is None else []
        self.kill_parent()
        for stream in (self._parent.stdin, self._parent.stdout):
            assert stream is not None
            stream.close()
        wait_for(lambda: not any(map(is_alive, everyone)), "nobody is left", PATIENCE)


class Theatre:
    """Where stages are set up."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.stages: list[Stage] = []

    def __call__(self, code: str, edited: Iterable[str] = ("a.py",)) -> Stage:
        self.stages.append(Stage(self.directory, code, edited))
        return self.stages[-1]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Theatre]:
    theatre = Theatre(tmp_path)
    yield theatre
    for one in theatre.stages:
        one.close()


@pytest.fixture
def a(tmp_path: Path) -> Path:
    """The module that is edited."""
    return write(tmp_path / "a.py", "value = 1")


def write(file: Path, source: str) -> Path:
    """Saves a module; no bytecode is trusted that might be as old."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(source)
    for cached in file.parent.glob(f"__pycache__/{file.stem}.*"):
        cached.unlink()
    return file


def descriptors(pid: int) -> list[str]:
    """What a process has open, but for what it waits with: it may just have begun to wait, or be about to."""
    names = (os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir())
    return sorted(name for name in names if name != "anon_inode:[eventpoll]")


IMPORT_A = "import a\nserve(value=a.value)"


def test_a_checkpoint_and_its_successor_are_children_of_the_supervisor(stage: Theatre, a: Path) -> None:
    one = stage(IMPORT_A)
    spawned = one.worker.pid
    checkpoint, message = one.hear_checkpoint()
    assert checkpoint.pid == spawned != one.worker.pid
    assert message.elapsed > 0
    assert (message.number, message.at) == (1, "a")
    assert one.worker.hear_served() == {"value": 1}
    assert one.ask("children") == sorted([spawned, one.worker.pid])  # and nobody in between
    one.worker.link.send(Stop())
    assert one.worker.has_ended()
    assert one.ask("status", one.worker.pid) == 0
    assert one.ask("children") == [spawned]


def test_it_is_resumed_again_and_again_from_the_same_line(stage: Theatre, a: Path, tmp_path: Path) -> None:
    """The module is found anew each time: as a new file, a package, or not at all."""
    log = tmp_path / "log"
    one = stage(
        """
        print("before", file=open("log", "a"))
        before = os.getpid()
        try:
            import a
        except ImportError:
            serve(value="missing", before=before)
        else:
            serve(value=a.value, before=before)
        """
    )
    checkpoint, _ = one.hear_checkpoint()
    began = one.worker.hear_served()["before"]
    workers = []
    for value in range(2, 5):
        write(a, f"value = {value}")
        workers.append(one.resume(checkpoint))
        assert workers[-1].hear_served() == {"value": value, "before": began}
    write(tmp_path / "new.py", "value = 'of a module that is new'")
    write(tmp_path / "a/__init__.py", "from new import value")
    assert one.resume(checkpoint).hear_served()["value"] == "of a module that is new"
    for file in (a, tmp_path / "a/__init__.py"):
        file.unlink()
    (tmp_path / "a").rename(tmp_path / "b")
    assert one.resume(checkpoint).hear_served()["value"] == "missing"
    assert log.read_text() == "before\n"
    assert len({worker.pid for worker in workers}) == 3
    assert {worker.pid for worker in workers} < set(one.ask("children"))


def test_what_a_resumed_worker_is_told(stage: Theatre, a: Path) -> None:
    one = stage("import a\nserve(port=lender.listener.getsockname()[1])")
    checkpoint, _ = one.hear_checkpoint()
    worker = one.resume(checkpoint, hello=False)
    assert worker.hear(Hello).settings == ["True", "a"]
    assert worker.hear_served() == {"port": one.listener.getsockname()[1]}


def test_nothing_is_executed_twice(stage: Theatre, tmp_path: Path) -> None:
    """A checkpoint in the middle of modules that import each other, inside a function, and in a package."""
    write(tmp_path / "first.py", "import log; log.add('first'); import second; log.add('first ends')")
    write(
        tmp_path / "second.py",
        "import log; log.add('second'); import first\n"
        "def f():\n    from package import inner\n"
        "f(); log.add('second ends')",
    )
    write(tmp_path / "package/__init__.py", "import log; log.add('package')")
    write(tmp_path / "package/inner.py", "import log; log.add('inner')")
    write(tmp_path / "log.py", "lines = []; add = lines.append")
    one = stage("import log, first\nserve(lines=log.lines)", edited=["package/inner.py"])
    _, message = one.hear_checkpoint()
    assert message.at == "log"  # the first module of the project
    checkpoint, message = one.hear_checkpoint()
    assert message.at == "package.inner"
    before, after = ["first", "second", "package"], ["second ends", "first ends"]
    assert one.worker.hear_served()["lines"] == [*before, "inner", *after]
    for word in ("other", "another"):
        write(tmp_path / "package/inner.py", f"import log; log.add('{word}')")
        assert one.resume(checkpoint).hear_served()["lines"] == [*before, word, *after]


def test_each_checkpoint_tells_what_was_read_since_the_one_before(stage: Theatre, a: Path, tmp_path: Path) -> None:
    write(tmp_path / "b.py", "open('data.txt').close()")
    write(tmp_path / "data.txt", "")
    one = stage("import a, b\nimport c\nserve()", edited=["b.py", "c.py"])
    write(tmp_path / "c.py", "")
    read = []
    for _ in range(3):
        checkpoint, _ = one.hear_checkpoint()
        facts = checkpoint.hear(FactsRead).facts
        paths = [Path(fact.path) for fact in facts if isinstance(fact, Read)]
        # the script is the main program's, which what measures coverage reads again
        read.append([path.name for path in paths if path.parent == tmp_path and path.name != "script.py"])
    assert read == [[], ["a.py"], ["b.py", "data.txt"]]
    one.worker.hear_served()


def test_a_resumed_worker_makes_further_checkpoints(stage: Theatre, a: Path, tmp_path: Path) -> None:
    """Before what is edited, as it is told then; numbered from the one that was resumed."""
    for name in ("b", "c", "d"):
        write(tmp_path / f"{name}.py", "")
    one = stage("import a, b, c, d\nserve()", edited=["b.py"])
    first, _ = one.hear_checkpoint()
    second, message = one.hear_checkpoint()
    assert message.at == "b"
    one.worker.hear_served()
    for checkpoint, number in ((second, 3), (first, 2)):
        worker = one.resume(checkpoint, edited=[str(tmp_path / "d.py")])
        third, message = one.hear_checkpoint(worker)
        assert (message.number, message.at) == (number, "d")
        worker.hear_served()
    one.resume(third).hear_served()


def test_paths_by_links_are_edited_too(stage: Theatre, a: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/linked.py", "")
    (tmp_path / "apps").symlink_to("elsewhere")
    one = stage("import a; import apps.linked\nserve()", edited=["elsewhere/linked.py"])
    assert one.hear_checkpoint()[1].at == "a"
    assert one.hear_checkpoint()[1].at == "apps.linked"


# Its life


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM, signal.SIGCHLD]
)
def test_signals_of_the_terminal_and_others_do_not_reach_it(stage: Theatre, a: Path, number: signal.Signals) -> None:
    one = stage(IMPORT_A)
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    for _ in range(2):
        os.kill(checkpoint.pid, number)
    worker = one.resume(checkpoint)
    assert worker.hear_served() == {"value": 1}  # and it has not come to the worker either
    assert is_alive(worker.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_can_be_ended(stage: Theatre, a: Path, number: signal.Signals) -> None:
    """Also where the project handles the signal; the workers go on, and exit handlers are theirs."""
    one = stage(
        """
        import atexit
        atexit.register(lambda: open("atexit", "a").close())
        signal.signal(signal.SIGTERM, lambda *args: None)
        import a
        serve()
        """
    )
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    worker = one.resume(checkpoint)
    worker.hear_served()
    os.kill(checkpoint.pid, number)
    assert checkpoint.has_ended()  # although a worker lives that it has forked
    assert one.ask("status", checkpoint.pid) == -number
    assert not (stage.directory / "atexit").exists()
    assert is_alive(worker.pid) and is_alive(one.worker.pid)


def test_it_ends_with_its_link(stage: Theatre, a: Path) -> None:
    one = stage("import atexit; atexit.register(lambda: open('atexit', 'a').close())\n" + IMPORT_A)
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    pid = checkpoint.pid
    checkpoint.link.close()
    assert one.ask("status", pid) == 0
    assert not (stage.directory / "atexit").exists()
    assert is_alive(one.worker.pid)


def test_all_end_with_the_supervisor(stage: Theatre, a: Path, tmp_path: Path) -> None:
    write(tmp_path / "b.py", "")
    one = stage("import a, b\nsignal.pause()", edited=["b.py"])
    one.hear_checkpoint()
    second, _ = one.hear_checkpoint()
    resumed = one.resume(second)
    everyone = one.ask("children")
    assert len(everyone) == 4 and resumed.pid in everyone
    one.kill_parent()
    wait_for(lambda: not any(map(is_alive, everyone)), "nobody is left", PATIENCE)


def test_it_holds_nothing_that_is_the_workers(stage: Theatre, a: Path) -> None:
    """Its own link, and neither the worker's nor the listening socket; nothing more after many resumptions."""
    one = stage("own_port = lender.listener.getsockname()[1]\nimport a\nserve(own_port=own_port)")
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    port = one.worker.hear_served()["own_port"]
    socket.create_connection(("127.0.0.1", port)).close()
    before = descriptors(checkpoint.pid)
    assert sum(name.startswith("socket:") for name in before) == 1
    for _ in range(10):
        worker = one.resume(checkpoint)
        worker.hear_served()
        worker.link.send(Stop())
        assert worker.has_ended()
    wait_for(lambda: descriptors(checkpoint.pid) == before, "all is closed", PATIENCE)
    one.worker.link.send(Stop())
    assert one.ask("status", one.worker.pid) == 0
    with pytest.raises(ConnectionRefusedError):  # nobody listens
        socket.create_connection(("127.0.0.1", port))


# After the fork

STATE = """
        state = dict(
            mask=sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            pending=sorted(signal.sigpending()),
            handlers=[str(getattr(signal.getsignal(n), "__name__", signal.getsignal(n)))
                for n in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)],
            sockets=sum(os.readlink(f"/proc/self/fd/{n}").startswith("socket:") for n in os.listdir("/proc/self/fd")
                if os.path.exists(f"/proc/self/fd/{n}") or os.path.islink(f"/proc/self/fd/{n}")),
            children=sorted(process.children()),
            active=checkpoints.active,
            forking=checkpoints.forks.forking,
            thread=threading.current_thread() is threading.main_thread() and threading.active_count(),
        )
"""


def test_who_goes_on_is_as_it_was(stage: Theatre, a: Path) -> None:
    """Signals, sockets, threads: in the process that leaves a checkpoint, and in one that is resumed."""
    one = stage(
        f"""
        def on_term(*args): pass
        signal.signal(signal.SIGTERM, on_term)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGUSR2}})
        {STATE}
        before = state
        import a
        {STATE}
        serve(before=before, after=state)
        """
    )
    checkpoint, _ = one.hear_checkpoint()
    message = one.worker.hear_served()
    assert message["after"] == message["before"]
    assert message["before"]["handlers"] == ["on_term", "default_int_handler", str(signal.SIG_IGN)]
    assert message["before"]["mask"] == [signal.SIGUSR2]
    checkpoint.hear(FactsRead)
    os.kill(checkpoint.pid, signal.SIGUSR2)
    for _ in range(2):
        message = one.resume(checkpoint).hear_served()
        assert message["after"] == message["before"]


def test_what_was_printed_before_is_printed_once(stage: Theatre, a: Path, tmp_path: Path) -> None:
    one = stage(
        """
        sys.stdout = open("output", "w")
        print("before")
        import a
        print("after")
        serve()
        """
    )
    checkpoint, _ = one.hear_checkpoint()
    for worker in (one.worker, one.resume(checkpoint), one.resume(checkpoint)):
        worker.hear_served()
        worker.link.send(Stop())
        assert worker.has_ended()
        one.ask("status", worker.pid)
    assert (tmp_path / "output").read_text().split() == ["before", "after", "after", "after"]


def test_random_numbers_differ(stage: Theatre, a: Path, tmp_path: Path) -> None:
    """Also those of numpy, which does not see to it itself."""
    write(tmp_path / "numpy/__init__.py", "from numpy import random")
    write(tmp_path / "numpy/random.py", "seeds = []\ndef seed(): seeds.append(5)")
    one = stage("import random, numpy\nimport a\nserve(number=random.random(), seeds=numpy.random.seeds)")
    one.hear_checkpoint()
    checkpoint, message = one.hear_checkpoint()
    assert message.at == "a"
    said = [one.worker.hear_served(), *(one.resume(checkpoint).hear_served() for _ in range(2))]
    assert len({one["number"] for one in said}) == 3
    assert [one["seeds"] for one in said] == [[], [5], [5]]


def test_forks_of_the_project_are_told_from_ours(stage: Theatre, a: Path, tmp_path: Path) -> None:
    one = stage(
        """
        forks = []
        os.register_at_fork(after_in_child=lambda: forks.append(checkpoints.forks.forking))
        if not (pid := os.fork()):
            os._exit(0 if forks == [False] else 1)
        assert os.waitpid(pid, 0)[1] == 0
        if not (pid := checkpoints.forks.child()):
            os._exit(0 if forks == [True] else 1)
        assert os.waitpid(pid, 0)[1] == 0
        import a
        serve(forks=forks, forking=checkpoints.forks.forking)
        """
    )
    checkpoint, _ = one.hear_checkpoint()
    for worker in (one.worker, one.resume(checkpoint)):
        message = worker.hear_served()
        assert set(message["forks"]) == {True}
        assert message["forking"] is False


def test_a_process_on_the_side_dies_with_the_worker(stage: Theatre, a: Path) -> None:
    one = stage(
        """
        import a
        if not (pid := checkpoints.forks.child()):
            signal.pause()
        serve(pid=pid)
        """
    )
    one.hear_checkpoint()
    pid = one.worker.hear_served()["pid"]
    assert is_alive(pid)
    os.kill(one.worker.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(pid), "it has died", PATIENCE)


# Importing ahead

CONNECTED = "s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname()); s.close()"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1 / 0", "ZeroDivisionError('division by zero')"),
        ("import a", "it imports a"),
        ("sqlite3.connect('file:db.sqlite3', uri=True).close()", "it opened a database (inner)"),
        (CONNECTED, "it connected to a server (inner)"),
        ("file = tempfile.NamedTemporaryFile()", "a temporary file exists (inner)"),
    ],
)
def test_what_keeps_it_from_being_built(
    stage: Theatre, a: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    """What was done and is over counts too; named is the module that did it, not the one that imports it."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    write(tmp_path / "inner.py", f"import os, socket, sqlite3, tempfile\n{code}")
    write(tmp_path / "outer.py", "import inner")
    one = stage("import a\nserve()")
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    builder = one.build(checkpoint, ["outer", "inner"], ["a"])
    told = builder.hear(BuildFailed)
    assert (told.module, told.reason, told.others) == ("inner", reason, [])
    assert told.wanted == ("a" if code == "import a" else "")
    assert builder.has_ended()
    assert list(temporary.iterdir()) == []  # it has left nothing behind


def test_all_that_cannot_be_imported_is_told_at_once(stage: Theatre, a: Path, tmp_path: Path) -> None:
    write(tmp_path / "one.py", "1 / 0")
    write(tmp_path / "outer.py", "import inner")
    write(tmp_path / "inner.py", "raise SystemExit")
    write(tmp_path / "other.py", "import inner")
    one = stage("import a\nserve()")
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    told = one.build(checkpoint, ["one", "outer", "colorsys", "inner", "other"], ["a"]).hear(BuildFailed)
    assert told == BuildFailed("one", "ZeroDivisionError('division by zero')", ["inner"])


def test_a_thread_keeps_it_from_being_built(stage: Theatre, a: Path, tmp_path: Path) -> None:
    """Of which nothing tells, before Python 3.12."""
    write(
        tmp_path / "poller.py", "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    one = stage("import a\nserve()")
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    message = one.build(checkpoint, ["poller", "colorsys"], ["a"]).hear(BuildFailed)
    assert message.module == "poller"
    assert message.reason.startswith("a thread runs")


PRINTING = "import a\nprint('a is there', flush=True)\ncheckpoints.make('further on')\nimport b\nserve(order=b.order)"


def test_it_goes_on_and_builds_further_on(stage: Theatre, a: Path, tmp_path: Path) -> None:
    """From what is prepared already: two plans, one after the other, and either can be resumed, again and again."""
    for name, imports in (("a", ""), ("b", ""), ("one", ""), ("two", "import a")):
        write(tmp_path / f"{name}.py", f"import sys\n{imports}\norder = sys.modules.setdefault('order', [])")
        with (tmp_path / f"{name}.py").open("a") as file:
            file.write(f"\norder.append({name!r})")
    one = stage(
        "output = os.dup(1), os.dup2(os.open('output', os.O_CREAT | os.O_APPEND | os.O_WRONLY), 1)\n" + PRINTING
    )
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    prepared = [one.build(checkpoint, ["one"], ["a", "b", "two"])]
    prepared[0].hear(FactsRead)
    prepared[0].link.peer = Role.CHECKPOINT
    prepared.append(one.build(prepared[0], ["two"], ["b"], at="further on"))
    facts = prepared[1].hear(FactsRead).facts
    assert [Path(fact.path).name for fact in facts if isinstance(fact, Read)] == ["a.py", "two.py"]
    prepared[1].link.peer = Role.CHECKPOINT
    said = [one.resume(each).hear_served()["order"] for each in (prepared[1], prepared[0], prepared[1])]
    assert said == [["one", "a", "two", "b"], ["one", "a", "b"], ["one", "a", "two", "b"]]
    # the first worker, and the one that came here once more; not what was on its way to build
    assert (tmp_path / "output").read_text().splitlines() == ["a is there"] * 2


READING = """
import a
with checkpoints.fork_safety.looking_away():  # as Django's are, whose statements count
    database = sqlite3.connect("database")
checkpoints.fork_safety.databases.follow(database)
database.execute("SELECT number FROM numbers")
serve(facts=[type(fact).__name__ for fact in reads.take()])
"""


def test_no_database_is_asked_twice_where_nothing_is_resumed_later(stage: Theatre, a: Path, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "database")) as database:
        database.execute("CREATE TABLE numbers (number)")
    one = stage(READING)
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    prepared = one.build(checkpoint, [], ["a"])
    prepared.hear(FactsRead)
    prepared.link.peer = Role.CHECKPOINT
    exact, other = (one.resume(each).hear_served()["facts"] for each in (checkpoint, prepared))
    assert (exact.count("Queried"), other.count("Queried")) == (2, 0)


def test_it_builds_right_before_a_module(stage: Theatre, a: Path, tmp_path: Path) -> None:
    """Though no checkpoint is there, and though it is in the middle of another module."""
    write(tmp_path / "b.py", "import c\norder = c.order")
    for name in ("c", "one"):
        write(
            tmp_path / f"{name}.py", f"import sys\norder = sys.modules.setdefault('order', [])\norder.append({name!r})"
        )
    one = stage("import a, b\nserve(order=b.order)")
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    prepared = one.build(checkpoint, ["one"], ["b", "c"], at="c")
    prepared.hear(FactsRead)
    prepared.link.peer = Role.CHECKPOINT
    said = [one.resume(each).hear_served()["order"] for each in (prepared, checkpoint, prepared)]
    assert said == [["one", "c"], ["c"], ["one", "c"]]


def test_what_never_comes_there_is_of_no_use(stage: Theatre, a: Path) -> None:
    one = stage("import a\ncheckpoints.make('the URLconf')\nserve()")
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    message = one.build(checkpoint, ["colorsys"], ["a"], at="gone").hear(BuildFailed)
    assert (message.module, message.reason) == ("", "gone is imported later, or not at all")


def test_what_ends_on_the_way_is_of_no_use(stage: Theatre, a: Path) -> None:
    one = stage("import a\nif checkpoints.prepared: sys.exit(1)\nserve()")
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    assert one.build(checkpoint, ["colorsys"], ["a"], at="further on").has_ended()


# Where there are none


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("sqlite3.connect('file:db.sqlite3', uri=True).close()", "it opened a database (b)"),
        (
            "s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname()); s.close()",
            "it connected to a server (b)",
        ),
    ],
)
def test_a_seal_stops_it(stage: Theatre, a: Path, tmp_path: Path, code: str, reason: str) -> None:
    """From the next module on, in this process and in those that are resumed; it is told once."""
    write(tmp_path / "b.py", f"import os, socket, sqlite3, sys\n{code}")
    for name in ("c", "d"):
        write(tmp_path / f"{name}.py", "")
    one = stage("import a, b, c, d\nserve(active=checkpoints.active)", edited=["b.py", "c.py", "d.py"])
    edited = [str(tmp_path / name) for name in ("c.py", "d.py")]
    one.hear_checkpoint()
    checkpoint, message = one.hear_checkpoint()
    assert message.at == "b"
    for worker in (one.worker, one.resume(checkpoint, edited)):
        assert worker.hear(CheckpointsEnded) == CheckpointsEnded("c", reason)
        assert worker.hear_served() == {"active": False}
    write(tmp_path / "b.py", "")  # what sealed is gone
    worker = one.resume(checkpoint, edited)
    assert one.hear_checkpoint(worker)[1].at == "c"


@pytest.mark.parametrize("gone", [False, True])
def test_what_is_there_now_stops_it_for_as_long_as_it_is_there(
    stage: Theatre, a: Path, tmp_path: Path, gone: bool
) -> None:
    write(tmp_path / "b.py", "import socket\nsock = socket.create_server(('127.0.0.1', 0))")
    write(tmp_path / "c.py", "import b\nb.sock.close()" if gone else "")
    write(tmp_path / "d.py", "")
    one = stage(
        "import a, b, c, d\ncheckpoints.finish()\nserve(active=checkpoints.active)", edited=["b.py", "c.py", "d.py"]
    )
    assert [one.hear_checkpoint()[1].at for _ in range(3 if gone else 2)] == ["a", "b", *["d"] * gone]
    if not gone:
        assert one.worker.hear(CheckpointsEnded) == CheckpointsEnded("c", "a socket is open (b)")
    assert one.worker.hear_served() == {"active": False}


SPAWNED = "from multiprocessing import resource_tracker; resource_tracker.ensure_running()"  # without an audit event
OPENED = "import ctypes; ctypes.CDLL(None).socket(socket.AF_INET, socket.SOCK_STREAM, 0)"


@pytest.mark.parametrize(
    ("code", "reason"), [(SPAWNED, "a process that was started runs"), (OPENED, "a socket is open")]
)
def test_we_are_not_the_culprit(stage: Theatre, a: Path, tmp_path: Path, code: str, reason: str) -> None:
    """Where nothing tells which module did it, none is named."""
    write(a, f"import socket\n{code}")
    write(tmp_path / "b.py", "")
    one = stage("import a, b\ncheckpoints.finish()\nserve()", edited=["b.py"])
    one.hear_checkpoint()
    assert one.worker.hear(CheckpointsEnded) == CheckpointsEnded("b", reason)


def test_other_threads_make_none(stage: Theatre, a: Path, tmp_path: Path) -> None:
    write(tmp_path / "b.py", "")
    one = stage(
        """
        import a
        thread = threading.Thread(target=__import__, args=["b"])
        thread.start()
        thread.join()
        loaded = "b" in sys.modules
        import c
        serve(loaded=loaded)
        """,
        edited=["b.py", "c.py"],
    )
    write(tmp_path / "c.py", "")
    assert one.hear_checkpoint()[1].at == "a"
    assert one.hear_checkpoint()[1].at == "c"
    assert one.worker.hear_served() == {"loaded": True}


def test_none_where_nobody_wants_any(stage: Theatre, a: Path, tmp_path: Path) -> None:
    one = stage("checkpoints.end()\nmade = checkpoints.make('here')\nimport a\nserve(made=made)")
    assert one.worker.hear_served() == {"made": False}
    without = stage(
        """
        none = Checkpoints(lender, reads, None, lambda file: True)
        serve(active=none.active, before=none.before("a", here + "/a.py"), made=none.make("here"))
        """
    )
    assert without.worker.hear_served() == {"active": False, "before": False, "made": False}


def test_none_before_what_is_not_the_projects(stage: Theatre, a: Path) -> None:
    one = stage("import colorsys, wave\nserve()")
    one.worker.hear_served()


NO_FORK = """
        fork, first = os.fork, os.getpid()

        def failing_fork():
            if os.path.exists("no-fork") or (os.path.exists("no-second-fork") and os.getpid() != first):
                raise BlockingIOError(11, "no process left")
            return fork()

        os.fork = failing_fork
        import a
        import b
        serve(pid=os.getpid(), open_files=len(os.listdir("/proc/self/fd")), active=checkpoints.active)
"""


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        ("no-fork", "no process can be forked ([Errno 11] no process left)"),
        ("no-second-fork", "no process can be forked (the second fork failed)"),
    ],
)
def test_a_fork_that_fails_at_first(stage: Theatre, a: Path, tmp_path: Path, failing: str, reason: str) -> None:
    """The worker goes on by itself; the checkpoint that it has announced is seen to have ended."""
    write(tmp_path / "b.py", "")
    (tmp_path / failing).touch()
    one = stage(NO_FORK, edited=["b.py"])
    checkpoint, _ = one.hear_checkpoint()
    assert checkpoint.has_ended()
    assert one.worker.hear(CheckpointsEnded) == CheckpointsEnded("b", reason)
    message = one.worker.hear_served()
    assert message["pid"] == one.worker.pid
    assert message["active"] is False
    assert one.ask("children") == [one.worker.pid]


@pytest.mark.parametrize("failing", ["no-fork", "no-second-fork"])
def test_a_fork_that_fails_later(stage: Theatre, a: Path, tmp_path: Path, failing: str) -> None:
    """The supervisor sees that nobody takes the new link; the checkpoint can be resumed as soon as there is room."""
    write(tmp_path / "b.py", "")
    one = stage(NO_FORK)
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    one.worker.hear_served()
    before = one.ask("children")
    (tmp_path / failing).touch()
    assert one.resume(checkpoint, hello=False).has_ended()
    assert one.ask("children") == before
    (tmp_path / failing).unlink()
    one.resume(checkpoint).hear_served()


def test_forks_that_fail_leave_nothing_open(stage: Theatre, a: Path, tmp_path: Path) -> None:
    write(tmp_path / "b.py", "")
    one = stage(NO_FORK)
    checkpoint, _ = one.hear_checkpoint()
    checkpoint.hear(FactsRead)
    one.worker.hear_served()
    before = descriptors(checkpoint.pid)
    (tmp_path / "no-fork").touch()
    for _ in range(3):
        assert one.resume(checkpoint, hello=False).has_ended()
    wait_for(lambda: descriptors(checkpoint.pid) == before, "all is closed", PATIENCE)


def test_where_children_are_ignored(stage: Theatre, a: Path) -> None:
    """The project does so, or whoever has started the supervisor (it is inherited)."""
    one = stage("signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nimport a\nserve(pid=os.getpid())")
    spawned = one.worker.pid
    checkpoint, _ = one.hear_checkpoint()
    assert one.worker.pid != spawned
    assert one.worker.hear_served() == {"pid": one.worker.pid}
    checkpoint.hear(FactsRead)
    worker = one.resume(checkpoint)
    assert worker.hear_served() == {"pid": worker.pid}


@pytest.mark.parametrize("is_needed", [False, True])
def test_what_would_be_opened_again_keeps_nobody_from_forking(monkeypatch: pytest.MonkeyPatch, is_needed: bool) -> None:
    """A database that is opened after the last checkpoint, say: checks run in a process of their own even so."""
    is_open = True

    def close() -> None:
        nonlocal is_open
        is_open = is_needed

    lender: Any = SimpleNamespace(let_go=close)
    checkpoints = Checkpoints(lender, ReadRecorder(lambda directory: False), None, lambda file: True)
    monkeypatch.setattr(checkpoints.fork_safety, "forbids", lambda: is_open)
    assert checkpoints.may_fork() is not is_needed
