"""Pairs of a save and a request right after it, with nothing in between: what comes back, and is it new?"""

from __future__ import annotations

import http.client
import itertools
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.live import replace

PATIENCE = 30.0  # seconds for an answer

VIEW = '''

from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def probe(request):
    """Tell which code, template and request there is; write down what was posted."""
    from django.template.loader import render_to_string

    if request.method == "POST":
        with open(os.environ["PROBE_LOG"], "ab", buffering=0) as log:
            log.write(request.body + b"\\n")
    return HttpResponse(f"{MARK} {render_to_string('shop/probe.html')}")
'''
ROUTE = "\nurlpatterns.append(path('probe/', views.probe))\n"


def add_probe(project: Path) -> None:
    """Adds a page to a copy of the test project of which each part can be told to be new."""
    views, urls = project / "shop/views.py", project / "shop/urls.py"
    views.write_text(views.read_text() + VIEW)
    urls.write_text(urls.read_text() + ROUTE)
    for part in PARTS.values():
        (project / part.file).parent.mkdir(exist_ok=True)
        (project / part.file).write_text(part.text(0))


class Part(NamedTuple):
    """A file that is saved, and where its new content has to show."""

    file: str
    template: str  # its text, for a number
    path: str
    method: str = "GET"

    def mark(self, number: int) -> str:
        return f"{self.file.rpartition('.')[2]}-{number:05}"

    def text(self, number: int) -> str:
        """All of the same size: the trap in what is compared by size."""
        return self.template.format(self.mark(number))


PARTS = {
    "Python": Part("shop/marks.py", 'MARK = "{}"\n', "/probe/"),
    "Python, POST": Part("shop/marks.py", 'MARK = "{}"\n', "/probe/", "POST"),
    "template": Part("shop/templates/shop/probe.html", "{}\n", "/probe/"),
    "static file": Part("shop/static/shop/probe.txt", "{}\n", "/static/shop/probe.txt"),
}


def in_place(file: Path, text: str) -> None:
    file.write_text(text)


def delete_and_create(file: Path, text: str) -> None:
    file.unlink()
    file.write_text(text)


Save = Callable[[Path, str], None]
SAVES: dict[str, Save] = {"rename": replace, "in place": in_place, "delete and create": delete_and_create}


class Connection:
    """To the server, by TLS where there is a context; made anew where it is closed."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self._client = http.client.HTTPConnection("127.0.0.1", port, PATIENCE)
        if context is not None:
            self._client = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE, context=context)

    def open(self) -> None:
        if self._client.sock is None:
            self._client.connect()

    @property
    def address(self) -> object:
        """Ours: another one is another connection."""
        return self._client.sock.getsockname() if self._client.sock is not None else None

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> str:
        """The answer's status and body.

        Raises:
            OSError: there was no answer, or a part of one.
        """
        try:
            self._client.request(method, path, body, headers)
            answer = self._client.getresponse()
            return f"{answer.status}\n{answer.read().decode()}"
        except http.client.HTTPException as error:
            raise ConnectionResetError from error

    def close(self) -> None:
        self._client.close()


CONNECTIONS = ("new", "kept alive", "opened before the save")


@dataclass
class Story:
    """Pairs of one kind, and what came of them."""

    part: str
    save: str
    connection: str
    outcomes: Counter[str] = field(default_factory=Counter)

    def run(
        self, project: Path, port: int, count: int, numbers: Iterator[int], context: ssl.SSLContext | None = None
    ) -> None:
        part, save, connection = PARTS[self.part], SAVES[self.save], Connection(port, context)
        for number in itertools.islice(numbers, count):
            if self.connection != "kept alive":
                connection.close()
            if self.connection == "opened before the save":
                with suppress(OSError):
                    connection.open()
            save(project / part.file, part.text(number))
            try:
                answer = connection.ask(part.method, part.path, f"post-{number}" if part.method == "POST" else "")
            except OSError as error:
                self.outcomes[described(error)] += 1
                connection.close()
            else:
                kind = "fresh" if part.mark(number) in answer else "stale" if answer.startswith("200") else "error"
                self.outcomes[kind] += 1
        connection.close()


def described(error: OSError) -> str:
    """What kept an answer from coming."""
    if isinstance(error, TimeoutError):
        return "no answer"
    return "refused" if isinstance(error, ConnectionRefusedError) else "reset"


def stories() -> list[Story]:
    """All kinds."""
    return [Story(*kind) for kind in itertools.product(PARTS, SAVES, CONNECTIONS)]


class Client(threading.Thread):
    """Asks all the time, on one connection for as long as the server keeps it."""

    def __init__(self, port: int, number: int, ended: threading.Event, context: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.outcomes: Counter[str] = Counter()
        self.sent: list[str] = []
        self._connection = Connection(port, context)
        self._number = number
        self._ended = ended

    def run(self) -> None:
        while not self._ended.is_set():
            self.sent.append(f"client-{self._number}-{len(self.sent)}")
            try:
                answer = self._connection.ask("POST", "/probe/", self.sent[-1])
                self.outcomes["answered" if answer.startswith("200") else answer.partition("\n")[0]] += 1
            except OSError as error:
                self.outcomes[described(error)] += 1
                self._connection.close()
        self._connection.close()
