"""A WSGI application that answers in every way that one can, right or wrong, by the path of the request."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse
from wsgiref.util import FileWrapper

PATIENCE = 30.0  # seconds
FILES = Path(__file__).with_name("files")
PLAIN = ("Content-Type", "text/plain")
BLOCK = b"x" * 65_536

# What ``/bad/<name>`` says, which no application may
BAD_HEADERS: dict[str, tuple[Any, Any]] = {
    "newline": ("X-A", "b\nSet-Cookie: c=d"),
    "return": ("X-A", "b\rc"),
    "both": ("X-A", "b\r\n\r\nc"),
    "nul": ("X-A", "b\0"),
    "name": ("X A", "b"),
    "colon": ("X:A", "b"),
    "newline-in-name": ("X\nA", "b"),
    "empty-name": ("", "b"),
    "number": ("X-A", 5),
    "bytes": (b"X-A", b"b"),
    "wide": ("X-A", "\u20ac"),
    "length": ("Content-Length", "5, 5"),
    "negative-length": ("Content-Length", "-5"),
    "two-lengths": ("content-length", "6"),
}
BAD_STATUS = {"newline": "200 OK\r\nX-A: b", "nul": "200 O\0K", "short": "200", "word": "OK 200 ", "interim": "100 Go"}


class Application:
    """Knows what it was asked, and waits for ``may_end`` where it is to be slow."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.closed = 0
        self.began = threading.Event()
        self.may_end = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Any:
        name, _, argument = environ["PATH_INFO"].strip("/").partition("/")
        self.calls.append(environ)
        view = getattr(self, f"answer_{name.replace('-', '_')}", self.answer_echo)
        return view(environ, start_response, argument)

    def close(self) -> None:
        self.closed += 1

    def answer_echo(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        """The body, or hello."""
        body = environ["wsgi.input"].read() or b"hello"
        start_response("200 OK", [PLAIN, ("Content-Length", str(len(body)))])
        return [body]

    def answer_environ(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        kept = {key: value for key, value in environ.items() if isinstance(value, str | int)}
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(kept).encode()]

    def answer_told(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        """One value of the environment, or "-"."""
        start_response("200 OK", [PLAIN])
        return [str(environ.get(argument.partition("/")[0], "-")).encode("latin-1")]

    def answer_ignore(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        """Without a look at the body."""
        start_response("200 OK", [PLAIN])
        return [b"hello"]

    def answer_part(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        start_response("200 OK", [PLAIN])
        return [environ["wsgi.input"].read(int(argument))]

    def answer_lines(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        start_response("200 OK", [PLAIN])
        return [b"|".join(environ["wsgi.input"])]

    def answer_stream(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> Iterator[bytes]:
        start_response("200 OK", [PLAIN])
        yield b""
        yield b"one"
        self.began.set()
        self.may_end.wait(PATIENCE)
        yield b""
        yield b"two"

    def answer_generate(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> Iterator[bytes]:
        start_response("200 OK", [PLAIN])
        yield from (b"one", b"", b"two")

    def answer_file(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> Iterable[bytes]:
        described = [("ETag", '"one"'), ("Last-Modified", "Sat, 01 Nov 2025 12:00:00 GMT")]
        start_response("200 OK", [PLAIN, *described])
        wrapper = environ.get("wsgi.file_wrapper", FileWrapper)
        return wrapper((FILES / "digits.txt").open("rb"))  # type: ignore[no-any-return]

    def answer_headers(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        """Unusual ones, all allowed."""
        start_response("200 OK", [PLAIN, ("X-Empty", ""), ("X-Latin", "caf\xe9")])
        return [b"hello"]

    def answer_slow(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        self.began.set()
        self.may_end.wait(PATIENCE)
        return self.answer_ignore(environ, start_response, argument)

    def answer_endless(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> Iterable[bytes]:
        start_response("200 OK", [PLAIN])
        return Closing(self, self._blocks())

    def _blocks(self) -> Iterator[bytes]:
        while not self.may_end.is_set():
            yield BLOCK

    def answer_megabytes(
        self, environ: dict[str, Any], start_response: StartResponse, argument: str
    ) -> Iterator[bytes]:
        start_response("200 OK", [PLAIN])
        for _ in range(int(argument) * 16):
            yield BLOCK

    def answer_count(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        """How long the body is, in blocks."""
        count = sum(map(len, iter(lambda: environ["wsgi.input"].read(len(BLOCK)), b"")))
        start_response("200 OK", [PLAIN])
        return [str(count).encode()]

    def answer_lists(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        start_response("200 OK", [PLAIN])
        return {"none": [], "empty": [b""], "two": [b"one", b"two"]}[argument]

    def answer_status(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        start_response(f"{argument} Reason", [PLAIN, ("Content-Length", "5")])
        return [b"hello"]

    def answer_write(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        write = start_response("200 OK", [PLAIN])
        write(b"one")
        return [b"two"]

    def answer_more(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        start_response("200 OK", [PLAIN, ("Content-Length", "5")])
        return [b"hel", b"lo, HTTP/1.1 200 OK\r\n\r\n", b"more"]

    def answer_less(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        start_response("200 OK", [PLAIN, ("Content-Length", "50")])
        return [b"hello"]

    def answer_hop(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        names = ["Keep-Alive", "Transfer-Encoding", "Upgrade", "TE", "Trailer", "Proxy-Authenticate", "Connection"]
        start_response("200 OK", [PLAIN, *((name, "chunked") for name in names)])
        return [b"hello"]

    def answer_last(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        start_response("200 OK", [PLAIN, ("Connection", "Close")])
        return [b"hello"]

    def answer_bad(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        start_response("200 OK", [PLAIN, ("Content-Length", "5"), BAD_HEADERS[argument]])
        return [b"hello"]

    def answer_bad_status(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        start_response(BAD_STATUS[argument], [PLAIN])
        return [b"hello"]

    def answer_fail(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> Any:
        return getattr(self, f"_fail_{argument}")(start_response)

    def _fail_first(self, start_response: StartResponse) -> Any:
        raise RuntimeError("before anything")

    def _fail_exit(self, start_response: StartResponse) -> Any:
        sys.exit(1)

    def _fail_started(self, start_response: StartResponse) -> Any:
        start_response("200 OK", [PLAIN])
        raise RuntimeError("after start_response")

    def _fail_streaming(self, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [PLAIN])
        yield b"one"
        raise RuntimeError("in the middle")

    def _fail_promised(self, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [PLAIN, ("Content-Length", "50")])
        yield b"one"
        raise RuntimeError("in the middle")

    def _fail_silent(self, start_response: StartResponse) -> Any:
        return [b"without start_response"]

    def _fail_none(self, start_response: StartResponse) -> Any:
        start_response("200 OK", [PLAIN])

    def _fail_text(self, start_response: StartResponse) -> Any:
        start_response("200 OK", [PLAIN])
        return ["text"]

    def _fail_twice(self, start_response: StartResponse) -> Any:
        start_response("200 OK", [PLAIN])
        start_response("200 OK", [PLAIN])
        return [b"hello"]

    def answer_replaced(self, environ: dict[str, Any], start_response: StartResponse, argument: str) -> list[bytes]:
        """By the rules, as long as nothing was sent."""
        start_response("200 OK", [PLAIN, ("X-First", "1")])
        try:
            raise RuntimeError
        except RuntimeError:
            start_response("503 Sorry", [PLAIN], sys.exc_info())
        return [b"hello"]


class Closing:
    """Blocks, and who wants to know that they were closed."""

    def __init__(self, application: Application, blocks: Iterator[bytes]) -> None:
        self._application = application
        self._blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks

    def close(self) -> None:
        self._application.close()
