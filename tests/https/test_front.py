"""The front: what clients get by their first bytes, and that none of them keeps another one waiting."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from devrunserver.https import authority, relay
from devrunserver.https import front as front_module
from devrunserver.https.certificate import OwnCertificates
from devrunserver.https.relay import Stage
from devrunserver.server import tunnel
from devrunserver.supervisor.placeholder_server import PlaceholderServer
from tests.https.conftest import Secured, TlsWire
from tests.live import wait_for
from tests.server.table import post
from tests.server.wire import PATIENCE, Wire

SHORT = 0.05  # seconds
GET = "GET /echo HTTP/1.1\r\nHost: localhost:{}\r\n\r\n"


def hello() -> bytes:
    """How a TLS client begins."""
    context, outgoing = ssl.create_default_context(), ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_it_passes_on_what_is_asked_and_answered(secured: Secured) -> None:
    with secured.wire() as wire:
        assert wire.tls.selected_alpn_protocol() == "http/1.1"
        for _ in range(3):
            wire.send(GET.format(secured.port))
            assert wire.answer().body == b"hello"
    (environ, *_) = secured.application.calls
    assert environ["wsgi.url_scheme"] == "https"
    assert environ["HTTPS"] == "on"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["SERVER_PORT"] == str(secured.port)
    assert secured.said == []


def test_large_bodies_go_both_ways(secured: Secured) -> None:
    """More than any buffer on the way holds."""
    body = "0123456789" * 500_000
    with secured.wire() as wire:
        sender = threading.Thread(target=wire.send, args=(post("/echo", body),))
        sender.start()
        answer = wire.answer()
        sender.join(PATIENCE)
    assert answer.body == body.encode()


# First bytes


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /x?y=1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 307),
        (b"POST /x HTTP/1.1\r\nHost: localhost:1\r\nContent-Length: 5\r\n\r\nhello", 307),
        (b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n", 501),
        (b"hello\r\n\r\n", 400),
        (b"\x80\x2e\x01\x03\x01" + b"\0" * 40, 400),  # SSL 2.0
        (b"SSH-2.0-OpenSSH_9.2\r\n", None),
        (b"\n\n", 400),
    ],
)
def test_what_is_not_tls(secured: Secured, sent: bytes, status: int | None) -> None:
    with Wire(secured.port) as wire:
        wire.send(sent)
        wire.end_sending()
        answer = wire.answer()
        assert answer.status == status or (status is None and answer.status == 400)
        assert wire.is_ended()
    assert secured.application.calls == []
    assert secured.said == []


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\x16",
        b"\x16\x03\x01\x02\x00",
        b"\x16\x03\x01\x00\x05hello",
        b"\x16\x03\x01" + b"\xff" * 100,
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
)
def test_what_is_not_even_that(secured: Secured, sent: bytes) -> None:
    """It is ended, and nobody else notices."""
    with socket.create_connection(("127.0.0.1", secured.port), PATIENCE) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65_536):
            pass
    with secured.wire() as wire:
        wire.send(GET.format(secured.port))
        assert wire.answer().status == 200
    assert secured.said == []


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_handshake_in_pieces(secured: Secured, size: int) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = secured.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", secured.port), PATIENCE) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def step(action: Callable[[], bytes | int | None]) -> bytes | int | None:
            while True:
                try:
                    return action()
                except ssl.SSLWantReadError:
                    data = outgoing.read()
                    for start in range(0, len(data), size):
                        raw.sendall(data[start : start + size])
                    incoming.write(raw.recv(65_536))

        step(client.do_handshake)
        client.write(GET.format(secured.port).encode())
        answer = step(lambda: client.read(65_536))
    assert isinstance(answer, bytes)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("stage", "sent"),
    [
        pytest.param(Stage.FIRST_BYTE, lambda: b"", id="silence"),
        pytest.param(Stage.HANDSHAKE, lambda: hello()[:50], id="half a hello"),
        pytest.param(Stage.PLAIN_HEAD, lambda: b"GET / HTTP/1.1\r\nHo", id="half a head"),
    ],
)
def test_who_does_not_go_on_is_ended(
    secure: Callable[..., Secured], monkeypatch: pytest.MonkeyPatch, stage: Stage, sent: Callable[[], bytes]
) -> None:
    monkeypatch.setitem(relay.LIMITS, stage, SHORT)
    secured = secure()
    with socket.create_connection(("127.0.0.1", secured.port), PATIENCE) as client:
        client.sendall(sent())
        assert client.recv(1) == b""


def test_a_handshake_that_stops_keeps_nobody_waiting(secured: Secured) -> None:
    with socket.create_connection(("127.0.0.1", secured.port), PATIENCE) as stopped:
        stopped.sendall(hello()[:50])
        with secured.wire() as wire:
            wire.send(GET.format(secured.port))
            assert wire.answer().status == 200


def test_of_those_who_say_nothing_the_oldest_leave(
    secure: Callable[..., Secured], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_module, "MOST_WAITING", 3)
    secured = secure()
    silent = [socket.create_connection(("127.0.0.1", secured.port), PATIENCE) for _ in range(5)]
    try:
        assert silent[0].recv(1) == b""
        with secured.wire() as wire:
            wire.send(GET.format(secured.port))
            assert wire.answer().status == 200
    finally:
        for one in silent:
            one.close()


def test_where_there_is_no_room_the_idle_leave(secure: Callable[..., Secured], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_module, "capacity", lambda: 2)
    monkeypatch.setattr(front_module, "IDLE_AGE", 0.0)
    secured = secure()
    with secured.wire() as busy, secured.wire() as idle:
        busy.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")  # silent for longest, and waited for
        wait_for(lambda: len(secured.application.calls) == 1, "it is asked")
        idle.send(GET.format(secured.port))
        assert idle.answer().status == 200
        with secured.wire() as third:
            third.send(GET.format(secured.port))
            assert third.answer().status == 200
        assert idle.is_ended()
        secured.application.may_end.set()
        assert busy.answer().status == 200


def test_lines_that_nobody_can_read_cost_nothing(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal is gone."""

    def fail(line: str) -> None:
        raise ValueError("I/O operation on closed file")

    monkeypatch.setattr(secured.front, "_say", fail)
    with pytest.raises(ssl.SSLCertVerificationError):
        TlsWire(secured.port, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    with secured.wire() as wire:
        wire.send(GET.format(secured.port))
        assert wire.answer().status == 200


# Ends


def test_an_end_of_the_client_reaches_the_server(secured: Secured) -> None:
    """Who has sent a request and ends its side gets the answer all the same."""
    with secured.wire() as wire:
        wire.send("GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert wire.answer().body == b"hello"
        assert wire.is_ended()  # with "close_notify": an end without is an error here


def test_an_answer_that_breaks_off_does_not_look_complete(secured: Secured) -> None:
    with secured.wire() as wire:
        wire.send("GET /fail/streaming HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not wire.answer().complete


def test_a_fault_in_one_client_ends_that_one(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, descriptor: int) -> None:
        raise KeyError("oops")

    with secured.wire() as other:
        other.send(GET.format(secured.port))
        assert other.answer().status == 200
        with monkeypatch.context() as patch, secured.wire() as wire:
            patch.setattr(relay.Client, "_open", fail)
            wire.send(GET.format(secured.port))
            assert wire.is_ended()
        other.send(GET.format(secured.port))
        assert other.answer().status == 200
    assert secured.said == ["HTTPS: a connection was closed by an error: KeyError: 'oops'"]


def test_a_fault_of_the_loop_is_got_over(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> None:
        raise KeyError("oops")

    with monkeypatch.context() as patch:
        patch.setattr(front_module.Front, "_accept", fail)
        socket.create_connection(("127.0.0.1", secured.port), PATIENCE).close()
        wait_for(lambda: secured.said, "it is told")
    with secured.wire() as wire:
        wire.send(GET.format(secured.port))
        assert wire.answer().status == 200
    assert secured.said == ["HTTPS: all connections were closed by an error: KeyError: 'oops'"]


# What clients see


def test_who_does_not_trust_us_is_told_how(secured: Secured) -> None:
    for _ in range(2):
        with pytest.raises(ssl.SSLCertVerificationError):
            TlsWire(secured.port, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    wait_for(lambda: secured.said, "it is told")
    assert secured.said[0].startswith("HTTPS: a client refuses the certificate: ")
    assert secured.said[0].endswith("To have browsers trust it: python -m devrunserver trust")
    assert len(secured.said) == 1


def test_old_tls_is_refused(secured: Secured) -> None:
    context = secured.context()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        TlsWire(secured.port, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(secured: Secured, version: ssl.TLSVersion) -> None:
    context = secured.context()
    context.minimum_version = context.maximum_version = version
    with TlsWire(secured.port, context) as wire:
        wire.send(GET.format(secured.port))
        wire.answer()
        session = wire.tls.session
    raw = socket.create_connection(("127.0.0.1", secured.port), PATIENCE)
    with context.wrap_socket(raw, server_hostname="localhost", session=session) as again:
        assert again.session_reused


@pytest.mark.parametrize("name", ["localhost", "shop.localhost", "127.0.0.1"])
def test_names_of_this_machine_are_covered(secured: Secured, name: str) -> None:
    with secured.wire(name=name) as wire:
        peer: Any = wire.tls.getpeercert()
        names = {value for _, value in peer["subjectAltName"]}
    assert name in names


def test_other_names_are_not(secured: Secured) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        secured.wire(name="example.com")


def test_openssl_agrees(secured: Secured, tmp_path: Path) -> None:
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{secured.port}", "-CAfile", secured.root,
         "-verify_hostname", "localhost", "-verify_return_error", "-alpn", "http/1.1", "-ign_eof"],
        input=b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", capture_output=True, check=False,
    )  # fmt: skip
    assert b"Verify return code: 0 (ok)" in done.stdout
    assert b"ALPN protocol: http/1.1" in done.stdout
    assert b"HTTP/1.1 200 OK" in done.stdout


def test_who_leaves_in_the_middle_is_no_fault_of_ours(secured: Secured) -> None:
    """By a reset, at each stage."""
    at_once = struct.pack("ii", 1, 0)
    for sent in (b"", hello()[:50], hello(), b"GET / HTTP/1.1\r\n"):
        with socket.create_connection(("127.0.0.1", secured.port), PATIENCE) as client:
            client.sendall(sent)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    for path in ("/echo", "/endless"):
        with secured.wire() as wire:
            wire.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wire.answer() if path == "/echo" else wire.socket.recv(1)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    with secured.wire() as wire:
        wire.send(GET.format(secured.port))
        assert wire.answer().status == 200
    assert secured.said == []


def test_while_no_worker_answers_the_starting_page_does(data: Path) -> None:
    """The placeholder server, on what a front passes on."""
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as public:
        certificates = OwnCertificates(data, [], said.append, environ={"CAROOT": str(data / "none")})
        with front_module.before(public, certificates, said.append) as listener:
            placeholder = PlaceholderServer(listener)
            placeholder.open([])
            try:
                context = ssl.create_default_context(cafile=str(authority.own(data).root))
                with TlsWire(public.getsockname()[1], context) as wire:
                    wire.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    assert wire.answer().status == 503
                    # it leaves, and the connection goes to a worker
                    (handed,) = placeholder.close()
                    wire.send("GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    with handed.socket as taken:
                        taken.settimeout(PATIENCE)
                        assert taken.recv(100).startswith(b"GET /later ")
                        assert tunnel.origin(taken, taken.getpeername()).scheme == "https"
            finally:
                placeholder.close()
    assert said == []
