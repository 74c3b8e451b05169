"""A worker's supervisor, as a test plays it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

import pytest

from devrunserver.common import process_exit
from devrunserver.common.link import Link, LinkClosed, pair
from devrunserver.common.messages import Message
from devrunserver.common.role import Role

PATIENCE = 30.0  # seconds; only a failing test waits so long


Left = SystemExit  # the process would have ended; threads end with it in silence


class Exits:
    """Takes the place of ``process_exit.leave``: the process goes on, the thread does not."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self._happened = threading.Event()

    def leave(self, status: int) -> NoReturn:
        self.statuses.append(status)
        self._happened.set()
        raise Left(status)

    def wait(self) -> list[int]:
        """The statuses, once there is one."""
        assert self._happened.wait(PATIENCE), "the process has not left"
        return self.statuses


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exits]:
    exits, hook = Exits(), threading.excepthook

    def excepthook(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not Left:
            hook(args)

    monkeypatch.setattr(process_exit, "leave", exits.leave)
    monkeypatch.setattr(threading, "excepthook", excepthook)
    yield exits
    for thread in threading.enumerate():
        if thread.name.startswith("devrunserver-"):
            thread.join(PATIENCE)
            assert not thread.is_alive(), thread


class Supervisor:
    """The other end of a worker's link."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._told: list[Message] = []

    def say(self, message: Message) -> None:
        self.link.send(message)

    def hear(self) -> Message:
        """The next message, which has to come."""
        while not self._told:
            self.link._socket.settimeout(PATIENCE)
            received = self.link.receive()
            assert received, "no word of the worker"
            self._told += received
        return self._told.pop(0)

    def heard(self) -> list[Message]:
        """All that has come by now."""
        with suppress(LinkClosed):
            while self.link.is_readable():
                self._told += self.link.receive()
        told, self._told = self._told, []
        return told


@contextmanager
def link_pair() -> Iterator[tuple[Supervisor, Link]]:
    """A supervisor, and the worker's end of the link."""
    ours, theirs = pair(Role.WORKER)
    worker = Link(theirs, Role.WORKER, Role.SUPERVISOR)
    try:
        yield Supervisor(ours), worker
    finally:
        with suppress(OSError):
            ours._socket.shutdown(socket.SHUT_RDWR)  # ends the thread that listens at the other end
        ours.close()
