"""A stage for what is prepared: the test plays all processes, each of which does what the stage says."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

from devrunserver.checkpoints.checkpoint import close_carried
from devrunserver.common.facts import Fact, Read
from devrunserver.common.import_record import ImportRecord
from devrunserver.common.link import Link, LinkClosed, pair
from devrunserver.common.messages import (
    Attributes,
    AttributesAsked,
    Build,
    BuildFailed,
    DryRun,
    FactsRead,
    ForkAhead,
    Hello,
    Imports,
    ImportsAsked,
    Loaded,
    Message,
    Outdated,
    OutdatedAsked,
    Outlines,
    OutlinesAsked,
    Resume,
    StateAsked,
    StateReport,
    Unexplained,
    UnexplainedAsked,
)
from devrunserver.common.present import Present
from devrunserver.common.role import Role
from devrunserver.supervisor.checkpoint_chain import Chain
from devrunserver.supervisor.preparation import manager
from devrunserver.supervisor.preparation.manager import Preparation

NOBODY = 2**30  # a pid that no process has

# What a start imports: ``urls`` all views, and each of these its own
ORDER = ["first", "urls", "a", "b", "c", "d"]
RECORD = ImportRecord(
    order=ORDER,
    phases=[0, 3, 3, 3, 3, 3],
    seconds=[1.0] * len(ORDER),
    edges={"urls": {"a", "b", "c", "d"}, "c": {"b"}},
    files={f"/{name}.py": name for name in ORDER},
)
AT_URLS = 1  # modules before the URLconf


@dataclass
class State:
    """What a process tells of its state: digests by module and attribute."""

    attributes: dict[str, dict[str, int]]
    outlines: dict[tuple[str, str], list[list[str]]] = field(default_factory=dict)  # of one container each
    unexplained: set[tuple[str, str]] = field(default_factory=set)
    outdated: list[Fact] = field(default_factory=list)  # what it has read that is something else by now

    @property
    def digests(self) -> dict[str, int]:
        return {name: hash(tuple(sorted(values.items()))) for name, values in self.attributes.items()}


def state(**attributes: dict[str, int]) -> State:
    return State({"first": {"x": 1}, "a": {"x": 1}, "b": {"x": 1}, **attributes})


class FakeProcess:
    pid = NOBODY

    def poll(self) -> int | None:
        return None

    def wait(self, timeout: float) -> int:
        return 0

    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Teller:
    """A process that tells of its state."""

    def __init__(self, link: Link, state: State, record: ImportRecord = RECORD) -> None:
        self.link, self.state, self.record = link, state, record

    def hear(self, message: Message) -> None:
        match message:
            case ImportsAsked():
                answer: Message = Imports(self.record)
            case StateAsked():
                answer = StateReport(self.state.digests)
            case AttributesAsked(modules=modules):
                answer = Attributes({name: self.state.attributes.get(name, {}) for name in modules})
            case OutlinesAsked(attributes=asked):
                answer = Outlines([(*one, [self.state.outlines.get(one, [])]) for one in asked])
            case OutdatedAsked():
                answer = Outdated(self.state.outdated)
            case UnexplainedAsked(attributes=asked):
                answer = Unexplained([one for one in asked if one in self.state.unexplained])
            case _:
                raise AssertionError(message)
        self.link.send(answer)


class Stage:
    """The preparation with a chain of one checkpoint, before the URLconf.

    Args:
        base: how many modules had been looked up there.
        record: what a start imports.
        at: what it is paused before.
    """

    def __init__(self, base: int = AT_URLS, record: ImportRecord = RECORD, at: str = "urls") -> None:
        self.record = record
        self.exact = [state()]  # of exact starts, one after the other; the last one for all that follow
        self.prepared = state()  # of dry runs that come from what is prepared
        self.unfit: dict[str, str] = {}  # modules that cannot be imported ahead, and why
        self.facts: list[Fact] = []  # that a builder tells
        self.failure: BuildFailed | None = None  # what dry runs from exact checkpoints say of an exception
        self.are_held = False  # dry runs do not get to their end
        self.when_asked: Callable[[Message], None] = lambda message: None  # what happens while a process is asked
        self.builds: list[Build] = []
        self.dry_runs = 0  # from exact checkpoints
        self.short_runs = 0  # from prepared ones
        self.resumed: list[Resume] = []
        self.resumed_from: list[Link] = []
        self.differences: list[str] = []
        self.told: list[str] = []
        self.selector = selectors.DefaultSelector()
        self.chain = Chain(self.selector, 6, 500.0)
        self.preparation = Preparation(
            self.selector, self.chain, self.differences.append, self.told.append, enabled=True
        )
        self._exact: list[Link] = []
        self.made: list[Link] = []  # prepared ones, also those that have ended
        self._prepared: list[Link] = []
        self.standbys: dict[Link, Link] = {}  # each with the checkpoint that has forked it
        self._tellers: list[Teller] = []
        self._held: list[Teller] = []
        self.add_checkpoint(1, at, base)

    def add_checkpoint(self, number: int, at: str, imported: int, *read: str) -> None:
        ours, theirs = socket.socketpair()
        self.chain.add(number, at, 1.0, ours, FakeProcess())
        link = Link(theirs, Role.CHECKPOINT, Role.SUPERVISOR)
        facts: list[Fact] = [Read(path, None) for path in read]
        link.send(FactsRead(facts, imported, [at], self.record.phases[imported]))
        self._exact.append(link)
        self.play()

    def play(self) -> None:
        """Everybody does what there is to do, until nobody has anything."""
        is_busy = True
        while is_busy:
            is_busy = False
            while ready := self.selector.select(0):
                is_busy = True
                for key, _ in ready:
                    key.data()
            self.preparation.step(time.monotonic())
            for link in [*self._exact, *self._prepared, *self.standbys]:
                is_busy |= self._let_checkpoint(link)
            for teller in list(self._tellers):
                for message in _receive(teller.link):
                    is_busy = True
                    self.when_asked(message)
                    teller.hear(message)

    def _let_checkpoint(self, link: Link) -> bool:
        messages = _receive(link)
        for message in messages:
            if isinstance(message, DryRun):
                self._dry_run(message, link in self._prepared)
            elif isinstance(message, Build):
                self._build(message)
            elif isinstance(message, ForkAhead):
                self.standbys[Link(message.link, Role.STANDBY, Role.SUPERVISOR)] = link
            elif isinstance(message, Resume):
                self.resumed.append(message)
                self.resumed_from.append(self.standbys.get(link, link))
                close_carried(message)
                if link in self.standbys:
                    link.close()
        return bool(messages)

    def _dry_run(self, message: DryRun, from_prepared: bool) -> None:
        link = Link(message.link, Role.DRY_RUN, Role.SUPERVISOR)
        link.send(Hello(NOBODY))
        if from_prepared:
            self.short_runs += 1
            told = self.prepared
        else:
            self.dry_runs += 1
            told = self.exact.pop(0) if len(self.exact) > 1 else self.exact[0]
        teller = Teller(link, told, self.record)
        self._tellers.append(teller)
        if self.failure is not None and not from_prepared:
            link.send(self.failure)
        elif self.are_held:
            self._held.append(teller)
        else:
            link.send(Loaded())

    def _build(self, message: Build) -> None:
        self.builds.append(message)
        link = Link(message.link, Role.BUILDER, Role.SUPERVISOR)
        link.send(Hello(NOBODY))
        unfit = [name for name in message.modules if name in self.unfit]
        if unfit:
            wanted = self.unfit[unfit[0]].partition(" imports ")[2]
            link.send(BuildFailed(unfit[0], self.unfit[unfit[0]], unfit[1:], wanted))
            link.close()
            return
        link.send(FactsRead(self.facts))
        link.role = Role.CHECKPOINT
        self._prepared.append(link)
        self.made.append(link)

    # What the supervisor does

    def save(self, path: str = "/a.py") -> bool:
        """A save, and the reload that follows. Whether it was prepared; the worker does not serve yet."""
        self.preparation.changed(path)
        self.play()
        return self.resume()

    def resume(self) -> bool:
        """The next worker starts; whether from what is prepared. It tells of its state when it is asked."""
        self.preparation.foresee(Present())
        state_reporter = self.preparation.state_reporter()
        ours, theirs = pair(Role.WORKER)
        with closing(ours), theirs, socket.socket() as listener:
            resumed = self.preparation.resume(Resume(theirs, listener, None, [], True))
        if state_reporter is not None:
            told = self.prepared if resumed else self.exact[0]
            teller = Teller(Link(state_reporter, Role.STATE_REPORTER, Role.SUPERVISOR), told, self.record)
            self._tellers.append(teller)
            teller.link.send(Loaded())
        self.play()
        return resumed

    def fork_ahead(self) -> bool:
        """A worker leaves; whether the next one was forked from what is prepared."""
        ours, theirs = pair(Role.WORKER)
        with closing(ours), theirs, socket.socket() as listener:
            forked = self.preparation.fork_ahead(Resume(theirs, listener, None, [], True, waits=True))
        self.play()
        return forked

    def serve(self, *edited: str, **state: Any) -> None:
        """A worker serves, the time of quiet is over, and all that follows from it is done."""
        self.preparation.served(list(edited) or ["/a.py"], True, **state)
        self.preparation.step(time.monotonic() + manager.QUIET + 1)
        self.play()

    def reload(self, path: str = "/a.py", *edited: str) -> bool:
        """A save, and all that follows from it. Whether the reload was prepared."""
        resumed = self.save(path)
        self.serve(*edited, path)
        return resumed

    def let_go(self) -> None:
        """Dry runs that were held come to their end."""
        self.are_held = False
        for teller in self._held:
            with suppress(LinkClosed):  # it has been ended
                teller.link.send(Loaded())
        self._held.clear()
        self.play()

    def let_die(self, links: str) -> None:
        """All checkpoints of a kind die."""
        dying = {"prepared": self._prepared, "exact": self._exact, "standby": list(self.standbys)}[links]
        for link in dying:
            link.close()
        dying.clear()
        self.play()

    def close(self) -> None:
        self.preparation.forget()
        self.chain.cut()
        assert len(self.selector.get_map()) == 0, "all links are closed"
        self.selector.close()
        for link in self.standbys:
            assert not _receive(link)
            assert link.fileno() < 0, "each has gone on, or ended"
        for link in [*self._exact, *self._prepared, *(teller.link for teller in self._tellers)]:
            link.close()


def _receive(link: Link) -> list[Message]:
    """What has come; nothing where the other end is gone."""
    if link.fileno() < 0 or not link.is_readable():
        return []
    try:
        return link.receive()
    except LinkClosed:
        link.close()
        return []
