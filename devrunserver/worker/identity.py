"""Which process this is to the supervisor: its role, its link and the sockets that came with them.

Checkpoints take this up and leave it: a process that pauses is no worker any more, and one that is resumed becomes a
worker, or a dry run of one, with what the message brings.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Collection

from devrunserver.common import process_exit
from devrunserver.common.link import Link
from devrunserver.common.messages import AnswerChanged, CheckpointsEnded, DryRun, Go, Hello, Message, Proceed, Resume
from devrunserver.common.role import CONDUCT, Conduct, Role
from devrunserver.worker import idle_connections
from devrunserver.worker.cache_clears import CacheClears
from devrunserver.worker.channel import Channel
from devrunserver.worker.server_reads import ServerReads
from devrunserver.worker.start_history import StartHistory


class Identity:
    """This process, as ``checkpoints`` lends and borrows it.

    Args:
        channel: to the supervisor.
        on_resume: called in a process that was resumed, with the message that has resumed it.
        before_pause: called in one that has imported modules ahead, and waits now, with those that it has left out.
    """

    def __init__(
        self,
        channel: Channel,
        on_resume: Callable[[Resume | DryRun], None],
        before_pause: Callable[[Collection[str]], None] = lambda later: None,
    ) -> None:
        self.channel = channel
        self.role = channel.link.role
        self.listener: socket.socket | None = None  # comes with the supervisor's word
        self.state_link: socket.socket | None = None  # where a process is to report in what state this one is
        self.history: StartHistory | None = None
        self.cache_clears = CacheClears()
        self.server_reads = ServerReads()
        self.is_reload = self.role is Role.SPARE  # another worker has served before
        self._on_resume = on_resume
        self.before_pause = before_pause
        self._go_given = threading.Event()

    @property
    def conduct(self) -> Conduct:
        """What this process does where its start ends, fails or meets a prompt."""
        return CONDUCT[self.role]

    def on_go(self, message: Go) -> None:
        """The supervisor's word to serve; once."""
        if self.listener is not None:
            message.listener.close()
            if message.state_link is not None:
                message.state_link.close()
            return
        self.state_link = message.state_link
        self.listener, self.is_reload = message.listener, message.is_reload
        self._go_given.set()

    def on_proceed(self, message: Proceed) -> None:
        """It is of interest to who waits for it, and to nobody who goes on already."""

    def await_go(self) -> None:
        """Waits for the supervisor, for as long as it lives: it may take its time to set up the project too."""
        if self.listener is not None or self.role in (Role.DRY_RUN, Role.SPARE):
            return  # it came with the word to resume, or comes with it at the end of the start
        if self.channel.is_listening:
            self._go_given.wait()
        else:
            self.on_go(self.channel.wait_for(Go))

    def close_state_link(self) -> None:
        """Nobody reports the state of this process, or somebody else does."""
        if self.state_link is not None:
            self.state_link.close()
            self.state_link = None

    # As checkpoints need it

    def say(self, message: Message) -> None:
        """Sends a message to the supervisor."""
        self.channel.send(message)

    def checkpoints_ended(self, at: str, reason: str) -> None:
        """There are no checkpoints from here on, so threads do no harm."""
        self.say(CheckpointsEnded(at, reason))
        self.channel.listen()

    def sockets(self) -> set[int]:
        """The descriptors of our own sockets."""
        held = (one.fileno() for one in (self.listener, self.state_link) if one is not None)
        return {self.channel.fileno(), *held}

    def progress(self) -> tuple[int, int]:
        """How many modules were looked up, and in which phase of Django's set-up this process is."""
        return self.history.progress() if self.history is not None else (0, 0)

    def let_go(self) -> None:
        """Closes connections to databases: Django opens them again when it wants one."""
        idle_connections.close()
        self.server_reads.close_idle()

    def leave(self) -> None:
        """Closes what is the worker's, in a process that is none any more."""
        self.channel.close()
        if self.listener is not None:
            self.listener.close()
            self.listener = None
        self.close_state_link()

    def become(self, role: Role) -> None:
        """From now on this process is something else."""
        self.role = role
        if role is Role.BUILDER and self.history is not None:
            self.history.rest()  # what is prepared is planned by what exact starts have imported

    def take_up(self, order: Resume | DryRun) -> None:
        """Becomes the worker, or a dry run of it, in a process that was paused."""
        self.become(Role.WORKER if isinstance(order, Resume) else Role.DRY_RUN)
        self.channel.link = Link(order.link, self.role, Role.SUPERVISOR)
        self.is_reload = True
        if isinstance(order, Resume):
            self.listener, self.state_link, self.is_reload = order.listener, order.state_link, order.is_reload
        self.say(Hello(os.getpid()))
        if isinstance(order, Resume) and order.waits:
            self.channel.wait_for(Proceed)
        if isinstance(order, Resume):
            self._leave_if_outdated()
            self.cache_clears.repeat()
        self._on_resume(order)

    def _leave_if_outdated(self) -> None:
        """Does not return where a database on a server has another answer than this process has got before."""
        if (changed := self.server_reads.first_changed()) is not None:
            self.say(AnswerChanged(*changed))
            process_exit.leave(process_exit.FAILURE)
