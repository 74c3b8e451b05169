"""The WSGI application around the project's: it serves the client and its stream, and puts the client into pages.

Theory of operation
-------------------
A page carries the *generation* that rendered it: the number at the moment when its request was taken up, so that a
change while it is being rendered counts as a later one. The stream tells the last generation. It is a connection that
stays open after its head: the server gives it away (``claims``), so that it costs no thread and outlives this
process. Where connections cannot be given away the stream is an answer that ends, and the browser asks again.

What is below PATH is for pages of ours alone: the stream wants a token that only they know, no other origin, and an
allowed host. The scripts are public files.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.wsgi import WSGIRequest
from django.utils.crypto import constant_time_compare, salted_hmac

from devrunserver.browser.console_messages import MAX_BODY, ConsoleMessages
from devrunserver.common.page_changes import PAGE, announcement
from devrunserver.server.content_policy import source_of
from devrunserver.server.injection import Tag, answer, asks_for_document

PATH = "/__devrunserver__/"
CLIENT = "live_reload.js"
CONSOLE_CLIENT = "console_forwarding.js"
STREAM, CONSOLE = "stream", "console"
SCRIPTS = Path(__file__).parent
LOOK_INTERVAL = 1000  # milliseconds until the browser asks again, where the stream ends
FOREVER = 31_536_000  # seconds; a script's URL has its version in it
VERSION_LENGTH = 12  # hexadecimal digits
TOKEN_LENGTH = 32  # the same
STREAM_HEADERS = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")]


class LiveReload:
    """The project's application, and ours around it.

    Args:
        application: the project's.
        generation: the present one.
        on_failure: told once that putting the client into pages has failed, and why; it is off from then on.
        inserts: whether pages get the client.
        console: where pages tell what they write to the browser's console; None: they do not.
    """

    def __init__(
        self,
        application: Any,
        generation: Callable[[], int],
        on_failure: Callable[[Exception], object],
        inserts: bool = True,
        console: ConsoleMessages | None = None,
    ) -> None:
        self._application = application
        self._generation = generation
        self._on_failure = on_failure
        self._is_off = not inserts
        self._console = console
        self._below = (settings.FORCE_SCRIPT_NAME or "").rstrip("/")
        self._last = ((0, "", ""), Tag(lambda nonce: b"", str, self._fail))  # and for what it was made

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if PATH in environ.get("PATH_INFO", "") and (name := self._name(environ)):
            if name == STREAM:
                return self._serve_stream(environ, start_response)
            if name == CONSOLE and self._console is not None:
                return self._receive(self._console, environ, start_response)
            if name in scripts():
                return _serve_script(name, environ, start_response)
        if (tag := self.tag_for(environ)) is None:
            return self._application(environ, start_response)  # type: ignore[no-any-return]
        return answer(self._application, environ, start_response, tag)

    def tag_for(self, environ: dict[str, Any]) -> Tag | None:
        """What is put into the answer to a request, if that is a document; None where nothing is."""
        if self._is_off or not asks_for_document(environ):
            return None
        wanted = generation, method, host = self._generation(), environ["REQUEST_METHOD"], environ.get("HTTP_HOST", "")
        made_for, tag = self._last
        if made_for != wanted:
            path = self._below + PATH
            make = functools.lru_cache(maxsize=1)(lambda nonce: self._tag(generation, method, nonce))
            tag = Tag(make, lambda: source_of(host, path), self._fail)
            self._last = wanted, tag
        return tag

    def claims(self, environ: dict[str, Any]) -> bytes:
        """The head of the stream, where a request is one for it; the connection is given away then."""
        if self._name(environ) != STREAM or environ["REQUEST_METHOD"] != "GET" or refusal(environ) is not None:
            return b""
        lines = [f"{name}: {value}" for name, value in [*STREAM_HEADERS, ("Connection", "close")]]
        return "\r\n".join(["HTTP/1.1 200 OK", *lines, "\r\n"]).encode()

    def _name(self, environ: dict[str, Any]) -> str:
        """What is asked for below our path; empty where it is another one."""
        path: str = environ.get("PATH_INFO", "")
        if PATH not in path:
            return ""
        path = path.removeprefix(self._below)
        return path.removeprefix(PATH) if path.startswith(PATH) else ""

    def _tag(self, generation: int, method: str, nonce: str) -> bytes:
        names = [CLIENT] if self._console is None else [CLIENT, CONSOLE_CLIENT]
        return b"".join(self._script(name, generation, method, nonce) for name in names)

    def _script(self, name: str, generation: int, method: str, nonce: str) -> bytes:
        attributes = {
            "src": f"{self._below}{PATH}{name}?v={version()}",
            "data-devrunserver": "",
            "data-generation": str(generation),
            "data-version": version(),
            "data-token": token(),
            "data-method": method,
            **({"nonce": nonce} if nonce else {}),
        }
        written = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
        return f"<script {written}></script>".encode()

    def _receive(
        self, console: ConsoleMessages, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        """What a page has written to the browser's console."""
        length = environ.get("CONTENT_LENGTH") or "0"
        status = refusal(environ)
        if status is None and (environ["REQUEST_METHOD"] != "POST" or not length.isascii() or not length.isdigit()):
            status = HTTPStatus.BAD_REQUEST
        if status is None and int(length) > MAX_BODY:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if status is None:
            console.receive(environ["wsgi.input"].read(int(length)))
            status = HTTPStatus.NO_CONTENT
        return _answer(start_response, status, [("Content-Type", "text/plain")], b"")

    def _fail(self, error: Exception) -> None:
        if not self._is_off:
            self._is_off = True
            self._on_failure(error)

    def _serve_stream(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """The stream where its connection is not given away: it ends, and the browser asks again."""
        if (status := refusal(environ)) is not None:
            return _answer(start_response, status, [("Content-Type", "text/plain")], status.phrase.encode())
        generation = self._generation()
        data = announcement(generation, since=0, changes=[(generation, PAGE, [])])
        return _answer(start_response, HTTPStatus.OK, STREAM_HEADERS, b"retry: %d\n" % LOOK_INTERVAL + data)


def _serve_script(name: str, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    content = scripts()[name]
    etag = f'"{_digest(content)}"'
    is_versioned = version() in environ.get("QUERY_STRING", "")
    headers = [("ETag", etag), ("Cache-Control", f"max-age={FOREVER}, immutable" if is_versioned else "no-cache")]
    if environ.get("HTTP_IF_NONE_MATCH") == etag:
        return _answer(start_response, HTTPStatus.NOT_MODIFIED, headers, b"")
    headers.append(("Content-Type", "text/javascript; charset=utf-8"))
    return _answer(start_response, HTTPStatus.OK, headers, content)


def refusal(environ: dict[str, Any]) -> HTTPStatus | None:
    """Why a request is none of a page of ours: the status to answer with; None where it is one."""
    try:
        host = WSGIRequest(environ).get_host()
    except DisallowedHost:
        return HTTPStatus.BAD_REQUEST
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin.partition("://")[2] != host:
        return HTTPStatus.FORBIDDEN
    if environ.get("HTTP_SEC_FETCH_SITE", "same-origin") not in ("same-origin", "none"):
        return HTTPStatus.FORBIDDEN
    given = parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0]
    return None if constant_time_compare(given, token()) else HTTPStatus.FORBIDDEN


@functools.cache
def token() -> str:
    """What pages of this project know; the same after a restart, so that an open page finds its stream again."""
    return salted_hmac("devrunserver.live_reload", "stream", algorithm="sha256").hexdigest()[:TOKEN_LENGTH]


@functools.cache
def scripts() -> dict[str, bytes]:
    """Our scripts, by their names."""
    return {path.name: path.read_bytes() for path in sorted(SCRIPTS.glob("*.js"))}


@functools.cache
def version() -> str:
    return _digest(b"".join(scripts().values()))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:VERSION_LENGTH]


def _answer(
    start_response: StartResponse, status: HTTPStatus, headers: list[tuple[str, str]], content: bytes
) -> Iterable[bytes]:
    start_response(f"{status.value} {status.phrase}", [*headers, ("X-Content-Type-Options", "nosniff")])
    return [content]
