"""Adds the tag of our script to the HTML documents that an application answers with; to nothing else.

Theory of operation
-------------------
This sits between the server and the project's WSGI application, outside of every middleware, and decides twice. The
*request* must ask for a document: a browser says so by ``Sec-Fetch-Dest``; older ones are taken by what they accept,
and what a script asks for (htmx, Turbo frames, fetch) is none. The *answer* must be HTML text of a status that is
shown, no attachment, no file, and in an encoding that we can read. Whatever is not certain goes out untouched.

The tag goes behind what an HTML parser takes before anything else: white space, comments, the doctype, ``<html>`` and
``<head>``. So no text of a page can be mistaken for a place, broken HTML does no harm, and the first block of a
stream is enough: it goes out as soon as it comes.

Where the page has a content security policy, the tag gets the nonce of the page's own scripts, or the policy is
amended by our path (``content_policy.py``).

Every document pays for this, so headers are looked through once, what most answers say is known from the one before,
and content is copied once.
"""

from __future__ import annotations

import functools
import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from wsgiref.util import FileWrapper

from devrunserver.server import content_policy

Headers = list[tuple[str, str]]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

# Of a request of our own client, which wants what a navigation would get
REFRESH_HEADER, REFRESH = "HTTP_X_DEVRUNSERVER", "refresh"
DOCUMENTS = {"document", "iframe", "frame", "embed", "object"}  # of Sec-Fetch-Dest
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
# What scripts that ask for a part of a page say
FRAGMENT_HEADERS = ("HTTP_HX_REQUEST", "HTTP_TURBO_FRAME", "HTTP_X_REQUESTED_WITH", "HTTP_X_PJAX", "HTTP_X_INERTIA")
UNSHOWN = {204, 205, 206, 304}  # statuses without a document, or with a part of one
DIGESTS = {"content-md5", "digest", "content-digest", "repr-digest"}  # of content that may not be changed then
# Headers for whose sake a document is left as it is, or changed in another way
SPECIAL = DIGESTS | content_policy.NAMES | {"content-encoding", "content-disposition"}
LENGTH = "Content-Length"
KNOWN_KINDS = 64  # of answers: pairs of status and type
PROLOGUE_SIZE = 65_536  # bytes in which the beginning of a document is looked for
MOST_UNPACKED = 20_000_000  # bytes; a larger document is left as it is

_ATTRIBUTES = rb"""(?:[\s/](?:[^>"']|"[^"]*"|'[^']*')*+)?"""
_PROLOGUE = re.compile(
    rb"(?:\s++|\xef\xbb\xbf|<!--.*?-->|<!doctype[^>]*>|<\?[^>]*>|<html" + _ATTRIBUTES + rb">)*+"
    rb"(?:<head" + _ATTRIBUTES + rb">)?",
    re.IGNORECASE | re.DOTALL,
)
_UNREADABLE_CHARSET = re.compile(r"charset\s*=\s*\"?utf-?(16|32)", re.IGNORECASE)


def asks_for_document(environ: dict[str, Any]) -> bool:
    """Whether a request is one for a document, to be shown in a window or a frame."""
    if environ["REQUEST_METHOD"] not in METHODS:
        return False
    if environ.get(REFRESH_HEADER) == REFRESH:
        return True
    if (destination := environ.get("HTTP_SEC_FETCH_DEST")) is not None:
        return destination in DOCUMENTS
    accepts = environ.get("HTTP_ACCEPT", "")
    is_page = "text/html" in accepts and ("," not in accepts or "*/*" in accepts)  # Turbo Drive names types alone
    return is_page and not any(name in environ for name in FRAGMENT_HEADERS)


def is_document(status: str, headers: Headers) -> bool:
    """Whether an answer is a whole HTML document that may be changed."""
    return _is_document(status, _by_name(headers))


