"""Stories of a project that is served by ASGI, WebSockets included."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import signal
import socket
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("websockets")
pytest.importorskip("channels")

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from devrunserver.common.state_file import find
from tests.live import PATIENCE, Server, replace
from tests.pairs import add_probe, stories
from tests.stories.test_processes import typist

ORIGIN = Origin("http://localhost")  # Channels refuses who names none
EACH = 7  # of the kinds of pairs one in so many, but for the deep test
DEEP_PAIRS = 20  # of each kind
CLIENTS = 50
DEEP_RELOADS = 200
PROMPT = """\
        if content["message"] == "stop":
            breakpoint()
        await self.channel_layer.group_send"""


def chat(port: int, room: str = "lobby") -> ClientConnection:
    address = f"ws://127.0.0.1:{port}/ws/chat/{room}/"
    return connect(address, origin=ORIGIN, open_timeout=PATIENCE, close_timeout=PATIENCE)


def say(one: ClientConnection, message: str) -> dict[str, str]:
    """Says something, and returns what comes back."""
    one.send(json.dumps({"message": message}))
    answer: dict[str, str] = json.loads(one.recv(PATIENCE))
    return answer


def close_code(one: ClientConnection) -> int | None:
    """The code by which the server closes."""
    try:
        while True:
            one.recv(PATIENCE)
    except ConnectionClosed as end:
        return end.rcvd.code if end.rcvd is not None else None


def ping_as_agent(server: Server, project: Path) -> Any:
    (running,) = find(str(project))
    client = http.client.HTTPConnection("127.0.0.1", server.port, PATIENCE)
    with contextlib.closing(client):
        message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        client.request("POST", "/__devrunserver__/mcp", message, {"Authorization": f"Bearer {running.http_token}"})
        return json.loads(client.getresponse().read())


@pytest.mark.usefixtures("runtime_directory")
@pytest.mark.measured
def test_a_chat_and_a_stream_over_a_reload(project: Path) -> None:
    """The stream is cut, the chat is told by 1012 and goes on in the next worker, and Ctrl-C tells it by 1001."""
    with Server(project, "--asgi") as server:
        server.wait_for_log("Serving bookshop.asgi.application by ASGI: --asgi is given")
        assert "data-generation" in server.get("/", "Accept: text/html\r\n").body  # it follows each save
        assert server.get("/__devrunserver__/mcp").status == 403  # agents have to show the token
        assert ping_as_agent(server, project) == {"jsonrpc": "2.0", "id": 1, "result": {}}
        with pytest.raises(InvalidStatus, match="403"):  # Channels refuses who comes from elsewhere
            connect(f"ws://127.0.0.1:{server.port}/ws/chat/lobby/", origin=Origin("http://elsewhere.example"))
        with chat(server.port) as one, socket.create_connection(("127.0.0.1", server.port), PATIENCE) as stream:
            assert say(one, "hello") == {"message": "hello", "mark": "mark-0"}
            stream.sendall(b"GET /events/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            received = b""
            while b"data: event 1\n" not in received:
                received += stream.recv(65_536)
            server.edit("shop/marks.py", "mark-0", "mark-1")
            assert close_code(one) == 1012
            while data := stream.recv(65_536):
                received += data
            assert not received.endswith(b"0\r\n\r\n")  # it shows that there was more
        with chat(server.port) as one:
            assert say(one, "again") == {"message": "again", "mark": "mark-1"}
            assert "mark-1" in server.get().body
            server.process.send_signal(signal.SIGINT)
            assert close_code(one) in (1001, 1012, None)
            assert server.wait_for_end() == 0
        assert "WebSocket CONNECT /ws/chat/lobby/ [127.0.0.1:" in server.log
        assert "Traceback" not in server.log


def test_with_daphne_installed(project: Path) -> None:
    """Ours serves in its place, and its event loop forbids no checkpoint."""
    pytest.importorskip("daphne")
    settings = project / "bookshop/settings.py"
    settings.write_text(settings.read_text().replace('"devrunserver",', '"devrunserver",\n    "daphne",'))
    with Server(project) as server:
        server.wait_for_log("by ASGI: daphne is installed; --noasgi serves WSGI")
        for mark in ("mark-1", "mark-2"):
            replace(project / "shop/marks.py", f'MARK = "{mark}"\n')
            assert mark in server.wait_for_body(mark).body
        server.wait_for_log(r"reloaded in .* \(resumed at ")
        with chat(server.port) as one:
            assert say(one, "hello") == {"message": "hello", "mark": "mark-2"}
        assert "No checkpoints" not in server.log
        assert "W00" not in server.log


def test_a_save_waits_while_a_prompt_is_open_in_a_consumer(project: Path) -> None:
    """The prompt is the user's, and nothing else goes on meanwhile; the save shows when it is left."""
    consumers, settings = project / "chat/consumers.py", project / "bookshop/settings.py"
    replace(consumers, consumers.read_text().replace("        await self.channel_layer.group_send", PROMPT))
    replace(settings, f"{settings.read_text()}\nDEVRUNSERVER = {{'ASGI': True}}\n")
    with typist(project) as user, chat(user.port) as one:
        one.send(json.dumps({"message": "stop"}))
        user.wait_for("(Pdb) ")
        replace(project / "shop/marks.py", 'MARK = "mark-1"\n')
        user.wait_for("The reload waits until you leave the debugger prompt.")
        user.wait_for("(Pdb) ", 2)  # again below the notice
        user.type("print(6 * 7, content['message'])\n")
        user.wait_for("42 stop")
        user.type("continue\n")
        assert close_code(one) == 1012
        with chat(user.port) as again:
            assert say(again, "hello")["mark"] == "mark-1"
        user.type("\x03")


