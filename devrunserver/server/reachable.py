"""Where others reach a server that listens on all addresses."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

ALL_ADDRESSES = ("0.0.0.0", "0", "::", "")
# Addresses for documentation (RFC 5737, RFC 3849): nothing is sent there, the system only tells how it would
ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
DISCARD_PORT = 9


def is_for_all(host: str) -> bool:
    """Whether a server on this address can be reached by all addresses of the machine."""
    return host in ALL_ADDRESSES


def addresses(with_ipv6: bool = True) -> list[str]:
    """The addresses by which this machine speaks to its network, IPv4 first; none without a network."""
    found = []
    for family, elsewhere in ELSEWHERE if with_ipv6 else ELSEWHERE[:1]:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, DISCARD_PORT))
            address = ipaddress.ip_address(probe.getsockname()[0])
            if not (address.is_loopback or address.is_unspecified):
                found.append(str(address))
    return found


def url(scheme: str, host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}.get(scheme)
    return f"{scheme}://{shown}/" if port == default else f"{scheme}://{shown}:{port}/"


def own_url(scheme: str, host: str, port: int) -> str:
    """Where a browser on this machine finds the server."""
    return url(scheme, "localhost" if is_for_all(host) else host, port)
