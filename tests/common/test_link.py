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

from devrunserver.common.link import Link, LinkClosed, pair
from devrunserver.common.messages import (
    Changed,
    Connections,
    Fresh,
    Go,
    Hello,
    Message,
    MessageError,
    PromptLeft,
    Resume,
    Stop,
    Verdict,
    Watching,
)
from devrunserver.common.role import Role

Ends = tuple[Link, Link]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, sock = pair(Role.WORKER)
    theirs = Link(sock, Role.WORKER, Role.SUPERVISOR)
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def raw() -> Iterator[tuple[Link, socket.socket]]:
    """A worker's link, and the bare socket at its other end."""
    sock, theirs = socket.socketpair()
    ours = Link(theirs, Role.WORKER, Role.SUPERVISOR)
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
        Hello(7),
        Verdict(3, None, None),
        Watching(["/srv/größe.py", "/a\nb", "\udcff"], [("/srv", "**/*.html")], []),
    ],
)
def test_what_a_worker_sends_is_received(ends: Ends, message: Message) -> None:
    supervisor, worker = ends
    worker.send(message)
    assert collect(supervisor, 1) == [message]


def test_what_the_supervisor_sends_is_received(ends: Ends) -> None:
    supervisor, worker = ends
    supervisor.send(Changed(3, ["/srv/größe.py"]))
    assert collect(worker, 1) == [Changed(3, ["/srv/größe.py"])]


STOP, FRESH, CHANGED = (
    b'{"kind":"Stop","is_reload":false}\n',
    b'{"kind":"Fresh"}\n',
    '{"kind":"Changed","id":1,"paths":["ü"],"generation":0,"before":[]}\n'.encode(),
)
HALF = CHANGED.index(b"\xbc")  # in the middle of a letter


@pytest.mark.parametrize(
    ("pieces", "messages"),
    [
        ([STOP], [[Stop()]]),
        ([STOP + FRESH], [[Stop(), Fresh()]]),
        ([STOP[:4], STOP[4:9], STOP[9:-1], b"\n"], [[], [], [], [Stop()]]),
        ([STOP + FRESH[:7], FRESH[7:]], [[Stop()], [Fresh()]]),
        ([CHANGED[:HALF], CHANGED[HALF:]], [[], [Changed(1, ["ü"])]]),
    ],
)
def test_messages_in_pieces(
    raw: tuple[Link, socket.socket], pieces: list[bytes], messages: list[list[Message]]
) -> None:
    receiver, sock = raw
    for piece, expected in zip(pieces, messages, strict=True):
        sock.sendall(piece)
        assert receiver.receive() == expected


def test_last_words_are_heard_and_then_the_end(raw: tuple[Link, socket.socket]) -> None:
    receiver, sock = raw
    sock.sendall(b'{"kind":"Stop","is_reload":false}\n{"kind":"cut o')
    sock.close()
    assert receiver.receive() == [Stop()]
    with pytest.raises(LinkClosed):
        receiver.receive()


def test_the_other_end_is_gone(ends: Ends) -> None:
    ours, theirs = ends
    theirs.close()
    assert select.select([ours], [], [], 0)[0] == [ours]
    with pytest.raises(LinkClosed):
        ours.receive()
    with pytest.raises(LinkClosed):
        ours.send(Stop())


def test_messages_end_with_the_other_end(ends: Ends) -> None:
    ours, theirs = ends
    theirs.send(PromptLeft())
    theirs.send(Hello(2))
    theirs.close()
    assert list(ours.messages()) == [PromptLeft(), Hello(2)]


def test_large_messages(ends: Ends) -> None:
    ours, theirs = ends
    files = [f"/srv/project/module_{number}.py" for number in range(30_000)]  # about a megabyte
    sender = threading.Thread(target=ours.send, args=(Changed(1, files),))
    sender.start()
    assert collect(theirs, 1) == [Changed(1, files)]
    sender.join()


