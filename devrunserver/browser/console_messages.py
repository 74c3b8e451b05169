"""What pages write to the browser's console: bounded, as lines that are harmless to a terminal, and for tools."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

MAX_BODY = 32_768  # bytes of a request
MAX_MESSAGES = 10  # of a request; a page sends no more
MAX_WIDTH = 300  # characters of a line
BURST = 20  # lines at once
REFILL = 2.0  # lines a second, after that
KINDS = {"error": "error", "rejection": "unhandled rejection", "console": "console.error"}

# What coding agents have in the environment of the programs that they start
AGENTS = ("CLAUDECODE", "CURSOR_AGENT", "GEMINI_CLI", "CODEX_SANDBOX", "OPENCODE", "AI_AGENT")


class Message(NamedTuple):
    """What a page has written."""

    page: str  # its path
    kind: str  # one of KINDS
    text: str
    source: str  # the path of the script; empty where nothing tells
    line: int  # in it; 0: nothing tells


def is_wanted(setting: bool | None, environ: Mapping[str, str]) -> bool:
    """Whether the terminal shows the browser's errors: by the setting, else if a coding agent reads the terminal."""
    return setting if setting is not None else any(environ.get(name) for name in AGENTS)


class ConsoleMessages:
    """Takes what pages tell, no faster than anybody could read.

    Args:
        write: prints a line.
        remember: keeps a message for tools.
        clock: seconds, of a clock that only goes forward.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        remember: Callable[[Message], object] = lambda message: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._remember = remember
        self._clock = clock
        self._lock = threading.Lock()
        self._allowance = float(BURST)
        self._refilled_at = clock()
        self._dropped = 0

    def receive(self, body: bytes) -> None:
        """Takes the messages of one request; what is no such request is ignored."""
        messages, dropped = parse(body)
        with self._lock:
            now = self._clock()
            self._allowance = min(BURST, self._allowance + (now - self._refilled_at) * REFILL)
            self._refilled_at = now
            self._dropped += dropped
            for message in messages:
                if self._allowance < 1:
                    self._dropped += 1
                    continue
                self._allowance -= 1
                if self._dropped:
                    self._write(f"[browser] {self._dropped} messages were left out")
                    self._dropped = 0
                self._write(line_of(message))
                self._remember(message)


def parse(body: bytes) -> tuple[list[Message], int]:
    """The messages of a request, and how many the page has left out itself."""
    try:
        data: Any = json.loads(body)
        return [_message(one) for one in data["messages"][:MAX_MESSAGES]], max(0, int(data.get("dropped", 0)))
    except (ValueError, TypeError, KeyError, AttributeError):
        return [], 0


def _message(told: Mapping[str, Any]) -> Message:
    """What a page has told, with nothing of it longer than a line."""
    return Message(
        _harmless(told.get("page")),
        KINDS.get(str(told["kind"]), "message"),
        _harmless(told["message"]),
        _harmless(urlsplit(str(told.get("source") or "")).path),
        int(told.get("line") or 0),
    )


def line_of(message: Message) -> str:
    """A message for the terminal."""
    place = f" ({message.source}:{message.line})" if message.source else ""
    return _harmless(f"[browser] {message.page} {message.kind}: {message.text}{place}")


def _harmless(text: object) -> str:
    """One line without anything that a terminal would obey."""
    words = " ".join(str(text or "").split())
    shown = "".join(one if one.isprintable() else " " for one in words)
    return shown if len(shown) <= MAX_WIDTH else f"{shown[:MAX_WIDTH]}..."
