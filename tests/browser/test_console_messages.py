"""What pages tell, as lines in the terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devrunserver.browser.console_messages import BURST, MAX_WIDTH, ConsoleMessages, Message, is_wanted, line_of, parse


def body(*messages: dict[str, Any], dropped: int = 0) -> bytes:
    return json.dumps({"messages": messages, "dropped": dropped}).encode()


ERROR = {"kind": "error", "message": "x is not defined", "source": "http://a/static/a.js?1", "line": 3, "page": "/"}


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (ERROR, "[browser] / error: x is not defined (/static/a.js:3)"),
        ({"kind": "rejection", "message": "no", "page": "/a/"}, "[browser] /a/ unhandled rejection: no"),
        ({"kind": "console", "message": "no"}, "[browser] console.error: no"),
        ({"kind": "?", "message": 1}, "[browser] message: 1"),
        ({"kind": "error", "message": "a\nb\x1b[31mc\x07"}, "[browser] error: a b [31mc"),
        ({"kind": "error", "message": "\u202ex"}, "[browser] error: x"),
    ],
)
def test_lines(message: dict[str, Any], line: str) -> None:
    (parsed,), dropped = parse(body(message))
    assert (line_of(parsed), dropped) == (line, 0)


def test_a_message_for_tools() -> None:
    assert parse(body(ERROR)) == ([Message("/", "error", "x is not defined", "/static/a.js", 3)], 0)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"\xff", b'{"messages": 1}', b'{"messages": [1]}', b"1"]
)
def test_what_is_no_request_is_ignored(content: bytes) -> None:
    assert parse(content) == ([], 0)


def test_a_message_is_bounded() -> None:
    [message], _ = parse(body({"kind": "error", "message": "x" * 10_000, "page": "/" * 10_000, "source": "a" * 10_000}))
    assert len(line_of(message)) == MAX_WIDTH + 3
    assert {len(one) for one in (message.page, message.text, message.source)} == {MAX_WIDTH + 3}


def test_a_flood_is_bounded_and_says_so() -> None:
    lines: list[str] = []
    remembered: list[Message] = []
    now = 0.0
    console = ConsoleMessages(lines.append, remembered.append, lambda: now)
    for _ in range(100):
        console.receive(body(ERROR, dropped=1))
    assert len([line for line in lines if "is not defined" in line]) == len(remembered) == BURST
    now = 10.0
    lines.clear()
    console.receive(body(ERROR))
    assert len(lines) == 2
    assert lines[0].startswith("[browser] ") and lines[0].endswith("messages were left out")


@pytest.mark.parametrize(
    ("setting", "environ", "wanted"),
    [
        (None, {}, False),
        (None, {"CLAUDECODE": "1"}, True),
        (None, {"CLAUDECODE": ""}, False),
        (True, {}, True),
        (False, {"CLAUDECODE": "1"}, False),
    ],
)
def test_who_wants_it(setting: bool | None, environ: dict[str, str], wanted: bool) -> None:
    assert is_wanted(setting, environ) is wanted
