"""The table of messages: complete, and each message survives its way as JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from devrunserver.common import facts, messages
from devrunserver.common.import_record import ImportRecord
from devrunserver.common.messages import ROUTES, Carries, Message
from devrunserver.common.role import Role

KINDS = sorted(ROUTES, key=lambda kind: kind.__name__)

SAMPLES: dict[str, Any] = {
    "int": 3,
    "str": "größe",
    "bool": True,
    "float": 0.5,
    "str | None": None,
    "list[str]": ["a", "b"],
    "list[Fact]": [facts.Read("/a", (1, 2, 3)), facts.Read("/b", None), facts.Answered("/", None, "a", ("a", "a.py"))],
    "list[tuple[str, str]]": [("/a", "*.py")],
    "list[tuple[str, float]]": [("a", 0.5)],
    "list[tuple[str, int, float]]": [("a", 2, 0.5)],
    "list[tuple[str, list[str]]]": [("css", ["/static/a.css"])],
    "list[tuple[str, str, Sequence[Sequence[Sequence[str]]]]]": [("a", "b", [[["c", "d"]]])],
    "dict[str, Any]": {"a": [1, {"b": None}]},
    "list[dict[str, Any]]": [{"a": 1}, {}],
    "dict[str, int]": {"a": 2**60},
    "dict[str, list[str]]": {"a": ["b"]},
    "dict[str, dict[str, int]]": {"a": {"b": 1}},
    "ImportRecord": ImportRecord(["a", "b"], [0, 1], [0.5, 1.0], {"a": {"b", "c"}}, {"/a.py": "a"}, ("b",)),
}


def test_every_message_is_in_the_table() -> None:
    assert set(ROUTES) == set(Message.__subclasses__())


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_frozen_and_says_what_it_means(kind: type[Message]) -> None:
    assert dataclasses.is_dataclass(kind)
    assert kind.__doc__
    with pytest.raises(dataclasses.FrozenInstanceError):
        object.__new__(kind).pid = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_one_end_is_the_supervisor(kind: type[Message]) -> None:
    senders, receivers = ROUTES[kind]
    assert senders and receivers
    assert senders == {Role.SUPERVISOR} or receivers == {Role.SUPERVISOR} or senders == receivers


@pytest.mark.parametrize("kind", KINDS)
def test_it_survives_its_way(kind: type[Message]) -> None:
    carried = messages.carried(kind)
    values = {
        one.name: carried[one.name] if one.name in carried else SAMPLES[str(one.type)]
        for one in dataclasses.fields(kind)  # type: ignore[arg-type]
    }
    sent = kind(**values)
    brought = {name: getattr(sent, name) for name in carried}
    assert messages.load(json.loads(json.dumps(messages.dump(sent))), brought) == sent


@pytest.mark.parametrize("kind", KINDS)
def test_what_carries_is_declared_so(kind: type[Message]) -> None:
    declared = {
        "socket.socket": Carries.SOCKET,
        "socket.socket | None": Carries.SOCKET,
        "list[socket.socket]": Carries.SOCKETS,
        "int | None": Carries.FILE,
    }
    texts: dict[str, str] = kind.__annotations__
    assert messages.carried(kind) == {name: declared[text] for name, text in texts.items() if text in declared}


def test_equality_and_text() -> None:
    assert messages.Stop() == messages.Stop()
    assert messages.Stop() != messages.Fresh()
    assert repr(messages.Verdict(1, None, None)) == "Verdict(id=1, stale=None, prompt=None, pages=[])"