def freshness(project: Path, posted: Path, pairs: int, each: int) -> None:
    add_probe(project)
    posted.touch()
    numbers = itertools.count(1)
    with Server(project, "--asgi", environ={"PROBE_LOG": str(posted)}) as server:
        server.wait_for_body("html-00000", path="/probe/")
        for story in itertools.islice(stories(), 0, None, each):
            story.run(project, server.port, pairs, numbers)
            assert story.outcomes == {"fresh": pairs}, story
    assert set(Counter(posted.read_text().split()).values()) == {1}


def test_save_and_ask(project: Path, tmp_path: Path) -> None:
    freshness(project, tmp_path / "posted.log", 1, EACH)


@pytest.mark.deep
@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_save_and_ask_often(project: Path, tmp_path: Path) -> None:
    freshness(project, tmp_path / "posted.log", DEEP_PAIRS, 1)


class Talker(threading.Thread):
    """Talks all the time, and comes again whenever it is told to."""

    def __init__(self, port: int, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self.outcomes: Counter[str] = Counter()
        self.marks: list[str] = []
        self._port = port
        self._ended = ended

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                with chat(self._port, self.name) as one:
                    self.outcomes["connected"] += 1
                    while not self._ended.is_set():
                        said = say(one, "x")
                        self.marks.append(said["mark"])
                        self._ended.wait(0.01)
            except ConnectionClosed as error:
                self.outcomes[f"closed by {error.rcvd.code if error.rcvd else None}"] += 1
            except Exception as error:
                self.outcomes[type(error).__name__] += 1


def reloads_under_talkers(project: Path, clients: int, reloads: int) -> None:
    ended = threading.Event()
    with Server(project, "--asgi") as server:
        talkers = [Talker(server.port, ended) for _ in range(clients)]
        for one in talkers:
            one.start()
        for number in range(1, reloads + 1):
            replace(project / "shop/marks.py", f'MARK = "mark-{number}"\n')
            server.wait_for_body(f"mark-{number} ")
            with chat(server.port) as another:
                assert say(another, "x")["mark"] == f"mark-{number}"
        ended.set()
        for talker in talkers:
            talker.join(PATIENCE)
    outcomes = sum((talker.outcomes for talker in talkers), Counter())
    assert set(outcomes) <= {"connected", "closed by 1012"}, outcomes
    for talker in talkers:  # nobody is answered by an older worker than before
        numbers = [int(mark.rpartition("-")[2]) for mark in talker.marks]
        assert numbers == sorted(numbers)


@pytest.mark.deep
def test_talkers_through_reloads(project: Path) -> None:
    reloads_under_talkers(project, 5, 4)


@pytest.mark.deep
@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_many_talkers_through_many_reloads(project: Path) -> None:
    reloads_under_talkers(project, CLIENTS, DEEP_RELOADS)
