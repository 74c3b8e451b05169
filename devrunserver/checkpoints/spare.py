"""A spare: a fresh interpreter that has started ahead of the next reload, and waits in the middle of its start.

Theory of operation
-------------------
Where processes cannot be forked, a reload would be a full start. So the supervisor has an interpreter start right
after a reload, which goes the way of any worker's start up to the first of the files that are being edited. There it
pauses, in the middle of that import, and tells which facts it relies on. If they still hold at the next reload it goes
on from that line as the worker; what a checkpoint is for many reloads a spare is for one.

It must do nothing that shows before it is wanted, and learn nothing that may be otherwise by then. So it also pauses
before it would start a thread or a program that goes on beside it, listen, connect to a server or write to a database:
audit events come before what they tell of. A thread would do its work twice, here and in the worker: poll, send, run
what is due. A server that is not there teaches nothing: that is tried beforehand. What is read in a database that is a
file is facts (``spare_databases.py``). What is printed is held back by the supervisor.

Where it waits it may be told to import ahead what comes after the edited files and does not depend on them
(``supervisor/preparation/spare_plans.py``), and waits again. Whatever it would have paused before makes it give up
then. Or it is told to go on as a dry run, to be compared with another one.

While it waits it is one thread that sleeps. End-of-file on its link means that it is not wanted; then it leaves as a
worker would, by the project's ``atexit`` handlers.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from types import FrameType
from typing import Any, NoReturn, Protocol

from devrunserver.checkpoints import audit
from devrunserver.checkpoints.building import Building
from devrunserver.checkpoints.checkpoint import refresh
from devrunserver.checkpoints.connections import beyond_ours
from devrunserver.checkpoints.fork_safety import CONNECTION, DATABASE, describe, is_datagram, is_traced
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.checkpoints.spare_databases import SpareDatabases
from devrunserver.common import link, module_files, open_files, process, process_exit
from devrunserver.common.messages import BuildFailed, DryRun, FactsRead, ImportAhead, Resume

PROGRAM = "subprocess.Popen"
SERVER = "socket.bind"
THREAD_STARTER = "_start_new_thread"  # of ``threading``, before Python 3.13
REFUSALS = {errno.ECONNREFUSED, errno.ENOENT}  # the latter of a local socket
TRIAL_PATIENCE = 0.5  # seconds to learn whether somebody listens
# Audit events of what must not be begun ahead, and how it is called
SHOWING = {
    "_thread.start_new_thread": "a thread",
    "_thread.start_joinable_thread": "a thread",
    "os.fork": "a process",
    "os.forkpty": "a process",
}
# Of ``subprocess``: they return when the program has ended
AWAITING = {"run", "call", "check_call", "check_output", "getoutput", "getstatusoutput"}


class Lender(Protocol):
    """What the worker lends to a spare."""

    def progress(self) -> tuple[int, int]:
        """How many modules were looked up, and in which phase of Django's set-up this process is."""

    def let_go(self) -> None:
        """Closes what would be opened again when it is wanted, and is better not open in a process that waits."""

    def before_pause(self, later: Collection[str]) -> None:
        """Does ahead what this process would have to do once it is resumed, as it imports these modules."""

    def take_up(self, order: Resume | DryRun) -> None:
        """Becomes the worker, or a dry run of it, with what a message brings."""


class SpareSafety:
    """Whether a spare that has imported ahead may wait: nothing but a thread leaves no event of its own."""

    def __init__(self) -> None:
        self.reason = "a thread runs"
        self.is_suspicious = False
        self.suspect = ""

    def forbids(self) -> bool:
        return len(sys._current_frames()) > 1


