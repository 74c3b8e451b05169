"""Starting and ending the worker process.

The worker is started by the very command line that started the supervisor (``sys.orig_argv``), so that
every interpreter flag survives and the project's own start-up code runs as it always does.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Protocol

from devrunserver.common import environment, process_exit
from devrunserver.common.environment import WorkerStart

OUTPUTS = (1, 2)  # the descriptors of standard output and standard error
NO_SUCH_PROGRAM = 127  # a shell's exit status

STARTED = 19  # which of the fields behind a process' name says when it began, in ticks since the boot: proc(5)

# Of prctl(2)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

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
    import msvcrt

    @contextlib.contextmanager
    def _lent(descriptors: Sequence[int]) -> Iterator[list[int]]:
        """Under which numbers a child inherits other descriptors than its standard ones: handles, to Windows."""
        copies = list(map(os.dup, descriptors))
        try:
            handles = list(map(msvcrt.get_osfhandle, copies))
            for handle in handles:
                os.set_handle_inheritable(handle, True)
            yield handles
        finally:
            for copy in copies:
                os.close(copy)

    def inherited_descriptor(number: int) -> int:
        """The descriptor that was inherited as this number."""
        return msvcrt.open_osfhandle(number, os.O_WRONLY)

    def _popen(
        argv: Sequence[str], environ: dict[str, str], link: socket.socket, held: Sequence[int], lent: Sequence[int]
    ) -> subprocess.Popen[bytes]:
        stdout, stderr = held or (None, None)
        link.set_inheritable(True)
        try:
            return subprocess.Popen(argv, env=environ, close_fds=False, stdout=stdout, stderr=stderr)
        finally:
            link.set_inheritable(False)

else:

    @contextlib.contextmanager
    def _lent(descriptors: Sequence[int]) -> Iterator[list[int]]:
        """Under which numbers a child inherits other descriptors than its standard ones."""
        copies = list(map(os.dup, descriptors))
        try:
            yield copies
        finally:
            for copy in copies:
                os.close(copy)

    def inherited_descriptor(number: int) -> int:
        """The descriptor that was inherited as this number."""
        os.set_inheritable(number, False)
        return number

    def _popen(
        argv: Sequence[str], environ: dict[str, str], link: socket.socket, held: Sequence[int], lent: Sequence[int]
    ) -> subprocess.Popen[bytes]:
        stdout, stderr = held or (None, None)
        passed = [link.fileno(), *lent]
        return subprocess.Popen(argv, env=environ, pass_fds=passed, stdout=stdout, stderr=stderr)


def spawn(
    argv: Sequence[str],
    link: socket.socket,
    start: WorkerStart,
    held: Sequence[int] = (),
    variables: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a worker that inherits its end of the link, and the page on which it says how far it is.

    Args:
        held: where it is to write for now, in place of standard output and error, which it inherits besides.
        variables: of its environment, besides ours.
    """
    with _lent(OUTPUTS if held else ()) as lent:
        start = start._replace(outputs=tuple(lent))
        page = [start.progress] if start.progress >= 0 else []
        environ = {**os.environ, **(variables or {}), **environment.write(start, link.fileno())}
        return _popen(argv, environ, link, held, [*lent, *page])


def run_tool(argv: Sequence[str], patience: float) -> tuple[int, str]:
    """Runs a program of the system to its end.

    Args:
        patience: seconds after which it is ended.

    Returns:
        Its exit status, 127 where there is no such program, and what it has printed.
    """
    pipe = subprocess.PIPE
    try:
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT) as popen:
            try:
                output, _ = popen.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                popen.kill()
                output, _ = popen.communicate()
            return popen.returncode, output.decode(errors="replace").strip()
    except OSError as error:
        return NO_SUCH_PROGRAM, str(error)


class Process(Protocol):
    """A child of ours: one that we have started (``subprocess.Popen``), or one that we have adopted."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Adopted:
    """A process whose parent has ended, so that it became our child (see ``adopt_orphans``). As a ``Popen``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status, or the negated signal number; None while it runs."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                self.returncode = 0
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float) -> int:
        """The exit status, once there is one.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        if self.poll() is None and hasattr(os, "pidfd_open"):
            descriptor = os.pidfd_open(self.pid)
            try:
                select.select([descriptor], [], [], timeout)
            finally:
                os.close(descriptor)
        if (status := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return status

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(process_exit.KILL)

    def _send(self, number: int) -> None:
        if self.poll() is None:  # not waited for yet, so the pid is its own
            os.kill(self.pid, number)


def started_at() -> float:
    """When this process began, in seconds since the epoch, or a little earlier; before all else where nobody tells."""
    with contextlib.suppress(OSError, ValueError, IndexError, AttributeError), open("/proc/self/stat") as file:
        ticks = int(file.read().rpartition(")")[2].split()[STARTED])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - (ticks - 1) / os.sysconf("SC_CLK_TCK")
        if age >= 0:
            return time.time() - age
    return -math.inf


def adopt_orphans() -> bool:
    """Makes processes whose parent has ended our children, where the system can (Linux); whether it could."""
    return _prctl(PR_SET_CHILD_SUBREAPER, 1) == 0


def children() -> set[int]:
    """The pids of our children, where the system tells. Source: proc(5)."""
    with contextlib.suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children") as file:
        return set(map(int, file.read().split()))
    return set()


def reap_orphans(known: Container[int]) -> None:
    """Lets adopted processes that have ended vanish, but for those that somebody else waits for."""
    while sys.platform == "linux":
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in known:
            return
        os.waitpid(ended.si_pid, 0)


def inherited_socket(descriptor: int) -> socket.socket | None:
    """The socket that was inherited as this descriptor; None where there is none."""
    try:
        sock = socket.socket(fileno=descriptor)
    except (OSError, ValueError, OverflowError):
        return None  # left over from a process that is gone
    sock.set_inheritable(False)
    return sock


def die_with_parent(parent: int) -> None:
    """Has the kernel kill this process when its parent dies, where it can (Linux).

    The link tells the same, but only to a thread that gets to run: not while an extension holds the GIL.
    """
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            process_exit.leave(process_exit.FAILURE)


def _prctl(option: int, value: int) -> int:
    if sys.platform != "linux":
        return -1
    import ctypes

    return int(ctypes.CDLL(None).prctl(option, value, 0, 0, 0))


def describe_status(status: int) -> str:
    """What a ``Popen.returncode`` says, in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"signal {-status}"
