"""The command lines of workers, what they inherit, and how their end is told."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from devrunserver.common import environment, process
from devrunserver.common.environment import WorkerStart

SLOW_CLOCK = 0.05  # seconds by which it may be told to be earlier: two ticks of the kernel, and a rounding

# The interpreter's options, the program with its arguments
COMMAND_LINES: list[tuple[list[str], list[str]]] = [
    ([], ["manage.py", "runserver"]),
    ([], ["./manage.py", "runserver", "-6", "--nothreading", "8000"]),
    ([], ["-m", "django", "runserver"]),
    ([], ["-m", "devrunserver", "manage.py", "runserver"]),
    ([], ["-c", "import manage; manage.main()", "runserver"]),
    ([], ["-", "runserver"]),
    ([], []),
    (["-u"], ["manage.py", "runserver"]),
    (["-u", "-OO", "-bb"], ["manage.py", "-m", "x"]),
    (["-W", "error"], ["manage.py", "runserver"]),
    (["-Werror::DeprecationWarning"], ["manage.py", "runserver"]),
    (["-Wignore::UserWarning:some.m"], ["manage.py", "runserver"]),
    (["-X", "dev"], ["manage.py", "runserver"]),
    (["-Xdev"], ["manage.py", "runserver"]),
    (["-X", "importtime", "-W", "default", "-u"], ["-m", "manage", "runserver"]),
    (["--check-hash-based-pycs", "always"], ["manage.py", "runserver"]),
    (["-I", "-S"], ["-m", "django", "runserver", "-u"]),
]


@pytest.mark.parametrize(("interpreter", "program"), COMMAND_LINES, ids=lambda one: " ".join(one))
def test_split_argv(interpreter: list[str], program: list[str]) -> None:
    assert process.split_argv([*interpreter, *program]) == (interpreter, program)


@pytest.mark.parametrize(
    ("arguments", "interpreter", "program"),
    [
        (["-um", "django", "runserver"], ["-u"], ["-m", "django", "runserver"]),
        (["-X", "dev", "-OOum", "django"], ["-X", "dev", "-OOu"], ["-m", "django"]),
        (["-uc", "print()", "x"], ["-u"], ["-c", "print()", "x"]),
        (["-mmanage", "runserver"], [], ["-m", "manage", "runserver"]),
        (["-ummanage", "runserver"], ["-u"], ["-m", "manage", "runserver"]),
        (["-uW", "error", "manage.py"], ["-uW", "error"], ["manage.py"]),
        (["-uX", "dev", "manage.py"], ["-uX", "dev"], ["manage.py"]),
    ],
)
def test_split_argv_of_joined_options(arguments: list[str], interpreter: list[str], program: list[str]) -> None:
    assert process.split_argv(arguments) == (interpreter, program)


@pytest.mark.parametrize(("interpreter", "program"), COMMAND_LINES, ids=lambda one: " ".join(one))
def test_the_workers_command_lines_keep_every_option(interpreter: list[str], program: list[str]) -> None:
    orig_argv = ["python3", *interpreter, *program]
    guarded = program[2:] if program[:2] == ["-m", "devrunserver"] else program
    assert process.worker_argv(orig_argv) == [sys.executable, *interpreter, *program]
    assert process.guarded_argv(orig_argv) == [sys.executable, *interpreter, "-m", "devrunserver", *guarded]
    assert process.report_argv(orig_argv) == [sys.executable, *interpreter, "-m", "devrunserver"]
    assert process.guarded_argv(process.guarded_argv(orig_argv)) == process.guarded_argv(orig_argv)


@pytest.mark.parametrize("options", [["-u"], ["-W", "error", "-Xdev"], ["-X", "utf8", "-bb"], ["-Wdefault", "-O"]])
def test_split_argv_agrees_with_the_interpreter(tmp_path: Path, options: list[str]) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys; print(*sys.orig_argv[1:], *sys.argv, sep='\\n')")
    command = [sys.executable, *options, str(script), "-u", "x"]
    output = subprocess.check_output(command, text=True).splitlines()
    argv = [str(script), "-u", "x"]
    assert output == [*options, *argv, *argv]
    assert process.split_argv(output[: -len(argv)]) == (options, argv)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exit status 0"),
        (1, "exit status 1"),
        (137, "exit status 137"),
        (-signal.SIGTERM, "signal 15 (SIGTERM)"),
        (-signal.SIGSEGV, "signal 11 (SIGSEGV)"),
        (-250, "signal 250"),
    ],
)
def test_describe_status(status: int, words: str) -> None:
    assert process.describe_status(status) == words


@pytest.mark.parametrize("descriptor", [-1, 99_999, 10**20])
def test_no_socket_is_inherited_where_there_is_none(descriptor: int) -> None:
    assert process.inherited_socket(descriptor) is None


def test_a_descriptor_of_something_else_is_left_open(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        assert process.inherited_socket(file.fileno()) is None
        os.fstat(file.fileno())


def test_an_inherited_socket_is_not_passed_on() -> None:
    ours, theirs = socket.socketpair()
    theirs.set_inheritable(True)
    inherited = process.inherited_socket(theirs.detach())
    assert inherited is not None
    with ours, inherited:
        assert not inherited.get_inheritable()
        inherited.sendall(b"hello")
        assert ours.recv(5) == b"hello"


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5)")
def test_when_this_process_began() -> None:
    began = time.time()
    command = [sys.executable, "-c", "from devrunserver.common.process import started_at; print(started_at())"]
    told = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert began - SLOW_CLOCK <= told <= time.time()


CHILD = """
import os, subprocess, sys, time
from devrunserver.common import environment, process
descriptor, start = environment.take(os.environ)
link = process.inherited_socket(descriptor)
told = [os.environ.pop(name, "") for name in (environment.RUN_MAIN, environment.LINK, environment.SPAWNED)]
below = subprocess.check_output([sys.executable, "-c", "import os; print(*os.listdir('/dev/fd'))"], text=True).split()
link.sendall(repr((told, start, str(link.fileno()) in below)).encode())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="lists /dev/fd")
def test_spawn() -> None:
    ours, theirs = socket.socketpair()
    start = WorkerStart(1.5, True, ("/a b.py", "/c.py"), True, "it ended")
    with ours, theirs:
        worker = process.spawn([sys.executable, "-c", CHILD], theirs, start)
        theirs.close()
        said = b"".join(iter(lambda: ours.recv(4096), b"")).decode()
        assert worker.wait(10) == 0
    assert said == repr((["true", "", ""], start, False))
    assert environment.LINK not in os.environ


