"""The application of the table of behaviours, by ASGI: it is called on the loop, so it must not wait."""

from __future__ import annotations

import io
import itertools
import sys
from typing import Any

from tests.server.application import Application


class Bridged:
    """Answers as ``Application``."""

    def __init__(self) -> None:
        self.application = Application()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise ValueError(scope["type"])
        body = b""
        if not scope["path"].startswith("/ignore"):
            message = {"more_body": True}
            while message.get("more_body"):
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body += message["body"]
        said: list[Any] = []
        written: list[bytes] = []

        def start_response(*args: Any) -> Any:
            said.append(args)
            return written.append

        result = self.application(_environ(scope, body), start_response)
        if not isinstance(result, list) and not hasattr(result, "filelike"):
            blocks = iter(result)
            written += [next(blocks, b"")]
            result = blocks
        status, headers, *_ = said[-1]
        encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": int(status[:3]), "headers": encoded})
        if isinstance(result, list) and not written:
            await send({"type": "http.response.body", "body": b"".join(result)})
            return
        file = getattr(result, "filelike", None)
        if isinstance(file, io.BufferedReader) and not file.tell():
            file.close()
            await send({"type": "http.response.pathsend", "path": str(file.name)})
            return
        for block in [*written, *result] if isinstance(result, list) else itertools.chain(written, result):
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body"})


def _environ(scope: Any, body: bytes) -> dict[str, Any]:
    """As asgiref's ``WsgiToAsgi`` makes it, which cannot say that a body is all there."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": str(scope["server"][1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0],
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "CONTENT_LENGTH": str(len(body)) if body else "",
    }
    for name, value in scope["headers"]:
        key = name.decode().upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        text = value.decode("latin-1")
        environ[key] = (
            f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
            if key in environ and key.startswith("HTTP_")
            else text
        )
    return environ
