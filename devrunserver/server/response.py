"""One call of a WSGI application, and its answer on the wire: PEP 3333, RFC 9110 and 9112.

Theory of operation
-------------------
The head is sent together with the first block of content, in one call. How the content ends is settled right then:
by Content-Length where the application says it or gives its content as one block, else by chunked coding (to HTTP/1.0:
by the end of the connection). An answer of unknown length closes its connection in any case, as Django's command does
and its tests want. Where the application fails or gives less than it has promised, the connection is closed before the
end that the client knows to expect, so that it can tell. What is more than promised is cut.

What the application may not say (line ends in a header, a header that speaks for the connection) never gets out.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import stat
import time
import traceback
from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Any
from wsgiref.simple_server import software_version
from wsgiref.util import FileWrapper

from devrunserver.server.connection import JOIN_LIMIT, ClientGone, Connection
from devrunserver.server.protocol import conditional
from devrunserver.server.protocol.conditional import Verdict
from devrunserver.server.protocol.parser import Request, tokens
from devrunserver.server.request_body import DRAIN_LIMIT, Body

STATUS = re.compile(r"[2-9][0-9][0-9] [\t -~\x80-\xff]*")  # 1xx is never final: RFC 9110, 15.2
NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
VALUE = re.compile(r"[\t -~\x80-\xff]*")
LENGTH = re.compile(r"[0-9]+")
# RFC 9110, 7.6.1: these speak for one connection, which is the server's
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip
# RFC 9110, 15.4.5: what describes the content that is not sent
CONTENT_HEADERS = {"content-length", "content-type", "content-encoding", "content-disposition", "content-language"}
WITHOUT_CONTENT = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
RESET = HTTPStatus.RESET_CONTENT  # its content has no bytes, which has to be said: RFC 9110, 15.3.6
LAST_CHUNK = b"0\r\n\r\n"
SERVER_ERROR = (HTTPStatus.INTERNAL_SERVER_ERROR, "A server error occurred. It is in the terminal of the server.")

Headers = list[tuple[str, str]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

logger = logging.getLogger("django.server")


class Answer:
    """The answer to one request.

    Args:
        connection: where it goes.
        request: what it answers.
        body: of the request, where it has one of known length.
        environ: of WSGI.
        is_last: tells, when the head is sent, whether the server wants to close the connection after it.

    Attributes:
        code: the status, once there is one.
        sent: bytes of content that were sent.
        close: whether it is the last on its connection.
        broken: whether the client must not take it as complete.
        is_gone: whether the client did not wait for it.
    """

    def __init__(
        self,
        connection: Connection,
        request: Request,
        body: Body | None,
        environ: dict[str, Any],
        is_last: Callable[[], bool],
    ) -> None:
        self.code = 0
        self.sent = 0
        self.close = not request.keep_alive
        self.broken = False
        self.is_gone = False
        self._connection = connection
        self._request = request
        self._body = body
        self._environ = environ
        self._is_last = is_last
        self._last = False
        self._status = ""
        self._headers: Headers = []
        self._values: dict[str, str] = {}  # of the headers, by their names in lower case
        self._is_begun = False
        self._has_content = True
        self._is_chunked = False
        self._left: int | None = None  # bytes of content that were promised and not sent

    def run(self, application: Application) -> None:
        """Calls the application and sends what it says. Raises nothing but KeyboardInterrupt.

        What goes wrong in the application goes to ``wsgi.errors`` and is answered by a status of 500.
        """
        try:
            self._run(application)
        except ClientGone:
            self._give_up()
        except (Exception, SystemExit, GeneratorExit) as error:
            try:
                self._report(error)
            except ClientGone:
                self._give_up()

    def refuse(self, status: HTTPStatus, text: str) -> None:
        """Sends an answer of the server's own."""
        self._status, self._last = f"{status.value} {status.phrase}", True
        self._set([("Content-Type", "text/plain")])
        self._begin([f"{text}\n".encode()], len(text) + 1)

    def _run(self, application: Application) -> None:
        result = application(self._environ, self._start_response)
        try:
            if self._body is not None and self._body.failure and not self._is_begun:
                self.refuse(self._body.failure, "The body of the request did not come in full.")
            elif not (isinstance(result, FileWrapper) and self._send_file(result.filelike)):
                self._send_blocks(result)
        finally:
            if hasattr(result, "close"):
                result.close()

    def _report(self, error: BaseException) -> None:
        """Tells of an error of the application."""
        if self._body is None or not self._body.failure:
            traceback.print_exception(error, file=self._environ["wsgi.errors"])
        if self._is_begun:
            self.broken = self.close = True
        elif self._body is not None and self._body.failure:
            self.refuse(self._body.failure, "The body of the request did not come in full.")
        else:
            self.refuse(*SERVER_ERROR)

    def _give_up(self) -> None:
        self.is_gone = self.broken = self.close = True
        logger.info("- Broken pipe from %s", self._connection.address)

    # What the application says

    def _start_response(
        self, status: str, headers: Headers, exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """As PEP 3333."""
        if exc_info is not None:
            try:
                if self._is_begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it holds this frame
        elif self._status:
            raise AssertionError("start_response() was called twice without exc_info.")
        if not isinstance(status, str) or not STATUS.fullmatch(status):
            raise ValueError(f"{status!r} is no status: it has to be like '200 OK'.")
        self._set([self._checked(name, value) for name, value in headers if not self._speaks_for_us(name, value)])
        if len([name for name, _ in self._headers if name.lower() == "content-length"]) > 1:
            raise ValueError("There can be only one Content-Length.")
        self._status = status
        return self._write

    def _checked(self, name: object, value: object) -> tuple[str, str]:
        """Refuses what would be read as something else than one header."""
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header.")
        if not isinstance(value, str) or not VALUE.fullmatch(value):
            raise ValueError(f"{value!r} is no value of a header, here of {name}.")
        if name.lower() == "content-length" and not LENGTH.fullmatch(value):
            raise ValueError(f"{value!r} is no Content-Length.")
        return name, value

    def _speaks_for_us(self, name: object, value: object) -> bool:
        if not isinstance(name, str) or name.lower() not in HOP_BY_HOP:
            return False
        if name.lower() == "connection" and "close" in tokens(str(value)):
            self._last = True
        else:
            self._warn(f"has the header {name}, which is the server's to set; it was dropped")
        return True

    def _write(self, data: bytes) -> None:
        """One block of content; empty ones are nothing."""
        if not isinstance(data, bytes):
            raise TypeError(f"The content of an answer consists of bytes, not {type(data).__name__}.")
        if not data:
            return
        if not self._is_begun:
            self._begin([data], None)
        elif self._has_content:
            self._send_content(data)

    # What goes out

    def _send_blocks(self, blocks: Iterable[bytes]) -> None:
        if getattr(blocks, "streaming", None) is False:  # Django's HttpResponse, whose content is all there
            blocks = [blocks.content]  # type: ignore[attr-defined]
        if isinstance(blocks, list | tuple) and len(blocks) == 1 and isinstance(blocks[0], bytes):
            if not self._is_begun:
                self._begin(blocks, len(blocks[0]))
            else:
                self._write(blocks[0])
        else:
            for block in blocks:
                self._write(block)
        if not self._is_begun:
            self._begin([], 0)
        self._end()

    def _send_file(self, file: Any) -> bool:
        """Sends a file, a large one without reading it; False where it is none that the system could send."""
        if self._is_begun or not _is_regular(file):
            return False
        offset, count = self._choose_part(file)
        if self._request.method == "HEAD":
            self._begin([], count)
        elif count <= JOIN_LIMIT:
            file.seek(offset)
            self._begin([file.read(count)], count)
        else:
            self._begin([], count, more=True)
            if self._left:
                sent = self._connection.send_file(file, offset, count)
                self.sent += sent
                self._left -= sent
        self._end()
        return True

    def _choose_part(self, file: Any) -> tuple[int, int]:
        """From where on, and how many bytes of a file are to be sent."""
        status, offset = os.fstat(file.fileno()), file.tell()
        count = max(0, status.st_size - offset)
        if offset == 0 and self._is_selectable(status.st_size):
            offset, count = self._select(conditional.of_file(status))
        promised = self._values.get("content-length")
        return offset, count if promised is None else min(count, int(promised))

    def _is_selectable(self, size: int) -> bool:
        """Whether the answer is a file as it is on disk, of which a part may be sent, or nothing.

        Its Last-Modified says so: what is made for one answer has none.
        """
        return (
            self._status.startswith("200 ")
            and self._request.method in ("GET", "HEAD")
            and self._values.get("last-modified") is not None
            and self._values.get("content-length") in (None, str(size))
        )

    def _select(self, one: conditional.Representation) -> tuple[int, int]:
        """Makes it the answer to the conditions and the range of the request; returns offset and length."""
        if self._values.get("etag") is None:
            self._add("ETag", one.etag)
        modified = self._values.get("last-modified") or one.last_modified
        one = conditional.Representation(one.size, self._values.get("etag") or one.etag, modified)
        selection = conditional.select(self._environ, one)
        self._status = selection.verdict.value
        if selection.verdict in (Verdict.FULL, Verdict.PARTIAL):
            self._drop({"content-length"})
            self._add("Content-Length", str(selection.count))
            self._add("Accept-Ranges", "bytes")
        else:
            self._drop(CONTENT_HEADERS)
        if selection.verdict in (Verdict.PARTIAL, Verdict.UNSATISFIABLE):
            self._add("Content-Range", conditional.content_range(selection, one.size))
        return selection.first, selection.count

    def _begin(self, blocks: Iterable[bytes], length: int | None, more: bool = False) -> None:
        """Sends the head, and the first block with it.

        Args:
            blocks: the content that is there.
            length: of all the content, where it is known.
            more: whether content follows at once by other means.
        """
        if not self._status:
            raise AssertionError("The application has not called start_response() before its first content.")
        self._settle_framing(length)
        self._is_begun = True
        self._connection.send(self._head(), *self._framed(blocks), more=more and self._has_content)

    def _settle_framing(self, length: int | None) -> None:
        self.code = code = int(self._status[:3])
        is_head = self._request.method == "HEAD"
        self._has_content = not is_head and code not in WITHOUT_CONTENT and code != RESET
        said = self._values.get("content-length")
        # to HEAD, Django's answers say 0 as they have lost their content; 304 would have to say what 200 says
        if code in WITHOUT_CONTENT or (is_head and said == "0"):
            self._drop({"content-length"})
        elif code == RESET:
            self._drop({"content-length"})
            self._add("Content-Length", "0")
        elif is_head:
            pass
        elif said is not None:
            self._left = int(said)
        elif length is not None:
            self._left = length
            self._add("Content-Length", str(length))
        else:
            self._is_chunked = self._request.version >= (1, 1)
            self._last = True
            if self._is_chunked:
                self._add("Transfer-Encoding", "chunked")
        if self._body is not None and (self._body.left > DRAIN_LIMIT or self._body.is_awaited):
            self._last = True

    def _head(self) -> bytes:
        """The head; "Connection: close" is for who does not expect it: Django's tests want none for who has said so."""
        lines = [f"HTTP/1.1 {self._status}"]
        if "date" not in self._values:
            lines.append(f"Date: {conditional.http_date(int(time.time()))}")
        if "server" not in self._values:
            lines.append(f"Server: {software_version}")
        lines += [f"{name}: {value}" for name, value in self._headers]
        if self._last or self._is_last():
            self.close = True
            lines.append("Connection: close")
        elif not self.close and self._request.version < (1, 1):
            lines.append("Connection: keep-alive")
        return "\r\n".join([*lines, "\r\n"]).encode("latin-1")

    def _send_content(self, data: bytes) -> None:
        self._connection.send(*self._framed([data]))

    def _framed(self, blocks: Iterable[bytes]) -> list[bytes]:
        """Content as it goes out; counts it."""
        framed: list[bytes] = []
        for block in blocks:
            if not self._has_content or not block:
                continue
            if self._left is not None:
                if len(block) > self._left:
                    self._warn("has more content than its Content-Length; it was cut")
                    block = block[: self._left]
                    self.close = True
                self._left -= len(block)
            framed += [b"%x\r\n" % len(block), block, b"\r\n"] if self._is_chunked else [block]
            self.sent += len(block)
        return framed

    def _end(self) -> None:
        """The application has nothing more to say."""
        if self._is_chunked and self._has_content:
            self._connection.send(LAST_CHUNK)
        if self._left and self._has_content:
            self._warn(f"ended {self._left} bytes before its Content-Length; the connection was closed")
            self.broken = self.close = True

    def _set(self, headers: Headers) -> None:
        self._headers = headers
        self._values = {name.lower(): value for name, value in headers}

    def _add(self, name: str, value: str) -> None:
        self._headers.append((name, value))
        self._values[name.lower()] = value

    def _drop(self, names: set[str]) -> None:
        if not names.isdisjoint(self._values):
            self._set([one for one in self._headers if one[0].lower() not in names])

    def _warn(self, what: str) -> None:
        logger.warning('The answer to "%s" %s.', self._request.line, what)


def _is_regular(file: Any) -> bool:
    """Whether it is a file on disk with nothing in between that would change what is read, such as decompression."""
    raw = file.raw if isinstance(file, io.BufferedReader) else file
    return isinstance(raw, io.FileIO) and stat.S_ISREG(os.fstat(raw.fileno()).st_mode)


def refuse(connection: Connection, status: HTTPStatus, text: str) -> int:
    """Answers what is no request; returns how many bytes of content were sent."""
    answer = Answer(connection, Request("", "", "", (1, 1)), None, {}, lambda: True)
    with contextlib.suppress(ClientGone):
        answer.refuse(status, text)
    return answer.sent
