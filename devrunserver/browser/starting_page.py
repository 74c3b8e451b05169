"""The page for requests that have waited for too long for the project to start, or to start again."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse

STATUS = "503 Service Unavailable"
RETRY_AFTER = 1  # seconds

TEXT = (
    "The project is still starting, or something keeps it from starting again after a change. "
    "The terminal of the development server may tell more."
)
PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta http-equiv="refresh" content="{RETRY_AFTER}"><title>Starting</title></head>
<body><h1>Starting</h1><p>{TEXT}</p><p>%s</p><p>This page loads again by itself.</p></body>
</html>
"""


def telling(tell: Callable[[], str]) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    """The page, as a WSGI application, with a line that tells how far the start is."""

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return starting_page(environ, start_response, tell())

    return application


def starting_page(environ: dict[str, Any], start_response: StartResponse, progress: str = "") -> Iterable[bytes]:
    """A WSGI application that asks every client to come again."""
    is_browser = "text/html" in environ.get("HTTP_ACCEPT", "")
    text = PAGE % html.escape(progress) if is_browser else f"{TEXT} {progress}".rstrip() + "\n"
    content = text.encode(errors="replace")
    kind = "text/html" if is_browser else "text/plain"
    start_response(
        STATUS,
        [
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Content-Length", str(len(content))),
            ("Retry-After", str(RETRY_AFTER)),
            ("Cache-Control", "no-store"),
        ],
    )
    return [content]