SPARE = """
import os, sys
from devrunserver.common import environment, process
_, start = environment.take(os.environ)
print("held")
print("held too", file=sys.stderr)
for number, text in zip(start.outputs, (b"out", b"err")):
    os.write(process.inherited_descriptor(number), text)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="inherits descriptors")
def test_a_process_whose_output_is_held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It has its real outputs besides."""
    ours, theirs = socket.socketpair()
    paths = [tmp_path / name for name in ("held", "out", "err")]
    with ours, theirs, paths[0].open("wb") as held, paths[1].open("wb") as out, paths[2].open("wb") as err:
        monkeypatch.setattr(process, "OUTPUTS", (out.fileno(), err.fileno()))
        argv = [sys.executable, "-c", SPARE]
        worker = process.spawn(argv, theirs, WorkerStart(), (held.fileno(), held.fileno()))
        assert worker.wait(10) == 0
    texts = [path.read_text() for path in paths]
    assert ("held\n" in texts[0], "held too\n" in texts[0], texts[1:]) == (True, True, ["out", "err"])


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does it on Linux")
def test_who_has_lost_its_parent_leaves_at_once() -> None:
    code = "from devrunserver.common.process import die_with_parent; die_with_parent(1); print('still here')"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (child.returncode, child.stdout) == (1, "")


# A process that adopts orphans, with a way to make one: a program whose parent ends at once
ADOPTING = """
import json, os, signal, subprocess, sys, time
from devrunserver.common import process
assert process.adopt_orphans()
PATIENCE = 30.0

def orphan(program):
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdout=2).pid)"
    return int(subprocess.check_output([sys.executable, "-c", code, program]))

def is_there(pid):
    return os.path.exists(f"/proc/{pid}")

def wait_for(fact):
    deadline = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)

WAITING = "from devrunserver.common import process as p; p.die_with_parent(p.os.getppid()); p.signal.pause()"
result = None
"""


def adopting(code: str) -> Any:
    """The ``result`` of code in a process that adopts orphans."""
    program = ADOPTING + dedent(code) + "\nprint(json.dumps(result))"
    return json.loads(subprocess.check_output([sys.executable, "-c", program], text=True))


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux alone")


@on_linux
@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os._exit(255)", 255),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
    ],
)
def test_status_of_an_adopted_process(program: str, status: int) -> None:
    code = f"""
        adopted = process.Adopted(orphan({program!r}))
        result = [adopted.wait(PATIENCE), adopted.wait(PATIENCE), adopted.poll(), adopted.returncode]
        assert not is_there(adopted.pid)
        adopted.terminate(), adopted.kill()  # of somebody who is gone, whose pid may be another's by now
    """
    assert adopting(code) == [status] * 4


@on_linux
@pytest.mark.parametrize(("end", "status"), [("terminate", -signal.SIGTERM), ("kill", -signal.SIGKILL)])
def test_end_of_an_adopted_process(end: str, status: int) -> None:
    code = f"""
        adopted = process.Adopted(orphan(WAITING))
        assert adopted.pid in process.children()
        assert adopted.poll() is None
        try:
            adopted.wait(0.0)
        except subprocess.TimeoutExpired:
            adopted.{end}()
        result = adopted.wait(PATIENCE)
        assert adopted.pid not in process.children()
    """
    assert adopting(code) == status


@on_linux
def test_the_status_of_who_is_no_child_is_not_known() -> None:
    code = "adopted = process.Adopted(1); result = [adopted.poll(), adopted.wait(0.0)]; adopted.kill()"
    assert adopting(code) == [0, 0]


@on_linux
def test_reap_orphans() -> None:
    """All that have ended vanish, but for the known ones, whose status somebody wants to know."""
    code = """
        process.reap_orphans(())  # there are none
        running = process.Adopted(orphan(WAITING))
        ended = [orphan("") for _ in range(3)]
        process.reap_orphans(())  # perhaps before they have ended
        wait_for(lambda: process.reap_orphans({running.pid}) or not any(map(is_there, ended)))
        assert running.poll() is None
        assert process.children() == {running.pid}

        running.terminate()
        started = subprocess.Popen([sys.executable, "-c", "raise SystemExit(5)"])
        known = {running.pid, started.pid}
        for pid in known:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        process.reap_orphans(known)
        assert process.children() == known
        result = [running.poll(), started.poll()]
        assert process.children() == set()
    """
    assert adopting(code) == [-signal.SIGTERM, 5]


def test_children() -> None:
    child = subprocess.Popen([sys.executable, "-c", "open(0).read()"], stdin=subprocess.PIPE)
    with child:
        if sys.platform == "linux":
            assert child.pid in process.children()
    assert child.pid not in process.children()
