"""HTTPS as a user has it: the command, a project, reloads."""

from __future__ import annotations

import itertools
import re
import socket
import ssl
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from devrunserver.https import authority
from tests.https.conftest import TlsWire
from tests.live import Server, wait_for
from tests.pairs import add_probe, stories
from tests.server.wire import PATIENCE, Wire

pytestmark = pytest.mark.live

PAIRS = 2  # of each kind

GET = "GET {} HTTP/1.1\r\nHost: localhost:{}\r\n{}\r\n"

VIEWS = '''

def told(request):
    """What Django takes the request for."""
    response = HttpResponse(f"{request.is_secure()} {request.build_absolute_uri()} {request.META['REMOTE_ADDR']}")
    response["Strict-Transport-Security"] = "max-age=3600"
    return response


def brief(request):
    from pathlib import Path

    Path(os.environ["BEGUN"]).touch()
    return HttpResponse("brief")
'''
ROUTES = "\nurlpatterns += [path('told/', views.told), path('brief/', views.brief)]\n"
SETTINGS = """
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SECURE_HSTS_SECONDS = 3600
"""


class Site:
    """A running ``runserver --https`` and clients that trust it."""

    def __init__(self, server: Server, data: Path) -> None:
        self.server = server
        self.context = ssl.create_default_context(cafile=str(authority.own(data / "devrunserver").root))

    def wire(self) -> TlsWire:
        return TlsWire(self.server.port, self.context)

    def ask(self, wire: Wire, path: str = "/version/", fields: str = "") -> str:
        wire.send(GET.format(path, self.server.port, fields))
        return wire.answer().body.decode()

    def wait_for(self, wire: Wire, text: str) -> str:
        """Asks on one connection, until the answer has the text."""
        answers: list[str] = []
        wait_for(lambda: text in (answers.append(self.ask(wire)) or answers[-1]), text)  # type: ignore[func-returns-value]
        return answers[-1]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_DATA_HOME": str(tmp_path / "data"), "CAROOT": str(tmp_path / "none"), "BEGUN": str(tmp_path / "begun")}


@pytest.mark.measured
def test_a_tls_connection_lives_through_reloads(project: Path, environ: dict[str, str], tmp_path: Path) -> None:
    """With a request in flight, a session, and code that is broken for a while."""
    with (project / "shop/views.py").open("a") as views, (project / "shop/urls.py").open("a") as urls:
        views.write(VIEWS)
        urls.write(ROUTES)
    with (project / "bookshop/settings.py").open("a") as settings:
        settings.write(SETTINGS)
    with Server(project, "--https", environ=environ) as server:
        port = server.port
        server.wait_for_log("Listening on https://127.0.0.1")
        site = Site(server, tmp_path / "data")
        with site.wire() as kept, site.wire() as in_flight, site.wire() as silent:
            assert "mark-0" in site.ask(kept)
            told = site.ask(kept, "/told/")
            assert told == f"True https://localhost:{port}/told/ 127.0.0.1"
            kept.send(GET.format("/admin/login/", port, ""))
            (cookie,) = [one for one in kept.answer().all("Set-Cookie") if one.startswith("csrftoken=")]
            assert "; Secure" in cookie
            token = cookie.partition(";")[0].partition("=")[2]
            for origin, status in ((f"https://localhost:{port}", 200), (f"http://localhost:{port}", 403)):
                fields = f"Cookie: csrftoken={token}\r\nX-CSRFToken: {token}\r\nOrigin: {origin}\r\n"
                kept.send(GET.format("/admin/login/", port, f"{fields}Content-Length: 0\r\n").replace("GET", "POST", 1))
                assert kept.answer().status == status, origin
            session = kept.tls.session
            in_flight.send(GET.format("/brief/", port, ""))
            wait_for(lambda: Path(environ["BEGUN"]).exists(), "the request is being answered")
            server.edit("shop/marks.py", "mark-0", "mark-1")
            assert in_flight.answer().body == b"brief"
            assert "mark-1" in site.ask(kept), "on the connection that was there before"
            assert "mark-1" in site.ask(silent)
            server.edit("shop/marks.py", 'MARK = "mark-1"', 'MARK = "mark-2')
            assert "SyntaxError" in site.ask(kept, fields="Accept: text/plain\r\n")
            server.edit("shop/marks.py", 'MARK = "mark-2', 'MARK = "mark-3"')
            site.wait_for(kept, "mark-3")
            raw = socket.create_connection(("127.0.0.1", port), PATIENCE)
            with site.context.wrap_socket(raw, server_hostname="localhost", session=session) as again:
                assert again.session_reused
        log = server.log
    assert "HTTPS with a certificate by an authority of its own. To have browsers trust it:" in log
    assert len(re.findall("SECURE_HSTS_SECONDS", log)) == 1
    assert log.count("Listening on") == 1
    assert "Traceback" not in log


