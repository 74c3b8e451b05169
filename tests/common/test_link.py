"""Messages between two processes: whole ones, from any thread, until the other end is gone."""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from devrunserver.common.link import Link, LinkClosed, Message, pair

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


def pipes(stack: ExitStack, count: int) -> tuple[list[socket.socket], list[socket.socket]]:
    """Some pairs of sockets: to send one end of each, and to see what arrives at it."""
    pairs = [socket.socketpair() for _ in range(count)]
    return [stack.enter_context(one) for one, _ in pairs], [stack.enter_context(other) for _, other in pairs]


def test_sockets_travel_with_their_message(ends: Ends) -> None:
    sender, receiver = ends
    sender.peer = os.getpid()
    with ExitStack() as stack:
        (sent,), (other,) = pipes(stack, 1)
        sender.send("go", sockets=[sent], reload=True)
        [message] = collect(receiver, 1)
        [received] = map(stack.enter_context, message.pop("sockets"))
        assert message == {"kind": "go", "reload": True}
        assert received.fileno() != sent.fileno()
        assert not received.get_inheritable()
        sent.sendall(b"still open here, ")
        received.sendall(b"and there")
        assert other.recv(100) == b"still open here, and there"


def test_a_listening_socket_travels(ends: Ends) -> None:
    sender, receiver = ends
    sender.peer = os.getpid()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender.send("go", sockets=[listener])
        [message] = collect(receiver, 1)
        [received] = message["sockets"]
        with received, socket.create_connection(listener.getsockname()):
            assert (received.family, received.type) == (listener.family, listener.type)
            received.accept()[0].close()


@pytest.mark.parametrize(
    "counts", [[1], [2], [4], [0], [1, 0, 2], [0, 0, 1, 1, 3, 0, 4], [2] * 10], ids=lambda one: "-".join(map(str, one))
)
def test_each_message_brings_its_own_sockets(ends: Ends, counts: list[int]) -> None:
    """However many are read at once."""
    sender, receiver = ends
    sender.peer = os.getpid()
    with ExitStack() as stack:
        mine, others = pipes(stack, sum(counts))
        rest = list(mine)
        for number, count in enumerate(counts):
            sender.send("one", sockets=[rest.pop(0) for _ in range(count)], number=number)
        messages = collect(receiver, len(counts))
        assert [message["number"] for message in messages] == list(range(len(counts)))
        assert [len(message.get("sockets", [])) for message in messages] == counts
        received = [stack.enter_context(one) for message in messages for one in message.get("sockets", [])]
        for index, (one, other) in enumerate(zip(received, others, strict=True)):
            one.sendall(b"%d" % index)
            assert other.recv(10) == b"%d" % index


def test_a_large_message_brings_its_sockets(ends: Ends) -> None:
    """They come with its first bytes, long before the last."""
    sender, receiver = ends
    sender.peer = os.getpid()
    with ExitStack() as stack:
        mine, _ = pipes(stack, 3)
        files = [f"/srv/project/module_{number}.py" for number in range(30_000)]

        def send() -> None:
            sender.send("one", sockets=mine[:2], files=files)
            sender.send("two", sockets=mine[2:])

        thread = threading.Thread(target=send)
        thread.start()
        messages = collect(receiver, 2)
        thread.join()
        for message in messages:
            message["sockets"] = len([stack.enter_context(one) for one in message["sockets"]])
        assert messages == [{"kind": "one", "sockets": 2, "files": files}, {"kind": "two", "sockets": 1}]


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors travel elsewhere")
@pytest.mark.parametrize("cut", [5, 40])
def test_sockets_of_a_message_in_pieces(raw: tuple[Link, socket.socket], cut: int) -> None:
    receiver, sock = raw
    line = b'{"kind": "go", "sockets": 1, "reload": true}\n{"kind": "next"}\n'
    with ExitStack() as stack:
        (sent,), _ = pipes(stack, 1)
        socket.send_fds(sock, [line[:cut]], [sent.fileno()])
        assert receiver.receive() == []
        sock.sendall(line[cut:])
        first, second = collect(receiver, 2)
        [received] = first["sockets"]
        stack.enter_context(received)
        assert first["reload"] is True
        assert second == {"kind": "next"}


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors travel elsewhere")
def test_links_that_travel_carry_messages(ends: Ends) -> None:
    """As the end of a new link comes to a checkpoint by the old one."""
    sender, receiver = ends
    ours, theirs = pair()
    sender.send("resume", sockets=[theirs])
    theirs.close()
    [message] = collect(receiver, 1)
    travelled = Link(message["sockets"][0])
    travelled.send("hello", pid=5)
    assert collect(ours, 1) == [{"kind": "hello", "pid": 5}]
    travelled.close()
    with pytest.raises(LinkClosed):
        ours.receive()
    ours.close()


def test_a_patient_link_waits_for_who_does_not_read(ends: Ends) -> None:
    sender, receiver = ends
    sender._socket.settimeout(0.01)
    sender.be_patient()
    size = 2_000_000
    sending = threading.Thread(target=sender.send, args=("log",), kwargs={"data": "x" * size})
    sending.start()
    sending.join(0.2)  # longer than it would have waited before
    assert sending.is_alive()
    assert len(collect(receiver, 1)[0]["data"]) == size
    sending.join()


def test_is_readable(ends: Ends) -> None:
    ours, theirs = ends
    assert not theirs.is_readable()
    ours.send("hello")
    assert theirs.is_readable()
    collect(theirs, 1)
    assert not theirs.is_readable()
    ours.close()
    assert theirs.is_readable()  # there is an end to be read


@pytest.mark.skipif(sys.platform == "win32", reason="sockets travel as text there")
def test_more_sockets_than_this_process_may_have(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devrunserver.common.link.MAX_DESCRIPTORS", 1)
    sender, receiver = ends
    with socket.socket() as one, socket.socket() as other, socket.socket() as third:
        sender.send("connections", sockets=[one, other, third])
    with pytest.raises(LinkClosed):
        receiver.receive()


@pytest.mark.skipif(sys.platform == "win32", reason="sockets travel as text there")
def test_sockets_that_did_not_come(raw: tuple[Link, socket.socket]) -> None:
    """As where this process has as many descriptors as it may."""
    ours, sock = raw
    sock.sendall(b'{"kind": "connections", "sockets": 1}\n')
    with pytest.raises(LinkClosed):
        ours.receive()
