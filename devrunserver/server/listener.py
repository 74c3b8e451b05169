"""The listening socket: bound once, before anything else, so that a port error comes at once."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from pathlib import Path

BACKLOG = 128  # connections that the kernel keeps for us while nobody accepts, for instance during a reload

# Django's sentences
ERRORS = {
    errno.EACCES: "You don't have permission to access that port.",
    errno.EADDRINUSE: "That port is already in use.",
    errno.EADDRNOTAVAIL: "That IP address can't be assigned to.",
}

LISTEN_STATE = "0A"  # in /proc/net/tcp


class ListenError(Exception):
    """The address cannot be listened on; the message is a sentence for the user."""


def listen(host: str, port: int, use_ipv6: bool) -> socket.socket:
    """A socket that listens on this address. Port 0 lets the system choose.

    Raises:
        ListenError: with Django's sentence and, for a port in use, who holds it where that can be known.
    """
    sock = socket.socket(socket.AF_INET6 if use_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two programs listen on one port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except (OSError, OverflowError, UnicodeError, TypeError) as error:
        sock.close()
        raise ListenError(explain(error, port)) from error
    return sock


def explain(error: Exception, port: int) -> str:
    """One sentence that names the cause of a failed ``bind``."""
    code = error.errno if isinstance(error, OSError) else None
    sentence = ERRORS.get(code or 0, str(error))
    if code == errno.EADDRINUSE and (holder := port_holder(port)):
        sentence += f" It is held by {holder}."
    return sentence


def port_holder(port: int) -> str:
    """Which process listens on a TCP port, such as ``process 4711 (python manage.py runserver)``; empty if unknown.

    Source: proc(5). Other users' processes are visible to root alone, and to nobody outside Linux.
    """
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not inodes:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(os.readlink(descriptor) in inodes for descriptor in (process / "fd").iterdir()):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                return f"process {process.name} ({command[:80]})"
    return ""


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                _, local, _, state, *rest = line.split()
                if state == LISTEN_STATE and int(local.rpartition(":")[2], 16) == port:
                    found.add(rest[5])
    return found
