"""Starting and ending the worker process.

The worker is started by the very command line that started the supervisor (``sys.orig_argv``), so that
every interpreter flag survives and the project's own start-up code runs as it always does.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

RUN_MAIN = "RUN_MAIN"  # Django's: "true" in the process that serves, which projects rely on
LINK = "DEVRUNSERVER_LINK"  # descriptor of the worker's end of the link
LISTENER = "DEVRUNSERVER_LISTENER"  # descriptor of the listening socket
RERUN = "DEVRUNSERVER_RERUN"  # set where a worker runs again only to catch its error, whose output was seen already
REPORT = "DEVRUNSERVER_REPORT"  # what a worker that runs nothing of the project is to tell the browser

PR_SET_PDEATHSIG = 1  # of prctl(2)

# Of the interpreter, see `python --help`. What follows -m MODULE and -c CODE belongs to the program.
LONG_OPTIONS_WITH_VALUE = {"--check-hash-based-pycs"}
LETTERS_WITH_VALUE = "WXmc"
PROGRAM_LETTERS = "mc"


def worker_argv(orig_argv: Sequence[str]) -> list[str]:
    """The command line of a worker: the supervisor's own."""
    return [sys.executable, *orig_argv[1:]]


def guarded_argv(orig_argv: Sequence[str]) -> list[str]:
    """The same program under ``python -m devrunserver``, which catches what it raises before our app is created."""
    interpreter, program = split_argv(orig_argv[1:])
    if program[:2] == ["-m", "devrunserver"]:
        program = program[2:]
    return [sys.executable, *interpreter, "-m", "devrunserver", *program]


def report_argv(orig_argv: Sequence[str]) -> list[str]:
    """A process that runs nothing of the project and tells the browser what happened."""
    interpreter, _ = split_argv(orig_argv[1:])
    return [sys.executable, *interpreter, "-m", "devrunserver"]


def split_argv(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Splits what follows ``python`` into the interpreter's options and the program with its arguments."""
    interpreter: list[str] = []
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        option = rest.pop(0)
        interpreter.append(option)
        if option.startswith("--"):
            value_follows = option in LONG_OPTIONS_WITH_VALUE
        else:  # a cluster of letters, of which the first that takes a value takes the rest, or the next argument
            position = next((at for at, letter in enumerate(option) if letter in LETTERS_WITH_VALUE), len(option))
            letter, joined = option[position : position + 1], option[position + 1 :]
            if letter and letter in PROGRAM_LETTERS:
                flags = option[:position]
                interpreter[-1:] = [flags] if flags != "-" else []
                return interpreter, [f"-{letter}", *([joined] if joined else []), *rest]
            value_follows = bool(letter) and not joined
        if value_follows and rest:
            interpreter.append(rest.pop(0))
    return interpreter, rest


if sys.platform == "win32":

    def _popen(
        argv: Sequence[str], environ: dict[str, str], sockets: Sequence[socket.socket]
    ) -> subprocess.Popen[bytes]:
        for sock in sockets:
            sock.set_inheritable(True)
        try:
            return subprocess.Popen(argv, env=environ, close_fds=False)
        finally:
            for sock in sockets:
                sock.set_inheritable(False)

else:

    def _popen(
        argv: Sequence[str], environ: dict[str, str], sockets: Sequence[socket.socket]
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(argv, env=environ, pass_fds=[sock.fileno() for sock in sockets])


def spawn(
    argv: Sequence[str], link: socket.socket, listener: socket.socket | None, environ: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Starts a worker that inherits its end of the link, and the listening socket if we hold one."""
    variables = {**os.environ, RUN_MAIN: "true", **environ, LINK: str(link.fileno())}
    if listener is not None:
        variables[LISTENER] = str(listener.fileno())
    return _popen(argv, variables, [link] if listener is None else [link, listener])


def inherited_socket(variable: str) -> socket.socket | None:
    """The socket whose descriptor the environment names, taken out of the environment; None where it names none."""
    descriptor = os.environ.pop(variable, "")
    if not descriptor:
        return None
    try:
        sock = socket.socket(fileno=int(descriptor))
    except (OSError, ValueError, OverflowError):
        return None  # left over from a process that is gone
    sock.set_inheritable(False)
    return sock


def die_with_parent(parent: int) -> None:
    """Has the kernel kill this process when its parent dies, where it can (Linux).

    The link tells the same, but only to a thread that gets to run: not while an extension holds the GIL.
    """
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def make_exit_quick() -> None:
    """Spares this process the garbage collections of the interpreter's end, as the kernel takes all memory back.

    With thousands of modules they take over a second, which a reload would wait for. `atexit` handlers run,
    threads are waited for and files of modules are closed as ever.
    """
    gc.freeze()


def describe_status(status: int) -> str:
    """What a ``Popen.returncode`` says, in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"signal {-status}"
