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
import logging
import re
import time
import traceback
from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import TracebackType
from typing import Any
from wsgiref.simple_server import software_version
from wsgiref.util import FileWrapper

from devrunserver.server import file_part
from devrunserver.server.address import is_loopback
from devrunserver.server.connection import JOIN_LIMIT, ClientGone, Connection
from devrunserver.server.file_part import is_regular
from devrunserver.server.protocol import conditional
from devrunserver.server.protocol.framing import Framing
from devrunserver.server.protocol.headers import HOP_BY_HOP, STRICT_TRANSPORT, Headers, checked
from devrunserver.server.protocol.parser import Request, tokens
from devrunserver.server.request_body import DRAIN_LIMIT, Body

STATUS = re.compile(r"[2-9][0-9][0-9] [\t -~\x80-\xff]*")  # 1xx is never final: RFC 9110, 15.2
SERVER_ERROR = (HTTPStatus.INTERNAL_SERVER_ERROR, "A server error occurred. It is in the terminal of the server.")

Fields = list[tuple[str, str]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

logger = logging.getLogger("django.server")


class Response:
    """The answer to one request.

    Args:
        connection: where it goes.
        request: what it answers.
        body: of the request, where it has one of known length.
        environ: of WSGI.
        is_last: tells, when the head is sent, whether the server wants to close the connection after it.

    Attributes:
        code: the status, once there is one.
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
        self._headers = Headers()
        self._framing: Framing | None = None  # once the head is sent

    @property
    def sent(self) -> int:
        """Bytes of content that were sent."""
        return self._framing.sent if self._framing is not None else 0

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
        self._headers = Headers([("Content-Type", "text/plain")])
        self._begin([f"{text}\n".encode()], len(text) + 1)

    def _run(self, application: Application) -> None:
        result = application(self._environ, self._start_response)
        try:
            if self._body is not None and self._body.failure and self._framing is None:
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
        if self._framing is not None:
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
        self, status: str, headers: Fields, exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """As PEP 3333."""
        if exc_info is not None:
            try:
                if self._framing is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it holds this frame
        elif self._status:
            raise AssertionError("start_response() was called twice without exc_info.")
        if not isinstance(status, str) or not STATUS.fullmatch(status):
            raise ValueError(f"{status!r} is no status: it has to be like '200 OK'.")
        self._headers = Headers(
            [checked(name, value) for name, value in headers if not self._speaks_for_us(name, value)]
        )
        if self._headers.count("content-length") > 1:
            raise ValueError("There can be only one Content-Length.")
        self._status = status
        return self._write

    def _speaks_for_us(self, name: object, value: object) -> bool:
        if isinstance(name, str) and name.lower() == STRICT_TRANSPORT:
            # browsers would hold all ports of the name to it, and every other project that is served there
            return is_loopback(self._environ.get("HTTP_HOST", ""))
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
        if self._framing is None:
            self._begin([data], None)
        else:
            self._send_content(self._framing, data)

    # What goes out

    def _send_blocks(self, blocks: Iterable[bytes]) -> None:
        if getattr(blocks, "streaming", None) is False:  # Django's HttpResponse, whose content is all there
            blocks = [blocks.content]  # type: ignore[attr-defined]
        if isinstance(blocks, list | tuple) and len(blocks) == 1 and isinstance(blocks[0], bytes):
            if self._framing is None:
                self._begin(blocks, len(blocks[0]))
            else:
                self._write(blocks[0])
        else:
            for block in blocks:
                self._write(block)
        self._end()

    def _send_file(self, file: Any) -> bool:
        """Sends a file, a large one without reading it; False where it is none that the system could send."""
        if self._framing is not None or not is_regular(file):
            return False
        part = file_part.choose(file, self._status, self._headers, self._request.method, self._environ)
        self._status = part.status
        if self._request.method == "HEAD":
            self._begin([], part.length)
        elif part.length <= JOIN_LIMIT:
            file.seek(part.offset)
            self._begin([file.read(part.length)], part.length)
        else:
            framing = self._begin([], part.length, more=True)
            if framing.left:
                framing.went_out(self._connection.send_file(file, part.offset, part.length))
        self._end()
        return True

    def _begin(self, blocks: Iterable[bytes], length: int | None, more: bool = False) -> Framing:
        """Sends the head, and the first block with it.

        Args:
            blocks: the content that is there.
            length: of all the content, where it is known.
            more: whether content follows at once by other means.
        """
        if not self._status:
            raise AssertionError("The application has not called start_response() before its first content.")
        self.code = int(self._status[:3])
        is_head, takes_chunks = self._request.method == "HEAD", self._request.version >= (1, 1)
        self._framing = framing = Framing(self.code, is_head, takes_chunks, self._headers, length)
        self._last = self._last or framing.is_open_ended
        if self._body is not None and (self._body.left > DRAIN_LIMIT or self._body.is_awaited):
            self._last = True
        head = self._head()
        self._connection.begin_answer()
        self._connection.send(head, *self._framed(framing, blocks), more=more and framing.has_content)
        return framing

    def _head(self) -> bytes:
        """The head; "Connection: close" is for who does not expect it: Django's tests want none for who has said so."""
        lines = [f"HTTP/1.1 {self._status}"]
        if "date" not in self._headers:
            lines.append(f"Date: {conditional.http_date(int(time.time()))}")
        if "server" not in self._headers:
            lines.append(f"Server: {software_version}")
        lines += [f"{name}: {value}" for name, value in self._headers.fields]
        if self._last or self._is_last():
            self.close = True
            lines.append("Connection: close")
        elif not self.close and self._request.version < (1, 1):
            lines.append("Connection: keep-alive")
        return "\r\n".join([*lines, "\r\n"]).encode("latin-1")

    def _send_content(self, framing: Framing, data: bytes) -> None:
        if framing.has_content:
            self._connection.send(*self._framed(framing, [data]))

    def _framed(self, framing: Framing, blocks: Iterable[bytes]) -> list[bytes]:
        was_cut = framing.was_cut
        framed = framing.frame(blocks)
        if framing.was_cut and not was_cut:
            self._warn("has more content than its Content-Length; it was cut")
            self.close = True
        return framed

    def _end(self) -> None:
        """The application has nothing more to say."""
        framing = self._framing
        if framing is None:
            framing = self._begin([], 0)
        if framing.end:
            self._connection.send(framing.end)
        if framing.is_urgent:
            self._warn(f"ended {framing.left} bytes before its Content-Length; the connection was closed")
            self.broken = self.close = True

    def _warn(self, what: str) -> None:
        logger.warning('The answer to "%s" %s.', self._request.line, what)


def refuse(connection: Connection, status: HTTPStatus, text: str) -> int:
    """Answers what is no request; returns how many bytes of content were sent."""
    answer = Response(connection, Request("", "", "", (1, 1)), None, {}, lambda: True)
    with contextlib.suppress(ClientGone):
        answer.refuse(status, text)
    return answer.sent
