"""The answer to who speaks plain HTTP where HTTPS is spoken: the same page by HTTPS. Pure.

It is 307 and not 308: it keeps the method, and no browser remembers it for the next project on this port.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from devrunserver.server.protocol.parser import FramingError, Request, take_head

HTTP_PORT = 80  # where "http://host/" leads to
# Fields of proxies and tunnels, which speak TLS with the browser themselves: to redirect it would be a loop
FORWARDED = {"forwarded", "x-forwarded-proto", "x-forwarded-for", "x-forwarded-host", "via"}


def answer_to_plain(received: bytes, own_address: Any, has_ended: bool = False) -> bytes | None:
    """The answer to a plain request, and the last on its connection.

    Args:
        received: what has come of it so far.
        own_address: where the client has found us.
        has_ended: whether nothing more comes.

    Returns:
        The answer; nothing where more has to come; None where the request is to be passed on, as a proxy sent it.
    """
    try:
        request = take_head(bytearray(received))
    except FramingError as error:
        return _answer(error.status, f"{error}.")
    if request is None:
        return _answer(HTTPStatus.BAD_REQUEST, "The request did not come in full.") if has_ended else b""
    if any(name.lower() in FORWARDED for name, _ in request.fields):
        return None
    return _answer(
        HTTPStatus.TEMPORARY_REDIRECT, "This server speaks HTTPS.", f"Location: {_location(request, own_address)}\r\n"
    )


def _location(request: Request, own_address: Any) -> str:
    host, path = request.get("host"), request.target if request.target.startswith("/") else "/"  # "*" is no path
    if not host:
        name, port = own_address[:2]
        return f"https://[{name}]:{port}{path}" if ":" in name else f"https://{name}:{port}{path}"
    if host.rpartition(":")[2].isdigit():
        return f"https://{host}{path}"
    return f"https://{host.rstrip(':')}:{HTTP_PORT}{path}"


def _answer(status: HTTPStatus, text: str, fields: str = "") -> bytes:
    """A whole answer, also to HEAD: its text is on one line of no importance."""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n{fields}"
        f"Content-Type: text/plain\r\nContent-Length: {len(text) + 1}\r\nConnection: close\r\n\r\n"
    )
    return f"{head}{text}\n".encode("latin-1", "replace")
