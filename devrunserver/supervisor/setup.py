"""What a supervisor is given, and what it makes of that."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from devrunserver.common import process
from devrunserver.common.facts import Fact
from devrunserver.common.freshness import Notice
from devrunserver.supervisor.change_review import ChangeReview
from devrunserver.supervisor.checkpoint_chain import Chain
from devrunserver.supervisor.console import Console
from devrunserver.supervisor.edited_files import EditedFiles
from devrunserver.supervisor.file_events import FileEvents
from devrunserver.supervisor.held_connections import HeldConnections, PlaceholderServer
from devrunserver.supervisor.launcher import Launcher
from devrunserver.supervisor.optional_parts import ContainedSelector, OptionalParts, Part, uncontained
from devrunserver.supervisor.page_streams import PageStreams
from devrunserver.supervisor.preparation.known import Known
from devrunserver.supervisor.preparation.manager import Preparation
from devrunserver.supervisor.preparation.spare_plans import SparePlans
from devrunserver.supervisor.spares import Spares
from devrunserver.supervisor.start_progress import StartProgress
from devrunserver.supervisor.terminal import Terminal
from devrunserver.supervisor.tools import Tools
from devrunserver.supervisor.watching.watcher import Watcher
from devrunserver.supervisor.worker_starter import PausedStarts, WorkerStarter

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What may be spent on quick reloads, and what is known of them."""

    checkpoints: int  # that are kept
    memory: float | None  # megabytes that they may take; None: a share of what the worker takes
    prepares: bool  # whether reloads are prepared
    forks: bool = True  # whether checkpoints are expected to be made
    spares: bool = False  # whether a spare may stand for them
    prepares_spares: bool = False  # whether it imports ahead
    known: Known = field(default_factory=Known)  # of preparing, when a server was started before


SAFE = Limits(checkpoints=0, memory=0.0, prepares=False)


class Setup:
    """What stays, whatever happens to a supervisor: it is used by the next one, in safe mode.

    Args:
        listener: the listening socket.
        watcher: reports what happens to files; its trees are set.
        console: tells the user.
        launcher: starts workers; it may have started the first.
        limits: of what makes reloads quick.
        placeholder: answers while no worker does, for long.
        clock: seconds.
        tools: answers programs that ask how we are, if any may.
        progress: tells how far a start is.
    """

    def __init__(
        self,
        listener: socket.socket,
        watcher: Watcher,
        console: Console,
        launcher: Launcher,
        limits: Limits,
        placeholder: PlaceholderServer,
        clock: Callable[[], float] = time.monotonic,
        tools: Tools | None = None,
        progress: StartProgress | None = None,
    ) -> None:
        self.progress = progress or StartProgress()
        self._tools = tools
        self.listener = listener
        self.watcher = watcher
        self.console = console
        self.launcher = launcher
        self.limits = limits
        self.clock = clock
        self.optional = OptionalParts(console.say, console.remark)
        self.held = HeldConnections(placeholder, self.optional)
        self.terminal = Terminal()
        self.own_children = process.children()
        self.has_served = False  # any worker, and its checks have passed: the next are reloads

    def tell_progress(self, tell: Callable[[StartProgress], T]) -> T | None:
        """Tells what shows how far a start is something; None where it is off."""
        return self.optional.call(Part.PROGRESS, tell, self.progress)

    def tell_tools(self, tell: Callable[[Tools], T]) -> T | None:
        """Tells the interface for tools something; None where there is none, or it is off."""
        return None if self._tools is None else self.optional.call(Part.TOOLS, tell, self._tools)

    def close_tools(self) -> None:
        """Ends the interface for tools, also one that is off. Again is harmless."""
        if self._tools is not None:
            self._tools.close()

    def be_safe(self) -> None:
        """From now on nothing is spent on quick reloads."""
        self.limits = SAFE
        self.launcher.be_safe()


class Parts:
    """What one supervisor works with.

    Args:
        setup: what it is given.
        on_difference: called if what a prepared checkpoint has served is not what a fresh start gives; told why.
        on_useless: called if a worker that is to go on from a spare ends, or relies on what has changed.
    """

    def __init__(self, setup: Setup, on_difference: Callable[[str], None], on_useless: Callable[[], None]) -> None:
        self.setup = setup
        self.selector = selectors.DefaultSelector()
        self.notice = Notice(setup.watcher.events)
        self.review = ChangeReview()
        self.edited = EditedFiles()
        self.chain = Chain(
            self.selector,
            setup.limits.checkpoints,
            setup.limits.memory,
            lambda: self.edited.paths,
            lambda facts: self._on_checkpoint(facts),
        )
        contained = ContainedSelector(self.selector, setup.optional, Part.PREPARING)
        self.preparation = Preparation(
            contained, self.chain, on_difference, setup.console.remark, setup.limits.prepares, setup.limits.known
        )
        self.background = contained
        self._page_sockets = ContainedSelector(self.selector, setup.optional, Part.PAGES)
        self.pages = PageStreams(self._page_sockets)
        setup.optional.clean_up_with(Part.PAGES, self.close_pages)
        sockets = ContainedSelector(self.selector, setup.optional, Part.SPARES)
        limits = setup.limits
        plans = SparePlans(
            sockets, setup.launcher, uncontained(on_difference), setup.console.remark, limits.prepares_spares
        )
        self.spares = Spares(
            sockets, setup.launcher, setup.clock, limits.spares, limits.forks, uncontained(on_useless), plans
        )
        setup.optional.clean_up_with(Part.SPARES, self.spares.close)
        paused = PausedStarts(self.chain, self.preparation, self.spares)
        self.starter = WorkerStarter(setup.listener, setup.launcher, paused, setup.optional, setup.clock)
        self.files = FileEvents(setup.watcher, self.notice, self.review, self.starter.on_event, setup.clock)

    def _on_checkpoint(self, facts: list[Fact]) -> None:
        self.files.watch_ahead(facts, since=self.setup.launcher.began)
        self.setup.optional.call(Part.PREPARING, self.preparation.on_checkpoint)

    def close_pages(self) -> None:
        """Ends the streams of open pages. Again is harmless."""
        try:
            self.pages.close()
        finally:
            self._page_sockets.close_all()
