"""A process that is left behind right before a worker serves, and tells in what state the project was then.

It has open what the worker has, such as a port that the project has bound. The next worker wants the same, as soon as
this one has ended; so nobody serves before the reporter has released it.
"""

from __future__ import annotations

import os
import select
import warnings
from collections.abc import Callable
from contextlib import suppress

from devrunserver.checkpoints.checkpoint import Checkpoints
from devrunserver.checkpoints.forking import open_descriptors, release
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.common import faults, link, process_exit
from devrunserver.common.import_record import ImportRecord
from devrunserver.common.process import OUTPUTS
from devrunserver.common.role import Role
from devrunserver.worker.identity import Identity

RELEASE_PATIENCE = 1000  # milliseconds for the reporter to release what it has open; it takes about one


def leave_reporter(
    identity: Identity,
    checkpoints: Checkpoints,
    is_own: Callable[[str], bool],
    reads: ReadRecorder,
    record: Callable[[], ImportRecord],
) -> None:
    """Forks it, where somebody wants to know.

    Args:
        is_own: whether a file is the project's.
        reads: what was read.
        record: what was imported.
    """
    if identity.state_link is None:
        return
    with faults.contained("the report of the project's state"), suppress(OSError):
        _leave_reporter(identity, checkpoints, is_own, reads, record)
    identity.close_state_link()


def _leave_reporter(
    identity: Identity,
    checkpoints: Checkpoints,
    is_own: Callable[[str], bool],
    reads: ReadRecorder,
    record: Callable[[], ImportRecord],
) -> None:
    """Forks it, and waits until it has released what it has open: then it has closed its end of a pipe."""
    released, unreleased = os.pipe()
    try:
        if _forks(checkpoints):
            try:
                _report(identity, is_own, reads, record)
            finally:  # whatever it is, this process must not go on as a second worker
                process_exit.leave(process_exit.FAILURE)
    finally:
        os.close(unreleased)
        poll = select.poll()
        poll.register(released, select.POLLIN)
        poll.poll(RELEASE_PATIENCE)
        os.close(released)


def _forks(checkpoints: Checkpoints) -> bool:
    """Forks; True in the new process, which has the same filters of warnings: they belong to the state."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside our thread that listens
        return checkpoints.forks.sibling()


def _report(
    identity: Identity, is_own: Callable[[str], bool], reads: ReadRecorder, record: Callable[[], ImportRecord]
) -> None:
    """Reports, in the process that is for it, until nobody asks any more."""
    sock, identity.state_link = identity.state_link, None
    assert sock is not None
    release({descriptor for descriptor, _ in open_descriptors()} - {sock.fileno(), *OUTPUTS})
    identity.become(Role.STATE_REPORTER)
    from devrunserver.background import state_report  # here, as hardly any process needs it

    identity.leave()
    state_report.stand_aside()
    state_report.answer_questions(link.Link(sock, Role.STATE_REPORTER, Role.SUPERVISOR), is_own, reads, record)
