"""The listening socket, and the sentence for an address that cannot be listened on."""

from __future__ import annotations

import errno
import os
import socket
import sys

import pytest

from devrunserver.server.listener import ListenError, explain, listen, port_holder
from tests.live import free_port

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="by /proc")


@pytest.mark.parametrize(
    ("host", "use_ipv6"), [("127.0.0.1", False), ("localhost", False), ("0", False), ("::1", True)]
)
def test_port_0_lets_the_system_choose(host: str, use_ipv6: bool) -> None:
    if use_ipv6 and not has_ipv6():
        pytest.skip("there is no IPv6 here")
    with listen(host, 0, use_ipv6) as listener:
        address = listener.getsockname()
        assert address[1] > 0
        assert not listener.get_inheritable()
        with socket.create_connection(("::1" if use_ipv6 else "127.0.0.1", address[1]), 5):
            connection, _ = listener.accept()
            connection.close()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_a_port_can_be_listened_on_again_at_once() -> None:
    port = free_port()
    with listen("127.0.0.1", port, False) as listener, socket.create_connection(("127.0.0.1", port)):
        connection, _ = listener.accept()
        connection.close()  # first, so that the port goes to TIME_WAIT
    with listen("127.0.0.1", port, False) as listener:
        assert listener.getsockname()[1] == port


def test_a_port_in_use() -> None:
    with listen("127.0.0.1", 0, False) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ListenError) as caught:
            listen("127.0.0.1", port, False)
    sentence = str(caught.value)
    assert sentence.startswith("That port is already in use.")
    if sys.platform == "linux":
        assert sentence.startswith(f"That port is already in use. It is held by process {os.getpid()} (")


@pytest.mark.parametrize(
    ("host", "port", "sentence"),
    [
        ("192.0.2.1", 8000, "^That IP address can't be assigned to.$"),  # TEST-NET-1 of RFC 5737
        ("127.0.0.1", 70_000, "port must be 0-65535"),
        ("256.1.1.1", 8000, "(?i)name|resol"),  # the system's sentence
        ("a" * 64, 8000, "(?i)name|resol"),
    ],
)
def test_what_cannot_be_listened_on(host: str, port: int, sentence: str) -> None:
    with pytest.raises(ListenError, match=sentence):
        listen(host, port, False)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "You don't have permission to access that port."),
        (OSError(errno.EADDRINUSE, "Address already in use"), "That port is already in use."),
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign"), "That IP address can't be assigned to."),
        (OSError(errno.EINVAL, "Invalid argument"), f"[Errno {errno.EINVAL}] Invalid argument"),
        (socket.gaierror(-2, "Name or service not known"), "[Errno -2] Name or service not known"),
        (OverflowError("bind(): port must be 0-65535."), "bind(): port must be 0-65535."),
        (OSError("without a number"), "without a number"),
    ],
)
def test_explain(error: Exception, sentence: str) -> None:
    assert explain(error, free_port()) == sentence


@on_linux
def test_port_holder() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        holder = port_holder(port)
        assert holder.startswith(f"process {os.getpid()} (")
        assert len(holder) < 120
        with socket.create_connection(("127.0.0.1", port)) as connection:
            assert port_holder(connection.getsockname()[1]) == ""  # it does not listen
    assert port_holder(port) == ""
