"""What forbids a checkpoint: state that a forked process would not share, or share wrongly.

Theory of operation
-------------------
A checkpoint is the process at one moment, resumed later. That is the same as a fresh start only as long as all that
the process has done so far is in its memory. Some of what forbids it is asked anew each time, as it passes:

- another thread runs: it would not exist in the fork, and a lock that it holds would be held for ever;
- a connection or a listening socket is open: both processes would use it;
- a temporary file or directory exists: the first worker that ends may remove it;
- a process that was started still runs, or a timer;
- a debugger, tracer or profiler is attached;
- memory is low.

A thread that has ended, a socket that is closed, a temporary file that is gone leave nothing behind, so checkpoints go
on after them. What was *learnt* stays in what the project has made of it, and is for ever, in every process that is
forked from this one: something may have been read from a server that answered, where a fresh start might get another
answer. To clear a cache teaches nothing (``worker/cache_clears.py``). A connection that was refused counts as never
made (``connections.py``). What was read in a database that is a file is a fact like what was read in any file
(``database_reads.py``), and only its connection must not be open. So is what can be asked again of one on a server
(``worker/server_reads.py``).

Looking costs some system calls, so it is done where a checkpoint is wanted. Audit events add what leaves no trace,
and tell which module it was.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from devrunserver.checkpoints import audit, native_threads
from devrunserver.checkpoints.connections import Connections, beyond_ours
from devrunserver.checkpoints.database_reads import DatabaseReads
from devrunserver.checkpoints.forking import open_descriptors
from devrunserver.checkpoints.temporary_files import EVENTS as TEMPORARY
from devrunserver.checkpoints.temporary_files import TemporaryFiles
from devrunserver.common.facts import Fact
from devrunserver.common.memory import is_memory_low
from devrunserver.common.module_files import PACKAGES, executed, is_standard

DEBUGGERS = ("pydevd", "debugpy", "_pydevd_bundle")

# Audit events: what forbids checkpoints from then on, what does for as long as it is there, and what only explains.
DATABASE = "sqlite3.connect"
CONNECTION = "socket.connect"
IN_MEMORY = ":memory:"  # a database that is the process' own
OUR_THREADS = "devrunserver-"  # how their names begin
EXPLAINING = {
    "_thread.start_new_thread": "thread",
    "_thread.start_joinable_thread": "thread",
    "socket.__new__": "socket",
    "subprocess.Popen": "process",
    "os.fork": "process",
}


class ForkSafety:
    """Whether this process may become a checkpoint.

    Args:
        ours: descriptors of sockets that are ours.
        trial: forks a process that does nothing.
        note: takes what was read in databases.
    """

    def __init__(self, ours: Callable[[], set[int]], trial: Callable[[], None], note: Callable[[Fact], None]) -> None:
        self.reason = ""  # what forbade it when somebody looked last; empty: nothing did
        self.is_suspicious = False  # something has happened since then that may forbid it
        self.connections = Connections()
        self.is_to_clear: Callable[[socket.socket], bool] = lambda sock: False  # whether a cache connects to be cleared
        self.suspect = ""  # the module whose body was executed then
        self.temporary_files = TemporaryFiles()
        self.databases = DatabaseReads(note, self.forbid, self.looking_away, on_change=self._suspect)
        self._lasting = ""  # what forbids it for ever
        self._ours = ours
        self._remaining = native_threads.Remaining(trial)
        self._inherited = _sockets()
        self._ignoring = False
        self._culprits: dict[str, str] = {}  # by kind, who did it last

    @property
    def handlers(self) -> dict[str, audit.Handler]:
        """Of audit events."""
        explaining = {event: self._explaining(kind) for event, kind in EXPLAINING.items()}
        return explaining | self.temporary_handlers | {DATABASE: self._on_database, CONNECTION: self._on_connection}

    @property
    def temporary_handlers(self) -> dict[str, audit.Handler]:
        """Of the audit events of temporary files alone, as a process needs them that is not forked."""
        return {event: self._making(kind) for event, kind in TEMPORARY.items()}

    @property
    def is_lasting(self) -> bool:
        """Whether checkpoints are forbidden for ever."""
        return bool(self._lasting)

    def forbid(self, reason: str) -> None:
        """From now on there are no checkpoints; the first reason counts."""
        self._lasting = self._lasting or reason
        self.reason = self._lasting
        self.is_suspicious = True

    def forbids(self) -> bool:
        """Looks whether something forbids checkpoints now."""
        self.is_suspicious = False
        looks = (
            self._connected,
            *(
                self._debugger,
                self._threads,
                self._sockets,
                lambda: self.databases.open_now(open_descriptors()),
                self.databases.changed_now,
                self.temporary_files.existing,
            ),
            *(self._children, self._timers, self._memory),
        )
        with self.looking_away():
            self.reason = self._lasting or next(filter(None, (look() for look in looks)), "")
        return bool(self.reason)

    @contextmanager
    def looking_away(self, is_ours: bool = True) -> Iterator[None]:
        """For what we do ourselves, which has audit events too; or in it for what the project does."""
        before, self._ignoring = self._ignoring, is_ours
        try:
            yield
        finally:
            self._ignoring = before

    def _debugger(self) -> str:
        return "a debugger, tracer or profiler is attached" if is_traced() else ""

    def _threads(self) -> str:
        if len(sys._current_frames()) > 1:
            return f"a thread runs{self._by('thread') or of_thread()}"
        return "a thread runs that an extension module has started" if self._remaining.are_there() else ""

    def _sockets(self) -> str:
        streams = filter(_is_stream, _sockets() - self._inherited - self._ours() - _of_loop_never_run())
        return f"a socket is open{self._by('socket')}" if any(streams) else ""

    def _connected(self) -> str:
        if by := self.connections.made_by:
            self.forbid(f"it connected to a server ({by})")
        return self._lasting

    def _children(self) -> str:
        with suppress(ChildProcessError):
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return f"a process that was started runs{self._by('process')}"
        return ""

    def _timers(self) -> str:
        return "a timer runs" if any(signal.getitimer(signal.ITIMER_REAL)) else ""

    def _memory(self) -> str:
        return "memory is low" if is_memory_low() else ""

    def _by(self, kind: str) -> str:
        return f" ({self._culprits[kind]})" if kind in self._culprits else ""

    # What audit events tell

    def _on_database(self, args: tuple[Any, ...]) -> None:
        if not self._ignoring and args[0] != IN_MEMORY:
            culprit = audit.culprit()
            self.databases.on_open(args[0], describe(culprit), str(culprit.f_globals.get("__name__", "")))
            self._suspect()

    def _on_connection(self, args: tuple[Any, ...]) -> None:
        if not self._ignoring and not is_datagram(args[0]) and not self.is_to_clear(args[0]):
            self.connections.on_attempt(args[0], describe(beyond_ours(audit.culprit())))
            self._suspect()

    def _making(self, kind: str) -> audit.Handler:
        def handler(args: tuple[Any, ...]) -> None:
            if not self._ignoring:
                self.temporary_files.on_make(args[0], f"a temporary {kind} exists ({describe(audit.culprit())})")
                self._suspect()

        return handler

    def _explaining(self, kind: str) -> audit.Handler:
        def handler(args: tuple[Any, ...]) -> None:
            if not self._ignoring:
                self._culprits[kind] = describe(audit.culprit())
                self._suspect()

        return handler

    def _suspect(self) -> None:
        self.is_suspicious, self.suspect = True, executed()


def has_no_other_threads() -> bool:
    """Whether all threads but this one are ours, which hold no lock while nothing happens.

    Then what is forked may look at itself and end, though a database is open or something was read from a server: it
    uses none of that.
    """
    ours = sum(one.name.startswith(OUR_THREADS) for one in threading.enumerate())
    return max(len(sys._current_frames()) - 1, len(native_threads.others())) <= ours


def of_thread() -> str:
    """Whose another thread is that runs: the module of its code, or else its name."""
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident():
            names = [one.name for one in threading.enumerate() if one.ident == ident]
            return f" ({describe(frame) or ', '.join(names)})"
    return ""


def is_traced() -> bool:
    """Whether a debugger, tracer or profiler looks at this process.

    What measures coverage by ``sys.monitoring`` is none of them: it stops nowhere, and what it has counted at a fork
    is of no concern to the project; each process goes on counting for itself (``patch = fork`` of coverage's settings).
    """
    monitoring = getattr(sys, "monitoring", None)  # from Python 3.12 on
    return (
        sys.gettrace() is not None
        or sys.getprofile() is not None
        or any(name in sys.modules for name in DEBUGGERS)
        or (monitoring is not None and any(map(monitoring.get_tool, set(range(6)) - {monitoring.COVERAGE_ID})))
    )


def describe(frame: FrameType | None) -> str:
    """Which module did it: the nearest that is not the standard library's, and which was being imported.

    Where none was, rather the nearest of the project.
    """
    nearest = own = importing = ""
    while frame is not None and not importing:
        name, file = str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename
        if not is_standard(file):
            nearest = nearest or name
            if name != "__main__" and PACKAGES.isdisjoint(file.split(os.sep)):
                own = own or name
            if frame.f_code.co_name == "<module>":
                importing = name
        frame = frame.f_back
    if not importing or importing in (nearest, "__main__"):
        return own or nearest
    return f"{nearest}, while {importing} was imported"


def _sockets() -> set[int]:
    """The descriptors of this process that are sockets."""
    return {descriptor for descriptor, target in open_descriptors() if target.startswith("socket:")}


def _of_loop_never_run() -> set[int]:
    """The sockets by which daphne's event loop would be woken.

    daphne makes the loop when it is imported. Nobody runs it here, as we serve in daphne's place: so processes that
    share it do not meet there.
    """
    loop = getattr(sys.modules.get("daphne.server"), "twisted_loop", None)
    if loop is None or loop.is_running():
        return set()
    pair = (getattr(loop, name, None) for name in ("_ssock", "_csock"))
    return {one.fileno() for one in pair if one is not None}


def _is_stream(descriptor: int) -> bool:
    """A socket that connects or listens; one for datagrams (syslog, statsd) may be shared."""
    return _option(descriptor, socket.SO_TYPE) == socket.SOCK_STREAM


def listening() -> set[int]:
    """The descriptors by which this process accepts connections."""
    return {one for one in _sockets() if _option(one, socket.SO_ACCEPTCONN)}


def _option(descriptor: int, option: int) -> int:
    """An option of a socket; 0 where there is none."""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as duplicate:
        return duplicate.getsockopt(socket.SOL_SOCKET, option)
    return 0


def is_datagram(sock: Any) -> bool:
    """Whether nothing is learnt by connecting a socket."""
    return bool(getattr(sock, "type", None) == socket.SOCK_DGRAM)
