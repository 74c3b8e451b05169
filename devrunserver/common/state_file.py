"""The state file: what others of the same user need to know of a running server.

Theory of operation
-------------------
A server writes one file into the runtime directory, and holds a lock on it for as long as it lives. Whoever finds a
file that can be locked knows that its server is gone, however it ended: a pid may be another process' by then. The
file is made and locked under another name and renamed when it is complete, so that nobody finds one without its lock.
It is written again in place, as a new file would need a new lock; a reader that meets half of it reads once more.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from devrunserver.common.runtime_directory import key_of, runtime_directory

VERSION = 1  # of what is written here and said on the socket
SUFFIX = ".json"
OWNER_ONLY = 0o600
READ_ATTEMPTS = 5
LARGEST = 65_536  # bytes


@dataclass(frozen=True)
class Running:
    """A server that runs.

    Attributes:
        pid: of the process that the user started.
        project: the directory of the project.
        url: where it listens.
        log: the file that its output goes to; empty where that is none.
        socket: the path of the Unix socket on which it answers tools; empty where it has none.
        port: the loopback port on which it answers tools, where there are no Unix sockets; else 0.
        token: what has to be shown there.
        http_token: what agents have to show on the server's own port.
        generation: the last one that open pages have to know of.
        since: when it was started, in seconds since the epoch.
    """

    pid: int
    project: str
    url: str
    log: str = ""
    socket: str = ""
    port: int = 0
    token: str = ""
    http_token: str = ""
    generation: int = 0
    since: float = 0.0
    version: int = VERSION


class StateFile:
    """The file of this server. Made by ``create``."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def create(cls, running: Running) -> StateFile:
        """Writes the file and locks it; what servers that are gone have left is removed.

        Raises:
            OSError: it cannot be written.
        """
        directory = runtime_directory()
        for _ in _entries(directory, remove_stale=True):
            pass
        path = directory / f"{key_of(running.project)}-{running.pid}{SUFFIX}"
        draft = path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        try:
            if not _lock(descriptor):
                raise BlockingIOError(f"{draft} is locked")
            file = cls(path, descriptor)
            file.write(running)
            os.replace(draft, path)
        except BaseException:
            os.close(descriptor)
            raise
        return file

    def write(self, running: Running) -> None:
        """Writes anew.

        Raises:
            OSError: the disk is full.
        """
        data = json.dumps(asdict(running)).encode()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, data)
        os.ftruncate(self._descriptor, len(data))

    def close(self) -> None:
        """Removes the file."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


def running_servers() -> list[Running]:
    """All servers of this user, the latest first."""
    try:
        found = [running for _, running in _entries(runtime_directory())]
    except OSError:
        return []
    return sorted(found, key=lambda one: -one.since)


def find(directory: str, servers: list[Running] | None = None) -> list[Running]:
    """The servers of the project that a directory is in: of the directory itself, or of the nearest above it."""
    servers = running_servers() if servers is None else servers
    here = os.path.realpath(directory)
    while True:
        if found := [one for one in servers if os.path.realpath(one.project) == here]:
            return found
        above = os.path.dirname(here)
        if above == here:
            return []
        here = above


def who_listens(port: int, project: str, servers: list[Running] | None = None) -> str:
    """A sentence, with a space before it, about the server that listens on a port; empty where it is none of ours."""
    for one in running_servers() if servers is None else servers:
        if one.url.rstrip("/").endswith(f":{port}"):
            is_same = os.path.realpath(project) == one.project
            whose = "This project's server" if is_same else f"The server of {one.project}"
            log = f", and writes to {one.log}" if one.log else ""
            return f" {whose} runs at {one.url} as process {one.pid}{log}."
    return ""


def _entries(directory: Path, remove_stale: bool = False) -> Iterator[tuple[Path, Running]]:
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            running = _read(path)
            if running is not None:
                yield path, running
            elif remove_stale:
                path.unlink()
                path.with_suffix(".sock").unlink(missing_ok=True)


def _read(path: Path) -> Running | None:
    """What a file says; None where its server is gone.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not such a file.
    """
    with open(path, "r+b", buffering=0) as file:
        if _lock(file.fileno(), shared=True):  # with other readers
            return None
        for attempt in range(READ_ATTEMPTS):
            file.seek(0)
            try:
                return _from_json(json.loads(file.read(LARGEST)))
            except ValueError:  # it was being written
                if attempt == READ_ATTEMPTS - 1:
                    raise
    raise AssertionError


def _from_json(data: Any) -> Running:
    """What another version has in addition is left out."""
    if not isinstance(data, dict):
        raise ValueError("not an object")
    known = {one.name for one in fields(Running)}
    return Running(**{name: value for name, value in data.items() if name in known})


try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    BEHIND = 1 << 30  # what is locked cannot be read there, so it is a byte that nobody reads

    def _lock(descriptor: int, shared: bool = False) -> bool:
        """Locks a file until it is closed; False where another process has locked it."""
        os.lseek(descriptor, BEHIND, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True

else:

    def _lock(descriptor: int, shared: bool = False) -> bool:
        """Locks a file until it is closed; False where another process has locked it."""
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
