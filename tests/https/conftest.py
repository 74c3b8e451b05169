"""A server behind TLS, in threads, and clients that speak it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography")

from devrunserver.https import authority
from devrunserver.https.certificate import OwnCertificates
from devrunserver.https.front import Front
from devrunserver.server import ThreadedWSGIServer, WSGIRequestHandler, WSGIServer
from tests.live import wait_for
from tests.server.application import Application
from tests.server.conftest import open_descriptors, static_files  # noqa: F401 (a fixture)
from tests.server.wire import PATIENCE, Wire


class Secured:
    """A front and the server behind it."""

    def __init__(self, front: Front, public: socket.socket, server: Any, application: Application, root: Path) -> None:
        self.front = front
        self.server = server
        self.application = application
        self.root = root
        self.port: int = public.getsockname()[1]
        self.said: list[str] = []
        self.public = public

    def context(self) -> ssl.SSLContext:
        """A client that trusts our authority."""
        context = ssl.create_default_context(cafile=str(self.root))
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context

    def wire(self, receive_buffer: int = 0, name: str = "localhost") -> TlsWire:
        return TlsWire(self.port, self.context(), name, receive_buffer)


class TlsWire(Wire):
    """A TLS connection, with what ``Wire`` does on a plain one."""

    def __init__(self, port: int, context: ssl.SSLContext, name: str = "localhost", receive_buffer: int = 0) -> None:
        super().__init__(port, receive_buffer)
        raw = self.socket
        try:
            self.socket = self.tls = context.wrap_socket(raw, server_hostname=name)
        except OSError:
            raw.close()
            raise

    def end_sending(self) -> None:
        """As many programs end: without "close_notify", which Python's TLS could not read on after."""
        socket.socket.shutdown(self.socket, socket.SHUT_WR)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an authority and a certificate."""
    directory = tmp_path_factory.mktemp("data")
    OwnCertificates(directory, [], pytest.fail, environ={"CAROOT": str(directory / "none")})
    return directory


@pytest.fixture
def secure(data: Path) -> Iterator[Callable[..., Secured]]:
    """Starts a server behind TLS. At the end its threads and its descriptors have to be gone."""
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    started: list[tuple[Secured, threading.Thread]] = []

    def start(threaded: bool = True, application: Any = None, certificates: Any = None) -> Secured:
        public = socket.create_server(("127.0.0.1", 0))
        said: list[str] = []
        shown = certificates or OwnCertificates(data, [], said.append, environ={"CAROOT": str(data / "none")})
        front = Front(public, shown, said.append)
        cls: Any = ThreadedWSGIServer if threaded else WSGIServer
        server = cls(public.getsockname(), WSGIRequestHandler, bind_and_activate=False)
        server.adopt(front.listener.dup(), name="localhost")
        application = application or Application()
        server.set_app(application)
        secured = Secured(front, public, server, application, authority.own(data).root)
        secured.said = said
        thread = threading.Thread(target=server.serve_forever)
        started.append((secured, thread))
        thread.start()
        front.start()
        return secured

    yield start
    for secured, thread in started:
        if isinstance(secured.application, Application):
            secured.application.may_end.set()
        secured.front.close()
        secured.server.shutdown()
        thread.join(PATIENCE)
        secured.server.server_close()
        secured.public.close()
    wait_for(lambda: set(threading.enumerate()) <= threads, "no thread is left", PATIENCE)
    wait_for(lambda: open_descriptors() <= descriptors, "no descriptor is left", PATIENCE)


@pytest.fixture
def secured(secure: Callable[..., Secured]) -> Secured:
    return secure()
