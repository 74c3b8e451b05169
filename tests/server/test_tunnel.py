"""What the names of sockets tell of a client."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devrunserver.server import tunnel
from devrunserver.server.tunnel import Origin, Plain

pytestmark = pytest.mark.skipif(not tunnel.IS_SUPPORTED, reason="no local sockets")


@pytest.fixture(params=["the system's way", "files"])
def _place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "files":
        with tempfile.TemporaryDirectory(prefix=f"{tunnel.NAME}-", dir="/tmp") as directory:
            monkeypatch.setattr(tunnel, "_make_place", lambda: (directory, directory))
            yield
    else:
        yield


@pytest.mark.usefixtures("_place")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "fe80::1234:5678:9abc:def0%eth0"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_they_tell_who_asks(host: str, scheme: str) -> None:
    plain = Plain("0.0.0.0", 8000)
    try:
        assert tunnel.public_address(plain.listener) == ("0.0.0.0", 8000)
        with plain.connect(Origin((host, 5000), scheme)) as front, plain.connect(Origin((host, 5000), scheme)):
            accepted, peer = plain.listener.accept()
            with accepted:
                assert tunnel.origin(accepted, peer) == Origin((host, 5000), scheme)
                assert tunnel.origin(accepted, accepted.getpeername()) == Origin((host, 5000), scheme)
                front.close()
                assert tunnel.origin(accepted, peer) == Origin((host, 5000), scheme)
    finally:
        plain.close()


def test_nobody_else_may_speak_for_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Plain("127.0.0.1", 8000)
    try:
        with socket.socket(socket.AF_UNIX) as nameless:
            nameless.connect(plain.listener.getsockname())
            accepted, peer = plain.listener.accept()
            with accepted, pytest.raises(ConnectionRefusedError):
                tunnel.origin(accepted, peer)
        monkeypatch.setattr(tunnel, "_is_trusted", lambda connection: False)
        with plain.connect(Origin(("1.2.3.4", 5), "https")):
            accepted, peer = plain.listener.accept()
            with accepted, pytest.raises(ConnectionRefusedError):
                tunnel.origin(accepted, peer)
    finally:
        plain.close()


def test_other_sockets_are_what_they_are(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert tunnel.public_address(listener) == listener.getsockname()
        with socket.create_connection(listener.getsockname()) as client:
            accepted, peer = listener.accept()
            with accepted:
                assert tunnel.origin(accepted, peer) == Origin(client.getsockname(), "http")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as local:
        listener.bind(str(tmp_path / "own"))
        listener.listen()
        local.connect(str(tmp_path / "own"))
        accepted, peer = listener.accept()
        with accepted:
            assert tunnel.origin(accepted, peer) == Origin("", "http")
            public: object = tunnel.public_address(listener)
            assert public == str(tmp_path / "own")
