"""What an ASGI application is told about a connection: https://asgi.readthedocs.io/en/latest/specs/www.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from devrunserver.server.protocol.parser import Request, tokens

Scope = dict[str, Any]

ASGI_VERSION = "3.0"
SPEC_VERSION = "2.3"  # of the specification of HTTP and WebSockets; from 2.4 on ``send`` would raise after the end


@dataclass(frozen=True)
class Endpoints:
    """The two ends of a connection.

    Attributes:
        client: address and port; None where it has none, as a Unix socket's.
        server: name and port.
        scheme: "http" or "https".
    """

    client: tuple[str, int] | None
    server: tuple[str, int]
    scheme: str = "http"


def is_websocket(request: Request) -> bool:
    """Whether a request asks for a WebSocket (RFC 6455, 4.1), be it rightly or with something missing."""
    return (
        request.method == "GET"
        and "websocket" in tokens(request.get("upgrade") or "")
        and "upgrade" in tokens(request.get("connection") or "")
        and any(name.lower().startswith("sec-websocket-") for name, _ in request.fields)
    )


def http_scope(request: Request, endpoints: Endpoints, state: dict[str, Any]) -> Scope:
    """The scope of one request."""
    return {
        **_common(request, endpoints, state),
        "type": "http",
        "scheme": endpoints.scheme,
        "method": request.method.upper(),
        "extensions": {"http.response.pathsend": {}, "http.response.trailers": {}},
    }


def websocket_scope(request: Request, endpoints: Endpoints, state: dict[str, Any]) -> Scope:
    """The scope of one WebSocket."""
    offered = ",".join(request.all("sec-websocket-protocol"))
    return {
        **_common(request, endpoints, state),
        "type": "websocket",
        "scheme": "wss" if endpoints.scheme == "https" else "ws",
        "subprotocols": [name for one in offered.split(",") if (name := one.strip(" \t"))],
        "extensions": {"websocket.http.response": {}},
    }


def lifespan_scope(state: dict[str, Any]) -> Scope:
    return {"type": "lifespan", "asgi": {"version": ASGI_VERSION, "spec_version": "2.0"}, "state": state}


def _common(request: Request, endpoints: Endpoints, state: dict[str, Any]) -> Scope:
    target = request.target.encode("latin-1")
    raw_path, _, query = target.partition(b"?")
    return {
        "asgi": {"version": ASGI_VERSION, "spec_version": SPEC_VERSION},
        "http_version": f"{request.version[0]}.{request.version[1]}",
        "path": decoded(raw_path),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": header_fields(request),
        "client": endpoints.client,
        "server": endpoints.server,
        "state": state.copy(),
    }


def decoded(raw_path: bytes) -> str:
    """A path as text; bytes that are no UTF-8 are replaced."""
    return unquote_to_bytes(raw_path).decode("utf-8", "replace")


def header_fields(request: Request) -> list[tuple[bytes, bytes]]:
    """The header fields, names in lower case; without those that could pose as others by an underscore."""
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.fields if "_" not in name
    ]
