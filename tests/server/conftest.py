"""A server in a thread, with an application that answers in every way."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import override_settings

from devrunserver.server import ThreadedWSGIServer, WSGIRequestHandler, WSGIServer
from devrunserver.server.django.asgi_host import AsgiHandler
from tests.live import wait_for
from tests.server.application import FILES, Application
from tests.server.wire import PATIENCE, Wire


class Running:
    """A server that serves."""

    def __init__(self, server: Any, application: Application) -> None:
        self.server = server
        self.application = application
        self.thread = threading.Thread(target=server.serve_forever)

    @property
    def port(self) -> int:
        port: int = self.server.server_address[1]
        return port

    def wire(self, receive_buffer: int = 0) -> Wire:
        return Wire(self.port, receive_buffer)

    def is_alive(self) -> bool:
        """Whether a plain request is answered as ever."""
        with self.wire() as wire:
            wire.send("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return wire.answer().body == b"hello"


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd")) if sys.platform == "linux" else set()


Run = Callable[..., Running]


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts a server. At the end its loop, its threads and its descriptors have to be gone."""
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    started: list[Running] = []

    def start(threaded: bool = True, server: type[Any] | None = None, application: Any = None) -> Running:
        cls = server or (ThreadedWSGIServer if threaded else WSGIServer)
        running = Running(cls(("127.0.0.1", 0), WSGIRequestHandler), application or Application())
        if isinstance(application, AsgiHandler):
            running.server.set_app(application.others)
            application.begin(running.server)
        else:
            running.server.set_app(running.application)
        started.append(running)
        running.thread.start()
        return running

    yield start
    for running in started:
        if isinstance(running.application, Application):
            running.application.may_end.set()
        running.server.shutdown()
        running.thread.join(PATIENCE)
        assert not running.thread.is_alive()
        running.server.server_close()
    wait_for(lambda: set(threading.enumerate()) <= threads, "no thread is left", PATIENCE)
    wait_for(lambda: open_descriptors() <= descriptors, "no descriptor is left", PATIENCE)


@pytest.fixture
def running(run: Run) -> Running:
    return run()


@pytest.fixture
def static_files() -> Iterator[None]:
    """Those of the table of behaviours."""
    cached: Any = finders.get_finder
    with override_settings(DEBUG=True, ALLOWED_HOSTS=["localhost"], STATICFILES_DIRS=[str(FILES)]):
        cached.cache_clear()
        yield
    cached.cache_clear()


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What ``django.server`` logs, which does not propagate."""
    logger = logging.getLogger("django.server")
    kept: list[logging.LogRecord] = []
    handler: Any = logging.Handler()
    handler.emit = kept.append
    logger.addHandler(handler)
    yield kept
    logger.removeHandler(handler)


def messages(records: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in records]
