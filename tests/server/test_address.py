"""The forms of ``addrport``: what we read, and that Django's own command reads the same."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.management.commands.runserver import Command as StockCommand
from hypothesis import example, given
from hypothesis import strategies as st

from devrunserver.management.commands.runserver import Command
from devrunserver.server.address import Address, AddressError, is_loopback, parse

NO_ADDRPORT = '"{}" is not a valid port number or address:port pair.'
NO_IPV6 = '"{}" is not a valid IPv6 address.'

WRONG = [
    ":8000", "localhost", "localhost:", "a:b", "::1:8000x", "[::1]", "::1:8000", "[::1:8000", "8000 ", "1.2.3.4:",
    "*:80", "my_host:8000", "http://localhost:8000", "a..b:80", "[fe80::1%eth0]:80",
]  # fmt: skip

# addrport, -6, what is read of it: an address, or what the user is told
FORMS: list[tuple[str | None, bool, Address | str]] = [
    (None, False, Address("127.0.0.1", "8000", False, False)),
    (None, True, Address("::1", "8000", True, True)),
    ("", False, Address("127.0.0.1", "8000", False, False)),
    ("7000", False, Address("127.0.0.1", "7000", False, False)),
    ("7000", True, Address("::1", "7000", True, True)),
    ("0", False, Address("127.0.0.1", "0", False, False)),
    ("00080", False, Address("127.0.0.1", "00080", False, False)),
    ("99999", False, Address("127.0.0.1", "99999", False, False)),
    ("0:8000", False, Address("0", "8000", False, False)),
    ("1.2.3.4:8000", False, Address("1.2.3.4", "8000", False, False)),
    ("999.2.3.4:8000", False, Address("999.2.3.4", "8000", False, False)),
    ("1.2.3:8000", False, Address("1.2.3", "8000", False, False)),
    ("localhost:8000", False, Address("localhost", "8000", False, False)),
    ("localhost:8000", True, Address("localhost", "8000", True, False)),
    ("test.domain.local:7000", False, Address("test.domain.local", "7000", False, False)),
    ("test.domain.local:7000", True, Address("test.domain.local", "7000", True, False)),
    ("deadbeef:7000", True, Address("deadbeef", "7000", True, False)),
    ("my-host:1", False, Address("my-host", "1", False, False)),
    ("[::1]:8000", False, Address("::1", "8000", True, True)),
    ("[::1]:8000", True, Address("::1", "8000", True, True)),
    ("[2001:0db8:1234:5678::9]:7000", True, Address("2001:0db8:1234:5678::9", "7000", True, True)),
    ("[::]:8000", False, Address("::", "8000", True, True)),
    ("1.2.3.4:8000", True, NO_IPV6.format("1.2.3.4")),
    *((wrong, use_ipv6, NO_ADDRPORT.format(wrong)) for wrong in WRONG for use_ipv6 in (False, True)),
]


@pytest.mark.parametrize(("addrport", "use_ipv6", "expected"), FORMS)
def test_parse(addrport: str | None, use_ipv6: bool, expected: Address | str) -> None:
    if isinstance(expected, str):
        with pytest.raises(AddressError, match=f"^{re.escape(expected)}$"):
            parse(addrport, use_ipv6, "127.0.0.1", "::1", "8000")
    else:
        assert parse(addrport, use_ipv6, "127.0.0.1", "::1", "8000") == expected


@pytest.mark.parametrize(
    ("use_ipv6", "expected"),
    [(False, Address("0.0.0.0", "5000", False, False)), (True, Address("::", "5000", True, True))],
)
def test_the_defaults_are_the_commands(use_ipv6: bool, expected: Address) -> None:
    assert parse(None, use_ipv6, "0.0.0.0", "::", "5000") == expected


def read_by(base: type[StockCommand], addrport: str | None, use_ipv6: bool) -> tuple[Any, ...]:
    """What a command has read when it would run, or what it tells the user."""

    class Recording(base):  # type: ignore[misc, valid-type]
        def run(self, **options: Any) -> None:
            pass

    command = Recording()
    try:
        call_command(command, *([] if addrport is None else [addrport]), use_ipv6=use_ipv6, skip_checks=True)
    except CommandError as error:
        return (str(error),)
    return command.addr, command.port, command.use_ipv6, command._raw_ipv6


@pytest.mark.skipif(not socket.has_ipv6, reason="without IPv6 both refuse -6")
@pytest.mark.parametrize(("addrport", "use_ipv6", "expected"), FORMS)
def test_parity_with_django(addrport: str | None, use_ipv6: bool, expected: Address | str) -> None:
    ours = read_by(Command, addrport, use_ipv6)
    assert ours == read_by(StockCommand, addrport, use_ipv6)
    assert ours[0] == (expected if isinstance(expected, str) else expected.host)


@pytest.mark.skipif(not socket.has_ipv6, reason="without IPv6 both refuse -6")
@given(st.text("0189af.:[]-\n٣", max_size=12).filter(lambda text: not text.startswith("-")), st.booleans())
@example("8000\n", False)
@example("٣", False)
def test_parity_with_django_for_whatever_is_typed(addrport: str, use_ipv6: bool) -> None:
    assert read_by(Command, addrport, use_ipv6) == read_by(StockCommand, addrport, use_ipv6)


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("localhost", True),
        ("localhost:8000", True),
        ("LOCALHOST.", True),
        ("a.b.localhost:1", True),
        ("127.0.0.1", True),
        ("127.1.2.3:8000", True),
        ("[::1]:8000", True),
        ("", False),
        ("localhost.example.com", False),
        ("notlocalhost", False),
        ("192.168.1.5", False),
        ("example.com:8000", False),
    ],
)
def test_names_of_this_machine_itself(authority: str, expected: bool) -> None:
    assert is_loopback(authority) is expected
