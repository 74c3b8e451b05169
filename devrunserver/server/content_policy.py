"""A content security policy that lets our script run and connect, and nothing else that it did not before.

Where the policy lets scripts run by a nonce, ours gets the same one. Where our origin is allowed anyway nothing
changes. Else the one directive that decides is amended, for scripts by our path, for connections by our own origin;
one that falls back to another is written out first, so that the other stays as it is. Only policies that trust by
nonce or hash alone (``'strict-dynamic'``) and show no nonce are given one.
"""

from __future__ import annotations

import functools
import re
import secrets
from typing import NamedTuple

Headers = list[tuple[str, str]]
Directives = dict[str, list[str]]

NAMES = frozenset({"content-security-policy", "content-security-policy-report-only"})
SCRIPTS = ("script-src-elem", "script-src", "default-src")  # the first one that there is decides
SELF = "'self'"  # the client asks for pages and style sheets again
CONNECTIONS = ("connect-src", "default-src")
NONCE = re.compile(r"'nonce-([A-Za-z0-9+/_=-]+)'")
NONCE_SIZE = 16  # bytes
KNOWN_POLICIES = 64
HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?")  # as a policy can name it; it cannot name an address of IPv6


class Permission(NamedTuple):
    """The headers to send, and the nonce that our script needs; empty where it needs none."""

    headers: Headers
    nonce: str


def source_of(host: str, path: str) -> str:
    """How a policy names what is below a path of this host; empty where it cannot."""
    return f"{host}{path}" if HOST.fullmatch(host) else ""


def permit(headers: Headers, source: str) -> Permission | None:
    """The headers of an answer, amended where they need be; None where that is not possible."""
    values = tuple(value for name, value in headers if name.lower() in NAMES)
    if not values:
        return Permission(list(headers), "")
    is_new_each_time = any("nonce" in value or "strict-dynamic" in value.lower() for value in values)
    found = (_permit_all if is_new_each_time else _permit_all_again)(values, source)
    if found is None:
        return None
    permitted, nonce = iter(found[0]), found[1]
    return Permission([(name, next(permitted) if name.lower() in NAMES else value) for name, value in headers], nonce)


def _permit_all(values: tuple[str, ...], source: str) -> tuple[list[str], str] | None:
    """The headers' values, amended, and the nonce that our script needs."""
    policies = [[_parse(policy) for policy in value.split(",")] for value in values]
    nonce = _nonce([policy for one in policies for policy in one])
    amended = []
    for one in policies:
        parts = [_permit(policy, source, nonce) for policy in one]
        if None in parts:
            return None
        amended.append(", ".join(filter(None, parts)))
    return amended, nonce


_permit_all_again = functools.lru_cache(maxsize=KNOWN_POLICIES)(_permit_all)  # most sites have one policy, or a few


def _nonce(policies: list[Directives]) -> str:
    """The nonce of the page's own scripts; a new one where nothing else would do."""
    sources = [one for policy in policies for one in _deciding(policy, SCRIPTS)[1]]
    if match := NONCE.search(" ".join(sources)):
        return match[1]
    return secrets.token_urlsafe(NONCE_SIZE) if "'strict-dynamic'" in map(str.lower, sources) else ""


def _permit(policy: Directives, source: str, nonce: str) -> str | None:
    by_nonce = f"'nonce-{nonce}'"
    name, sources = _deciding(policy, SCRIPTS)
    trusts_by_nonce = nonce and any(one.lower() == "'strict-dynamic'" or one == by_nonce for one in sources)
    if trusts_by_nonce and by_nonce not in sources:
        _add(policy, name, "script-src", by_nonce)
    elif name and not trusts_by_nonce and not _allows_us(sources, source):
        if not source:
            return None
        _add(policy, name, "script-src", source)
    name, sources = _deciding(policy, CONNECTIONS)
    if name and not _allows_us(sources, SELF):
        _add(policy, name, "connect-src", SELF)
    return "; ".join(" ".join([key, *values]) for key, values in policy.items())


def _parse(policy: str) -> Directives:
    directives: Directives = {}
    for directive in policy.split(";"):
        name, *values = directive.split() or [""]
        if name:
            directives.setdefault(name.lower(), values)  # of two of a name the first one counts
    return directives


def _deciding(policy: Directives, names: tuple[str, ...]) -> tuple[str, list[str]]:
    """The directive that decides, and what it allows; no name where nothing is forbidden."""
    name = next((one for one in names if one in policy), "")
    return name, policy.get(name, [])


def _allows_us(sources: list[str], source: str) -> bool:
    allowed = {one.lower() for one in sources}
    return "'strict-dynamic'" not in allowed and bool(allowed & {"'self'", "*", source.lower()} - {""})


def _add(policy: Directives, name: str, wanted: str, source: str) -> None:
    """Allows a source where ``name`` decides; as ``wanted`` if that is the fallback of others too."""
    values = [one for one in policy[name] if one.lower() != "'none'"]
    policy[wanted if name == "default-src" else name] = [*values, source]
