"""The table of behaviours: what goes in by raw sockets, and what has to come out. Sources: RFC 9110, RFC 9112.

Also what the benchmark puts to other servers. Where the RFCs leave a choice, ours is in ``Row.outcome`` and what others
may do as well in ``Row.allowed``: it counts against nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tests.server.application import BAD_HEADERS, BAD_STATUS

HOST = "Host: a\r\n"
HELLO = f"GET /echo HTTP/1.1\r\n{HOST}\r\n"
LAST = f"GET /echo HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"
HIDDEN = f"GET /hidden HTTP/1.1\r\n{HOST}\r\n"  # what must never be taken for a request


class Reply(NamedTuple):
    """What has to come back for one request.

    Attributes:
        body: None: any.
        method: of the request, as there is no content to HEAD.
        headers: those that have to be there, and with None those that must not.
        complete: whether the end of it comes as it was announced.
        interim: the statuses that come before it; None: any.
    """

    body: bytes | None = b"hello"
    status: int = 200
    method: str = "GET"
    headers: Mapping[str, str | None] = {}
    complete: bool = True
    interim: tuple[int, ...] | None = None


class Outcome(NamedTuple):
    """All that comes back on a connection.

    Attributes:
        kept: whether the connection serves another request afterwards; None: that is the server's choice.
        then: what is sent once "100 Continue" has come, which has to come then.
    """

    replies: tuple[Reply, ...]
    kept: bool | None = True
    then: str = ""


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        outcome: what ours has to do.
        allowed: what the RFCs allow others as well.
        ends: whether the client ends its side when all is sent.
        refused: whether the application must not be called.
    """

    sent: str
    outcome: Outcome
    allowed: tuple[Outcome, ...] = ()
    ends: bool = False
    refused: bool = False


# How requests are written


def request(path: str, fields: str = "", method: str = "GET", version: str = "1.1") -> str:
    return f"{method} {path} HTTP/{version}\r\n{HOST}{fields}\r\n"


def post(path: str, body: str, fields: str = "", version: str = "1.1") -> str:
    return request(path, f"{fields}Content-Length: {len(body)}\r\n", "POST", version) + body


def chunked(path: str, *chunks: str, fields: str = "") -> str:
    body = "".join(f"{len(chunk):x}\r\n{chunk}\r\n" for chunk in chunks)
    return request(path, f"{fields}{CHUNKED}", "POST") + body + "0\r\n\r\n"


def started(line: str, fields: str = HOST) -> str:
    """A request of which the first line matters."""
    return f"{line}\r\n{fields}\r\n"


CLOSES: Mapping[str, str | None] = {"Connection": "close"}
CHUNKED = "Transfer-Encoding: chunked\r\n"
TO_ECHO = request("/echo", CHUNKED, "POST")

# How rows are written


def outcome(*replies: bytes | Reply, kept: bool | None = True, then: str = "") -> Outcome:
    return Outcome(tuple(Reply(one) if isinstance(one, bytes) else one for one in replies), kept, then)


HELLOS = outcome(b"hello")
ONCE = outcome(b"hello", kept=False)
REFUSED = outcome(Reply(None, 400), kept=False)


def answered(
    sent: str,
    *replies: bytes | Reply,
    kept: bool | None = True,
    allowed: tuple[Outcome, ...] = (),
    then: str = "",
    ends: bool = False,
) -> Row:
    """By the application; with hello where nothing else is said."""
    return Row(sent, outcome(*(replies or (Reply(),)), kept=kept, then=then), allowed, ends)


def refused(sent: str, status: int = 400, *allowed: Outcome, ends: bool = False) -> Row:
    """By the server, which closes the connection."""
    return Row(sent, outcome(Reply(None, status, headers=CLOSES), kept=False), allowed, ends, True)


def told(value: str, name: str, fields: str = "", allowed: tuple[str, ...] = (), path: str = "", **how: str) -> Row:
    """What the application finds in its environment, or what else others may tell it; "-" for nothing."""
    sent = request(f"/told/{name}{path}", fields, **how)
    others = tuple(outcome(other.encode("latin-1")) for other in allowed)
    return answered(sent, value.encode("latin-1"), allowed=others)


def unanswered(sent: str) -> Row:
    """The client ends before there is a request; no answer is owed."""
    return Row(sent, outcome(kept=False), (REFUSED,), ends=True)


# The rows

UNKNOWN = outcome(Reply(None, 501), kept=None)

