"""The answer to plain HTTP, from bytes."""

from __future__ import annotations

import pytest

from devrunserver.https.redirect import answer_to_plain

HERE = ("127.0.0.1", 8000)
LINE = "GET /a?b=c HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("sent", "location"),
    [
        (f"{LINE}Host: localhost:8000\r\n\r\n", "https://localhost:8000/a?b=c"),
        (f"{LINE}Host: shop.localhost:9000\r\n\r\n", "https://shop.localhost:9000/a?b=c"),
        (f"{LINE}Host: [::1]:8000\r\n\r\n", "https://[::1]:8000/a?b=c"),
        (f"{LINE}Host: localhost\r\n\r\n", "https://localhost:80/a?b=c"),
        (f"{LINE}Host: localhost:\r\n\r\n", "https://localhost:80/a?b=c"),
        (f"{LINE}Host: [::1]\r\n\r\n", "https://[::1]:80/a?b=c"),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost:8000\r\n\r\n", "https://localhost:8000/"),
        ("GET /a HTTP/1.0\r\n\r\n", "https://127.0.0.1:8000/a"),
        (f"{LINE}Host:\r\n\r\n", "https://127.0.0.1:8000/a?b=c"),
        ("GET //evil.example/ HTTP/1.1\r\nHost: localhost:8000\r\n\r\n", "https://localhost:8000/evil.example/"),
        ("GET http://localhost:8000/a HTTP/1.1\r\nHost: x\r\n\r\n", "https://localhost:8000/a"),
        ("POST /a HTTP/1.1\r\nHost: localhost:1\r\nContent-Length: 5\r\n\r\nhello", "https://localhost:1/a"),
    ],
)
def test_it_leads_to_the_same_page(sent: str, location: str) -> None:
    answer = answer_to_plain(sent.encode(), HERE)
    assert answer is not None
    head = answer.decode()
    assert head.startswith("HTTP/1.1 307 Temporary Redirect\r\n")
    assert f"\r\nLocation: {location}\r\n" in head
    assert "\r\nConnection: close\r\n" in head


def test_an_ipv6_address_of_our_own() -> None:
    answer = answer_to_plain(b"GET /a HTTP/1.0\r\n\r\n", ("::1", 8000, 0, 0)) or b""
    assert b"Location: https://[::1]:8000/a\r\n" in answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("hello\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501),
        (f"GET /{'a' * 70_000}", 414),
        (f"{LINE}Host: a\r\nX: {'a' * 140_000}", 431),
    ],
)
def test_what_is_no_request_is_refused(sent: str, status: int) -> None:
    answer = answer_to_plain(sent.encode(), HERE) or b""
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Location" not in answer


@pytest.mark.parametrize("sent", ["", "G", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n"])
def test_the_rest_is_waited_for(sent: str) -> None:
    assert answer_to_plain(sent.encode(), HERE) == b""
    assert (answer_to_plain(sent.encode(), HERE, has_ended=True) or b"").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "field", ["X-Forwarded-Proto: https", "x-forwarded-for: 1.2.3.4", "Forwarded: for=x", "Via: 1.1 x"]
)
def test_what_a_proxy_sends_is_passed_on(field: str) -> None:
    """It has ended TLS itself: to redirect would be a loop."""
    assert answer_to_plain(f"{LINE}Host: a\r\n{field}\r\n\r\n".encode(), HERE) is None
