"""One client of the front: from its first byte through the TLS handshake to the bytes that go to and fro.

Theory of operation
-------------------
Nothing here blocks, and nothing here knows HTTP but for the one answer to who speaks it without TLS. A client is in
one *stage* at a time; every stage but the one in which bytes are relayed has a deadline, as the server behind us has
its own for all that happens then.

- FIRST_BYTE: the first byte is looked at and left where it is. 0x16 is TLS (RFC 8446, 5.1), anything else is plain.
- HANDSHAKE: TLS. Then SILENT, until the first bytes of a request make it worth a connection to the server.
- PLAIN_HEAD: the head of a plain request, which is answered by a redirection, unless it came by a tunnel or proxy that
  has ended TLS itself: it is passed on as it is.
- OPEN: what comes from either side goes to the other. What the other does not take now waits, and meanwhile no more is
  read, so that at most one block waits in each direction. An end is passed on like bytes.
- ENDING: our last bytes are sent; what the client still sends is thrown away, or else the system would reset the
  connection and the client might lose them (RFC 9112, 9.6).
- CLOSED.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from enum import Enum
from typing import Any

from devrunserver.https.redirect import answer_to_plain
from devrunserver.server.tunnel import Origin

RECEIVE_SIZE = 65_536  # bytes at a time
TLS_RECORD = 0x16  # first byte of a TLS client: a handshake record
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

Connect = Callable[[Origin], socket.socket]


class Stage(Enum):
    """What a client is at."""

    FIRST_BYTE = "connected, and has said nothing"
    HANDSHAKE = "speaks TLS"
    PLAIN_HEAD = "speaks plain HTTP"
    SILENT = "has a TLS connection, and has asked for nothing"
    OPEN = "talks to the server"
    ENDING = "is being told that nothing more comes"
    CLOSED = "is gone"


# Seconds that a client may stay in a stage
LIMITS = {
    Stage.FIRST_BYTE: 60.0,
    Stage.HANDSHAKE: 10.0,
    Stage.PLAIN_HEAD: 10.0,
    Stage.SILENT: 60.0,
    Stage.ENDING: 2.0,
}
SEND_PATIENCE = 60.0  # seconds for a client to take what the server has left behind
CONNECT_INTERVAL = 0.05  # seconds until the server is tried again, whose backlog was full


class Gone(ConnectionError):
    """One of the two sides has broken off."""


class Side:
    """One of the two sides that bytes are relayed between, with what it does not take yet.

    Attributes:
        socket: that of the client, which may speak TLS, or that of the server.
        waiting: what is to be sent to it.
        has_ended: nothing more comes from it.
        is_told: it was told that nothing more comes to it.
        wanted: what to wait for beside the usual, as TLS may have to read to write and the other way round.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.waiting = b""
        self.has_ended = self.is_told = False
        self.wanted = 0

    def receive(self) -> bytes | None:
        """What has come; empty at the end, None where there is nothing now.

        Raises:
            Gone: it is broken.
        """
        try:
            data = self.socket.recv(RECEIVE_SIZE)
        except (ssl.SSLWantReadError, BlockingIOError, InterruptedError):
            return None
        except ssl.SSLWantWriteError:
            self.wanted |= WRITE
            return None
        except (OSError, ValueError) as error:  # ValueError: TLS is over
            raise Gone from error
        if not data:
            self.has_ended = True
        return data

    def send(self, data: bytes = b"") -> None:
        """Sends what waits and then this, as far as it is taken; the rest waits.

        Raises:
            Gone: it is broken.
        """
        data = self.waiting + data if self.waiting else data
        try:
            while data:
                data = data[self.socket.send(data) :]
        except (ssl.SSLWantWriteError, BlockingIOError, InterruptedError):
            pass
        except ssl.SSLWantReadError:
            self.wanted |= READ
        except (OSError, ValueError) as error:
            raise Gone from error
        finally:
            self.waiting = data

    def has_more(self) -> bool:
        """Whether bytes were decrypted that the system does not tell of any more."""
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0

    def end(self) -> None:
        """Tells it that nothing more comes."""
        self.is_told = True
        with contextlib.suppress(OSError, ValueError):
            if isinstance(self.socket, ssl.SSLSocket):
                self.socket.unwrap()  # sends "close_notify", and does not wait for the client's
        with contextlib.suppress(OSError, ValueError):
            self.socket.shutdown(socket.SHUT_WR)