@pytest.mark.deep
def test_saves_and_requests_with_nothing_in_between(project: Path, environ: dict[str, str], tmp_path: Path) -> None:
    """The new page always, each request answered once, and no error."""
    add_probe(project)
    posted, numbers = tmp_path / "posted.log", itertools.count(1)
    posted.touch()
    with Server(project, "--https", environ={**environ, "PROBE_LOG": str(posted)}) as server:
        server.wait_for_log("Listening on")
        site = Site(server, tmp_path / "data")
        for story in stories():
            story.run(project, server.port, PAIRS, numbers, site.context)
            assert story.outcomes == {"fresh": PAIRS}, story
    assert set(Counter(posted.read_text().split()).values()) == {1}


def test_django_sees_https_and_http_is_sent_there(project: Path, environ: dict[str, str], tmp_path: Path) -> None:
    """Without a reloader, one request at a time, with a host that is refused."""
    with Server(project, "--https", "--noreload", "--nothreading", "0.0.0.0:0", environ=environ) as server:
        server.wait_for_log("Listening on https://0.0.0.0:")
        site = Site(server, tmp_path / "data")
        with site.wire() as wire:
            wire.send("GET /version/ HTTP/1.1\r\nHost: example.com\r\n\r\n")
            assert wire.answer().status == 400
        with Wire(server.port) as plain:
            plain.send(GET.format("/version/", server.port, ""))
            assert plain.answer()["Location"] == f"https://localhost:{server.port}/version/"
        with Wire(server.port) as proxied:
            answer = site.ask(proxied, fields="X-Forwarded-Proto: https\r\nConnection: close\r\n")
            assert "mark-0" in answer
        assert "You may need to add 'example.com' to ALLOWED_HOSTS" in server.log


def test_what_is_wrong_is_one_line(project: Path) -> None:
    with Server(project, "--cert-file=x") as server:
        assert server.wait_for_end() == 1
        lines = [line for line in server.log.splitlines() if line]
        assert lines == ["Error: x cannot be read: No such file or directory."]


def test_tls_without_the_flag_is_one_line_that_names_it(project: Path) -> None:
    with Server(project, "--noreload") as server:
        with pytest.raises(ssl.SSLError):
            TlsWire(server.port, ssl.create_default_context())
        server.wait_for_log("You're accessing the development server over HTTPS, but it only supports HTTP")
        assert server.get().status == 200
        lines = server.log.partition("CONTROL-C.")[2]
        assert len(re.findall("HTTPS|TLS|400", lines)) == 1
        assert "Start it with --https to have both." in lines


def test_a_browser_is_opened_once(project: Path, environ: dict[str, str], tmp_path: Path) -> None:
    """When the first worker serves: not while the project is broken."""
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    browser.chmod(0o755)
    with (project / "shop/marks.py").open("a") as marks:
        marks.write("broken(\n")
    with Server(project, "--https", "--open", environ={**environ, "BROWSER": f"{browser} %s"}) as server:
        server.wait_for_log("SyntaxError")
        assert not opened.exists()
        server.edit("shop/marks.py", "broken(\n", "")
        wait_for(opened.exists, "the browser is opened")
        server.edit("shop/marks.py", "mark-0", "mark-1")
        site = Site(server, tmp_path / "data")
        with site.wire() as wire:
            site.wait_for(wire, "mark-1")
        assert opened.read_text() == f"https://127.0.0.1:{server.port}/\n"
