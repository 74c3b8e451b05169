"""The Model Context Protocol over HTTP, on a path of the project's own port, for agents that want a URL.

Theory of operation
-------------------
It stands before the project's application, under DEBUG alone. Whatever can read the project's errors is refused to all
but this user's own programs: a request has to come from loopback, must show the token of the state file, which only
this user can read, and must not come from a browser's page, which would send an Origin. Questions are asked of the
supervisor, over the same socket as ``python -m devrunserver`` uses. A question that is sent while the project is being
reloaded is held like any other request, and answered by the new code.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from django.conf import settings

from devrunserver.common import faults

if TYPE_CHECKING:  # what an answer needs is imported for the first one: hardly any worker is asked
    from devrunserver.common.state_file import Running

PATH = "/__devrunserver__/mcp"
LONGEST = 65_536  # bytes of a message
JSON = "application/json"

Application = Callable[..., Iterable[bytes]]


class McpEndpoint:
    """A WSGI application that answers agents on one path, and has another answer all else.

    Args:
        application: the other.
        find_server: the server that this process works for; None where it has no state file.
    """

    def __init__(self, application: Application, find_server: Callable[[], Running | None]) -> None:
        self._application = application
        self._find_server = find_server

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            return self._application(environ, start_response)
        status, data = "500 Internal Server Error", b'{"error": "A fault of devrunserver."}'
        with faults.contained("answering agents over HTTP"):
            status, data = self._answer(environ)
        headers = [("Content-Type", JSON), ("Content-Length", str(len(data))), ("Cache-Control", "no-store")]
        start_response(status, headers)
        return [data]

    def _answer(self, environ: dict[str, Any]) -> tuple[str, bytes]:
        import json

        from devrunserver.control.client import ask
        from devrunserver.control.mcp import McpServer

        running = self._find_server()
        why_not = refusal(environ, running.http_token if running is not None else "")
        if why_not or running is None:
            return "403 Forbidden", _error(why_not)
        if environ["REQUEST_METHOD"] != "POST":
            return "405 Method Not Allowed", _error("Messages are posted; there is no stream.")
        length = environ.get("CONTENT_LENGTH") or ""
        if not length.isdigit() or int(length) > LONGEST:
            return "413 Content Too Large", _error(f"A message has at most {LONGEST} bytes.")
        body = environ["wsgi.input"].read(int(length))

        def ask_running(command: str, **arguments: Any) -> dict[str, Any]:
            return ask(running, command, **arguments)

        answer = McpServer(ask_running).answer(body.decode(errors="replace"))
        if answer is None:
            return "202 Accepted", b""
        return "200 OK", json.dumps(answer).encode()


def refusal(environ: dict[str, Any], token: str) -> str:
    """Why a request is refused; empty where it is not.

    Args:
        token: that has to be shown; empty where nobody can know it.
    """
    import ipaddress
    import secrets

    try:
        is_local = ipaddress.ip_address(environ.get("REMOTE_ADDR", "").partition("%")[0]).is_loopback
    except ValueError:
        is_local = False
    if not is_local:
        return "Only programs on this machine are answered."
    if "HTTP_ORIGIN" in environ or "HTTP_SEC_FETCH_SITE" in environ:
        return "Pages in a browser are not answered."
    shown = environ.get("HTTP_AUTHORIZATION", "")
    if not token or not secrets.compare_digest(shown.encode(), f"Bearer {token}".encode()):
        return "Authorization: Bearer, with the token that `python -m devrunserver status --json` tells, is needed."
    return ""


def add_to(server: Any) -> None:
    """Has a server answer agents too, under DEBUG; where it serves by ASGI, beside its application."""
    if settings.DEBUG:
        server.set_app(McpEndpoint(server.get_app(), find_supervisor))


def find_supervisor() -> Running | None:
    """The server whose worker this process is."""
    from devrunserver.common.state_file import running_servers

    return next((one for one in running_servers() if one.pid == os.getppid()), None)


def _error(text: str) -> bytes:
    import json

    return json.dumps({"error": text}).encode()