def _by_name(headers: Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def _is_document(status: str, values: dict[str, str]) -> bool:
    if not _is_shown_html(status, values.get("content-type", "")):
        return False
    return SPECIAL.isdisjoint(values) or (
        values.get("content-encoding", "identity").strip().lower() in ("identity", "gzip")
        and not values.get("content-disposition", "").strip().lower().startswith("attachment")
        and DIGESTS.isdisjoint(values)
    )


@functools.lru_cache(maxsize=KNOWN_KINDS)
def _is_shown_html(status: str, kind: str) -> bool:
    code, kind = int(status[:3]), kind.lower()
    if code < 200 or 300 <= code < 400 or code in UNSHOWN:
        return False
    return kind.partition(";")[0].strip() == "text/html" and not _UNREADABLE_CHARSET.search(kind)


def find_place(content: bytes) -> int:
    """Where in a document, or in its first block, the tag goes."""
    match = _PROLOGUE.match(content, 0, PROLOGUE_SIZE)
    return match.end() if match is not None else 0


def insert(content: bytes, tag: bytes) -> bytes:
    """A document with the tag in it; one of white space alone as it is."""
    if _is_blank(content):
        return content
    return _put(content, tag)


def _put(content: bytes, tag: bytes) -> bytes:
    before = content[: find_place(content)]
    return content.replace(before, before + tag, 1)  # found at once, and one copy of the rest


def _is_blank(content: bytes) -> bool:
    return not content or content.isspace()


class Tag(NamedTuple):
    """What is inserted.

    Attributes:
        make: the tag, with a nonce if that is not empty.
        source: tells what a content security policy names for our script, as ``content_policy.source_of`` has it.
        on_failure: told where our own part fails; the answer goes out as it is then.
    """

    make: Callable[[str], bytes]
    source: Callable[[], str]
    on_failure: Callable[[Exception], object]


def answer(
    application: Application, environ: dict[str, Any], start_response: StartResponse, tag: Tag
) -> Iterable[bytes]:
    """Calls the application; its answer, with the tag if it is a document."""
    head = _Head(start_response)
    result = application(environ, head.start_response)
    try:
        if head.status and not isinstance(result, FileWrapper):
            values = _by_name(head.headers)
            if _is_document(head.status, values):
                head.headers, result = _insert_tag(head.headers, values, result, tag)
    except Exception as error:
        tag.on_failure(error)
    head.send()
    return result


def insert_tag(headers: Headers, result: Iterable[bytes], tag: Tag) -> tuple[Headers, Iterable[bytes]]:
    """The headers and the content of a document with the tag in it; as they are where that cannot be."""
    return _insert_tag(headers, _by_name(headers), result, tag)


def _insert_tag(
    headers: Headers, values: dict[str, str], result: Iterable[bytes], tag: Tag
) -> tuple[Headers, Iterable[bytes]]:
    nonce, amended, is_packed = "", headers, False
    if not SPECIAL.isdisjoint(values):
        if (permission := content_policy.permit(headers, tag.source())) is None:
            return headers, result
        amended, nonce = permission
        is_packed = values.get("content-encoding", "").strip().lower() == "gzip"
    inserted = tag.make(nonce)
    length = values.get("content-length", "")
    if (content := _whole(result)) is None:
        if is_packed:  # its end is not there yet
            return headers, result
        longer = int(length) + len(inserted) if length.strip().isdecimal() else None
        return _with_length(amended, longer), _Stream(result, inserted)
    unpacked = _unpack(content) if is_packed else content
    if unpacked is None or _is_blank(unpacked):
        return headers, result
    changed = _put(unpacked, inserted)
    if is_packed:
        changed = gzip.compress(changed, compresslevel=1, mtime=0)
    return _with_length(amended, len(changed) if length else None), _Whole(changed, result)


class _Head:
    """What the application says before its content, kept back until it is known what becomes of it."""

    status = ""
    headers: Headers  # once there is a status
    _is_sent = False
    _write: Callable[[bytes], object] | None = None

    def __init__(self, start_response: StartResponse) -> None:
        self._start = start_response

    def start_response(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
        """As PEP 3333."""
        if self._is_sent or (self.status and exc_info is None):
            self.send()
            return self._start(status, headers, *([exc_info] if exc_info else []))
        self.status, self.headers = status, headers
        return self._write_through

    def send(self) -> None:
        """Says it; from now on nothing is kept back. Again is harmless."""
        if not self._is_sent:
            self._is_sent = True
            if self.status:  # an application may call start_response as late as with its first block
                self._write = self._start(self.status, self.headers)

    def _write_through(self, data: bytes) -> None:
        self.send()
        if self._write is not None:
            self._write(data)


class _Whole:
    """A changed answer that is all there; it has the interface by which our server knows Django's."""

    streaming = False

    def __init__(self, content: bytes, original: Any) -> None:
        self.content = content
        self._original = original

    def __iter__(self) -> Iterator[bytes]:
        return iter([self.content])

    def close(self) -> None:
        _close(self._original)


class _Stream:
    """A stream with the tag in its first block, or at its end where there is none."""

    def __init__(self, blocks: Iterable[bytes], tag: bytes) -> None:
        self._blocks = blocks
        self._tag = tag

    def __iter__(self) -> Iterator[bytes]:
        tag = self._tag
        for block in self._blocks:
            if tag and not _is_blank(block):
                yield insert(block, tag)
                tag = b""
            else:
                yield block
        if tag:
            yield tag

    def close(self) -> None:
        _close(self._blocks)


def _whole(result: Any) -> bytes | None:
    """The content of an answer that is all there; None for a stream."""
    if getattr(result, "streaming", None) is False:  # Django's HttpResponse
        return bytes(result.content)
    if isinstance(result, list | tuple) and all(isinstance(block, bytes) for block in result):
        return b"".join(result)
    return None


def _unpack(content: bytes) -> bytes | None:
    """What was packed by gzip; None where it is broken or too large."""
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: the format of gzip
    try:
        unpacked = unpacking.decompress(content, MOST_UNPACKED)
    except zlib.error:
        return None
    return unpacked if unpacking.eof and not unpacking.unused_data else None


def _with_length(headers: Headers, length: int | None) -> Headers:
    """The headers with this length, where they have one."""
    if length is None:
        return headers
    said = str(length)
    return [(name, said if name == LENGTH or name.lower() == LENGTH.lower() else value) for name, value in headers]


def _close(result: Any) -> None:
    if hasattr(result, "close"):
        result.close()
