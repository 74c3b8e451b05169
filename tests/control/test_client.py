"""Questions to a server that the test plays."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from devrunserver.common.state_file import Running
from devrunserver.control import client
from devrunserver.control.client import NoServer, Target, ask

PATIENCE = 30.0  # seconds


class Played:
    """A server that notes one question, and answers it with these bytes."""

    def __init__(self, answer: bytes) -> None:
        self.question = b""
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.running = Running(7, "/srv", "http://127.0.0.1:8000/", port=self._listener.getsockname()[1], token="t")

    def _run(self) -> None:
        self._listener.settimeout(PATIENCE)
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            while not self.question.endswith(b"\n"):
                self.question += connection.recv(1024)
            connection.sendall(self._answer)

    def close(self) -> None:
        self._thread.join(PATIENCE)
        self._listener.close()


@pytest.fixture
def played(request: pytest.FixtureRequest) -> Iterator[Played]:
    server = Played(request.param)
    yield server
    server.close()


@pytest.mark.parametrize("played", [b'{"state": "ready"}\n'], indirect=True)
def test_a_question_and_its_answer(played: Played) -> None:
    assert ask(played.running, "wait", timeout=3) == {"state": "ready"}
    version = played.running.version
    assert json.loads(played.question) == {"version": version, "command": "wait", "token": "t", "timeout": 3}


@pytest.mark.parametrize("played", [b"", b'{"state": '], indirect=True)
def test_a_server_that_ends_meanwhile(played: Played) -> None:
    with pytest.raises(NoServer, match=r"The server of process 7 has not answered\."):
        ask(played.running, "status")


def test_a_server_that_is_gone(tmp_path: Path) -> None:
    path = str(tmp_path / "gone") if hasattr(socket, "AF_UNIX") else ""
    with pytest.raises(NoServer, match="The server of process 7 does not answer: "):
        ask(Running(7, "/srv", "", socket=path, port=1), "status")


def test_a_server_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    running = Running(7, str(tmp_path), "http://127.0.0.1:8000/")
    looks: list[list[Running]] = [[], [], [running]]
    monkeypatch.setattr(client, "running_servers", lambda: looks.pop(0))
    monkeypatch.setattr(client, "LOOK_INTERVAL", 0.0)
    assert Target(str(tmp_path)).await_server(PATIENCE) is running
    looks = [[]]
    with pytest.raises(NoServer):
        Target(str(tmp_path)).await_server(0.0)