class Client:
    """A client, and the connection to the server that it gets.

    Args:
        sock: as it was accepted.
        address: of the client.
        make_context: the TLS context for an address of this machine.
        connect: makes a connection to the server.

    Attributes:
        stage: what it is at.
        due: until when (monotonic); None where there is no limit.
        awaits_answer: whether the last that was relayed came from the client.
        active: when bytes moved last (monotonic).
        failure: why TLS did not come about.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: Any,
        make_context: Callable[[str], ssl.SSLContext],
        connect: Connect,
    ) -> None:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client = Side(sock)
        self.server: Side | None = None
        self.origin = Origin(address, "http")
        self.awaits_answer = False
        self.failure = ""
        self._make_context = make_context
        self._connect = connect
        self._received = b""  # what the server is to get first
        self._enter(Stage.FIRST_BYTE)

    def _enter(self, stage: Stage) -> None:
        self.stage = stage
        self.active = time.monotonic()
        self.due = self.active + LIMITS[stage] if stage in LIMITS else None

    def interests(self) -> dict[int, int]:
        """What to wait for, by descriptor."""
        if self.stage is Stage.CLOSED:
            return {}
        if self.server is None:
            wanted = self.client.wanted or READ
            # who waits for room at the server is not read from meanwhile
            return {self.client.socket.fileno(): wanted} if self.stage is not Stage.OPEN else {}
        found = {}
        for side, other in ((self.client, self.server), (self.server, self.client)):
            events = side.wanted or (WRITE if side.waiting else 0)
            if not (side.has_ended or other.waiting):
                events |= READ
            if events:
                found[side.socket.fileno()] = events
        return found

    def on_ready(self, descriptor: int | None) -> None:
        """Something can be done.

        Args:
            descriptor: on which it can; None: a deadline is over.
        """
        try:
            if descriptor is None:
                self._on_due()
            elif self.stage is Stage.OPEN:
                self._relay(descriptor)
            else:
                _STEPS[self.stage](self)
        except OSError:  # Gone, or what a socket says whose client has just left
            self.close()

    def close(self) -> None:
        """Ends it at once. Again is harmless."""
        if self.stage is not Stage.CLOSED:
            self._enter(Stage.CLOSED)
            for side in filter(None, (self.client, self.server)):
                with contextlib.suppress(OSError):
                    side.socket.close()

    def _on_due(self) -> None:
        if self.stage is Stage.OPEN and self.server is None:
            self._open(self._received)
        else:
            self.close()

    # Until bytes are relayed

    def _look(self) -> None:
        try:
            first = self.client.socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            raise Gone from error
        if not first:
            raise Gone
        if first[0] != TLS_RECORD:
            self._enter(Stage.PLAIN_HEAD)
            self._read_head()
            return
        context = self._make_context(self.client.socket.getsockname()[0])
        self.client.socket = context.wrap_socket(
            self.client.socket, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )
        self.origin = self.origin._replace(scheme="https")
        self._enter(Stage.HANDSHAKE)
        self._shake_hands()

    def _shake_hands(self) -> None:
        assert isinstance(self.client.socket, ssl.SSLSocket)
        self.client.wanted = 0
        try:
            self.client.socket.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLWantWriteError:
            self.client.wanted = WRITE
            return
        except (OSError, ValueError) as error:
            self.failure = getattr(error, "reason", None) or ""
            self._finish()  # in order, so that the client can read the alert
            return
        self._enter(Stage.SILENT)
        self._listen()

    def _listen(self) -> None:
        """The first bytes on a TLS connection."""
        self.client.wanted = 0
        try:
            data = self.client.receive()
        except Gone as error:
            self.failure = getattr(error.__cause__, "reason", None) or ""  # TLS 1.3 tells only now
            raise
        if data is None:
            return
        if not data:
            raise Gone
        self._open(data)

    def _read_head(self) -> None:
        data = self.client.receive()
        if data is None:
            return
        self._received += data
        answer = answer_to_plain(self._received, self.client.socket.getsockname(), has_ended=not data)
        if answer is None:  # it has passed a proxy
            received, self._received = self._received, b""
            self._open(received)
        elif answer:
            self._received = b""
            self.client.send(answer)
            self._finish()

    def _open(self, received: bytes) -> None:
        """Connects to the server, which gets this first."""
        self._enter(Stage.OPEN)
        try:
            self.server = Side(self._connect(self.origin))
        except (BlockingIOError, ConnectionRefusedError):
            self._received, self.due = received, time.monotonic() + CONNECT_INTERVAL
            return
        except OSError as error:
            raise Gone from error
        self._received = b""
        self.awaits_answer = True
        self.server.send(received)
        self._relay(self.client.socket.fileno())

    # Bytes

    def _relay(self, descriptor: int) -> None:
        server = self.server
        if server is None:
            return
        self.active = time.monotonic()
        for source, target in ((self.client, server), (server, self.client)):
            if source.socket.fileno() == descriptor or source.wanted:
                source.wanted = 0
                if source.waiting:
                    source.send()
                self._pump(source, target)
            elif target.socket.fileno() == descriptor and target.waiting:
                target.wanted = 0
                target.send()
                self._pump(source, target)
        if self.client.has_ended and not server.waiting and not server.is_told:
            server.end()
        if server.has_ended and not self.client.waiting:
            self._finish()
        elif server.has_ended:
            self.due = self.active + SEND_PATIENCE

    def _pump(self, source: Side, target: Side) -> None:
        """Passes on what has come, as far as it is taken."""
        while not (source.has_ended or target.waiting):
            data = source.receive()
            if not data:
                return
            self.awaits_answer = source is self.client
            target.send(data)
            if not source.has_more():
                return

    def _finish(self) -> None:
        """All is sent."""
        if self.server is not None:
            self.server.socket.close()
            self.server = None
        self.client.end()
        if self.client.has_ended:
            self.close()
        else:
            self._enter(Stage.ENDING)
            self.client.wanted = 0

    def _discard(self) -> None:
        data = self.client.receive()
        if data is not None and not data:
            self.close()


_STEPS: dict[Stage, Callable[[Client], None]] = {
    Stage.FIRST_BYTE: Client._look,
    Stage.HANDSHAKE: Client._shake_hands,
    Stage.SILENT: Client._listen,
    Stage.PLAIN_HEAD: Client._read_head,
    Stage.ENDING: Client._discard,
}
