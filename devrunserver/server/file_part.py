"""Which part of a file answers a request: its conditions and its range."""

from __future__ import annotations

import io
import os
import stat
from typing import Any, NamedTuple

from devrunserver.server.protocol import conditional
from devrunserver.server.protocol.conditional import Verdict
from devrunserver.server.protocol.headers import Headers

# RFC 9110, 15.4.5: what describes the content that is not sent
CONTENT_HEADERS = {"content-length", "content-type", "content-encoding", "content-disposition", "content-language"}


class FilePart(NamedTuple):
    """Attributes:
    status: of the response.
    offset: from where on, in bytes.
    length: how many bytes.
    """

    status: str
    offset: int
    length: int


def is_regular(file: Any) -> bool:
    """Whether it is a file on disk with nothing in between that would change what is read, such as decompression."""
    raw = file.raw if isinstance(file, io.BufferedReader) else file
    return isinstance(raw, io.FileIO) and stat.S_ISREG(os.fstat(raw.fileno()).st_mode)


def choose(file: Any, status: str, headers: Headers, method: str, environ: dict[str, Any]) -> FilePart:
    """Selects the part, and changes the response's headers accordingly.

    Args:
        file: a regular one.
        status: what the application says.
        headers: the same.
        method: of the request.
        environ: of WSGI.
    """
    state, offset = os.fstat(file.fileno()), file.tell()
    count = max(0, state.st_size - offset)
    if offset == 0 and _is_selectable(status, headers, method, state.st_size):
        status, offset, count = _select(conditional.of_file(state), headers, environ)
    promised = headers.get("content-length")
    return FilePart(status, offset, count if promised is None else min(count, int(promised)))


def _is_selectable(status: str, headers: Headers, method: str, size: int) -> bool:
    """Whether the response is a file as it is on disk, of which a part may be sent, or nothing.

    Its Last-Modified says so: what is made for one response has none.
    """
    return (
        status.startswith("200 ")
        and method in ("GET", "HEAD")
        and headers.get("last-modified") is not None
        and headers.get("content-length") in (None, str(size))
    )


def _select(one: conditional.Representation, headers: Headers, environ: dict[str, Any]) -> FilePart:
    if headers.get("etag") is None:
        headers.add("ETag", one.etag)
    modified = headers.get("last-modified") or one.last_modified
    one = conditional.Representation(one.size, headers.get("etag") or one.etag, modified)
    selection = conditional.select(environ, one)
    if selection.verdict in (Verdict.FULL, Verdict.PARTIAL):
        headers.drop({"content-length"})
        headers.add("Content-Length", str(selection.count))
        headers.add("Accept-Ranges", "bytes")
    else:
        headers.drop(CONTENT_HEADERS)
    if selection.verdict in (Verdict.PARTIAL, Verdict.UNSATISFIABLE):
        headers.add("Content-Range", conditional.content_range(selection, one.size))
    return FilePart(selection.verdict.value, selection.first, selection.count)
