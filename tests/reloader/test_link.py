"""Messages between two processes: whole ones, from any thread, until the other end is gone."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from devrunserver.reloader.link import Link, LinkClosed, Message, pair

Ends = tuple[Link, Link]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, sock = pair()
    theirs = Link(sock)
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def raw() -> Iterator[tuple[Link, socket.socket]]:
    """A link, and the bare socket at its other end."""
    ours, sock = pair()
    yield ours, sock
    ours.close()
    sock.close()


def collect(receiver: Link, count: int) -> list[Message]:
    messages: list[Message] = []
    while len(messages) < count:
        messages += receiver.receive()
    return messages


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "hello"},
        {"kind": "changed", "id": 3, "paths": ["/srv/größe.py", "/a\nb", "\udcff"]},
        {"kind": "verdict", "reload": None, "prompt": False},
        {"kind": "watching", "globs": [["/srv", "**/*.html"]]},
        {"kind": ""},
    ],
)
def test_what_is_sent_is_received(ends: Ends, message: Message) -> None:
    for sender, receiver in (ends, ends[::-1]):
        sender.send(**message)
        assert collect(receiver, 1) == [message]


@pytest.mark.parametrize(
    ("pieces", "messages"),
    [
        ([b'{"kind":"a"}\n'], [["a"]]),
        ([b'{"kind":"a"}\n{"kind":"b"}\n'], [["a", "b"]]),
        ([b'{"ki', b'nd":"a"', b"}", b"\n"], [[], [], [], ["a"]]),
        ([b'{"kind":"a"}\n{"kind"', b':"b"}\n'], [["a"], ["b"]]),
        ([b'{"kind":"', "ü".encode()[:1], "ü".encode()[1:] + b'"}\n'], [[], [], ["ü"]]),
    ],
)
def test_messages_in_pieces(raw: tuple[Link, socket.socket], pieces: list[bytes], messages: list[list[str]]) -> None:
    receiver, sock = raw
    for piece, expected in zip(pieces, messages, strict=True):
        sock.sendall(piece)
        assert [message["kind"] for message in receiver.receive()] == expected


def test_last_words_are_heard_and_then_the_end(raw: tuple[Link, socket.socket]) -> None:
    receiver, sock = raw
    sock.sendall(b'{"kind":"last"}\n{"kind":"cut o')
    sock.close()
    assert receiver.receive() == [{"kind": "last"}]
    with pytest.raises(LinkClosed):
        receiver.receive()


def test_the_other_end_is_gone(ends: Ends) -> None:
    ours, theirs = ends
    theirs.close()
    assert select.select([ours], [], [], 0)[0] == [ours]
    with pytest.raises(LinkClosed):
        ours.receive()
    with pytest.raises(LinkClosed):
        ours.send("hello")


def test_messages_end_with_the_other_end(ends: Ends) -> None:
    ours, theirs = ends
    theirs.send("one")
    theirs.send("two", number=2)
    theirs.close()
    assert list(ours.messages()) == [{"kind": "one"}, {"kind": "two", "number": 2}]


def test_large_messages(ends: Ends) -> None:
    ours, theirs = ends
    files = [f"/srv/project/module_{number}.py" for number in range(30_000)]  # about a megabyte
    sender = threading.Thread(target=ours.send, args=("watching",), kwargs={"files": files})
    sender.start()
    assert collect(theirs, 1) == [{"kind": "watching", "files": files}]
    sender.join()


def test_threads_do_not_cut_into_each_others_messages(ends: Ends) -> None:
    ours, theirs = ends
    kinds = ["a" * 70_000, "b" * 70_000, "c" * 10, "d"]

    def send(kind: str) -> None:
        for number in range(20):
            ours.send(kind, number=number)

    threads = [threading.Thread(target=send, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    messages = collect(theirs, 20 * len(kinds))
    for thread in threads:
        thread.join()
    for kind in kinds:  # each thread's in their order
        assert [message["number"] for message in messages if message["kind"] == kind] == list(range(20))


def test_who_does_not_read_counts_as_gone(raw: tuple[Link, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    sender, sock = raw
    sender._socket.settimeout(0.05)
    with pytest.raises(LinkClosed):
        sender.send("watching", data="x" * 2_000_000)
    assert sock.recv(9) == json.dumps({"kind": ""}).encode()[:9]


def test_nothing_follows_half_a_message(ends: Ends) -> None:
    ours, theirs = ends
    ours._socket.settimeout(0.05)
    with pytest.raises(LinkClosed):
        ours.send("watching", data="x" * 2_000_000)
    received = []
    with suppress(LinkClosed):
        while select.select([theirs], [], [], 0)[0]:
            received += theirs.receive()
    with pytest.raises(LinkClosed):
        ours.send("next")
    assert received == []


def test_receiving_does_not_block_for_ever(raw: tuple[Link, socket.socket]) -> None:
    receiver, _ = raw
    receiver._socket.settimeout(0.01)
    assert receiver.receive() == []
