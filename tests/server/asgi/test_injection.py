"""What becomes of the messages of a document, and of all others."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest

from devrunserver.server.asgi.injection import with_tag
from devrunserver.server.injection import Tag

TAG = b"<script></script>"
HTML = (b"content-type", b"text/html; charset=utf-8")
BEGIN, REST = b"<!doctype html><head>", b"<title>a</title>"
PACKED = gzip.compress(BEGIN + REST)


def sent(messages: list[dict[str, Any]], failures: list[Exception] | None = None) -> list[dict[str, Any]]:
    """What goes on to the server."""
    out: list[dict[str, Any]] = []

    def make(nonce: str) -> bytes:
        if failures is not None:
            raise RuntimeError("ours")
        return TAG

    async def application(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    async def send(message: dict[str, Any]) -> None:
        out.append(message)

    async def receive() -> dict[str, Any]:
        raise AssertionError

    tag = Tag(make, lambda: "localhost", (failures if failures is not None else []).append)
    asyncio.run(with_tag(application, tag)({}, receive, send))  # type: ignore[arg-type]
    return out


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


def length(count: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % count


def contents(messages: list[dict[str, Any]]) -> list[bytes]:
    return [message["body"] for message in messages if message["type"] == "http.response.body"]


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([BEGIN + REST], [BEGIN + TAG + REST]),
        ([BEGIN, REST], [BEGIN + TAG, REST]),
        ([b"", b"\n ", BEGIN + REST, b"more"], [b"", b"\n ", BEGIN + TAG + REST, b"more"]),
        ([BEGIN + REST, b""], [BEGIN + TAG + REST, b""]),
        ([b"", b""], [b"", TAG]),
        ([b""], [b""]),
        ([b" \n"], [b" \n"]),
    ],
)
def test_documents(blocks: list[bytes], expected: list[bytes]) -> None:
    messages = [body(block, more=number < len(blocks) - 1) for number, block in enumerate(blocks)]
    out = sent([start(HTML), *messages])
    assert contents(out) == expected
    assert [message.get("more_body", False) for message in out[1:]] == [message["more_body"] for message in messages]


def test_the_length_is_right() -> None:
    size = len(BEGIN + REST)
    for blocks in ([body(BEGIN + REST)], [body(BEGIN, True), body(REST)]):
        out = sent([start(HTML, length(size)), *blocks])
        assert length(size + len(TAG)) in out[0]["headers"]
        assert len(b"".join(contents(out))) == size + len(TAG)


def test_what_is_packed() -> None:
    encoding = (b"content-encoding", b"gzip")
    for blocks in ([body(PACKED)], [body(PACKED[:9], True), body(PACKED[9:], True), body(b"")]):
        out = sent([start(HTML, encoding, length(len(PACKED))), *blocks])
        packed = b"".join(contents(out))
        assert gzip.decompress(packed) == BEGIN + TAG + REST
        assert length(len(packed)) in out[0]["headers"]
    out = sent([start(HTML, encoding), body(PACKED[:9], True), body(PACKED[9:])])  # a stream
    assert b"".join(contents(out)) == PACKED


@pytest.mark.parametrize(
    "messages",
    [
        [start((b"content-type", b"text/plain")), body(BEGIN)],
        [start(HTML, status=302), body(BEGIN)],
        [start(HTML), {"type": "http.response.pathsend", "path": "/a"}],
        [start(HTML, (b"content-disposition", b"attachment")), body(BEGIN, True), body(REST)],
        [{"type": "http.response.start", "status": "wrong", "headers": [("a", "b")]}, body(b"")],
        [body(b"no head")],
        [{"type": "unknown"}],
    ],
)
def test_all_others_go_on_as_they_are(messages: list[dict[str, Any]]) -> None:
    assert sent(messages) == messages


def test_a_fault_of_ours_changes_nothing() -> None:
    failures: list[Exception] = []
    messages = [start(HTML), body(BEGIN)]
    assert sent(messages, failures) == messages
    assert len(failures) == 1