def test_threads_do_not_cut_into_each_others_messages(ends: Ends) -> None:
    ours, theirs = ends
    paths = ["a" * 70_000, "b" * 70_000, "c" * 10, "d"]

    def send(path: str) -> None:
        for number in range(20):
            ours.send(Changed(number, [path]))

    threads = [threading.Thread(target=send, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    messages = [one for one in collect(theirs, 20 * len(paths)) if isinstance(one, Changed)]
    for thread in threads:
        thread.join()
    for path in paths:  # each thread's in their order
        assert [one.id for one in messages if one.paths == [path]] == list(range(20))


def test_who_does_not_read_counts_as_gone(raw: tuple[Link, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    sender, sock = raw
    sender._socket.settimeout(0.05)
    with pytest.raises(LinkClosed):
        sender.send(Watching([], [], ["x" * 2_000_000]))
    assert sock.recv(9) == json.dumps({"kind": ""}).encode()[:9]


def test_nothing_follows_half_a_message(ends: Ends) -> None:
    ours, theirs = ends
    ours._socket.settimeout(0.05)
    with pytest.raises(LinkClosed):
        ours.send(Changed(1, ["x" * 2_000_000]))
    received = []
    with suppress(LinkClosed):
        while select.select([theirs], [], [], 0)[0]:
            received += theirs.receive()
    with pytest.raises(LinkClosed):
        ours.send(Stop())
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
    sender.peer_pid = os.getpid()
    with ExitStack() as stack:
        (sent,), (other,) = pipes(stack, 1)
        sender.send(Go(sent, None, True))
        [message] = collect(receiver, 1)
        assert isinstance(message, Go) and message.is_reload
        received = stack.enter_context(message.listener)
        assert received.fileno() != sent.fileno()
        assert not received.get_inheritable()
        sent.sendall(b"still open here, ")
        received.sendall(b"and there")
        assert other.recv(100) == b"still open here, and there"


def test_a_listening_socket_travels(ends: Ends) -> None:
    sender, receiver = ends
    sender.peer_pid = os.getpid()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender.send(Go(listener, None, False))
        [message] = collect(receiver, 1)
        assert isinstance(message, Go)
        with message.listener as received, socket.create_connection(listener.getsockname()):
            assert (received.family, received.type) == (listener.family, listener.type)
            received.accept()[0].close()


@pytest.mark.parametrize(
    "counts", [[1], [2], [4], [0], [1, 0, 2], [0, 0, 1, 1, 3, 0, 4], [2] * 10], ids=lambda one: "-".join(map(str, one))
)
def test_each_message_brings_its_own_sockets(ends: Ends, counts: list[int]) -> None:
    """However many are read at once."""
    sender, receiver = ends
    sender.peer_pid = os.getpid()
    with ExitStack() as stack:
        mine, others = pipes(stack, sum(counts))
        rest = list(mine)
        for number, count in enumerate(counts):
            sender.send(Connections([rest.pop(0) for _ in range(count)], [str(number)]))
        messages = [one for one in collect(receiver, len(counts)) if isinstance(one, Connections)]
        assert [message.received for message in messages] == [[str(number)] for number in range(len(counts))]
        assert [len(message.sockets) for message in messages] == counts
        received = [stack.enter_context(one) for message in messages for one in message.sockets]
        for index, (one, other) in enumerate(zip(received, others, strict=True)):
            one.sendall(b"%d" % index)
            assert other.recv(10) == b"%d" % index


def test_a_large_message_brings_its_sockets(ends: Ends) -> None:
    """They come with its first bytes, long before the last."""
    sender, receiver = ends
    sender.peer_pid = os.getpid()
    with ExitStack() as stack:
        mine, _ = pipes(stack, 3)
        files = [f"/srv/project/module_{number}.py" for number in range(30_000)]

        def send() -> None:
            sender.send(Connections(mine[:2], files))
            sender.send(Connections(mine[2:], []))

        thread = threading.Thread(target=send)
        thread.start()
        messages = [one for one in collect(receiver, 2) if isinstance(one, Connections)]
        thread.join()
        for message in messages:
            for one in message.sockets:
                stack.enter_context(one)
        assert [(len(one.sockets), one.received) for one in messages] == [(2, files), (1, [])]


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors travel elsewhere")
@pytest.mark.parametrize("cut", [5, 40])
def test_sockets_of_a_message_in_pieces(raw: tuple[Link, socket.socket], cut: int) -> None:
    receiver, sock = raw
    line = b'{"kind": "Go", "listener": 1, "is_reload": true}\n{"kind": "Stop", "is_reload": false}\n'
    with ExitStack() as stack:
        (sent,), _ = pipes(stack, 1)
        socket.send_fds(sock, [line[:cut]], [sent.fileno()])
        assert receiver.receive() == []
        sock.sendall(line[cut:])
        first, second = collect(receiver, 2)
        assert isinstance(first, Go) and first.is_reload
        stack.enter_context(first.listener)
        assert second == Stop()


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors travel elsewhere")
def test_links_that_travel_carry_messages() -> None:
    """As the end of a new link comes to a checkpoint by the old one; what is not sent is None there."""
    sender, sock = pair(Role.CHECKPOINT)
    receiver = Link(sock, Role.CHECKPOINT, Role.SUPERVISOR)
    ours, theirs = pair(Role.WORKER)
    with socket.socket() as listener:
        sender.send(Resume(theirs, listener, None, [], False))
    theirs.close()
    [message] = collect(receiver, 1)
    assert isinstance(message, Resume) and message.state_link is None
    message.listener.close()
    sender.close()
    receiver.close()
    travelled = Link(message.link, Role.WORKER, Role.SUPERVISOR)
    travelled.send(Hello(5))
    assert collect(ours, 1) == [Hello(5)]
    travelled.close()
    with pytest.raises(LinkClosed):
        ours.receive()
    ours.close()


def test_a_patient_link_waits_for_who_does_not_read(ends: Ends) -> None:
    sender, receiver = ends
    sender._socket.settimeout(0.01)
    sender.be_patient()
    size = 2_000_000
    sending = threading.Thread(target=sender.send, args=(Changed(1, ["x" * size]),))
    sending.start()
    sending.join(0.2)  # longer than it would have waited before
    assert sending.is_alive()
    assert collect(receiver, 1) == [Changed(1, ["x" * size])]
    sending.join()


def test_is_readable(ends: Ends) -> None:
    ours, theirs = ends
    assert not theirs.is_readable()
    ours.send(Stop())
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
        sender.send(Connections([one, other, third], []))
    with pytest.raises(LinkClosed):
        receiver.receive()


@pytest.mark.skipif(sys.platform == "win32", reason="sockets travel as text there")
def test_sockets_that_did_not_come(raw: tuple[Link, socket.socket]) -> None:
    """As where this process has as many descriptors as it may."""
    ours, sock = raw
    sock.sendall(b'{"kind": "Connections", "sockets": 1, "received": []}\n')
    with pytest.raises(LinkClosed):
        ours.receive()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b'{"kind": "Greet"}', "nobody knows the message 'Greet'"),
        (b'{"id": 1}', "nobody knows the message None"),
        (b'{"kind": "Stop", "now": true}', "Stop has no field 'now'"),
        (b'{"kind": "Changed", "id": 1}', "Changed has come without its field 'before'"),
        (b'{"kind": "Hello", "pid": 1, "settings": []}', "Hello is no message of a supervisor to a worker"),
        (b'{"kind": "Build"}', "Build is no message of a supervisor to a worker"),
    ],
)
def test_what_is_no_message_is_named(raw: tuple[Link, socket.socket], line: bytes, why: str) -> None:
    receiver, sock = raw
    sock.sendall(line + b"\n")
    with pytest.raises(MessageError, match=why):
        receiver.receive()


def test_what_one_may_not_say_is_not_sent(ends: Ends) -> None:
    ours, theirs = ends
    with pytest.raises(MessageError, match="Stop is no message of a worker to a supervisor"):
        theirs.send(Stop())
    assert not ours.is_readable()
