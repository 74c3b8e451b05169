"""Every message between the supervisor and its processes: what it says, who sends it and who receives it.

Theory of operation
-------------------
A message is a frozen dataclass. ``ROUTES`` is the one table of who may send it to whom; both ends of a link look there
before a message is sent and when it has come, so that a message which is not expected is an error where it is made,
and one of another version of this package is an error that names what is unknown.

On a link a message is a JSON object with the name of its class as ``kind``. Two sorts of fields are not simply JSON:
those that *carry* sockets or other descriptors, which travel beside the bytes (``link.py``), and those that are
restored to what they were, as JSON knows neither tuples nor facts.
"""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from enum import Enum
from typing import Any, NamedTuple, NoReturn, TypeVar, dataclass_transform

from devrunserver.common import facts, import_record
from devrunserver.common.facts import Fact
from devrunserver.common.import_record import ImportRecord
from devrunserver.common.role import Role


class MessageError(Exception):
    """A message that nobody knows, or that this process may not send, or not to this one."""


Kind = TypeVar("Kind")


class Carries(Enum):
    """What a field carries that is more than bytes."""

    SOCKET = "a socket, or none"
    SOCKETS = "sockets"
    FILE = "the descriptor of a file, or none"


class Json(NamedTuple):
    """How a field becomes JSON, and is restored."""

    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


