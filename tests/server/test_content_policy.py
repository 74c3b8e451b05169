"""Content security policies: what is added, and that nothing is where nothing is needed."""

from __future__ import annotations

import re

import pytest

from devrunserver.server.content_policy import permit, source_of

CSP = "Content-Security-Policy"
OURS = "localhost:8000/__devrunserver__/"

UNCHANGED = [
    "default-src 'self'",
    "script-src 'self'; connect-src 'self'",
    "script-src *; connect-src *",
    "img-src 'none'",
    "frame-ancestors 'none'",
    f"script-src {OURS}; connect-src 'self'",
    "script-src-elem 'SELF'; script-src 'none'",
    "script-src 'nonce-abc'",
    "script-src 'nonce-abc' 'strict-dynamic'",
]


@pytest.mark.parametrize("policy", UNCHANGED)
def test_a_policy_that_lets_us_in_is_left_alone(policy: str) -> None:
    permission = permit([("A", "b"), (CSP, policy)], OURS)
    assert permission is not None
    assert permission.headers == [("A", "b"), (CSP, policy)]
    assert permission.nonce == ("abc" if "abc" in policy else "")


AMENDED = [
    ("script-src 'none'", f"script-src {OURS}"),
    ("script-src https://cdn.example", f"script-src https://cdn.example {OURS}"),
    ("script-src 'unsafe-inline'", f"script-src 'unsafe-inline' {OURS}"),
    ("script-src-elem 'none'; script-src 'self'", f"script-src-elem {OURS}; script-src 'self'"),
    ("script-src 'self'; connect-src 'none'", "script-src 'self'; connect-src 'self'"),
    (
        "default-src 'none'; img-src 'self'",
        f"default-src 'none'; img-src 'self'; script-src {OURS}; connect-src 'self'",
    ),
    (
        "default-src https:; connect-src 'self'",
        f"default-src https:; connect-src 'self'; script-src https: {OURS}",
    ),
    ("default-src 'self', script-src 'none'", f"default-src 'self', script-src {OURS}"),
    ("script-src 'nonce-abc'; default-src 'none'", "script-src 'nonce-abc'; default-src 'none'; connect-src 'self'"),
    ("script-src 'nonce-abc', script-src a.example", f"script-src 'nonce-abc', script-src a.example {OURS}"),
]


@pytest.mark.parametrize(("policy", "wanted"), AMENDED)
@pytest.mark.parametrize("name", [CSP, "content-security-policy-report-only"])
def test_a_policy_is_amended_by_what_is_needed(policy: str, wanted: str, name: str) -> None:
    permission = permit([(name, policy)], OURS)
    assert permission is not None and permission.headers == [(name, wanted)]


def test_one_that_trusts_by_hash_is_given_a_nonce() -> None:
    permission = permit([(CSP, "script-src 'strict-dynamic' 'sha256-abc='")], OURS)
    assert permission is not None
    [(_, policy)] = permission.headers
    assert re.fullmatch(r"script-src 'strict-dynamic' 'sha256-abc=' 'nonce-[\w-]{20,}'", policy)
    assert permission.nonce in policy


def test_nonces_are_new_each_time() -> None:
    policy = [(CSP, "script-src 'strict-dynamic'")]
    first, second = permit(policy, OURS), permit(policy, OURS)
    assert first is not None and second is not None and first.nonce != second.nonce


def test_no_policy_no_change() -> None:
    permission = permit([("A", "b")], OURS)
    assert permission is not None and permission.headers == [("A", "b")] and permission.nonce == ""


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("localhost:8000", OURS),
        ("a.b-c.example", "a.b-c.example/__devrunserver__/"),
        ("[::1]:8000", ""),
        ("a; script-src *", ""),
        ("a b", ""),
        ("", ""),
    ],
)
def test_how_a_policy_names_us(host: str, wanted: str) -> None:
    assert source_of(host, "/__devrunserver__/") == wanted


def test_what_cannot_be_amended_is_refused() -> None:
    assert permit([(CSP, "script-src 'none'")], "") is None
    assert permit([(CSP, "script-src 'self'")], "") is not None
