"""The handshake of a WebSocket: RFC 6455, 4.2, by ``websockets``."""

from __future__ import annotations

from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request as HandshakeRequest
from websockets.http11 import Response as HandshakeResponse
from websockets.server import ServerProtocol

from devrunserver.server.asgi.response import MessageResponse
from devrunserver.server.protocol.parser import Request

WINDOW_BITS = 12  # of the compression: 4 kB, which costs 64 kB of memory for each WebSocket
MEMORY_LEVEL = 5  # of zlib
VERSION = "13"
PREFIX = "sec-websocket-"


def new_protocol(message_limit: int | None, frame_limit: int | None) -> ServerProtocol:
    """The protocol of one WebSocket; limits in bytes."""
    compression = ServerPerMessageDeflateFactory(
        server_max_window_bits=WINDOW_BITS,
        client_max_window_bits=WINDOW_BITS,
        compress_settings={"memLevel": MEMORY_LEVEL},
    )
    return ServerProtocol(extensions=[compression], max_size=(message_limit, frame_limit))


def shake_hands(protocol: ServerProtocol, request: Request) -> HandshakeResponse:
    """What the protocol answers to a request: 101, or why not. It is given only what concerns it."""
    fields = [("Connection", request.get("connection")), ("Upgrade", request.get("upgrade"))]
    fields += [one for one in request.fields if one[0].lower().startswith(PREFIX)]
    lines = [f"{name}: {value}" for name, value in fields]
    version = "HTTP/{}.{}".format(*request.version)
    head = "\r\n".join([f"{request.method} / {version}", *lines, "\r\n"])
    protocol.receive_data(head.encode("latin-1"))
    for event in protocol.events_received():
        if isinstance(event, HandshakeRequest):
            return protocol.accept(event)
    return HandshakeResponse(400, "Bad Request", Headers(), b"This is no handshake of a WebSocket.")


def deny(handshake: HandshakeResponse, request: Request, response: MessageResponse) -> None:
    """Answers what asks for no WebSocket that we know: RFC 6455, 4.2.2."""
    status = handshake.status_code
    headers: list[tuple[bytes, bytes]] = [(b"Content-Type", b"text/plain; charset=utf-8")]
    if request.get("sec-websocket-version") != VERSION:
        status = HTTPStatus.UPGRADE_REQUIRED
    if status == HTTPStatus.UPGRADE_REQUIRED:
        headers.append((b"Sec-WebSocket-Version", VERSION.encode()))
    response.start(status, headers)
    response.add(bytes(handshake.body or b""), more=False)
