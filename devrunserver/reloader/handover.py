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


class Handed(NamedTuple):
    """A connection, and what was received on it of a request that nobody has begun to answer."""

    socket: socket.socket
    received: bytes


def send(link: Link, connections: Sequence[Handed]) -> None:
    """Hands connections to the other end of a link, and closes them here.

    Raises:
        LinkClosed: the other end is gone.
    """
    for start in range(0, len(connections), MAX_DESCRIPTORS):
        batch = connections[start : start + MAX_DESCRIPTORS]
        received = [b64encode(one.received).decode() for one in batch]
        link.send("connections", sockets=[one.socket for one in batch], received=received)
        for one in batch:
            one.socket.close()


def from_message(message: Message) -> Iterator[Handed]:
    """The connections that a message brings."""
    for sock, received in zip(message["sockets"], message["received"], strict=True):
        yield Handed(sock, b64decode(received))
