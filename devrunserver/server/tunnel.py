"""The plain side of TLS: connections on which somebody in front of us speaks for a client.

Theory of operation
-------------------
Where TLS is spoken, a *front* does it (``https/front.py``), in the process that holds the public port. For each client
it opens a connection to a local listener, on which the server serves as on any other; so a connection is accepted,
parked, held and handed over to the next worker like all others, and TLS knows nothing of it.

What the server has to know of the client is told by the *names* of the sockets, which the kernel keeps for as long as
they are open, in whatever process: the listener's name is the public address, and the front's end of each connection
is bound to a name that holds the client's address and the scheme. Nothing is added to the bytes.

On Linux these names are abstract, so that they are no files and are gone with their sockets; the uid of who made the
connection is asked of the kernel, as anybody on the machine may connect. Elsewhere they are files in a directory that
only we can enter.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import socket
import struct
import sys
import tempfile
from pathlib import PurePath
from typing import Any, NamedTuple

NAME = "drs-tls"  # short: a socket's name has 104 bytes at most on macOS, and holds an address too
BACKLOG = 1024  # connections that wait while no worker accepts; the front opens fewer, see ``relay.MOST``
CREDENTIALS = struct.Struct("3i")  # pid, uid and gid: unix(7)
ROOT_UID = 0

IS_SUPPORTED = hasattr(socket, "AF_UNIX") and os.name == "posix"


class Origin(NamedTuple):
    """Who asks, and how."""

    address: Any
    scheme: str


class Plain:
    """The local listener, and connections to it.

    Args:
        host: the address of the public listener.
        port: its port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._directory, self._place = _make_place()
        self._numbers = itertools.count()
        self._name = f"{self._place}/listener,{port},{host}"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.listener.bind(self._name)
            self.listener.listen(BACKLOG)
        except OSError:
            self.close()
            raise

    def connect(self, client: Origin) -> socket.socket:
        """A connection of a client's, which does not block.

        Raises:
            OSError: it cannot be made now, as the listener has no room or there are no descriptors left.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            host, port = client.address[:2]
            name = f"{self._place}/{next(self._numbers):x},{client.scheme},{port},{host}"
            sock.bind(name)
            try:
                sock.connect(self._name)
            finally:
                if self._directory:  # the socket knows its name without the file
                    with contextlib.suppress(OSError):
                        os.unlink(name)
        except OSError:
            sock.close()
            raise
        return sock

    def close(self) -> None:
        self.listener.close()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)


def public_address(listener: socket.socket) -> tuple[Any, ...]:
    """Where clients find a listener: its own address, or that of the front before it."""
    name = listener.getsockname()
    fields = _fields(name) if _is_local(listener) else []
    return (fields[2], int(fields[1])) if fields[:1] == ["listener"] else name


def origin(connection: socket.socket, address: Any) -> Origin:
    """Who asks on an accepted connection.

    Args:
        address: of its other end.

    Raises:
        ConnectionRefusedError: it was made by another user, and might claim anything.
    """
    if not _is_local(connection):
        return Origin(address, "http")
    fields = _fields(address)
    if fields and _is_trusted(connection):
        _, scheme, port, host = fields
        return Origin((host, int(port)), scheme)
    if _fields(connection.getsockname()):
        raise ConnectionRefusedError
    return Origin(address, "http")  # on a listener of the project's own


def _is_local(sock: socket.socket) -> bool:
    return IS_SUPPORTED and getattr(sock, "family", None) == socket.AF_UNIX


def _fields(name: Any) -> list[str]:
    """What a socket's name tells; nothing where it is none of ours."""
    text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    directory, _, fields = text.removeprefix("\0").rpartition("/")
    return fields.split(",") if PurePath(directory).name.startswith(f"{NAME}-") else []


if sys.platform == "linux":

    def _make_place() -> tuple[str, str]:
        """The directory of the names, where there is one, and how they all begin."""
        return "", f"\0{NAME}-{os.getpid()}-{secrets.token_hex(4)}"

    def _is_trusted(connection: socket.socket) -> bool:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        _, uid, _ = CREDENTIALS.unpack(credentials)
        return uid in (os.getuid(), ROOT_UID)

else:  # other systems

    def _make_place() -> tuple[str, str]:
        """The directory of the names, where there is one, and how they all begin."""
        # a socket's name is shorter than the usual temporary directory of macOS may be
        directory = tempfile.mkdtemp(prefix=f"{NAME}-", dir="/tmp")
        return directory, directory

    def _is_trusted(connection: socket.socket) -> bool:
        return True  # nobody else can enter the directory
