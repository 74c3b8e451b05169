"""What pages write to the browser's console, as lines for the terminal: one each, bounded, harmless to a terminal."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

MAX_BODY = 32_768  # bytes of a request
MAX_MESSAGES = 10  # of a request; a page sends no more
MAX_WIDTH = 300  # characters of a line
BURST = 20  # lines at once
REFILL = 2.0  # lines a second, after that
KINDS = {"error": "error", "rejection": "unhandled rejection", "console": "console.error"}

# What coding agents have in the environment of the programs that they start
AGENTS = ("CLAUDECODE", "CURSOR_AGENT", "GEMINI_CLI", "CODEX_SANDBOX", "OPENCODE", "AI_AGENT")


def is_wanted(setting: bool | None, environ: Mapping[str, str]) -> bool:
    """Whether the terminal shows the browser's errors: by the setting, else if a coding agent reads the terminal."""
    return setting if setting is not None else any(environ.get(name) for name in AGENTS)


class ConsoleMessages:
    """Writes what pages tell to the terminal, no faster than anybody could read.

    Args:
        write: prints a line.
        clock: seconds, of a clock that only goes forward.
    """

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._allowance = float(BURST)
        self._refilled_at = clock()
        self._dropped = 0

    def receive(self, body: bytes) -> None:
        """Prints the messages of one request; what is no such request is ignored."""
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
                self._write(message)


def parse(body: bytes) -> tuple[list[str], int]:
    """The lines of a request, and how many messages the page has left out itself."""
    try:
        data: Any = json.loads(body)
        lines = [_line(one) for one in data["messages"][:MAX_MESSAGES]]
        return lines, max(0, int(data.get("dropped", 0)))
    except (ValueError, TypeError, KeyError, AttributeError):
        return [], 0


def _line(message: Mapping[str, Any]) -> str:
    kind = KINDS.get(str(message["kind"]), "message")
    source = urlsplit(str(message.get("source") or "")).path
    place = f" ({source}:{message.get('line') or 0})" if source else ""
    return _harmless(f"[browser] {message.get('page') or ''} {kind}: {message['message']}{place}")


def _harmless(text: str) -> str:
    """One line without anything that a terminal would obey."""
    shown = "".join(one if one.isprintable() else " " for one in " ".join(text.split()))
    return shown if len(shown) <= MAX_WIDTH else f"{shown[:MAX_WIDTH]}..."
