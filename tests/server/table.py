"""The table of behaviours: what goes in by raw sockets, and what has to come out. Sources: RFC 9110, RFC 9112.

Also what the benchmark puts to other servers.
"""

from __future__ import annotations

HOST = "Host: a\r\n"
HELLO = f"GET /echo HTTP/1.1\r\n{HOST}\r\n"
LAST = f"GET /echo HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"
HIDDEN = f"GET /hidden HTTP/1.1\r\n{HOST}\r\n"  # what must never be taken for a request


def request(path: str, fields: str = "", method: str = "GET", version: str = "1.1") -> str:
    return f"{method} {path} HTTP/{version}\r\n{HOST}{fields}\r\n"


def post(path: str, body: str, fields: str = "") -> str:
    return request(path, f"{fields}Content-Length: {len(body)}\r\n", "POST") + body


def chunked(path: str, *chunks: str, fields: str = "") -> str:
    body = "".join(f"{len(chunk):x}\r\n{chunk}\r\n" for chunk in chunks)
    return request(path, f"{fields}Transfer-Encoding: chunked\r\n", "POST") + body + "0\r\n\r\n"


# What is sent, which bodies come back, and whether the connection is kept; None: ours is not, others may
ANSWERED: list[tuple[str, list[bytes], bool | None]] = [
    (HELLO, [b"hello"], True),
    (HELLO * 3, [b"hello"] * 3, True),  # pipelined
    ("\r\n" + HELLO + "\r\n\r\n" + HELLO, [b"hello"] * 2, True),
    (post("/echo", "body") + HELLO, [b"body", b"hello"], True),
    (post("/ignore", "body") + HELLO, [b"hello"] * 2, True),
    (post("/part/2", "body") + HELLO, [b"bo", b"hello"], True),
    (post("/lines", "a\nb\nc") + HELLO, [b"a\n|b\n|c", b"hello"], True),
    (post("/echo", HIDDEN) + HELLO, [HIDDEN.encode(), b"hello"], True),
    (post("/ignore", HIDDEN) + HELLO, [b"hello"] * 2, True),
    (chunked("/echo", "bo", "dy") + HELLO, [b"body", b"hello"], True),
    (chunked("/ignore", HIDDEN) + HELLO, [b"hello"] * 2, True),
    (chunked("/echo") + HELLO, [b"hello"] * 2, True),
    (LAST + HIDDEN, [b"hello"], False),
    (request("/echo", "Connection: foo, Close\r\n") + HIDDEN, [b"hello"], False),
    ("GET /echo HTTP/1.0\r\n\r\n", [b"hello"], False),
    ("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2, [b"hello"] * 2, True),
    ("GET http://b/echo HTTP/1.1\r\nHost: a\r\n\r\n", [b"hello"], True),
    (request("/write"), [b"onetwo"], None),
    (request("/lists/none"), [b""], True),
    (request("/lists/empty"), [b""], True),
    (request("/lists/two"), [b"onetwo"], None),
    (request("/last"), [b"hello"], None),
    (request("/more"), [b"hello"], False),
    (request("/replaced"), [b"hello"], True),
]

# What is sent, and the status that refuses it
REFUSED: list[tuple[str, int]] = [
    ("nonsense\r\n\r\n", 400),
    ("GET /echo\r\n\r\n", 400),
    ("GET /echo HTTP/1.1\r\n\r\n", 400),
    (f"GET /echo HTTP/1.1\r\n{HOST}{HOST}\r\n", 400),
    (f"GET /echo HTTP/1.1\n{HOST}\n", 400),
    (request("/echo", "A : b\r\n"), 400),
    (request("/echo", "A: b\r\n c\r\n"), 400),
    (request("/echo", "A: b\rc\r\n"), 400),
    (request("/echo", "A: b\0c\r\n"), 400),
    (request("/echo", "A\0: b\r\n"), 400),
    (request("/echo", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "POST") + "0\r\n\r\n", 400),
    (request("/echo", "Content-Length: 5\r\nContent-Length: 5\r\n", "POST") + "hello", 400),
    (request("/echo", "Content-Length: 5\r\nContent-Length: 0\r\n", "POST") + "hello", 400),
    (request("/echo", "Content-Length: +5\r\n", "POST") + "hello", 400),
    (request("/echo", "Content-Length: 5,5\r\n", "POST") + "hello", 400),
    (request("/echo", "Content-Length: five\r\n", "POST") + "hello", 400),
    (request("/echo", "Content-Length : 5\r\n", "POST") + "hello", 400),
    (request("/echo", "Transfer-Encoding: gzip\r\n", "POST"), 501),
    (request("/echo", "Transfer-Encoding: xchunked\r\n", "POST"), 501),
    (request("/echo", "Transfer-Encoding: chunked, identity\r\n", "POST"), 501),
    (request("/echo", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "POST"), 501),
    (request("/echo", "Transfer-Encoding: chunked\r\n", "POST", "1.0") + "0\r\n\r\n", 400),
    (request("/echo", "Transfer-Encoding: chunked\r\n", "POST") + "5\nhello\n0\n\n", 400),
    (request("/echo", "Transfer-Encoding: chunked\r\n", "POST") + "x\r\n", 400),
    (request("/echo", "Transfer-Encoding: chunked\r\n", "POST") + "5\r\nhello6\r\n", 400),
    (request("/echo", "Transfer-Encoding: chunked\r\n", "POST") + "5\r\nhello\r\n0\r\nA : b\r\n\r\n", 400),
    ("GET /" + "a" * 70_000 + f" HTTP/1.1\r\n{HOST}\r\n", 414),
    (request("/echo", "A: " + "b" * 70_000 + "\r\n"), 431),
    (request("/echo", "A: b\r\n" * 101), 431),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501),
    (request("/echo", "Expect: the unexpected\r\n"), 417),
    ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
]
