"""How the end of a response's content is told, and its blocks as they go out: RFC 9112, 6 and 7."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from devrunserver.server.protocol.headers import HOP_BY_HOP, Headers

WITHOUT_CONTENT = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
# RFC 9110, 6.5.1: what decides how the message is read cannot come behind it
NO_TRAILERS = {"content-length", "content-encoding", "content-type", "content-range", "host", "set-cookie", *HOP_BY_HOP}
RESET = HTTPStatus.RESET_CONTENT  # its content has no bytes, which has to be said: RFC 9110, 15.3.6


class Framing:
    """Of one response: by Content-Length, by chunks, or by the end of the connection.

    Args:
        code: the status.
        is_head: whether the request's method is HEAD.
        takes_chunks: whether the client knows chunked coding (HTTP/1.1).
        headers: of the response; what tells the end of its content is added.
        length: of all the content, where it is known.

    Attributes:
        has_content: whether content goes out at all.
        left: bytes of content that were promised and not sent; None: nothing was promised.
        is_open_ended: whether the length is known only at the end.
        was_cut: whether there was more content than promised.
        sent: bytes of content that were sent.
    """

    def __init__(self, code: int, is_head: bool, takes_chunks: bool, headers: Headers, length: int | None) -> None:
        self.has_content = not is_head and code not in WITHOUT_CONTENT and code != RESET
        self.left: int | None = None
        self.is_open_ended = False
        self.was_cut = False
        self.sent = 0
        self._is_chunked = False
        self._trailers: list[tuple[str, str]] = []
        said = headers.get("content-length")
        # to HEAD, Django's answers say 0 as they have lost their content; 304 would have to say what 200 says
        if code in WITHOUT_CONTENT or (is_head and said == "0"):
            headers.drop({"content-length"})
        elif code == RESET:
            headers.drop({"content-length"})
            headers.add("Content-Length", "0")
        elif is_head:
            pass
        elif said is not None:
            self.left = int(said)
        elif length is not None:
            self.left = length
            headers.add("Content-Length", str(length))
        else:
            self.is_open_ended = True
            self._is_chunked = takes_chunks
            if takes_chunks:
                headers.add("Transfer-Encoding", "chunked")

    def frame(self, blocks: Iterable[bytes]) -> list[bytes]:
        """Content as it goes out; what is more than promised is cut."""
        framed: list[bytes] = []
        for block in blocks:
            if not self.has_content or not block:
                continue
            if self.left is not None:
                if len(block) > self.left:
                    self.was_cut = True
                    block = block[: self.left]
                self.left -= len(block)
            framed += [b"%x\r\n" % len(block), block, b"\r\n"] if self._is_chunked else [block]
            self.sent += len(block)
        return framed

    def went_out(self, count: int) -> None:
        """Bytes of content were sent by other means."""
        self.sent += count
        if self.left is not None:
            self.left -= count

    @property
    def end(self) -> bytes:
        """What goes out when all the content is sent."""
        if not (self._is_chunked and self.has_content):
            return b""
        trailers = "".join(f"{name}: {value}\r\n" for name, value in self._trailers)
        return b"0\r\n%b\r\n" % trailers.encode("latin-1")

    def add_trailers(self, fields: Iterable[tuple[str, str]]) -> None:
        """Header fields that come behind the content, where it is chunked: RFC 9110, 6.5."""
        self._trailers += [one for one in fields if one[0].lower() not in NO_TRAILERS]

    @property
    def is_urgent(self) -> bool:
        """Whether content is missing that was promised."""
        return bool(self.left) and self.has_content
