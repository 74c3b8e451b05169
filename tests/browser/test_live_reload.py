"""The application around the project's: what it serves, to whom, and the tag that it puts into pages."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest

from devrunserver.browser import live_reload
from devrunserver.browser.console_messages import ConsoleMessages
from devrunserver.browser.live_reload import LiveReload, scripts, token, version

DOCUMENT = {"HTTP_SEC_FETCH_DEST": "document", "HTTP_HOST": "testserver"}


class Client:
    """Asks an application."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self.status, self.headers = "", {"": ""}

    def get(self, path: str, query: str = "", **environ: str) -> bytes:
        def start_response(status: str, headers: list[tuple[str, str]]) -> None:
            self.status, self.headers = status, dict(headers)

        return b"".join(self._application(request(path, query, **environ), start_response))


def request(path: str, query: str = "", **environ: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "HTTP_HOST": "testserver",
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
        **environ,
    }


def project(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<!doctype html><p>page"]


@pytest.fixture
def failures() -> list[Exception]:
    return []


@pytest.fixture
def application(failures: list[Exception], settings: Any) -> LiveReload:
    settings.ALLOWED_HOSTS = ["testserver"]
    return LiveReload(project, lambda: 42, failures.append)


def test_a_page_carries_the_generation(application: LiveReload) -> None:
    page = Client(application).get("/", **DOCUMENT).decode()
    tag = re.search(r"<script ([^>]*)></script>", page)
    assert tag is not None
    assert f'src="/__devrunserver__/live_reload.js?v={version()}"' in tag[1]
    assert 'data-generation="42"' in tag[1] and f'data-token="{token()}"' in tag[1] and 'data-method="GET"' in tag[1]


def test_a_fragment_does_not(application: LiveReload) -> None:
    assert Client(application).get("/", HTTP_SEC_FETCH_DEST="empty") == b"<!doctype html><p>page"


def test_an_error_switches_it_off(
    application: LiveReload, failures: list[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "_tag", lambda *args: 1 / 0)
    for _ in range(3):
        assert Client(application).get("/", **DOCUMENT) == b"<!doctype html><p>page"
    assert len(failures) == 1


@pytest.mark.parametrize("name", ["live_reload.js", "morph.js", "stream.js"])
def test_scripts(application: LiveReload, name: str) -> None:
    client = Client(application)
    assert client.get(f"/__devrunserver__/{name}") == scripts()[name]
    assert (
        client.headers["Content-Type"].startswith("text/javascript") and client.headers["Cache-Control"] == "no-cache"
    )
    etag = client.headers["ETag"]
    assert client.get(f"/__devrunserver__/{name}", HTTP_IF_NONE_MATCH=etag) == b"" and client.status.startswith("304")
    client.get(f"/__devrunserver__/{name}", f"v={version()}")
    assert "immutable" in client.headers["Cache-Control"]


@pytest.mark.parametrize("name", ["", "live_reload.py", "../conf.py", "none.js", "stream/x", "until-next-start"])
def test_all_else_is_the_application_s(application: LiveReload, name: str) -> None:
    assert Client(application).get(f"/__devrunserver__/{name}") == b"<!doctype html><p>page"


REFUSED = [
    ("", {}, "403"),
    ("token=no", {}, "403"),
    (None, {"HTTP_ORIGIN": "http://evil.example"}, "403"),
    (None, {"HTTP_ORIGIN": "null"}, "403"),
    (None, {"HTTP_SEC_FETCH_SITE": "cross-site"}, "403"),
    (None, {"HTTP_SEC_FETCH_SITE": "same-site"}, "403"),
    (None, {"HTTP_HOST": "evil.example"}, "400"),
]


@pytest.mark.parametrize(("query", "environ", "status"), REFUSED)
def test_the_stream_is_for_our_pages(
    application: LiveReload, query: str | None, environ: dict[str, str], status: str
) -> None:
    query = f"token={token()}" if query is None else query
    assert application.claims(request("/__devrunserver__/stream", query, **environ)) == b""
    client = Client(application)
    client.get("/__devrunserver__/stream", query, **environ)
    assert client.status.startswith(status)


@pytest.mark.parametrize("environ", [{}, {"HTTP_ORIGIN": "http://testserver"}, {"HTTP_SEC_FETCH_SITE": "same-origin"}])
def test_a_stream_is_given_away(application: LiveReload, environ: dict[str, str]) -> None:
    head = application.claims(request("/__devrunserver__/stream", f"token={token()}", **environ))
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and head.endswith(b"\r\n\r\n") and b"text/event-stream" in head
    assert application.claims(request("/", f"token={token()}", **environ)) == b""


def test_a_stream_that_cannot_be_given_away_ends(application: LiveReload) -> None:
    content = Client(application).get("/__devrunserver__/stream", f"token={token()}").decode()
    retry, data = content.strip().split("\n")
    assert retry == "retry: 1000"
    assert json.loads(data.removeprefix("data: ")) == {
        "generation": 42,
        "since": 0,
        "changes": [{"generation": 42, "kind": "page", "files": []}],
    }


def test_below_a_script_name(settings: Any, failures: list[Exception]) -> None:
    settings.FORCE_SCRIPT_NAME = "/sub/"
    client = Client(LiveReload(project, lambda: 1, failures.append))
    assert b'src="/sub/__devrunserver__/live_reload.js' in client.get("/", **DOCUMENT)
    for path in ("/sub/__devrunserver__/morph.js", "/__devrunserver__/morph.js"):
        assert client.get(path) == scripts()["morph.js"]
    assert live_reload.PATH == "/__devrunserver__/"


def post(application: LiveReload, body: bytes, query: str, **environ: str) -> str:
    client = Client(application)
    length = {"CONTENT_LENGTH": str(len(body)), "REQUEST_METHOD": "POST"}
    given: dict[str, Any] = {**length, "wsgi.input": io.BytesIO(body), **environ}
    client.get("/__devrunserver__/console", query, **given)
    return client.status


@pytest.mark.parametrize(
    ("environ", "query", "status"),
    [
        ({}, f"token={token()}", "204 No Content"),
        ({}, "", "403 Forbidden"),
        ({"HTTP_ORIGIN": "http://evil.example"}, f"token={token()}", "403 Forbidden"),
        ({"HTTP_HOST": "evil.example"}, f"token={token()}", "400 Bad Request"),
        ({"REQUEST_METHOD": "GET"}, f"token={token()}", "400 Bad Request"),
        ({"CONTENT_LENGTH": "-1"}, f"token={token()}", "400 Bad Request"),
        ({"CONTENT_LENGTH": "9999999"}, f"token={token()}", "413 Request Entity Too Large"),
    ],
)
def test_the_console_is_for_pages_of_ours(settings: Any, environ: dict[str, str], query: str, status: str) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    lines: list[str] = []
    application = LiveReload(project, lambda: 42, print, console=ConsoleMessages(lines.append))
    body = json.dumps({"messages": [{"kind": "error", "message": "no"}]}).encode()
    assert post(application, body, query, **environ).partition(" ")[0] == status.partition(" ")[0]
    assert bool(lines) is status.startswith("204")


def test_pages_tell_only_where_it_is_wanted(application: LiveReload) -> None:
    assert b"console_forwarding.js" not in Client(application).get("/", **DOCUMENT)
    telling = LiveReload(project, lambda: 42, print, console=ConsoleMessages(print))
    page = Client(telling).get("/", **DOCUMENT).decode()
    assert page.index("live_reload.js") < page.index("console_forwarding.js")
