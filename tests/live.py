"""The one harness for tests that run a server as a user would: a copy of ``testproject``, a port of its own choice.

It waits for facts with a deadline, prints the server's log when a test fails, and at the end proves that no process
and no port is left.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

REPOSITORY = Path(__file__).resolve().parents[1]
TESTPROJECT = REPOSITORY / "testproject"
# Seconds for a fact to come true; only a failing test waits so long.
PATIENCE = float(os.environ.get("DEVRUNSERVER_TESTS_PATIENCE", "30"))
KILL_PATIENCE = 15.0  # seconds for what dies with its parent to be gone, on a machine that has much else to do
LOOK_INTERVAL = 0.02  # seconds between two looks at a fact
STILL = 0.1  # seconds without work of any process: one that waits for the processor counts as working
# What it starts is interrupted when we end, however we do: an aborted run of the tests leaves no server behind.
DIES_WITH_US = ("setpriv", "--pdeathsig", "INT") if shutil.which("setpriv") else ()
UNGIVEN_PORTS = range(10_000, 32_000)  # below those that are given to who asks for any
BANNER = re.compile(r"development server at (https?)://(\S+):(\d+)/")


def free_port() -> int:
    """A port that stays free until it is used here: the system gives it to nobody who asks for any."""
    choice = random.SystemRandom()  # tests beside this one have the same seed
    while True:
        port = choice.choice(UNGIVEN_PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Answer(NamedTuple):
    """What a client got: a status of 0 means none, and ``error`` says why."""

    status: int
    headers: str
    body: str
    error: str = ""


def wait_for(fact: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Returns when the fact is true.

    Raises:
        AssertionError: it did not come true in time.
    """
    deadline = time.monotonic() + patience
    while not fact():
        assert time.monotonic() < deadline, f"not in {patience} s: {what}"
        time.sleep(LOOK_INTERVAL)


def get(port: int, path: str = "/version/", headers: str = "", host: str = "127.0.0.1", patience: float = 10) -> Answer:
    """One request on a connection of its own."""
    try:
        with socket.create_connection((host, port), patience) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n".encode())
            data = b"".join(iter(lambda: connection.recv(65536), b""))
    except ConnectionRefusedError:
        return Answer(0, "", "", "refused")
    except ConnectionResetError:
        return Answer(0, "", "", "reset")
    except TimeoutError:
        return Answer(0, "", "", "timeout")
    if not data:
        return Answer(0, "", "", "empty")
    raw, _, content = data.partition(b"\r\n\r\n")
    head = raw.decode(errors="replace")
    if "\r\ntransfer-encoding: chunked" in head.lower():
        content = b"".join(_chunks(content))
    return Answer(int(head.split()[1]), head, content.decode(errors="replace"))


def _chunks(content: bytes) -> Iterator[bytes]:
    """What is in a chunked body, as far as it came."""
    while content:
        size, _, rest = content.partition(b"\r\n")
        count = int(size, 16)
        yield rest[:count]
        content = rest[count + 2 :]


class Asker:
    """A client that asks all the time, each time on a new connection, and counts what it gets."""

    def __init__(self, port: int, path: str = "/version/") -> None:
        self.counts: Counter[str] = Counter()
        self._port, self._path = port, path
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._ended.set()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        while not self._ended.is_set():
            answer = get(self._port, self._path, patience=PATIENCE)
            self.counts[answer.error or str(answer.status)] += 1