METHODS = [
    *(told(method, "REQUEST_METHOD", method=method) for method in ("DELETE", "PATCH", "OPTIONS")),
    *(  # those that nobody knows: RFC 9110, 9.1
        answered(request("/told/REQUEST_METHOD", method=method), method.encode(), allowed=(UNKNOWN,))
        for method in ("PURGE", "get", "!#$%&'*+-.^_`|~09aZ")
    ),
    *(refused(request("/echo", method=method)) for method in ("G(T", "G:T", "G\xc9T", "G\0T")),
    refused("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501),
    refused("CONNECT /echo HTTP/1.1\r\nHost: a\r\n\r\n", 501),
]

TARGETS = [
    answered(HELLO),
    told("a=b?%20/+", "QUERY_STRING", path="?a=b?%20/+"),
    told("", "QUERY_STRING", path="?", allowed=("-",)),
    told("/told/PATH_INFO/A/\xc3\xa9+%zz", "PATH_INFO", path="/%41%2f%C3%A9+%zz"),
    told("/told/PATH_INFO/../a/./b", "PATH_INFO", path="/../a/./b"),
    answered("GET //echo HTTP/1.1\r\nHost: a\r\n\r\n"),  # "//host" would be a host to who redirects to it
    answered(started("GET http://b/echo HTTP/1.1")),
    answered(started("GET HTTP://B:80/echo?c HTTP/1.1")),
    answered(started("GET http://b HTTP/1.1")),
    answered(started("GET http://b?c HTTP/1.1")),
    answered(started("GET http://b:81/told/HTTP_HOST HTTP/1.1"), b"b:81"),  # RFC 9112, 3.2.2: Host is ignored
    answered(started("OPTIONS * HTTP/1.1"), Reply(None), kept=None),
    answered("GET /echo?" + "a" * 7_900 + f" HTTP/1.1\r\n{HOST}\r\n"),  # RFC 9112, 3: 8,000 bytes at the least
    answered(request("/echo/caf\xc3\xa9?{a|b}"), allowed=(REFUSED,)),  # no URI, but clients send it
    refused(started("GET http:///echo HTTP/1.1")),  # RFC 9110, 4.2.1
    refused(started("GET http://u:p@b/echo HTTP/1.1")),  # RFC 9110, 4.2.4
    refused(started("GET http://b\\@c/echo HTTP/1.1")),
    refused(started("GET ftp://b/echo HTTP/1.1"), 400, HELLOS),
    refused(started("GET /echo#a HTTP/1.1"), 400, HELLOS),
    refused(started("GET http://b/echo#a HTTP/1.1"), 400, HELLOS),
    refused(started("GET * HTTP/1.1")),
    refused(started("GET echo HTTP/1.1")),
    refused(started("GET a:80 HTTP/1.1")),
    refused(started("GET HTTP/1.1")),
    *(refused(request(f"/echo{byte}")) for byte in "\0\x0b\x1b\x7f"),
    refused(started(f"GET /{'a' * 70_000} HTTP/1.1"), 414),
    refused(f"GET /{'a' * 70_000}", 414),
]

VERSIONS = [
    answered(started("GET /echo HTTP/1.0", ""), kept=False),
    answered(started("GET /echo HTTP/1.0"), kept=False),
    answered(request("/echo", version="1.9")),  # RFC 9110, 2.5: as 1.1
    *(refused(request("/echo", version=version), 505) for version in ("0.9", "2.0")),
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    *(
        refused(request("/echo", version=version))
        for version in ("", "1.", "11", "1.10", "01.1", "+1.1", "1.1.1", "x.y")
    ),
    *(refused(started(f"GET /echo {version}")) for version in ("http/1.1", "HTTPS/1.1", "ICE/1.0", "HTTP/ 1.1")),
    refused("GET /echo\r\n\r\n", 400, ONCE),  # HTTP/0.9
    refused(started("/echo HTTP/1.1")),
]

# RFC 9112, 3: between the words may be any white space to who dares; 2.2: also a line feed alone ends a line
SPACES = [
    answered("\r\n" + HELLO),
    answered("\r\n\r\n" + HELLO + "\r\n\r\n" + HELLO, b"hello", b"hello", allowed=(REFUSED,)),
    *(
        refused(started(line), 400, HELLOS)
        for line in (
            "GET  /echo HTTP/1.1", " GET /echo HTTP/1.1", "GET /echo HTTP/1.1 ", "GET\t/echo HTTP/1.1",
            "GET /echo\x0cHTTP/1.1", "GET\r/echo HTTP/1.1",
        )
    ),
    refused(started("GET /ec ho HTTP/1.1")),
    refused(started("GET /echo HTTP/1.1 GET /hidden HTTP/1.1")),
    refused(started("GET /echo HTTP/1.1\r")),
    refused(f"GET /echo HTTP/1.1\n{HOST}\n", 400, HELLOS),
    refused(f"GET /echo HTTP/1.1\n{HOST}\r\n", 400, HELLOS),
    refused("GET /echo HTTP/1.1\r\nHost: a\n\r\n", 400, HELLOS),
    refused("GET /echo HTTP/1.1\r\nHost: a\r\n\n", 400, HELLOS),
    refused("\n" + HELLO, 400, HELLOS),
    refused("GET /echo HTTP/1.1\rHost: a\r\r"),
    refused("GET /echo HTTP/1.1\n\rHost: a\n\r\n\r"),
]  # fmt: skip

FIELDS = [
    told("b", "HTTP_X_A", "X-A:b\r\n"),
    told("b \t c", "HTTP_X_A", "X-A: \t b \t c\t \r\n"),
    told("", "HTTP_X_A", "X-A:\r\n"),
    told(':b: "c', "HTTP_X_A", 'X-A: :b: "c\r\n'),
    told("caf\xe9\xff\x80", "HTTP_X_A", "X-A: caf\xe9\xff\x80\r\n", allowed=("caf\xc3\xa9\xc3\xbf\xc2\x80",)),
    told("b,c", "HTTP_X_A", "X-A: b\r\nx-a: c\r\n", allowed=("b, c",)),
    told("a=b; c=d", "HTTP_COOKIE", "Cookie: a=b\r\nCookie: c=d\r\n", allowed=("a=b,c=d", "a=b, c=d")),
    told("a", "HTTP_HOST", "HOST_: b\r\n"),
    told("text/x", "CONTENT_TYPE", "content-TYPE: text/x\r\n"),
    told("1", "HTTP_X_A", "X-A: 1\r\nX_A: 2\r\n"),  # with underscores a field could pose as another one
    told("", "CONTENT_LENGTH", "Content_Length: 9\r\n", allowed=("-", "0")),
    told("-", "HTTP_TRANSFER_ENCODING", "Transfer_Encoding: chunked\r\n"),
    answered(request("/echo", "!#$%&'*+-.^_`|~09aZ: b\r\n")),
    answered(request("/echo", "".join(f"X-{number}: b\r\n" for number in range(99)))),
    answered(request("/echo", f"X-A: {'b' * 8_000}\r\n")),
    *(refused(request("/echo", f"X{byte}A: b\r\n")) for byte in '"(/;=@\\\0\t\x7f\xff'),
    *(refused(request("/echo", f"X-A: b{byte}c\r\n")) for byte in "\0\r"),
    refused(request("/echo", "X-A: b\nc\r\n")),
    refused(request("/echo", "X-A: b\nX-B: c\r\n"), 400, HELLOS),
    *(refused(request("/echo", f"X-A: b{byte}c\r\n"), 400, HELLOS) for byte in "\1\x0b\x1b\x7f"),
    refused(request("/echo", "X-A: b\r\r\n")),
    refused(request("/echo", "X-A\r: b\r\n")),
    refused(request("/echo", "X-A : b\r\n")),
    refused(request("/echo", "X-A\t: b\r\n")),
    refused(request("/echo", ": b\r\n")),
    refused(request("/echo", "X-A\r\n")),
    refused(request("/echo", "X-A\r\n: b\r\n")),
    refused(f"GET /echo HTTP/1.1\r\n X-A: b\r\n{HOST}\r\n", 400, HELLOS),  # RFC 9112, 2.2
    refused(f"GET /echo HTTP/1.1\r\n\t{HOST}\r\n"),
    *(  # folded: RFC 9112, 5.2
        refused(request("/told/HTTP_X_A", fields), 400, outcome(folded))
        for fields, folded in (
            ("X-A: b\r\n c\r\n", b"b c"), ("X-A: b\r\n\t c\r\n", b"b c"), ("X-A:\r\n c\r\n", b"c"),
            ("X-A: b\r\n \r\n", b"b"),
        )
    ),
    refused(request("/echo", "A: b\r\n" * 120), 431, HELLOS),
    refused(request("/echo", f"X-A: {'b' * 70_000}\r\n"), 431, HELLOS),
    refused(request("/echo", f"{'A' * 70_000}: b\r\n"), 431, HELLOS),
    refused(f"GET /echo HTTP/1.1\r\n{HOST}" + f"X-A: {'b' * 1_000}\r\n" * 200, 431),  # and no end
]  # fmt: skip

# RFC 9112, 3.2
HOSTS = [
    *(
        answered(started("GET /told/HTTP_HOST HTTP/1.1", f"Host: {host}\r\n"), host.encode())
        for host in ("", "a:80", "[::1]:80", "my_app.local")
    ),
    answered("GET /echo HTTP/1.1\r\nhOST:a\r\n\r\n"),
    refused("GET /echo HTTP/1.1\r\n\r\n"),
    refused("GET http://a/echo HTTP/1.1\r\n\r\n"),
    refused(request("/echo", HOST)),
    refused(request("/echo", "host: b\r\n")),
    refused(request("/echo", "Host:\r\n")),
    refused(request("/echo", "X-A: b\r\nHost: b\r\n", version="1.0")),
    refused(started("GET http://a/echo HTTP/1.1", HOST + "Host: b\r\n")),
    refused("GET /echo HTTP/1.1\r\nHost : a\r\n\r\n"),
    refused("GET /echo HTTP/1.1\r\nHost\r\n\r\n"),
    *(
        refused(f"GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n")
        for host in (
            "a b", "a,a", "a/b", "u@a", "a:b", "::1", "[::1", "http://a", "a\\b", "a#b", "\xe9", "a\0",
        )
    ),
]  # fmt: skip

# RFC 9112, 6.3
LENGTHS = [
    answered(post("/echo", "body"), b"body"),
    answered(post("/echo", "body", version="1.0"), b"body", kept=False),
    *(
        answered(request("/echo", f"{field}\r\n", "POST") + "body", b"body")
        for field in ("content-length:4", "CONTENT-LENGTH: 4", "Content-Length: \t4 \t", "Content-Length: 0004")
    ),
    answered(request("/echo", "Content-Length: 0\r\n", "POST")),
    answered(request("/echo", "", "POST")),
    *(
        answered(request("/echo", "Content-Length: 4\r\n", method) + "body", b"body")
        for method in ("GET", "DELETE")
    ),
    answered(request("/echo", "Content-Length: 4\r\n", "HEAD") + "body", Reply(b"", method="HEAD")),
    told("0", "CONTENT_LENGTH", "Content-Length: 0\r\n"),
    told("", "CONTENT_LENGTH", allowed=("-", "0")),
    answered(  # and no byte of it comes
        request("/ignore", "Content-Length: 99999999999999\r\n", "POST"), kept=False,
        allowed=(REFUSED, outcome(b"hello", kept=None)),
    ),
    refused(request("/echo", "Content-Length : 4\r\n", "POST") + "body"),
    refused(request("/echo", " Content-Length: 4\r\n", "POST") + "body", 400, outcome(b"hello", kept=None)),
    refused(request("/echo", "Content-Length:\r\n 4\r\n", "POST") + "body", 400, outcome(b"body")),
    refused(request("/echo", "Content-Length: 4\r\nContent-Length: 4\r\n", "POST") + "body", 400, outcome(b"body")),
    refused(request("/echo", "Content-Length: 4,4\r\n", "POST") + "body", 400, outcome(b"body")),
    refused(request("/echo", "Content-Length: 4\r\ncontent-length: 0\r\n", "POST") + "body"),
    refused(request("/echo", "Content-Length: 0\r\nX-A: b\r\nContent-Length: 4\r\n", "POST") + "body"),
    refused(request("/echo", "Content-Length: 4\r\nContent-Length: \r\n", "POST") + "body"),
    refused(request("/echo", "Content-Length: 4\r\nContent-Length: x\r\n", "POST") + "body"),
    *(
        refused(request("/echo", f"Content-Length: {length}\r\n", "POST") + "body")
        for length in (
            "", "+4", "-4", "four", "4 4", "4;", "4,5", "0x4", "4.0", "4e0", "0_4", '"4"', "\xb2", "4\0", "4\x0b",
            "4\xa0", "9" * 5_000,
        )
    ),
    refused(request("/echo", "Content-Length: 18446744073709551620\r\n", "POST") + "body", ends=True),
]  # fmt: skip

# RFC 9112, 6.1 and 7; RFC 9110, 5.6.1: empty members of a list may be there
OF_CHUNKS = outcome(b"hello")
NO_CODING = "5\r\nhello\r\n0\r\n\r\n"
CODINGS = [
    *(
        answered(request("/echo", f"{field}\r\n", "POST") + NO_CODING, b"hello")
        for field in (
            "Transfer-Encoding: chunked", "transfer-encoding:chunked", "Transfer-Encoding: Chunked",
            "Transfer-Encoding:  CHUNKED \t", "Transfer-Encoding:\tchunked",
        )
    ),
    answered(request("/echo", CHUNKED, "GET") + NO_CODING),
    answered(request("/echo", f"TE: trailers, chunked\r\n{CHUNKED}", "PUT") + NO_CODING),
    answered(request("/echo", "Transfer_Encoding: chunked\r\nContent-Length: 4\r\n", "POST") + "body", b"body"),
    *(  # understood by one server and not by the other
        refused(request("/echo", f"Transfer-Encoding: {coding}\r\n", "POST") + NO_CODING, 501)
        for coding in (
            "xchunked", "chunkedx", "chunked;", "chunked;q=1", "chun ked", '"chunked"', "chunked\xa0", "\x85chunked",
            "identity", "gzip", "identity, chunked", "gzip, chunked", "chunked, gzip", "chunked, chunked", "",
        )
    ),
    *(
        refused(request("/echo", f"Transfer-Encoding: {coding}\r\n", "POST") + NO_CODING, 501, OF_CHUNKS)
        for coding in (", chunked", "chunked,")
    ),
    *(
        refused(request("/echo", f"{field}\r\n", "POST") + NO_CODING)
        for field in (
            "Transfer-Encoding: chunked\x0b", "Transfer-Encoding: \x0bchunked", "Transfer-Encoding: \0chunked",
            "Transfer-Encoding: chunked\r", "Transfer-Encoding:\rchunked", "Transfer-Encoding : chunked",
            "Transfer-Encoding\t: chunked", "Transfer-Encoding\0: chunked", "Transfer-Encoding\xa0: chunked",
            "Transfer-Encoding\n : chunked", "X-A: b\rTransfer-Encoding: chunked", "\x0bTransfer-Encoding: chunked",
        )
    ),
    *(
        refused(request("/echo", f"{field}\r\n", "POST") + NO_CODING, 400, OF_CHUNKS)
        for field in (
            "X-A: b\nTransfer-Encoding: chunked", "Transfer-Encoding:\n chunked", "Transfer-Encoding:\r\n chunked",
        )
    ),
    refused(request("/echo", CHUNKED * 2, "POST") + NO_CODING, 501),
    refused(request("/echo", f"{CHUNKED}Transfer-Encoding: identity\r\n", "POST") + NO_CODING, 501),
    refused(request("/echo", f"Transfer-Encoding: identity\r\n{CHUNKED}", "POST") + NO_CODING, 501),
    *(
        refused(request("/echo", fields, "POST") + NO_CODING, 400, ONCE)
        for fields in (
            f"Content-Length: 5\r\n{CHUNKED}", f"{CHUNKED}Content-Length: 5\r\n", f"Content-Length: 0\r\n{CHUNKED}",
            f"{CHUNKED}X-A: b\r\ncontent-length: 15\r\n",
        )
    ),
    refused(request("/echo", f"{CHUNKED}Content-Length: x\r\n", "POST") + NO_CODING),
    refused(request("/echo", "Transfer-Encoding: identity\r\nContent-Length: 4\r\n", "POST") + "body", 400),
    refused(request("/echo", "Transfer-Encoding: x\r\nContent-Length: 4\r\n", "POST") + "body", 400),
    refused(request("/echo", CHUNKED, "POST", "1.0") + NO_CODING, 400, ONCE),
    refused(request("/echo", f"Connection: keep-alive\r\n{CHUNKED}", "POST", "1.0") + NO_CODING, 400, ONCE),
    refused(request("/echo", f"Content-Length: 4\r\n{CHUNKED}", "POST", "1.0") + NO_CODING, 400, ONCE),
]  # fmt: skip

# RFC 9112, 7.1
CHUNKS = [
    *(
        answered(TO_ECHO + body, decoded)
        for body, decoded in (
            ("0\r\n\r\n", b"hello"),  # none, so that the application says hello
            ("000\r\n\r\n", b"hello"),
            ("a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
            ("A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
            ("000000000000005\r\nhello\r\n0\r\n\r\n", b"hello"),
            ("7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", b"\r\n0\r\n\r\n"),
            ("5;a=b;c\r\nhello\r\n0;d\r\n\r\n", b"hello"),
            ('5;a="b;c, d"\r\nhello\r\n0\r\n\r\n', b"hello"),
            ('5;a="b\\"c"\r\nhello\r\n0\r\n\r\n', b"hello"),
            ("5;" + "a" * 200 + "\r\nhello\r\n0\r\n\r\n", b"hello"),
            ("5\r\nhello\r\n0\r\nX-A: b\r\nX-B:\r\n\r\n", b"hello"),
            ("1\r\na\r\n" * 500 + "0\r\n\r\n", b"a" * 500),
            ("11170\r\n" + "a" * 70_000 + "\r\n0\r\n\r\n", b"a" * 70_000),
        )
    ),
    *(  # bad white space, which is to be borne, and fields that mean nothing there
        answered(TO_ECHO + body, b"hello", allowed=(REFUSED,))
        for body in (
            "5 ; a = b\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n",
            "5\r\nhello\r\n0\r\nTransfer-Encoding: gzip\r\nHost: b\r\n\r\n",
        )
    ),
    answered(request("/told/CONTENT_LENGTH", CHUNKED, "POST") + NO_CODING, b"5", allowed=(outcome(b"-"), outcome(b""))),
    answered(request("/told/HTTP_X_A", f"X-A: 1\r\n{CHUNKED}", "POST") + "0\r\nX-A: 2\r\n\r\n", b"1"),  # not merged
    answered(chunked("/ignore", HIDDEN)),
    answered(chunked("/part/2", "bo", "dy"), b"bo"),
    answered(chunked("/lines", "a\nb", "\nc"), b"a\n|b\n|c"),
    *(
        refused(TO_ECHO + f"{size}\r\nhello\r\n0\r\n\r\n")
        for size in (
            "", "x", "-5", "+5", "0x5", "0_5", " 5", "5 5", "5h", "5,", "\xb2", "5\0", "5\x0b", "4", "6", ";a",
            "5;a\rb", "5;a\nb",
        )
    ),
    *(  # of a large one nobody may take a part
        refused(TO_ECHO + f"{size}\r\nhello\r\n0\r\n\r\n", ends=True) for size in ("10000000000000005", "f" * 17)
    ),
    *(  # valid, but abuse; or nobody needs to look at it
        refused(TO_ECHO + f"{size}\r\nhello\r\n0\r\n\r\n", 400, OF_CHUNKS)
        for size in (f"5;{'a' * 70_000}", "0" * 5_000 + "5", "5;a\0")
    ),
    *(
        refused(TO_ECHO + body)
        for body in (
            "-0\r\n\r\n", "5" * 70_000, "5\rhello\r\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n",
            "5\r\nhello\r\n\r\n0\r\n\r\n", f"0\r\n{HELLO}",
        )
    ),
    *(
        refused(TO_ECHO + f"5\r\nhello\r\n0\r\n{trailer}\r\n\r\n", 400, OF_CHUNKS)
        for trailer in ("X-A : b", "X-A", " X-A: b", "X-A: b\0", "X-A: b\rc")
    ),
    *(  # what who is less strict reads in one way only
        refused(TO_ECHO + body, 400, OF_CHUNKS)
        for body in (
            "5 \r\nhello\r\n0\r\n\r\n", "5\nhello\n0\n\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\n",
            "5\r\nhello\r\n0\r\nX-A: b\n\r\n", "5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n",
        )
    ),
    refused(TO_ECHO + "5\r\nhello\r\n0\r\n" + f"X-A: {'b' * 1_000}\r\n" * 200 + "\r\n", 431, OF_CHUNKS),
    refused(TO_ECHO + "5\r\nhello\r\n0\r\nX-A: " + "b" * 70_000 + "\r\n\r\n", 431, OF_CHUNKS),
    *(refused(TO_ECHO + body, ends=True) for body in ("", "5", "5\r\nhell", "5\r\nhello\r\n", NO_CODING[:-2])),
]  # fmt: skip

TRUNCATED = outcome(Reply(None, 400, headers=CLOSES), kept=False)
BODIES = [
    answered(post("/ignore", "body")),
    answered(post("/ignore", HIDDEN)),
    answered(post("/echo", HIDDEN), HIDDEN.encode()),
    answered(post("/part/2", "body"), b"bo"),
    answered(post("/part/0", "body"), b""),
    answered(post("/part/99", "body"), b"body"),
    answered(post("/lines", "a\nb\r\nc"), b"a\n|b\r\n|c"),
    answered(post("/count", "a" * 300_000), b"300000"),
    answered(post("/echo", "\0\r\n\r\n\xff" * 9), b"\0\r\n\r\n\xff" * 9),
    answered(post("/status/404", HIDDEN), Reply(status=404)),
    answered(post("/echo", "body") + "\r\n" + HELLO, b"body", b"hello"),  # as old browsers end their forms
    *(
        Row(sent, TRUNCATED, ends=True)
        for sent in (
            post("/echo", "body")[:-1], post("/echo", "body")[:-4], post("/lines", "body")[:-1],
            post("/part/9", "body")[:-2], post("/count", "a" * 200_000)[:-1], post("/echo", "body", version="1.0")[:-1],
        )
    ),
]  # fmt: skip

# RFC 9110, 10.1.1
WAITS = "Expect: 100-continue\r\n"
ASKED, UNASKED = Reply(b"body", interim=(100,)), Reply(b"body", interim=())
EXPECTATIONS = [
    answered(request("/echo", f"{WAITS}Content-Length: 4\r\n", "POST"), ASKED, then="body"),
    answered(request("/echo", "expect:100-Continue\r\nContent-Length: 4\r\n", "POST"), ASKED, then="body"),
    answered(request("/lines", f"{WAITS}Content-Length: 4\r\n", "PUT"), ASKED, then="body"),
    answered(request("/echo", f"{WAITS}{CHUNKED}", "POST"), ASKED, then="4\r\nbody\r\n0\r\n\r\n"),
    answered(post("/echo", "body", WAITS), Reply(b"body")),  # it comes at once, so that nobody has to ask
    answered(chunked("/echo", "body", fields=WAITS), Reply(b"body")),
    answered(post("/echo", "body", "Expect:\r\n"), b"body", allowed=(Outcome((Reply(None, 417),), None),)),
    answered(request("/echo", WAITS), Reply()),
    answered(request("/echo", f"{WAITS}Content-Length: 0\r\n", "POST"), Reply()),
    answered(
        request("/ignore", f"{WAITS}Content-Length: 4\r\n", "POST"), Reply(interim=(), headers={"Connection": "close"}),
        kept=False, allowed=(outcome(b"hello", kept=None), outcome(b"hello", then="body")),
    ),
    answered(post("/echo", "body", WAITS, "1.0"), UNASKED, kept=False),
    answered(request("/echo", WAITS, version="1.0"), Reply(interim=()), kept=False),
    *(
        refused(post("/echo", "body", f"Expect: {expectation}\r\n"), 417, outcome(b"body"))
        for expectation in ("200-ok", "100-continue, x", "x=y", "100-continued", '"100-continue"')
    ),
    refused(post("/echo", "body", f"{WAITS}Expect: x\r\n"), 417, outcome(b"body")),
]  # fmt: skip

# RFC 9112, 9.3 and 9.6
CONNECTIONS = [
    *(
        answered(request("/echo", fields), kept=False)
        for fields in (
            "Connection: close\r\n", "connection:CLOSE\r\n", "Connection: keep-alive, close\r\n",
            "Connection: x,close,y\r\n", "Connection: ,,close ,,\r\n",
            "Connection: x\r\nConnection: close\r\n", "Connection: close\r\nConnection: keep-alive\r\n",
        )
    ),
    *(
        answered(request("/echo", fields))
        for fields in (
            "Connection: Keep-Alive\r\nKeep-Alive: timeout=5, max=1\r\n", "Connection:\r\n",
            "Connection: closed, not-close\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        )
    ),
    *(
        answered(request("/echo", fields, version="1.0"), kept=False)
        for fields in (
            "Keep-Alive: timeout=5\r\n", "Proxy-Connection: keep-alive\r\n", "Connection: keep-alive, close\r\n",
        )
    ),
    *(
        answered(
            request("/echo", fields, version="1.0"), Reply(headers={"Connection": "keep-alive"}), allowed=(ONCE, HELLOS)
        )
        for fields in ("Connection: keep-alive\r\n", "Connection: x, Keep-Alive\r\n")
    ),
    answered(request("/last"), Reply(headers=CLOSES), kept=False, allowed=(HELLOS, ONCE)),  # the server's to decide
    answered(post("/ignore", "body", "Connection: close\r\n"), kept=False),
]  # fmt: skip

PIPELINES = [
    answered(HELLO * 3, *[b"hello"] * 3),
    answered(HELLO * 50, *[b"hello"] * 50),
    answered(post("/echo", "one") + post("/echo", "two") + HELLO, b"one", b"two", b"hello"),
    answered(chunked("/echo", "one") + post("/echo", "two") + chunked("/echo", "three"), b"one", b"two", b"three"),
    answered(post("/ignore", "body") + HELLO, b"hello", b"hello"),
    answered(chunked("/ignore", HIDDEN) + HELLO, b"hello", b"hello"),
    answered(request("/echo", method="HEAD") + HELLO, Reply(b"", method="HEAD"), Reply()),
    answered(request("/status/204") + HELLO, Reply(b"", 204), Reply()),
    answered(request("/status/304") + HELLO, Reply(b"", 304), Reply()),
    answered(request("/status/404") + HELLO, Reply(status=404), Reply()),
    answered("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2, b"hello", b"hello", allowed=(ONCE,)),
    answered(HELLO + LAST, b"hello", b"hello", kept=False),
    answered(HELLO + "GET /echo HTTP/1.0\r\n\r\n", b"hello", b"hello", kept=False),
    answered(HELLO + "nonsense\r\n\r\n", Reply(), Reply(None, 400), kept=False),
    answered(post("/echo", "body") + "\0" + HELLO, Reply(b"body"), Reply(None, 400), kept=False),
    answered(HELLO + request("/echo", "X-A : b\r\n") + HELLO, Reply(), Reply(None, 400), kept=False),
    answered(TO_ECHO + NO_CODING + "0\r\n\r\n" + HELLO, Reply(), Reply(None, 400), kept=False),
]

# RFC 9110, 6.4.1, 8.6 and 9.3.2; RFC 9112, 6.1
NO_LENGTH: Mapping[str, str | None] = {"Content-Length": None, "Transfer-Encoding": None}
CONTENTS = [
    *(
        answered(
            request(path, method="HEAD"), Reply(b"", status, "HEAD", headers),
            allowed=(outcome(Reply(b"", status, "HEAD")),),
        )
        for path, status, headers in (
            ("/echo", 200, {"Content-Length": "5", "Transfer-Encoding": None}),
            ("/ignore", 200, {"Transfer-Encoding": None}),
            ("/lists/two", 200, {"Transfer-Encoding": None}),
            ("/status/404", 404, {"Content-Length": "5"}),
            ("/status/304", 304, {}),
            ("/replaced", 503, {}),
            ("/file", 200, {}),
        )
    ),
    answered(request("/status/204", method="HEAD"), Reply(b"", 204, "HEAD", NO_LENGTH)),
    answered(request("/write", method="HEAD"), Reply(b"", method="HEAD"), kept=None),
    answered(request("/generate", method="HEAD"), Reply(b"", method="HEAD"), kept=None),
    answered(request("/status/204"), Reply(b"", 204, headers=NO_LENGTH)),
    answered(request("/status/304"), Reply(b"", 304)),
    answered(request("/status/205"), Reply(b"", 205), allowed=(outcome(Reply(status=205)),)),  # RFC 9110, 15.3.6
    *(answered(request(f"/status/{code}"), Reply(status=code)) for code in (201, 299, 404, 503)),
]  # fmt: skip

FAILED = Reply(None, 500, headers={"X-A": None, "Set-Cookie": None, "X-First": None})
CUT = Reply(None, complete=False)
SENT = outcome(b"hello", kept=None)
HARMLESS = {"number", "bytes"}  # against PEP 3333, but what comes out can be right
ANSWERS = [
    answered(request("/lists/none"), b""),
    answered(request("/lists/empty"), b""),
    answered(request("/lists/two"), b"onetwo", kept=None),
    answered(request("/generate"), b"onetwo", kept=None),
    answered(request("/generate", version="1.0"), Reply(b"onetwo", headers={"Transfer-Encoding": None}), kept=False),
    answered(
        request("/generate", "Connection: keep-alive\r\n", version="1.0"),
        Reply(b"onetwo", headers={"Transfer-Encoding": None, "Connection": "close"}), kept=False,
        allowed=(outcome(b"onetwo", kept=False),),
    ),
    answered(request("/write"), b"onetwo", kept=None),
    answered(request("/write", version="1.0"), b"onetwo", kept=False),
    answered(request("/file"), Reply(b"0123456789", headers={"ETag": '"one"'})),
    answered(request("/file", version="1.0"), b"0123456789", kept=False),
    answered(request("/replaced"), Reply(status=503, headers={"X-First": None})),
    answered(request("/headers"), Reply(headers={"X-Empty": "", "X-Latin": "caf\xe9"})),
    answered(request("/megabytes/1", version="1.0"), b"x" * (1 << 20), kept=False),
    answered(
        request("/hop"),
        Reply(headers=dict.fromkeys(("Keep-Alive", "Transfer-Encoding", "Upgrade", "Trailer", "Proxy-Authenticate"))),
        kept=None, allowed=(outcome(FAILED, kept=None),),
    ),
    answered(request("/more"), b"hello", kept=False, allowed=(HELLOS, outcome(FAILED, kept=None))),
    answered(request("/less"), Reply(b"hello", complete=False), kept=False, allowed=(outcome(Reply(None, 500)),)),
    *(
        answered(request(f"/bad/{name}"), FAILED, kept=None, allowed=(SENT,) if name in HARMLESS else ())
        for name in BAD_HEADERS
    ),
    *(answered(request(f"/bad-status/{name}"), FAILED, kept=None) for name in BAD_STATUS),
    *(
        answered(request(f"/fail/{name}"), FAILED, kept=None, allowed=(outcome(CUT, kept=False),))
        for name in ("first", "exit", "started", "silent", "none", "text", "twice")
    ),
    *(answered(request(f"/fail/{name}"), CUT, kept=False) for name in ("streaming", "promised")),
]  # fmt: skip

# Who ends its side may still want its answers; no RFC says so
GONE = (outcome(kept=False), ONCE)
HALVES = [
    answered(HELLO, kept=False, ends=True, allowed=GONE),
    answered(HELLO * 2 + post("/echo", "body"), b"hello", b"hello", b"body", kept=False, ends=True, allowed=GONE),
    answered(chunked("/echo", "body"), b"body", kept=False, ends=True, allowed=GONE),
    answered(request("/generate"), b"onetwo", kept=False, ends=True, allowed=GONE),
    *(unanswered(sent) for sent in ("", "\r\n", "GET /hidden HT", HIDDEN[:-2], HIDDEN[:-1])),
]

GARBAGE = [
    refused("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x7f" * 60),  # TLS
    refused("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + "\x07" * 40),  # SSL 2
    refused("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    refused("\x05\x01\x00"),  # SOCKS
    refused(f"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n{HELLO}"),
    refused(f"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c{'a' * 12}{HELLO}"),  # PROXY, version 2
    refused("*1\r\n$4\r\nPING\r\n\r\n"),
    refused("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
    refused("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    refused("\xef\xbb\xbf" + HELLO),  # a byte order mark
    refused("".join(f"{character}\0" for character in HELLO)),  # UTF-16
    refused("\0" * 100),
    refused("".join(map(chr, range(256)))),
    refused("\xff" * 1_000 + "\r\n\r\n"),
    refused("A" * 70_000, 414),
]


def of_file(path: str, fields: str = "", method: str = "GET") -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"


DIGITS = b"0123456789"
STATIC = [
    answered(of_file("/static/digits.txt"), DIGITS),
    answered(of_file("/static/%64igits.txt?a=/../b"), DIGITS),
    answered(of_file("/static/x/../digits.txt"), DIGITS),
    answered(of_file("/static/digits.txt", method="HEAD"), Reply(b"", method="HEAD", headers={"Content-Length": "10"})),
    *(
        answered(of_file(f"/static/{path}"), Reply(None, 404), kept=None, allowed=(REFUSED,))
        for path in (
            "missing.txt", "../table.py", "%2e%2e/table.py", "..%2ftable.py", "x/../../table.py", "..%5ctable.py",
            "..\\table.py", "..%252ftable.py", ".%00./table.py", "....//table.py", "%c0%ae%c0%ae/table.py",
            "../files/../table.py", "/etc/passwd", "%2fetc/passwd", "digits.txt%00", "digits.txt%00.py", "digits.txt/x",
            "a" * 300,
        )
    ),
]  # fmt: skip

# RFC 9110, 13 and 14; who knows nothing of ranges sends all of it
WHOLE = (outcome(DIGITS),)
DATE, EARLIER = "Sat, 01 Nov 2025 12:00:00 GMT", "Sat, 01 Nov 2025 11:59:59 GMT"
RANGES = [
    *(
        answered(
            request("/file", f"Range: {wanted}\r\n"),
            Reply(DIGITS[first : last + 1], 206, headers={"Content-Range": f"bytes {first}-{last}/10"}), allowed=WHOLE,
        )
        for wanted, first, last in (
            ("bytes=0-0", 0, 0), ("bytes=2-4", 2, 4), ("bytes=7-", 7, 9), ("bytes=0-", 0, 9), ("bytes=8-99", 8, 9),
            ("bytes=-3", 7, 9), ("bytes=-99", 0, 9), ("BYTES=02-04", 2, 4), ("bytes= 2-4,", 2, 4),
        )
    ),
    *(
        answered(
            request("/file", f"Range: {wanted}\r\n"),
            Reply(None, 416, headers={"Content-Range": "bytes */10"}), allowed=WHOLE,
        )
        for wanted in ("bytes=10-", "bytes=10-20", "bytes=-0")
    ),
    *(  # of no meaning, or several, which the server may ignore
        answered(request("/file", f"Range: {wanted}\r\n"), Reply(DIGITS, headers={"Content-Range": None}))
        for wanted in (
            "bytes=", "bytes=-", "bytes=4-2", "bytes=a-b", "bytes=2", "bytes=--2", "bytes=2-4 5", "lines=2-4",
            "bytes=0-1,5-6", "bytes=" + ",".join(["0-"] * 500),
        )
    ),
    *(
        answered(
            request("/file", f"Range: bytes=2-4\r\nIf-Range: {condition}\r\n"),
            Reply(b"234", 206) if holds else Reply(DIGITS), allowed=WHOLE,
        )
        for condition, holds in (('"one"', True), (DATE, True), ('"two"', False), ('W/"one"', False), (EARLIER, False))
    ),
    *(
        answered(request("/file", f"{fields}\r\n"), Reply(DIGITS if status == 200 else None, status), allowed=WHOLE)
        for fields, status in (
            ('If-None-Match: "one"', 304), ('If-None-Match: W/"one"', 304), ('If-None-Match: "two", "one"', 304),
            ("If-None-Match: *", 304), ('If-None-Match: "two"', 200), (f"If-Modified-Since: {DATE}", 304),
            (f"If-Modified-Since: {EARLIER}", 200), ("If-Modified-Since: never", 200),
            (f'If-None-Match: "two"\r\nIf-Modified-Since: {DATE}', 200),
            ('If-Match: "two"', 412), ('If-Match: "one"', 200),
            (f"If-Unmodified-Since: {EARLIER}", 412), (f"If-Unmodified-Since: {DATE}", 200),
            ('Range: bytes=2-4\r\nIf-None-Match: "one"', 304),
        )
    ),
    answered(request("/file", "Range: bytes=2-4\r\n", "HEAD"), Reply(b"", method="HEAD")),
    answered(post("/file", "", "Range: bytes=2-4\r\n"), Reply(DIGITS, headers={"Content-Range": None})),
    answered(of_file("/static/digits.txt", "Range: bytes=2-4\r\n"), Reply(b"234", 206), allowed=WHOLE),
    answered(of_file("/static/digits.txt", "If-None-Match: *\r\n"), Reply(b"", 304), allowed=WHOLE),
]  # fmt: skip

TABLE: dict[str, list[Row]] = {
    "methods": METHODS,
    "targets": TARGETS,
    "versions": VERSIONS,
    "spaces and line ends": SPACES,
    "header fields": FIELDS,
    "Host": HOSTS,
    "Content-Length": LENGTHS,
    "Transfer-Encoding": CODINGS,
    "chunked bodies": CHUNKS,
    "bodies": BODIES,
    "Expect": EXPECTATIONS,
    "Connection": CONNECTIONS,
    "pipelines": PIPELINES,
    "answers without content": CONTENTS,
    "answers": ANSWERS,
    "half-closed": HALVES,
    "garbage": GARBAGE,
    "static files": STATIC,
    "ranges and conditions": RANGES,
}

# By a name for each.
ROWS = {f"{group} {number}": row for group, rows in TABLE.items() for number, row in enumerate(rows)}