def _pairs(data: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    return [tuple(one) for one in data]


SOCKET = {"carries": Carries.SOCKET}
SOCKETS = {"carries": Carries.SOCKETS}
FILE = {"carries": Carries.FILE}
PAIRS = {"json": Json(list, _pairs)}
FACTS = {"json": Json(facts.to_json, facts.from_json)}
RECORD = {"json": Json(import_record.to_json, import_record.from_json)}


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def message(kind: type[Kind]) -> type[Kind]:
    """A frozen dataclass whose methods are ``Message``'s: to make them for each kind anew costs every start 20 ms."""
    return dataclass(init=False, eq=False, repr=False)(kind)


class Message:
    """What one process says to another."""

    def __init__(self, *values: Any, **named: Any) -> None:
        own = _fields(type(self))  # type: ignore[arg-type]  # a class has a hash, whatever its objects have
        given = dict(zip(own, values, strict=False))
        if len(values) > len(own) or given.keys() & named.keys() or named.keys() - own.keys():
            raise TypeError(f"{type(self).__name__}: fields that it does not have, or given twice")
        given |= named
        vars(self).update((name, given[name] if name in given else _default(one)) for name, one in own.items())

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")


@functools.cache
def _fields(kind: type[Message]) -> dict[str, Field[Any]]:
    """Of each kind by name, in their order."""
    return {one.name: one for one in fields(kind)}  # type: ignore[arg-type]  # each is a dataclass


def _default(one: Field[Any]) -> Any:
    """What a field is where nothing is said of it."""
    if one.default_factory is not MISSING:
        return one.default_factory()
    if one.default is MISSING:
        raise TypeError(f"the field {one.name!r} is missing")
    return one.default


# From a worker


@message
class Hello(Message):
    """I am here, in this process; a worker says it again wherever it has left a checkpoint behind."""

    pid: int
    settings: list[str] = field(default_factory=list)  # names of files in the settings


@message
class CheckpointMade(Message):
    """The process that I was becomes a checkpoint, with this link; I go on in another one, which says hello next."""

    number: int  # in the order of this start
    at: str  # what comes next
    elapsed: float  # seconds of work since the last checkpoint
    link: socket.socket = field(metadata=SOCKET)


@message
class CheckpointsEnded(Message):
    """No more checkpoints can be made from here on."""

    at: str
    reason: str


@message
class AnswerChanged(Message):
    """I was resumed, and a database on a server has another answer by now, so I leave: resume an earlier checkpoint."""

    database: str  # as a fact says it
    statement: str
    answer: int


@message
class Listening(Message):
    """From now on I hear what is said to me."""


@message
class Watching(Message):
    """What is to be watched: where modules were loaded from, and what receivers of Django's signals want."""

    directories: list[str]
    globs: list[tuple[str, str]] = field(metadata=PAIRS)  # directories, and patterns below each
    files: list[str]
    is_complete: bool = True  # or else what the last worker wanted counts, too, until the rest is told


@message
class Serving(Message):
    """I am about to answer requests; what the start consisted of."""

    resumed_at: str  # the module; empty where it was a fresh start
    prepared: bool
    imported: int  # modules
    seconds: float
    installed_seconds: float  # of these, in installed packages
    slowest: list[tuple[str, float]] = field(metadata=PAIRS)  # modules and seconds
    is_checked: bool = True  # no checks run any more; or else ``Checked`` or ``Broken`` follows
    from_spare: bool = False  # resumed there in a process that had been started ahead
    phases: list[tuple[str, float]] = field(default_factory=list, metadata=PAIRS)  # with their seconds, if asked for
    parts: list[tuple[str, int, float]] = field(default_factory=list, metadata=PAIRS)  # what took most, with modules


@message
class Broken(Message):
    """I answer with the error that keeps the project from starting."""

    error: dict[str, Any] = field(default_factory=dict)  # type, message, file, line and text


@message
class Checked(Message):
    """The checks that ran beside me are done, and have found nothing that keeps the project from starting."""


# How many entries of a history are kept, by the worker until it tells them, and then by the supervisor
MOST_REQUESTS = 200
MOST_ERRORS = 20
MOST_CONSOLE_MESSAGES = 50


@message
class History(Message):
    """The answer to ``HistoryAsked``; what I know alone, also told when I leave."""

    id: int  # of the question; 0 where there was none
    requests: list[dict[str, Any]]
    errors: list[dict[str, Any]]  # of views
    routes: list[dict[str, Any]]  # URL patterns and their views
    browser: list[dict[str, Any]] = field(default_factory=list)  # what pages have written to the browser's console


@message
class Verdict(Message):
    """The answer to ``Changed``."""

    id: int  # of the question
    stale: str | None  # the first path that makes me one who has to be replaced
    prompt: str | None  # of a debugger that waits for the user, so that the reload has to wait; None: none does
    pages: list[tuple[str, list[str]]] = field(default_factory=list, metadata=PAIRS)  # kinds of changes, and URLs


@message
class PageStream(Message):
    """A page wants to be told of changes on this connection; the head of the answer is sent."""

    stream: socket.socket = field(metadata=SOCKET)


@message
class PromptLeft(Message):
    """The debugger's prompt, for which a reload waits, has been left."""


@message
class ViewAsked(Message):
    """A request has come to a view in this file of the project's, which none has before in this process."""

    file: str


@message
class FreshAsked(Message):
    """A request waits until it is known whether I am fresh."""


# From a checkpoint and from what works in the background


@message
class FactsRead(Message):
    """I am paused now, as a checkpoint or a spare, and this is what I rely on since the checkpoint before."""

    facts: list[Fact] = field(metadata=FACTS)
    imported: int = 0  # modules that were looked up since the project began to start
    importing: list[str] = field(default_factory=list)  # what is not completely imported, and what comes next
    phase: int = 0  # of Django's set-up


@message
class BuildFailed(Message):
    """What was to be done ahead cannot be."""

    module: str  # empty where it is no module's fault
    reason: str
    others: list[str] = field(default_factory=list)  # of which the same is true, whatever the reason
    wanted: str = ""  # the module that must not be imported now, where it imports one


@message
class Loaded(Message):
    """Imported is all that a start imports: what becomes of files from now on is not known here."""


@message
class Imports(Message):
    """The answer to ``ImportsAsked``."""

    record: ImportRecord = field(metadata=RECORD)


@message
class StateReport(Message):
    """The answer to ``StateAsked``: the state of this process, as a digest of each module's namespace."""

    digests: dict[str, int]


@message
class Attributes(Message):
    """The answer to ``AttributesAsked``: digests by module and name."""

    digests: dict[str, dict[str, int]]


@message
class Outlines(Message):
    """The answer to ``OutlinesAsked``: of each attribute its module, its name, and its containers: what is in each,
    and from which modules.
    """

    outlines: list[tuple[str, str, Sequence[Sequence[Sequence[str]]]]] = field(metadata=PAIRS)


@message
class Outdated(Message):
    """The answer to ``OutdatedAsked``: what I have relied on, and does not hold any more."""

    facts: list[Fact] = field(metadata=FACTS)


@message
class Unexplained(Message):
    """The answer to ``UnexplainedAsked``: those that are something else than the source says."""

    attributes: list[tuple[str, str]] = field(metadata=PAIRS)


# From the supervisor


@message
class Go(Message):
    """Serve on this listening socket."""

    listener: socket.socket = field(metadata=SOCKET)
    state_link: socket.socket | None = field(metadata=SOCKET)  # where to report the state before serving, if anywhere
    is_reload: bool  # a worker has served before


@message
class FreshnessShared(Message):
    """What is needed to look whether you are fresh (``freshness.py``); nothing where it cannot be seen."""

    page: int | None = field(metadata=FILE)
    events: int | None = field(metadata=FILE)


@message
class Fresh(Message):
    """The answer to ``FreshAsked``: you are."""


@message
class Changed(Message):
    """These paths have changed: do they concern you?"""

    id: int
    paths: list[str]
    generation: int = 0  # of the pages that are rendered afterwards, if pages are concerned
    before: list[str] = field(default_factory=list)  # those that changed before you started: they concern pages alone


@message
class Generation(Message):
    """Of the pages that you render."""

    number: int


@message
class HistoryAsked(Message):
    """What has happened since you were asked last? The answer has the routes too, where they are wanted."""

    id: int
    routes: bool


@message
class Stop(Message):
    """Leave, in order."""

    is_reload: bool = False  # another worker follows: what is being answered may take longer than when the user quits


@message
class ForkAhead(Message):
    """Fork already: the process that comes of it waits at the other end of this link for the next ``Resume``."""

    link: socket.socket = field(metadata=SOCKET)


@message
class Resume(Message):
    """Go on as the worker: a checkpoint in a fork, a standby and a spare themselves."""

    link: socket.socket = field(metadata=SOCKET)
    listener: socket.socket = field(metadata=SOCKET)
    state_link: socket.socket | None = field(metadata=SOCKET)  # where to report the state before serving, if anywhere
    edited: list[str]  # the files that are being edited
    is_reload: bool
    waits: bool = False  # for ``Proceed``, before anything of the project goes on


@message
class Proceed(Message):
    """You are the worker now: what you were forked from relies on nothing that has changed."""


@message
class DryRun(Message):
    """Go on until you could serve, then answer questions: a checkpoint in a fork, a spare itself."""

    link: socket.socket = field(metadata=SOCKET)
    is_urgent: bool  # sources are to be read before somebody saves again: no low priority until then


@message
class Build(Message):
    """Fork, import these modules ahead of their turn, and pause as a checkpoint."""

    link: socket.socket = field(metadata=SOCKET)
    modules: list[str]
    excluded: list[str]  # what must not be imported meanwhile
    at: str = ""  # where to, if not here: the start goes on to this place


@message
class ImportAhead(Message):
    """Import these modules ahead of their turn, and pause again."""

    modules: list[str]
    excluded: list[str]  # what must not be imported meanwhile


@message
class ImportsAsked(Message):
    """What was imported, please; and what modules have left in common, if that is wanted."""

    traces: bool = False


@message
class StateAsked(Message):
    """Your state, please."""


@message
class AttributesAsked(Message):
    """Digests of what is in the namespaces of these modules, please."""

    modules: list[str]


@message
class OutlinesAsked(Message):
    """Outlines of these attributes, each by its module and name, please."""

    attributes: list[tuple[str, str]] = field(metadata=PAIRS)


@message
class OutdatedAsked(Message):
    """What have you read, or looked for, that is something else by now, please?"""


@message
class UnexplainedAsked(Message):
    """Which of these attributes are something else than functions and constants of the source, please?"""

    attributes: list[tuple[str, str]] = field(metadata=PAIRS)


# In both directions


@message
class Connections(Message):
    """Connections to go on with; of each, what was received of a request that nobody has begun to answer."""

    sockets: list[socket.socket] = field(metadata=SOCKETS)
    received: list[str]  # in base64


class Route(NamedTuple):
    """Who may send a message, and who may receive it."""

    senders: frozenset[Role]
    receivers: frozenset[Role]


def _route(*senders: Role, to: Sequence[Role] = (Role.SUPERVISOR,)) -> Route:
    return Route(frozenset(senders), frozenset(to))


_TELLERS = (Role.DRY_RUN, Role.STATE_REPORTER)

ROUTES: dict[type[Message], Route] = {
    Hello: _route(Role.WORKER, Role.BUILDER, Role.DRY_RUN),
    CheckpointMade: _route(Role.WORKER),
    CheckpointsEnded: _route(Role.WORKER),
    AnswerChanged: _route(Role.WORKER),
    Listening: _route(Role.WORKER),
    Watching: _route(Role.WORKER),
    Serving: _route(Role.WORKER),
    Broken: _route(Role.WORKER),
    Checked: _route(Role.WORKER),
    History: _route(Role.WORKER),
    Verdict: _route(Role.WORKER),
    PromptLeft: _route(Role.WORKER),
    PageStream: _route(Role.WORKER),
    ViewAsked: _route(Role.WORKER),
    FreshAsked: _route(Role.WORKER),
    FactsRead: _route(Role.CHECKPOINT, Role.SPARE, Role.BUILDER),
    BuildFailed: _route(Role.SPARE, Role.BUILDER, Role.DRY_RUN),
    Loaded: _route(*_TELLERS),
    Imports: _route(*_TELLERS),
    Outdated: _route(*_TELLERS),
    Unexplained: _route(*_TELLERS),
    StateReport: _route(*_TELLERS),
    Attributes: _route(*_TELLERS),
    Outlines: _route(*_TELLERS),
    Go: _route(Role.SUPERVISOR, to=[Role.WORKER]),
    FreshnessShared: _route(Role.SUPERVISOR, to=[Role.WORKER]),
    Fresh: _route(Role.SUPERVISOR, to=[Role.WORKER]),
    Changed: _route(Role.SUPERVISOR, to=[Role.WORKER]),
    HistoryAsked: _route(Role.SUPERVISOR, to=[Role.WORKER]),
    Generation: _route(Role.SUPERVISOR, to=[Role.WORKER]),
    Stop: _route(Role.SUPERVISOR, to=[Role.WORKER]),
    ForkAhead: _route(Role.SUPERVISOR, to=[Role.CHECKPOINT]),
    Resume: _route(Role.SUPERVISOR, to=[Role.CHECKPOINT, Role.STANDBY, Role.SPARE]),
    Proceed: _route(Role.SUPERVISOR, to=[Role.WORKER]),
    DryRun: _route(Role.SUPERVISOR, to=[Role.CHECKPOINT, Role.SPARE]),
    Build: _route(Role.SUPERVISOR, to=[Role.CHECKPOINT]),
    ImportAhead: _route(Role.SUPERVISOR, to=[Role.SPARE]),
    ImportsAsked: _route(Role.SUPERVISOR, to=_TELLERS),
    StateAsked: _route(Role.SUPERVISOR, to=_TELLERS),
    OutdatedAsked: _route(Role.SUPERVISOR, to=_TELLERS),
    UnexplainedAsked: _route(Role.SUPERVISOR, to=_TELLERS),
    AttributesAsked: _route(Role.SUPERVISOR, to=_TELLERS),
    OutlinesAsked: _route(Role.SUPERVISOR, to=_TELLERS),
    Connections: _route(Role.WORKER, Role.SUPERVISOR, to=[Role.WORKER, Role.SUPERVISOR]),
}


def check_route(kind: type[Message], sender: Role, receiver: Role) -> None:
    """Looks whether this is what one may say to the other.

    Raises:
        MessageError: it is not.
    """
    route = ROUTES.get(kind)
    if route is None:
        raise MessageError(f"{kind.__name__} is no message")
    if sender not in route.senders or receiver not in route.receivers or sender is receiver:
        raise MessageError(f"{kind.__name__} is no message of a {sender} to a {receiver}")


def carried(kind: type[Message]) -> Mapping[str, Carries]:
    """The fields that carry sockets or descriptors, in their order."""
    return _shapes()[kind].carried


def dump(one: Message) -> dict[str, Any]:
    """A message as JSON can say it, without what it carries."""
    shape = _shapes()[type(one)]
    data: dict[str, Any] = {"kind": type(one).__name__}
    for name in shape.names:
        if name not in shape.carried:
            value = getattr(one, name)
            data[name] = shape.json[name].dump(value) if name in shape.json else value
    return data


def kind_of(data: Mapping[str, Any]) -> type[Message]:
    """The class of a message that has come.

    Raises:
        MessageError: nobody knows it.
    """
    name = data.get("kind")
    found = next((kind for kind in ROUTES if kind.__name__ == name), None)
    if found is None:
        raise MessageError(f"nobody knows the message {name!r}")
    return found


def load(data: Mapping[str, Any], brought: Mapping[str, Any]) -> Message:
    """The message that has come, with what it has brought.

    Raises:
        MessageError: nobody knows it, or it has other fields.
    """
    kind = kind_of(data)
    shape = _shapes()[kind]
    values = {**data, **brought}
    del values["kind"]
    if unknown := sorted(values.keys() - set(shape.names)):
        raise MessageError(f"{kind.__name__} has no field {unknown[0]!r}")
    if missing := sorted(set(shape.names) - values.keys()):
        raise MessageError(f"{kind.__name__} has come without its field {missing[0]!r}")
    return kind(
        **{name: shape.json[name].load(value) if name in shape.json else value for name, value in values.items()}
    )


class _Shape(NamedTuple):
    names: tuple[str, ...]
    carried: dict[str, Carries]
    json: dict[str, Json]


@functools.cache
def _shapes() -> dict[type[Message], _Shape]:
    """The fields of each kind of message."""
    return {kind: _shape(kind) for kind in ROUTES}


def _shape(kind: type[Message]) -> _Shape:
    own = fields(kind)  # type: ignore[arg-type]  # each is a dataclass
    return _Shape(
        tuple(one.name for one in own),
        {one.name: one.metadata["carries"] for one in own if "carries" in one.metadata},
        {one.name: one.metadata["json"] for one in own if "json" in one.metadata},
    )