class Spare:
    """This process, as a spare.

    Args:
        to_supervisor: the link.
        lender: the worker that this process will be.
        reads: what it has read so far.
        edited: the files before the first of which it is to pause.
        outputs: what its real standard output and error were inherited as.
        is_project: whether a file is the project's own.
    """

    def __init__(
        self,
        to_supervisor: link.Link,
        lender: Lender,
        reads: ReadRecorder,
        edited: Collection[str],
        outputs: Collection[int],
        is_project: Callable[[str], bool],
    ) -> None:
        self.resumed_at = ""  # where, once it was resumed
        self.is_prepared = False  # modules were imported ahead of their turn
        self.databases = SpareDatabases(reads.note, self.pause, lender.let_go)
        self._link = to_supervisor
        self._orders = to_supervisor.messages()
        self._lender = lender
        self._reads = reads
        self._edited = frozenset(edited)
        self._outputs = [process.inherited_descriptor(one) for one in outputs]
        self._is_project = is_project
        self._is_ahead = True  # it has not paused yet
        self._is_trying = False  # to connect, to see whether somebody listens
        self._building: Building | None = None  # while it imports ahead

    @property
    def handlers(self) -> dict[str, audit.Handler]:
        """Of audit events."""
        showing = {event: self._before(what) for event, what in SHOWING.items()}
        learning = {DATABASE: self.databases.on_open, CONNECTION: self._on_connection}
        return showing | learning | {PROGRAM: self._on_program, SERVER: self._on_server}

    def begin(self) -> None:
        """Looks whether this process may wait at all. Does not return if not."""
        self._link.be_patient()
        if is_traced():
            self._give_up("a debugger, tracer or profiler is attached")
        if len(sys._current_frames()) > 1:
            self._give_up("a thread runs before the first app is made")
        self._follow_threads()

    def before(self, fullname: str, file: str) -> bool:
        """A module is about to be loaded. Pauses where it is due; returns True once it was resumed."""
        if self._building is not None:
            self._building.before(fullname)
            return False
        is_due = self._is_ahead and self._is_project(file) and self._reads.path_of(file) in self._edited
        return is_due and self.pause(fullname)

    def pause(self, at: str) -> bool:
        """Waits here until this process is the worker; at once where it has waited before. Whether it has waited.

        Args:
            at: what comes next, for the user.
        """
        if threading.current_thread() is not threading.main_thread():
            return False
        if self._building is not None:
            self._building.give_up(f"it comes to {at}", module_files.executed())
        if not self._is_ahead:
            return False
        self._is_ahead = False
        if why_not := self.databases.why_not_to_wait():
            self._give_up(why_not)
        self.databases.stop()
        while isinstance(order := self._wait(at), ImportAhead):
            self._import_ahead(order)
        if order is None:
            process_exit.leave_in_order()
        if isinstance(order, Resume):  # whoever makes a dry run is held by this link
            self._release_outputs()
            self._link.close()
        refresh()
        self.resumed_at = at
        self._lender.take_up(order)
        return True

    def _wait(self, at: str) -> Resume | DryRun | ImportAhead | None:
        """The word to go on; None: it is not wanted."""
        open_files.flush_output()
        imported, phase = self._lender.progress()
        with _deaf(), contextlib.suppress(link.LinkClosed):
            importing = [*module_files.incomplete(), at]
            self._link.send(FactsRead(self._reads.take(), imported, importing, phase))
            message = next(self._orders, None)
            assert isinstance(message, Resume | DryRun | ImportAhead | None)  # by its route
            return message
        return None

    def _import_ahead(self, order: ImportAhead) -> None:
        """Imports modules ahead of their turn. Does not return if that cannot be."""
        if self.databases.are_open:
            self._give_up("a database is open")
        leave = process_exit.leave_in_order
        self._building = Building(self._link, order.excluded, SpareSafety(), self._lender.let_go, leave)
        self._is_ahead = True  # what it must not do ahead is looked for again
        self._building.import_all(order.modules)
        self._building, self._is_ahead, self.is_prepared = None, False, True
        self._lender.before_pause(order.excluded)

    def _release_outputs(self) -> None:
        """From now on what is printed is seen. What was printed before is the supervisor's to show."""
        open_files.flush_output()
        for descriptor, real in zip(process.OUTPUTS, self._outputs, strict=False):
            os.dup2(real, descriptor)
            os.close(real)
        self._outputs.clear()

    def _give_up(self, reason: str) -> NoReturn:
        with contextlib.suppress(link.LinkClosed):
            self._link.send(BuildFailed("", reason))
        process_exit.leave_in_order()

    # What audit events tell

    def _before(self, what: str) -> audit.Handler:
        def handler(args: tuple[Any, ...]) -> None:
            self._pause_before(what, audit.culprit())

        return handler

    def _follow_threads(self) -> None:
        """Before Python 3.12 no audit event tells of a thread that is started."""
        start: Callable[..., Any] | None = getattr(threading, THREAD_STARTER, None)
        if start is None or sys.version_info >= (3, 12):
            return

        def pause_and_start(*args: Any) -> Any:
            setattr(threading, THREAD_STARTER, start)
            self._pause_before("a thread", sys._getframe(1))
            return start(*args)

        setattr(threading, THREAD_STARTER, pause_and_start)

    def _on_connection(self, args: tuple[Any, ...]) -> None:
        if self._is_ahead and not self._is_trying and not is_datagram(args[0]) and not self._is_refused(*args):
            self._pause_before("a connection", beyond_ours(audit.culprit()))

    def _is_refused(self, sock: socket.socket, address: Any) -> bool:
        """Whether nobody listens at an address."""
        self._is_trying = True
        try:
            with socket.socket(sock.family, sock.type) as trial:
                trial.settimeout(TRIAL_PATIENCE)
                return trial.connect_ex(address) in REFUSALS
        except (OSError, ValueError, TypeError):  # a name that is not known, an address that is none
            return False
        finally:
            self._is_trying = False

    def _on_server(self, args: tuple[Any, ...]) -> None:
        _, address = args
        # a port of the system's choice is nobody else's: so it is tried whether there is IPv6 (urllib3, asyncio)
        if not (isinstance(address, tuple) and len(address) > 1 and address[1] == 0):
            self._pause_before("a server", audit.culprit())

    def _on_program(self, args: tuple[Any, ...]) -> None:
        if not is_awaited(audit.culprit()):
            self._pause_before("a program", audit.culprit())

    def _pause_before(self, what: str, frame: FrameType | None) -> None:
        if self._is_ahead:
            self.pause(f"{what} of {describe(frame)}")


def is_awaited(frame: FrameType | None) -> bool:
    """Whether a program that is about to be started has ended when its starter goes on.

    Python's own library, as ``ctypes.util``, asks a compiler or linker in this way.
    """
    while frame is not None and frame.f_code.co_filename == subprocess.__file__:
        if frame.f_code.co_name in AWAITING:
            return True
        frame = frame.f_back
    return frame is not None and module_files.is_standard(frame.f_code.co_filename)


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Ctrl-C is not for a process that waits; SIGTERM ends it at once."""
    wanted = {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # not set by Python
                signal.signal(number, handler)