class Server:
    """A running ``manage.py runserver``.

    Args:
        project: the directory that holds ``manage.py``.
        arguments: what follows ``runserver``; where they name no port, it is 0.
        command: what to run in place of ``python manage.py runserver``.
    """

    def __init__(
        self,
        project: Path,
        *arguments: str,
        command: tuple[str, ...] = (sys.executable, "manage.py", "runserver"),
        environ: dict[str, str] | None = None,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = None,
    ) -> None:
        self.project = project
        self.log_path = project.parent / f"{project.name}.log"
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("DJANGO", "DEVRUNSERVER"))}
        variables.pop("RUN_MAIN", None)
        # a developer's machine writes bytecode, and the traps in it are ours to avoid
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
        variables |= {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1", **(environ or {})}
        if command[-1] == "runserver" and not any(one[:1].isdigit() or one[-2:] == ":0" for one in arguments):
            arguments = ("0", *arguments)
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [*DIES_WITH_US, *command, *arguments],
                cwd=project,
                env=variables,
                stdin=stdin,
                stdout=log if stdout is None else stdout,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self.process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *args: object) -> None:
        everyone = self.family()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        with contextlib.suppress(AssertionError):
            wait_for(lambda: not any(map(is_alive, everyone)), "nobody is left", KILL_PATIENCE)
        left = [pid for pid in everyone if is_alive(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        if kind is not None:
            print(f"--- {self.log_path}\n{self.log}\n---", file=sys.stderr)
        else:
            assert not left, f"left behind: {left}"

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def port(self) -> int:
        """The port it listens on, by its own words; waits for them."""
        self.wait_for_log(BANNER.pattern)
        match = BANNER.search(self.log)
        assert match is not None
        return int(match[3])

    @property
    def reloads(self) -> int:
        return len(re.findall(r"changed(?: at once.*)?, reloading\.", self.log))

    def wait_for_log(self, pattern: str, count: int = 1) -> None:
        def seen() -> bool:
            assert self.process.poll() is None or self._matches(pattern) >= count, (
                f"the server ended with {self.process.returncode}; wanted {pattern!r}:\n{self.log}"
            )
            return self._matches(pattern) >= count

        wait_for(seen, f"{pattern!r} in the log")

    def get(self, path: str = "/version/", headers: str = "") -> Answer:
        return get(self.port, path, headers)

    def wait_for_body(self, text: str, path: str = "/version/", headers: str = "", port: int | None = None) -> Answer:
        """Asks until an answer holds the text; returns it."""
        answers: list[Answer] = []
        port = port or self.port

        def holds() -> bool:
            answers.append(get(port, path, headers))
            return text in answers[-1].body

        try:
            wait_for(holds, f"{text!r} in {path}")
        except AssertionError as error:
            raise AssertionError(f"{error}; the last answer: {answers[-1].status} {answers[-1].body[:500]!r}") from None
        return answers[-1]

    def edit(self, path: str, old: str, new: str) -> None:
        """Replaces text in a file of the project, by atomic rename."""
        file = self.project / path
        text = file.read_text()
        assert old in text, f"{old!r} is not in {path}"
        replace(file, text.replace(old, new))

    def worker_pid(self) -> int:
        """The process that answers."""
        return int(self.get("/version/").body.split()[1])

    def family(self) -> set[int]:
        """The supervisor and all processes that it started, by session: each server has one of its own."""
        return {pid for pid in pids() if session_of(pid) == self.pid}

    def wait_until_still(self) -> None:
        """Returns once nobody works: so what a checkpoint has told is known, also where the machine is busy."""
        since, before = time.monotonic(), dict[int, list[str]]()

        def is_still() -> bool:
            nonlocal since, before
            now = {pid: [_stat(pid)[0], *_stat(pid)[11:13]] for pid in self.family()}  # state, user and system time
            if now != before or any(state in "RD" for state, *_ in now.values()):
                since, before = time.monotonic(), now
            return time.monotonic() - since >= STILL

        wait_for(is_still, "nobody works")

    def checkpoints(self) -> list[int]:
        """The paused processes, the oldest first: children of the supervisor that are not the worker."""
        worker = self.worker_pid()
        children = [pid for pid in self.family() if parent_of(pid) == self.pid and pid != worker]
        return sorted(children, key=lambda pid: (started_at(pid), pid))

    def wait_for_end(self, patience: float = PATIENCE) -> int:
        return self.process.wait(patience)

    def _matches(self, pattern: str) -> int:
        return len(re.findall(pattern, self.log))


def replace(file: Path, content: str | bytes) -> None:
    """Saves as most editors do: a new file renamed over the old one."""
    draft = file.with_name(f".{file.name}.draft")
    draft.write_bytes(content.encode() if isinstance(content, str) else content)
    draft.replace(file)


def copy_testproject(directory: Path) -> Path:
    """A copy of ``testproject`` to edit."""
    project = directory / "testproject"
    ignore = shutil.ignore_patterns("__pycache__", "db.sqlite3*", "*.log")
    shutil.copytree(TESTPROJECT, project, ignore=ignore)
    return project


def pids() -> Iterator[int]:
    for entry in Path("/proc").glob("[0-9]*"):
        yield int(entry.name)


def session_of(pid: int) -> int:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if is_alive(pid):
            return os.getsid(pid)
    return 0


def parent_of(pid: int) -> int:
    return int(_stat(pid)[1])


def started_at(pid: int) -> int:
    """In clock ticks since the machine was started."""
    return int(_stat(pid)[19])


def _stat(pid: int) -> list[str]:
    """The fields of proc(5) after the process' name; zeros where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["0"] * 20


def descriptors(pid: int) -> list[str]:
    """What the descriptors of a process lead to."""
    found = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.append(os.readlink(entry.path))
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet waited for does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"
