"""Puts the tag of our script into the HTML documents that an application answers with by ASGI.

By the rules of ``server/injection.py``. The head is kept back until the first content, so that the two can change
together. A document that is packed and comes in several messages is collected, where its length is known; what else
comes in several messages gets the tag in the first of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devrunserver.server.asgi.http import Application, Message, Receive, Send
from devrunserver.server.asgi.scope import Scope
from devrunserver.server.injection import Headers, Tag, insert, insert_tag, is_document


def with_tag(application: Application, tag: Tag) -> Application:
    """An application, whose answer gets the tag if it is a document."""

    async def tagged(scope: Scope, receive: Receive, send: Send) -> None:
        await application(scope, receive, Insertion(send, tag).send)

    return tagged


class Insertion:
    """What an application sends, on its way to the server.

    Args:
        send: the server's.
    """

    def __init__(self, send: Send, tag: Tag) -> None:
        self._send = send
        self._tag = tag
        self._start: Message | None = None  # the head, while it is kept back
        self._collected: list[bytes] = []
        self._pending = b""  # what is to be put into the next block that has content

    async def send(self, message: Message) -> None:
        """As the server's."""
        kind = message["type"]
        if kind == "http.response.start" and self._start is None and self._is_document(message):
            self._start = message
        elif kind == "http.response.body" and self._start is not None:
            await self._begin(self._start, message)
        elif kind == "http.response.body" and self._pending:
            await self._send(self._tagged(message))
        else:
            if self._start is not None:  # a file, or what is wrong, as the server will say
                start, self._start = self._start, None
                await self._send(start)
            await self._send(message)

    def _is_document(self, message: Message) -> bool:
        try:
            return is_document(str(message["status"]), _as_text(message.get("headers", ())))
        except Exception:  # what is wrong with it the server says
            return False

    async def _begin(self, start: Message, message: Message) -> None:
        """The head, and the first content with it."""
        more, body = message.get("more_body", False), message.get("body", b"")
        self._collected.append(body)
        if more and self._is_packed(start):
            return
        self._start = None
        content = b"".join(self._collected)
        try:
            start, content = self._inserted(start, content, more)
        except Exception as error:
            self._tag.on_failure(error)
        await self._send(start)
        await self._send(self._tagged({**message, "body": content}))

    def _is_packed(self, start: Message) -> bool:
        names = {name.lower(): value for name, value in start.get("headers", ())}
        return b"content-length" in names and names.get(b"content-encoding", b"").strip().lower() == b"gzip"

    def _inserted(self, start: Message, content: bytes, more: bool) -> tuple[Message, bytes]:
        """The head and the content with the tag in it; of a stream the tag is kept for the block where it goes."""
        none: Iterator[bytes] = iter(())
        headers, result = insert_tag(_as_text(start.get("headers", ())), none if more else [content], self._tag)
        if more:
            self._pending = b"".join(result)
        else:
            content = b"".join(result)
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return {**start, "headers": encoded}, content

    def _tagged(self, message: Message) -> Message:
        body = message.get("body", b"")
        if not self._pending or not (body.strip() or not message.get("more_body", False)):
            return message
        tag, self._pending = self._pending, b""
        return {**message, "body": insert(body, tag) if body.strip() else body + tag}


def _as_text(headers: Any) -> Headers:
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers]
