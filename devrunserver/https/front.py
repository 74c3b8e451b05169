"""TLS before the server: a thread that holds the public port, and passes on what clients say.

Theory of operation
-------------------
TLS is spoken here, in the process that lives from start to end, and not in the worker: a TLS connection cannot be
handed to another process after its handshake, but these need not be handed over at all. Behind each of them is a plain
connection to the worker (``server/tunnel.py``), which goes from one worker to the next like any other. So a reload
closes no TLS connection, and sessions are resumed across it.

One selector loop on one thread looks after all clients (``relay.py``). No handshake holds it up; each has a deadline,
and there are at most so many. With nothing to do the thread sleeps without a time limit. A fault in a client's
handling ends that client alone, with one line; one of the loop ends all clients, and the loop begins anew.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from devrunserver.https.relay import Client, Stage
from devrunserver.server.tunnel import Plain

MOST = 512  # clients; more are no browser's
DESCRIPTORS_EACH = 4  # of the process' limit for one client: two that it has, and as many for all else
FALLBACK_LIMIT = 1024  # descriptors of a process, where the system does not tell
MOST_WAITING = 128  # clients that have asked for nothing yet
IDLE_AGE = 5.0  # seconds after which an idle client may be closed to make room
RETRY = 0.1  # seconds until accepting is tried again where there is no room
FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
CLOSE_PATIENCE = 1.0  # seconds for the thread to end
WAITING = (Stage.FIRST_BYTE, Stage.HANDSHAKE, Stage.SILENT, Stage.PLAIN_HEAD)
# What a browser says of a certificate that it does not trust: RFC 8446, 6.2
DISTRUST = {
    "TLSV1_ALERT_UNKNOWN_CA": "its authority is unknown to the client",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the client takes it for a bad one",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the client does not trust it",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "by the client's clock it has expired",
}


class Certificates(Protocol):
    """Knows what to show to a client, and does not let it expire."""

    advice: str  # what to do where a client does not trust it

    def context_for(self, address: str) -> ssl.SSLContext:
        """The TLS context for a client that has come to this address of the machine."""


class Front:
    """Speaks TLS on a listening socket, and passes on what it hears.

    Args:
        public: the listening socket.
        certificates: what to show to clients.
        say: prints one line.

    Attributes:
        listener: where the server has to listen in place of the public socket.
    """

    def __init__(self, public: socket.socket, certificates: Certificates, say: Callable[[str], None]) -> None:
        self._public = public
        self._certificates = certificates
        self._say = say
        self._plain = Plain(*public.getsockname()[:2])
        self.listener = self._plain.listener
        self._selector: selectors.BaseSelector  # is the loop's
        self._woken, self._waker = socket.socketpair()
        self._clients: dict[Client, dict[int, int]] = {}  # and what is waited for on their descriptors
        self._accepts_at: float | None = None  # when accepting goes on; None: it is going on
        self._closing = threading.Event()
        self._said: set[str] = set()  # what was said once
        self._thread = threading.Thread(target=self._run, name="devrunserver-tls", daemon=True)
        public.setblocking(False)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends all connections. The public socket stays open."""
        self._closing.set()
        self._waker.send(b"\0")
        self._thread.join(CLOSE_PATIENCE)
        self._woken.close()
        self._waker.close()
        self._plain.close()

    # The loop

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with selectors.DefaultSelector() as self._selector:
                    self._loop()
            except Exception as error:  # a fault of ours
                self._say_once(f"HTTPS: all connections were closed by an error: {type(error).__name__}: {error}")
                self._closing.wait(RETRY)

    def _loop(self) -> None:
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._accepts_at = time.monotonic()
        try:
            while not self._closing.is_set():
                self._step()
        finally:
            for client in self._clients:
                client.close()
            self._clients.clear()

    def _step(self) -> None:
        self._look_after_accepting()
        for key, _ in self._selector.select(self._timeout()):
            if isinstance(key.data, Client):
                self._handle(key.data, key.fd)
            elif key.fileobj is self._public:
                self._accept()
        now = time.monotonic()
        for client in [one for one in self._clients if one.due is not None and one.due <= now]:
            self._handle(client, None)

    def _timeout(self) -> float | None:
        """Seconds until something is due; None: only an event can wake us."""
        moments = [one.due for one in self._clients if one.due is not None]
        if self._accepts_at is not None:
            moments.append(self._accepts_at)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _handle(self, client: Client, descriptor: int | None) -> None:
        if client not in self._clients:  # closed in this very step
            return
        try:
            client.on_ready(descriptor)
        except Exception as error:  # a fault of ours
            client.close()
            self._say_once(f"HTTPS: a connection was closed by an error: {type(error).__name__}: {error}")
        self._update(client)
        if client.failure in DISTRUST:
            why = DISTRUST[client.failure]
            self._say_once(f"HTTPS: a client refuses the certificate: {why}. {self._certificates.advice}")

    def _update(self, client: Client) -> None:
        """Has the selector wait for what the client waits for."""
        before, after = self._clients[client], client.interests()
        if before == after and client.stage is not Stage.CLOSED:
            return
        for descriptor in before.keys() - after.keys():
            self._selector.unregister(descriptor)
        for descriptor, events in after.items():
            if descriptor not in before:
                self._selector.register(descriptor, events, client)
            elif events != before[descriptor]:
                self._selector.modify(descriptor, events, client)
        if client.stage is Stage.CLOSED:
            del self._clients[client]
        else:
            self._clients[client] = after

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            with contextlib.suppress(OSError, ValueError):  # the terminal is gone
                self._say(line)

    # Clients

    def _look_after_accepting(self) -> None:
        if self._accepts_at is not None and self._accepts_at <= time.monotonic():
            self._accepts_at = None
            self._selector.register(self._public, selectors.EVENT_READ)

    def _pause(self) -> None:
        """Accepts nobody for a moment: clients wait in the system's backlog."""
        if self._accepts_at is None:
            self._selector.unregister(self._public)
        self._accepts_at = time.monotonic() + RETRY

    def _accept(self) -> None:
        if len(self._clients) >= capacity() and not self._make_room():
            self._pause()
            return
        try:
            sock, address = self._public.accept()
        except OSError as error:
            if error.errno in FULL:
                self._pause()
            return
        client = Client(sock, address, self._certificates.context_for, self._plain.connect)
        self._clients[client] = {}
        self._bound_waiting()
        self._handle(client, sock.fileno())

    def _bound_waiting(self) -> None:
        """Of clients that ask for nothing there are only so many: the oldest leave."""
        waiting = [one for one in self._clients if one.stage in WAITING]
        for client in waiting[:-MOST_WAITING]:
            client.close()
            self._update(client)

    def _make_room(self) -> bool:
        """Closes the client that has been idle for longest, if one has been for long enough."""
        idle = [one for one in self._clients if not one.awaits_answer and one.active < time.monotonic() - IDLE_AGE]
        if not idle:
            return False
        client = min(idle, key=lambda one: one.active)
        client.close()
        self._update(client)
        return True


def capacity() -> int:
    """How many clients there may be at a time."""
    try:
        import resource
    except ImportError:
        return FALLBACK_LIMIT // DESCRIPTORS_EACH
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if limit == resource.RLIM_INFINITY else min(limit // DESCRIPTORS_EACH, MOST)


@contextlib.contextmanager
def before(public: socket.socket, certificates: Certificates, say: Callable[[str], None]) -> Iterator[socket.socket]:
    """Speaks TLS on a listening socket; yields the one on which the server has to listen."""
    front = Front(public, certificates, say)
    front.start()
    try:
        yield front.listener
    finally:
        front.close()
