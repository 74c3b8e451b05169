"""Handing over connections: from a worker that leaves to the supervisor, and from there to the next worker.

All that a client has sent is either still in the kernel or goes along, so nothing is lost, and a request that no
worker has begun to answer is answered once.
"""

from __future__ import annotations

import socket
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from devrunserver.common.link import MAX_DESCRIPTORS, Link
from devrunserver.common.messages import Connections

HELD_PATIENCE = 30.0  # seconds until who has to wait is told to come again: slow projects start in that time
MOST = 512  # connections; more are no browser's

if sys.platform == "win32":  # a socket is shared with a process of known pid, and a launcher may stand between us

    def capacity() -> int:
        """How many connections may be handed over."""
        return 0

else:
    import resource

    def capacity() -> int:
        """How many connections may be handed over: half as many as a process may have descriptors."""
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return MOST if limit == resource.RLIM_INFINITY else min(limit // 2, MOST)


class Handed(NamedTuple):
    """A connection, and what was received on it of a request that nobody has begun to answer."""

    socket: socket.socket
    received: bytes


def send(link: Link, connections: Sequence[Handed]) -> None:
    """Hands connections to the other end of a link, and closes those here that were sent.

    Of more than a process can take, the others are closed too: those of idle clients, which connect again.

    Raises:
        LinkClosed: the other end is gone. What was not sent is still open.
    """
    ordered, most = sorted(connections, key=lambda one: not one.received), capacity()
    wanted, spare = ordered[:most], ordered[most:]
    for start in range(0, len(wanted), MAX_DESCRIPTORS):
        batch = wanted[start : start + MAX_DESCRIPTORS]
        received = [b64encode(one.received).decode() for one in batch]
        link.send(Connections([one.socket for one in batch], received))
        for one in batch:
            one.socket.close()
    for one in spare:
        one.socket.close()


def from_message(message: Connections) -> Iterator[Handed]:
    """The connections that a message brings."""
    for sock, received in zip(message.sockets, message.received, strict=True):
        yield Handed(sock, b64decode(received))
