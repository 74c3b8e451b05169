"""How the next worker comes into being: resumed from what is prepared, from an exact checkpoint, or spawned afresh."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from devrunserver.common import link
from devrunserver.common.facts import ResumePoint
from devrunserver.common.messages import Go, Proceed, Resume
from devrunserver.common.present import Present
from devrunserver.common.role import Role
from devrunserver.supervisor.checkpoint_chain import Chain
from devrunserver.supervisor.console import describe
from devrunserver.supervisor.launcher import Launcher
from devrunserver.supervisor.lifecycle import Attempt
from devrunserver.supervisor.optional_parts import OptionalParts, Part
from devrunserver.supervisor.preparation.manager import Preparation
from devrunserver.supervisor.resume_point import Precomputed
from devrunserver.supervisor.spares import Spares
from devrunserver.supervisor.worker_handle import HEAR_PATIENCE, HELLO_PATIENCE, WorkerHandle


@dataclass(frozen=True)
class Order:
    """What kind of worker is wanted."""

    attempt: Attempt
    edited: list[str]  # the files that are being edited
    is_reload: bool  # a worker has served before
    report: str  # what it is to tell the browser, where it runs nothing of the project
    exact: bool = False  # whatever is prepared is not to be used
    configured_by: str | None = None  # a changed file that settings may have been read from: nothing is to be resumed


class PausedStarts(NamedTuple):
    """What may be resumed."""

    chain: Chain  # of exact checkpoints
    preparation: Preparation  # has a prepared one
    spares: Spares


class WorkerStarter:
    """Starts workers.

    Args:
        listener: the listening socket.
        launcher: spawns them.
        paused: what may be resumed.
        optional: contains the faults of preparing, and of spares.
        clock: seconds.
    """

    def __init__(
        self,
        listener: socket.socket,
        launcher: Launcher,
        paused: PausedStarts,
        optional: OptionalParts,
        clock: Callable[[], float],
    ) -> None:
        self._listener = listener
        self._launcher = launcher
        self._chain, self._preparation, self._spares = paused
        self._optional = optional
        self._clock = clock
        self._resume_point = Precomputed(self._look_for_resume_point)
        self._waiting: link.Link | None = None  # to a worker that waits for ``Proceed``
        self.why_not_prepared = ""  # the last reload; empty where it was, or none ever is

    def work_ahead(self, order: Order) -> None:
        """While the last worker leaves: has the next one forked, and looks whether what that relies on holds."""
        self.close()
        if order.attempt is Attempt.NORMAL and self._chain and not order.exact and order.configured_by is None:
            self._optional.call(Part.PREPARING, self._fork_ahead, order)
        self._resume_point.precompute()

    def close(self) -> None:
        """Ends a worker that waits. Again is harmless."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.close()

    def on_event(self) -> None:
        """Something has happened to a file."""
        self._resume_point.invalidate()

    def resume(self, order: Order) -> tuple[WorkerHandle | None, str]:
        """A worker that goes on from the resume point, if there is one; and what was in the way of a later one."""
        try:
            return self._resume(order)
        finally:
            self.close()
            self._note_why_not_prepared()

    def _resume(self, order: Order) -> tuple[WorkerHandle | None, str]:
        if order.attempt is not Attempt.NORMAL:
            return None, ""
        point = self._resume_point.take()
        if order.configured_by is not None:
            reason = f"{order.configured_by} changed, which settings may have been read from"
            self._optional.call(Part.SPARES, self._spares.drop, reason)
            return None, reason * bool(self._chain or self._spares.why_not)
        if self._chain:
            return self._resume_at(point, order), describe(point.obstacle)
        worker = self._optional.call(Part.SPARES, self._resume_spare, order)
        return worker, self._spares.why_not

    def spawn(self, order: Order) -> WorkerHandle:
        """A worker in a fresh process.

        Raises:
            OSError: the system does not start it.
        """
        self._chain.cut()
        self._optional.call(Part.PREPARING, self._preparation.forget)
        self._optional.call(Part.SPARES, self._spares.drop, self._spares.why_not)
        self._note_why_not_prepared()
        process, ours = self._launcher.spawn(order.attempt, order.edited, order.report)
        worker = WorkerHandle(process, ours, order.attempt, self._clock() + HEAR_PATIENCE)
        state_reporter = self._optional.call(Part.PREPARING, self._state_reporter)
        worker.send(Go(self._listener, state_reporter, order.is_reload))
        if state_reporter is not None:
            state_reporter.close()
        return worker

    def _note_why_not_prepared(self) -> None:
        """Of the next reload there will be something else to say."""
        are_spares_wanted = self._optional.call(Part.SPARES, lambda: self._spares.is_wanted)
        self.why_not_prepared = self._spares.plans.why_not if are_spares_wanted else self._preparation.why_not

    def _look_for_resume_point(self) -> ResumePoint:
        with contextlib.closing(Present()) as present:
            point = self._chain.resume_point(present)
            self._optional.call(Part.PREPARING, self._preparation.foresee, present)
        self._optional.call(Part.SPARES, self._spares.foresee)
        return point

    def _resume_at(self, point: ResumePoint, order: Order) -> WorkerHandle | None:
        if point.number is None:
            return None
        self._chain.cut(point.number)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            if not order.exact and self._optional.call(Part.PREPARING, self._preparation.resume, None):
                with contextlib.suppress(link.LinkClosed):
                    waiting.send(Proceed())
                    return self._handle(waiting, order, is_prepared=True)
            waiting.close()
        if (pair := _pair()) is None:
            return None
        ours, theirs = pair
        with self._resumption(theirs, order) as message:
            is_prepared = not order.exact and self._optional.call(Part.PREPARING, self._preparation.resume, message)
            if is_prepared or self._chain.resume(message):
                return self._handle(ours, order, bool(is_prepared))
        ours.close()
        return None

    def _fork_ahead(self, order: Order) -> None:
        if (pair := _pair()) is None:
            return
        self._waiting, theirs = pair
        with self._resumption(theirs, order, waits=True) as message:
            if not self._preparation.fork_ahead(message):
                self.close()

    @contextlib.contextmanager
    def _resumption(self, theirs: socket.socket, order: Order, waits: bool = False) -> Iterator[Resume]:
        """What a checkpoint is to be told: it carries the other end of a new worker's link. Closes that here."""
        with theirs, contextlib.ExitStack() as stack:
            state_reporter = self._optional.call(Part.PREPARING, self._state_reporter)
            state_link = stack.enter_context(state_reporter) if state_reporter is not None else None
            yield Resume(theirs, self._listener, state_link, order.edited, order.is_reload, waits)

    def _handle(self, ours: link.Link, order: Order, is_prepared: bool) -> WorkerHandle:
        now = self._clock()
        worker = WorkerHandle(None, ours, order.attempt, now + HEAR_PATIENCE, hello_by=now + HELLO_PATIENCE)
        worker.prepared_by = Part.PREPARING if is_prepared else None
        return worker

    def _resume_spare(self, order: Order) -> WorkerHandle | None:
        if not self._spares.may_serve(order.exact):
            return None
        ours, theirs = link.pair(Role.WORKER)
        resumed = None
        try:
            with theirs:
                resumed = self._spares.resume(Resume(theirs, self._listener, None, order.edited, order.is_reload))
        finally:
            if resumed is None:
                ours.close()
        if resumed is None:
            return None
        process, is_prepared = resumed
        ours.peer_pid = process.pid
        worker = WorkerHandle(process, ours, order.attempt, self._clock() + HEAR_PATIENCE)
        worker.prepared_by = Part.SPARES if is_prepared else None
        return worker

    def _state_reporter(self) -> socket.socket | None:
        """One end of the link on which the next worker's state is to be reported, if it is."""
        with contextlib.suppress(OSError):  # there are no descriptors left
            return self._preparation.state_reporter()
        return None


def _pair() -> tuple[link.Link, socket.socket] | None:
    """A link to a new worker; None where there are no descriptors left."""
    with contextlib.suppress(OSError):
        return link.pair(Role.WORKER)
    return None
