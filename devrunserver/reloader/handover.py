"""Handing over connections: from a worker that leaves to the supervisor, and from there to the next worker.

All that a client has sent is either still in the kernel or goes along, so nothing is lost, and a request that no
worker has begun to answer is answered once.
"""

from __future__ import annotations

import socket
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from devrunserver.reloader.link import MAX_DESCRIPTORS, Link, Message

MOST = 128  # connections: each takes a descriptor, of which some systems give 256 to a process


class Handed(NamedTuple):
    """A connection, and what was received on it of a request that nobody has begun to answer."""

    socket: socket.socket
    received: bytes


def send(link: Link, connections: Sequence[Handed]) -> None:
    """Hands connections to the other end of a link, and closes them here.

    Of more than MOST those are closed on which nothing was received; their clients are idle, and connect again.

    Raises:
        LinkClosed: the other end is gone. All are closed then too.
    """
    wanted = sorted(connections, key=lambda one: not one.received)[:MOST]
    try:
        for start in range(0, len(wanted), MAX_DESCRIPTORS):
            batch = wanted[start : start + MAX_DESCRIPTORS]
            received = [b64encode(one.received).decode() for one in batch]
            link.send("connections", sockets=[one.socket for one in batch], received=received)
    finally:
        for one in connections:
            one.socket.close()


def from_message(message: Message) -> Iterator[Handed]:
    """The connections that a message brings."""
    for sock, received in zip(message["sockets"], message["received"], strict=True):
        yield Handed(sock, b64decode(received))
