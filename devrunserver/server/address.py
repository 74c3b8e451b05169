"""The address to listen on, as ``runserver`` reads it from its ``addrport`` argument."""

from __future__ import annotations

import re
from dataclasses import dataclass

ADDRPORT = re.compile(
    r"""^(?:
    (?P<addr>
        (?P<ipv4>\d{1,3}(?:\.\d{1,3}){3}) |
        (?P<ipv6>\[[a-fA-F0-9:]+\]) |
        (?P<fqdn>[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*)
    ):)?(?P<port>\d+)$""",
    re.VERBOSE,
)

LOOPBACK = re.compile(r"(?:(?:[a-z0-9_-]+\.)*localhost\.?|127(?:\.\d{1,3}){3}|\[::1\])(?::\d*)?", re.IGNORECASE)


class AddressError(ValueError):
    """What the user gave is no address; the message is a sentence for them."""


@dataclass(frozen=True)
class Address:
    """Where to listen. ``raw_ipv6`` tells that ``host`` is an IPv6 address and is shown in brackets."""

    host: str
    port: str
    use_ipv6: bool
    raw_ipv6: bool


def parse(
    addrport: str | None, use_ipv6: bool, default_host: str, default_host_ipv6: str, default_port: str
) -> Address:
    """Reads ``8000``, ``0:8000``, ``127.0.0.1:8000``, ``[::1]:8000`` or ``localhost:8000``; nothing means the defaults.

    Raises:
        AddressError: it is none of these.
    """
    if not addrport:
        host, port, raw_ipv6 = "", default_port, False
    else:
        match = ADDRPORT.match(addrport)
        if match is None:
            raise AddressError(f'"{addrport}" is not a valid port number or address:port pair.')
        host, port, raw_ipv6 = match["addr"] or "", match["port"], False
        if match["ipv6"]:
            host, use_ipv6, raw_ipv6 = host[1:-1], True, True
        elif host and use_ipv6 and not match["fqdn"]:
            raise AddressError(f'"{host}" is not a valid IPv6 address.')
    if not host:
        host, raw_ipv6 = (default_host_ipv6 if use_ipv6 else default_host), use_ipv6
    return Address(host, port, use_ipv6, raw_ipv6)


def is_loopback(authority: str) -> bool:
    """Whether a host, perhaps with a port, is by its name this machine itself: RFC 6761, 6.3, and RFC 6890."""
    return LOOPBACK.fullmatch(authority) is not None
