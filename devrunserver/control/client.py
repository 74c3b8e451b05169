"""Asks a running server: one connection, one line of JSON in each direction."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from typing import Any

from devrunserver.common.state_file import Running, find, running_servers

CONNECT_PATIENCE = 5.0  # seconds
ANSWER_PATIENCE = 10.0  # seconds in addition to what the question itself allows
ROUTES_PATIENCE = 5.0  # seconds for a worker to tell its URL patterns
LOOK_INTERVAL = 0.1  # seconds between two looks for a server that is about to start
LARGEST = 16_777_216  # bytes of an answer

Answer = dict[str, Any]


class NoServer(Exception):
    """There is no server to ask, or it does not answer."""


@dataclass(frozen=True)
class Target:
    """Which server is asked.

    Attributes:
        directory: of the project, or one below it.
        port: on which it listens; None: whichever was started last.
    """

    directory: str
    port: int | None = None

    def find(self) -> Running:
        """The server.

        Raises:
            NoServer: there is none.
        """
        servers = running_servers()
        for one in find(self.directory, servers):
            if self.port is None or one.url.rstrip("/").endswith(f":{self.port}"):
                return one
        what = f"No server of the project in {self.directory}" + (
            f" runs on port {self.port}" if self.port else " runs"
        )
        others = ", ".join(f"{one.url} ({one.project})" for one in servers)
        raise NoServer(f"{what}." + (f" There are: {others}." if others else " Start it: python manage.py runserver."))

    def await_server(self, patience: float) -> Running:
        """The server, which may still have to be started within so many seconds.

        Raises:
            NoServer: there is none by then.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                return self.find()
            except NoServer:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(LOOK_INTERVAL)  # nothing tells us of a file that appears


def ask(running: Running, command: str, patience: float = 0.0, **arguments: Any) -> Answer:
    """The answer to a question.

    Args:
        patience: seconds that the answer may take by the nature of the question.

    Raises:
        NoServer: the server is gone, or does not answer.
    """
    question = {"version": running.version, "command": command, "token": running.token, **arguments}
    try:
        with _connect(running) as connection:
            connection.settimeout(patience + ANSWER_PATIENCE)
            connection.sendall(json.dumps(question).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n") and len(data) < LARGEST and (received := connection.recv(65_536)):
                data += received
    except OSError as error:
        raise NoServer(f"The server of process {running.pid} does not answer: {error}.") from error
    try:
        answer: Answer = json.loads(data)
    except ValueError as error:  # it has ended meanwhile
        raise NoServer(f"The server of process {running.pid} has not answered.") from error
    return answer


def ask_routes(running: Running, **arguments: Any) -> Answer:
    """The URL patterns. A worker that is busy, as with its first request, needs longer than the supervisor waits for
    it; what it tells late is there for the next question.

    Raises:
        NoServer: the server is gone, or does not answer.
    """
    deadline = time.monotonic() + ROUTES_PATIENCE
    while True:
        answer = ask(running, "routes", **arguments)
        if answer.get("routes") or answer.get("worker_responds") is not False or time.monotonic() >= deadline:
            return answer
        time.sleep(LOOK_INTERVAL)  # nothing tells us when it has


def _connect(running: Running) -> socket.socket:
    if not running.socket:
        return socket.create_connection(("127.0.0.1", running.port), CONNECT_PATIENCE)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(CONNECT_PATIENCE)
        connection.connect(running.socket)
    except BaseException:
        connection.close()
        raise
    return connection


def here() -> str:
    """The directory in which the user asks."""
    return os.getcwd()
