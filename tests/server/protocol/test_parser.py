"""The parser of request heads: what is a request, and what is none."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devrunserver.server.protocol.parser import (
    MAX_FIELD_COUNT,
    MAX_FIELDS,
    MAX_REQUEST_LINE,
    FramingError,
    Request,
    parse_fields,
    take_head,
    tokens,
)

HOST = "Host: a\r\n"


def take(text: str) -> Request:
    buffer = bytearray(text.encode("latin-1"))
    request = take_head(buffer)
    assert request is not None and not buffer
    return request


def head(fields: str = "", line: str = "GET / HTTP/1.1", host: str = HOST) -> str:
    return f"{line}\r\n{host}{fields}\r\n"


@pytest.mark.parametrize(
    ("text", "method", "target", "version"),
    [
        (head(), "GET", "/", (1, 1)),
        (head(line="GET / HTTP/1.0", host=""), "GET", "/", (1, 0)),
        (head(line="GET / HTTP/1.9"), "GET", "/", (1, 9)),  # RFC 9110, 2.5: read as the highest minor we know
        ("\r\n\r\n" + head(), "GET", "/", (1, 1)),
        (head(line="M-SEARCH /a%20b?c=%2F HTTP/1.1"), "M-SEARCH", "/a%20b?c=%2F", (1, 1)),
        (head(line="get / HTTP/1.1"), "get", "/", (1, 1)),  # a method of its own
        (head(line="GET /caf\xc3\xa9?q={a|b} HTTP/1.1"), "GET", "/caf\xc3\xa9?q={a|b}", (1, 1)),
        (head(line="GET //evil.example/x HTTP/1.1"), "GET", "/evil.example/x", (1, 1)),
        (head(line="OPTIONS * HTTP/1.1"), "OPTIONS", "*", (1, 1)),
        (head(line="GET http://b/c?d HTTP/1.1"), "GET", "/c?d", (1, 1)),
        (head(line="GET http://b HTTP/1.1"), "GET", "/", (1, 1)),
        (head(line="GET HTTPS://b:1?d HTTP/1.1"), "GET", "/?d", (1, 1)),
    ],
)
def test_request_lines(text: str, method: str, target: str, version: tuple[int, int]) -> None:
    request = take(text)
    assert (request.method, request.target, request.version) == (method, target, version)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /", 400),  # HTTP/0.9
        ("GET  / HTTP/1.1", 400),
        ("GET /  HTTP/1.1", 400),
        (" GET / HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET\t/\tHTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/11", 400),
        ("GET / HTTP/1.10", 400),
        ("GET / HTTP/1,1", 400),
        ("GET / HTTP/+1.1", 400),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/0.9", 505),
        ("PRI * HTTP/2.0", 505),
        ("G(T / HTTP/1.1", 400),
        ("GET relative HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET ftp://b/ HTTP/1.1", 400),
        ("GET http:///x HTTP/1.1", 400),
        ("GET http://user@b/ HTTP/1.1", 400),
        ("GET http://b c/ HTTP/1.1", 400),
        ("GET /#b HTTP/1.1", 400),
        ("GET http://b/#c HTTP/1.1", 400),
        ("GET http://b#c HTTP/1.1", 400),
        ("GET /\x00 HTTP/1.1", 400),
        ("GET /\x7f HTTP/1.1", 400),
        ("GET /\x1b[31m HTTP/1.1", 400),
        ("GET /\r HTTP/1.1", 400),
        ("CONNECT b:443 HTTP/1.1", 501),
        ("nonsense", 400),
        ("", 400),
        ("/" * (MAX_REQUEST_LINE + 1), 414),
        (f"GET /{'a' * MAX_REQUEST_LINE} HTTP/1.1", 414),
    ],
)
def test_request_lines_that_are_none(line: str, status: int) -> None:
    buffer = bytearray(b"x" if not line else b"") + head(line=line).encode("latin-1")
    with pytest.raises(FramingError) as caught:
        take_head(buffer)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ("A: b\r\n", ["b"]),
        ("A:b\r\n", ["b"]),
        ("A: \t b c \t\r\n", ["b c"]),
        ("A:\r\n", [""]),
        ("A: \r\n", [""]),
        ("a: b\r\nA: c\r\n", ["b", "c"]),
        ("A: caf\xe9\r\n", ["caf\xe9"]),
        ("A: b:c\r\n", ["b:c"]),
    ],
)
def test_fields(fields: str, values: list[str]) -> None:
    request = take(head(fields))
    assert request.all("a") == values
    assert request.get("a") == ", ".join(values)
    assert request.get("b") is None


@pytest.mark.parametrize(
    "fields",
    [
        "A : b\r\n",
        "A\t: b\r\n",
        " A: b\r\n",
        ": b\r\n",
        "A\r\n",
        "A b\r\n",
        "A: b\r\n c\r\n",  # folded
        "A: b\r\n\tc\r\n",
        "A: b\nB: c\r\n",
        "A: b\rB: c\r\n",
        "A: b\x00\r\n",
        "A: b\x0b\r\n",
        "A: b\x7f\r\n",
        "A\x00: b\r\n",
        "A\xe9: b\r\n",
        "A(b): c\r\n",
        "A,b: c\r\n",
        '"A": c\r\n',
    ],
)
def test_fields_that_are_none(fields: str) -> None:
    with pytest.raises(FramingError) as caught:
        take(head(fields))
    assert caught.value.status == 400
    assert caught.value.line == "GET / HTTP/1.1"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("A: b\r\n" * MAX_FIELD_COUNT, 431),
        (f"A: {'b' * MAX_FIELDS}\r\n", 431),
        ("A: b\r\n" * (MAX_FIELD_COUNT - 1), 0),
        (f"A: {'b' * (MAX_FIELDS - 100)}\r\n", 0),
    ],
)
def test_how_many_fields(fields: str, status: int) -> None:
    if status:
        with pytest.raises(FramingError) as caught:
            take(head(fields))
        assert caught.value.status == status
    else:
        assert take(head(fields)).fields[0] == ("Host", "a")


@pytest.mark.parametrize(
    ("hosts", "line", "valid"),
    [
        ("", "GET / HTTP/1.1", False),
        ("", "GET / HTTP/1.0", True),
        ("Host: a\r\nHost: a\r\n", "GET / HTTP/1.1", False),
        ("Host: a\r\nHost: b\r\n", "GET / HTTP/1.0", False),
        ("Host: a\r\nhost: b\r\n", "GET http://a/ HTTP/1.1", False),
        ("Host:\r\n", "GET / HTTP/1.1", True),
        ("Host: a:80\r\n", "GET / HTTP/1.1", True),
        ("Host: [::1]:80\r\n", "GET / HTTP/1.1", True),
        ("Host: my_app.local\r\n", "GET / HTTP/1.1", True),
        ("Host: a, b\r\n", "GET / HTTP/1.1", False),
        ("Host: a b\r\n", "GET / HTTP/1.1", False),
        ("Host: a/b\r\n", "GET / HTTP/1.1", False),
        ("Host: u@a\r\n", "GET / HTTP/1.1", False),
        ("Host: a:b\r\n", "GET / HTTP/1.1", False),
        ("Host: ::1\r\n", "GET / HTTP/1.1", False),
        ("Host: \xe9\r\n", "GET / HTTP/1.1", False),
    ],
)
def test_host(hosts: str, line: str, valid: bool) -> None:
    if valid:
        assert take(head(line=line, host=hosts)).line == line
    else:
        with pytest.raises(FramingError) as caught:
            take(head(line=line, host=hosts))
        assert caught.value.status == 400


def test_the_host_of_an_absolute_target_counts() -> None:
    assert take(head(line="GET http://b:1/ HTTP/1.1")).all("host") == ["b:1"]


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ("", 0),
        ("Content-Length: 0\r\n", 0),
        ("Content-Length: 12\r\n", 12),
        ("Content-Length: 007\r\n", 7),
        ("Transfer-Encoding: chunked\r\n", None),
        ("transfer-encoding: Chunked \r\n", None),
    ],
)
def test_lengths(fields: str, length: int | None) -> None:
    assert take(head(fields, "POST / HTTP/1.1")).length == length


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("Content-Length: \r\n", 400),
        ("Content-Length: +1\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: 1_0\r\n", 400),
        ("Content-Length: 0x10\r\n", 400),
        ("Content-Length: 1.0\r\n", 400),
        ("Content-Length: 1 1\r\n", 400),
        ("Content-Length: 5, 5\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", 400),
        ("Content-Length: 5\r\ncontent-length: 6\r\n", 400),
        ("Content-Length: \xb2\r\n", 400),  # a digit to str.isdigit()
        (f"Content-Length: {'9' * 19}\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", 400),
        ("Transfer-Encoding: gzip\r\n", 501),
        ("Transfer-Encoding: gzip, chunked\r\n", 501),
        ("Transfer-Encoding: chunked, gzip\r\n", 501),
        ("Transfer-Encoding: chunked, chunked\r\n", 501),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 501),
        ("Transfer-Encoding: identity\r\n", 501),
        ("Transfer-Encoding: xchunked\r\n", 501),
        ("Transfer-Encoding: chunked;q=1\r\n", 501),
        ('Transfer-Encoding: "chunked"\r\n', 501),
        ("Transfer-Encoding: \r\n", 501),
        ("Transfer-Encoding: \x0bchunked\r\n", 400),
        ("Transfer-Encoding : chunked\r\n", 400),
        ("Expect: something\r\n", 417),
    ],
)
def test_lengths_that_are_none(fields: str, status: int) -> None:
    with pytest.raises(FramingError) as caught:
        take(head(fields, "POST / HTTP/1.1"))
    assert caught.value.status == status


def test_chunks_are_unknown_to_http_1_0() -> None:
    with pytest.raises(FramingError) as caught:
        take(head("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0"))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("line", "fields", "kept"),
    [
        ("GET / HTTP/1.1", "", True),
        ("GET / HTTP/1.1", "Connection: close\r\n", False),
        ("GET / HTTP/1.1", "Connection: Close\r\n", False),
        ("GET / HTTP/1.1", "Connection: keep-alive, close\r\n", False),
        ("GET / HTTP/1.1", "Connection: keep-alive\r\nConnection: x,close ,y\r\n", False),
        ("GET / HTTP/1.1", "Connection: closed\r\n", True),
        ("GET / HTTP/1.1", "Connection: upgrade\r\n", True),
        ("GET / HTTP/1.0", "", False),
        ("GET / HTTP/1.0", "Connection: Keep-Alive\r\n", True),
        ("GET / HTTP/1.0", "Connection: keep-alive, close\r\n", False),
    ],
)
def test_which_connections_are_kept(line: str, fields: str, kept: bool) -> None:
    assert take(head(fields, line)).keep_alive is kept


@pytest.mark.parametrize(
    ("line", "fields", "expected"),
    [
        ("POST / HTTP/1.1", "Content-Length: 1\r\nExpect: 100-continue\r\n", True),
        ("POST / HTTP/1.1", "Content-Length: 1\r\nExpect: 100-Continue\r\n", True),
        ("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", True),
        ("POST / HTTP/1.1", "Content-Length: 0\r\nExpect: 100-continue\r\n", False),
        ("POST / HTTP/1.1", "Expect: 100-continue\r\n", False),
        ("POST / HTTP/1.0", "Content-Length: 1\r\nExpect: 100-continue\r\n", False),
        ("POST / HTTP/1.1", "Content-Length: 1\r\n", False),
    ],
)
def test_who_waits_for_100_continue(line: str, fields: str, expected: bool) -> None:
    assert take(head(fields, line)).expects_continue is expected


@pytest.mark.parametrize(
    "text", ["", "\r", "\r\n", "G", "GET / HTTP/1.1", "GET / HTTP/1.1\r", "GET / HTTP/1.1\r\nHost:"]
)
def test_more_has_to_come(text: str) -> None:
    buffer = bytearray(text.encode())
    assert take_head(buffer) is None
    assert bytes(buffer) == text.encode().removeprefix(b"\r\n")


@pytest.mark.parametrize(
    ("start", "status"),
    [
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\n", 400),
        ("GET / HTTP/1.1\rHost: a\r", 400),
        ("\n", 400),
        ("GET /\x00", 400),
        ("\x16\x03\x01\x02\x00\x01", 400),
        ("a" * (MAX_REQUEST_LINE + 1), 414),
        ("GET / HTTP/1.1\r\nA: " + "a" * (MAX_FIELDS + 1), 431),
    ],
)
def test_what_no_end_can_make_a_request_is_refused_at_once(start: str, status: int) -> None:
    with pytest.raises(FramingError) as caught:
        take_head(bytearray(start.encode("latin-1")))
    assert caught.value.status == status


def test_what_follows_a_head_is_left() -> None:
    buffer = bytearray(b"GET /1 HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\nbody")
    targets = [request.target for request in (take_head(buffer), take_head(buffer)) if request]
    assert targets == ["/1", "/2"]
    assert buffer == b"body"


@pytest.mark.parametrize(
    ("value", "members"),
    [("", set()), ("a", {"a"}), ("A , b,,\tc", {"a", "b", "c"}), ("a b", {"a b"})],
)
def test_tokens(value: str, members: set[str]) -> None:
    assert tokens(value) == members


SPECIAL = {"host", "content-length", "transfer-encoding", "connection", "expect"}
NAMES = st.text("abcXYZ019-_.!", min_size=1, max_size=10).filter(lambda name: name.lower() not in SPECIAL)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=20)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=20), st.integers(0, 200))
def test_what_is_written_is_read(fields: list[tuple[str, str]], cut: int) -> None:
    """However the bytes arrive."""
    text = head("".join(f"{name}: {value}\r\n" for name, value in fields)).encode("latin-1")
    buffer = bytearray(text[:cut])
    request = take_head(buffer)
    if request is None:
        buffer += text[cut:]
        request = take_head(buffer)
    assert request is not None
    assert request.fields == [("Host", "a"), *fields]


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_an_error_or_too_few(data: bytes) -> None:
    buffer = bytearray(data)
    with contextlib.suppress(FramingError):
        request = take_head(buffer)
        assert request is None or data.lstrip(b"\r\n").startswith(request.line.encode("latin-1"))


@given(st.binary(max_size=100))
def test_no_line_end_gets_into_a_field(data: bytes) -> None:
    try:
        fields = parse_fields(b"A: " + data + b"\r\n")
    except FramingError:
        return
    assert all(not set("\r\n\0") & set(name + value) for name, value in fields)
