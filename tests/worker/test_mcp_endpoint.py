"""Agents over HTTP: who is answered, and that all others are left to the project."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from devrunserver.common.state_file import Running
from devrunserver.control import client
from devrunserver.worker.mcp_endpoint import LONGEST, PATH, McpEndpoint

TOKEN = "secret"
RUNNING = Running(1, "/srv/shop", "http://127.0.0.1:8000/", http_token=TOKEN)
PING = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'


def serve_project(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 Project", [])
    return [b"project"]


def call(running: Running | None = RUNNING, body: bytes = PING, **environ: Any) -> tuple[str, bytes]:
    """Status and content of an answer."""
    told: list[str] = []
    endpoint = McpEndpoint(serve_project, lambda: running)
    request = {
        "PATH_INFO": PATH,
        "REQUEST_METHOD": "POST",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_AUTHORIZATION": f"Bearer {TOKEN}",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **environ,
    }
    request = {name: value for name, value in request.items() if value is not None}
    content = b"".join(endpoint(request, lambda status, headers: told.append(status)))
    return told[0], content


def test_a_message_and_its_answer() -> None:
    assert call() == ("200 OK", b'{"jsonrpc": "2.0", "id": 1, "result": {}}')
    assert call(REMOTE_ADDR="::1")[0] == "200 OK"
    assert call(body=b'{"method": "notifications/initialized"}') == ("202 Accepted", b"")


def test_a_question_is_asked_of_the_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def ask(*args: object, **kwargs: object) -> dict[str, str]:
        asked.append((args, kwargs))
        return {"state": "ready"}

    monkeypatch.setattr(client, "ask", ask)
    body = b'{"id": 1, "method": "tools/call", "params": {"name": "get_status"}}'
    _, content = call(body=body)
    assert asked == [((RUNNING, "status"), {})]
    assert json.loads(content)["result"]["structuredContent"] == {"state": "ready"}


@pytest.mark.parametrize("path", ["/", "/mcp", "/__devrunserver__/", f"{PATH}/", f"{PATH}x"])
def test_other_paths_are_the_projects(path: str) -> None:
    assert call(PATH_INFO=path) == ("200 Project", b"project")


@pytest.mark.parametrize(
    ("running", "environ"),
    [
        (RUNNING, {"HTTP_AUTHORIZATION": None}),
        (RUNNING, {"HTTP_AUTHORIZATION": "Bearer"}),
        (RUNNING, {"HTTP_AUTHORIZATION": "Bearer secre"}),
        (RUNNING, {"HTTP_AUTHORIZATION": "Bearer s\u00e9cret"}),
        (RUNNING, {"HTTP_AUTHORIZATION": TOKEN}),
        (RUNNING, {"HTTP_ORIGIN": "http://127.0.0.1:8000"}),
        (RUNNING, {"HTTP_ORIGIN": "null"}),
        (RUNNING, {"HTTP_SEC_FETCH_SITE": "same-origin"}),
        (RUNNING, {"REMOTE_ADDR": "192.168.1.7"}),
        (RUNNING, {"REMOTE_ADDR": "fe80::1%eth0"}),
        (RUNNING, {"REMOTE_ADDR": ""}),
        (RUNNING, {"REMOTE_ADDR": None}),
        (None, {}),
        (Running(1, "/", ""), {"HTTP_AUTHORIZATION": "Bearer "}),
    ],
)
def test_who_is_refused(running: Running | None, environ: dict[str, Any]) -> None:
    status, content = call(running, **environ)
    assert status == "403 Forbidden"
    assert TOKEN.encode() not in content


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"REQUEST_METHOD": "GET"}, "405 Method Not Allowed"),
        ({"REQUEST_METHOD": "DELETE"}, "405 Method Not Allowed"),
        ({"CONTENT_LENGTH": ""}, "413 Content Too Large"),
        ({"CONTENT_LENGTH": "-1"}, "413 Content Too Large"),
        ({"CONTENT_LENGTH": str(LONGEST + 1)}, "413 Content Too Large"),
    ],
)
def test_what_is_no_message(environ: dict[str, Any], status: str) -> None:
    assert call(**environ)[0] == status
