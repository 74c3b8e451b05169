"""What the checkpoints rely on, and which of them is the resume point: pure, no process, clock or disk.

Theory of operation
-------------------
A worker that starts reads files, looks for modules in vain, lists directories. Each of these is a *fact*: something
about the disk that was true then. The facts between two checkpoints are a *segment*. A checkpoint has seen what is in
its own segment and in all before it; it may be resumed if every one of these facts still holds, because then a fresh
start would have come to the same point in the same state. The resume point is the latest such checkpoint.

Changed, created, deleted and back-dated files are all the same here: facts that hold no more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from importlib.machinery import all_suffixes
from typing import Any, NamedTuple, Protocol

from devrunserver.common.file_state import UNKNOWN, State


class Read(NamedTuple):
    """A file was read in this state, or was not there (None)."""

    path: str
    state: State | None


class Answered(NamedTuple):
    """What in a directory, which then had this state, would have been found as a module of this name."""

    directory: str
    state: State | None
    name: str
    entries: tuple[str, ...]


class Listed(NamedTuple):
    """The names in a directory, which then had this state, were looked at; a checksum of them."""

    directory: str
    state: State | None
    digest: int


class Linked(NamedTuple):
    """A directory led to another one by links."""

    directory: str
    target: str


class Queried(NamedTuple):
    """A database in a file was asked, and gave an answer with this checksum."""

    path: str
    statement: str
    answer: int


class AskedServer(NamedTuple):
    """A database on a server was asked, and gave an answer with this checksum.

    Whoever has asked asks again where it is resumed (``worker/server_reads.py``): only the project can.
    """

    database: str  # its alias
    statement: str  # or the beginning of a long one
    answer: int


class Opened(NamedTuple):
    """A file is open, and was this one (its device and inode): another may have taken its place."""

    path: str
    identity: tuple[int, ...]


class Named(NamedTuple):
    """A source had the name of a module in it that nothing else imports."""

    path: str
    module: str


Fact = Read | Answered | Listed | Linked | Queried | AskedServer | Opened | Named
KINDS: dict[str, type[Fact]] = {
    kind.__name__: kind for kind in (Read, Answered, Listed, Linked, Queried, AskedServer, Opened, Named)
}


class Disk(Protocol):
    """The present, as far as facts are about it."""

    def is_still(self, path: str, state: State | None) -> bool: ...
    def directory_state(self, path: str) -> State | None: ...
    def names_in(self, directory: str) -> Collection[str]: ...
    def digest_of(self, directory: str) -> int: ...
    def target_of(self, directory: str) -> str: ...
    def answer_to(self, path: str, statement: str) -> int | None: ...
    def identity_of(self, path: str) -> tuple[int, ...]: ...
    def words_in(self, path: str) -> Collection[str]: ...


def holds(fact: Fact, disk: Disk) -> bool:
    """Whether what was true then is true now."""
    match fact:
        case Read(path, state):
            return disk.is_still(path, state)
        case Answered(directory, state, name, entries):
            return is_untouched(directory, state, disk) or answering(disk.names_in(directory), name) == entries
        case Listed(directory, state, digest):
            return is_untouched(directory, state, disk) or disk.digest_of(directory) == digest
        case Linked(directory, target):
            return disk.target_of(directory) == target
        case Queried(path, statement, answer):
            return disk.answer_to(path, statement) == answer
        case AskedServer():
            return True
        case Opened(path, identity):
            return disk.identity_of(path) == identity
        case Named(path, module):
            return module.rpartition(".")[2] in disk.words_in(path)


def is_untouched(directory: str, state: State | None, disk: Disk) -> bool:
    """Whether no name has come to a directory, or gone from there."""
    return state != UNKNOWN and disk.directory_state(directory) == state


def answering(entries: Collection[str], name: str) -> tuple[str, ...]:
    """Which of a directory's entries would be found as the module or package ``name``."""
    return tuple(entry for suffix in _SUFFIXES if (entry := name + suffix) in entries)


_SUFFIXES = ("", *all_suffixes())  # a package has none


class ResumePoint(NamedTuple):
    """The latest checkpoint that may be resumed, and what is in the way of a later one."""

    number: int | None
    obstacle: Fact | None


def resume_point(
    segments: Iterable[tuple[int, Sequence[Fact] | None]], look: Callable[[Iterable[Fact]], Fact | None]
) -> ResumePoint:
    """Names the resume point.

    Args:
        segments: of each checkpoint, in their order, its number and the facts that came since the one before; None
            where it has not told them yet.
        look: tells the first fact that holds no more.
    """
    number = None
    for candidate, facts in segments:
        if facts is None:
            break
        if (obstacle := look(facts)) is not None:
            return ResumePoint(number, obstacle)
        number = candidate
    return ResumePoint(number, None)


def to_json(facts: Iterable[Fact]) -> list[list[Any]]:
    """Facts as a message carries them."""
    return [[type(fact).__name__, *fact] for fact in facts]


def from_json(data: Iterable[Sequence[Any]]) -> list[Fact]:
    """The reverse of ``to_json``."""
    return [KINDS[kind](*map(_tuple, values)) for kind, *values in data]


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def why_broken(fact: Fact) -> str:
    """What has happened to a fact that holds no more, for the user."""
    if isinstance(fact, Named):
        return f"{fact.path} does not name {fact.module} any more"
    if isinstance(fact, AskedServer):
        return f"the database {fact.database!r} has another answer to {fact.statement}"
    return f"{path_of(fact)} was not expected to change"


def path_of(fact: Fact) -> str:
    """What a fact is about, for the user."""
    if isinstance(fact, AskedServer):
        return fact.database
    return fact.path if isinstance(fact, Read | Queried | Opened | Named) else fact.directory
