"""Stories of a save and a request with nothing in between: always the new page, and no error."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live import PATIENCE, Server, get, replace, wait_for
from tests.pairs import PARTS, Client, Connection, Story, add_probe, stories

CLIENTS = 20  # that ask all the time


@pytest.fixture
def probed(project: Path) -> Path:
    """A project with a page that tells which of its parts is new."""
    add_probe(project)
    return project


@pytest.fixture
def posted(tmp_path: Path) -> Path:
    """Where the project writes down what it was sent."""
    log = tmp_path / "posted.log"
    log.touch()
    return log


def serve(project: Path, posted: Path, *arguments: str) -> Server:
    return Server(project, *arguments, environ={"PROBE_LOG": str(posted)})


@pytest.mark.parametrize("pairs", [2, pytest.param(5, marks=pytest.mark.deep)])
def test_save_and_ask(probed: Path, posted: Path, pairs: int) -> None:
    """All kinds of files, saves and connections; nothing stale, refused, reset or lost, and each POST once."""
    numbers = itertools.count(1)
    done: list[Story] = []
    with serve(probed, posted) as server:
        server.wait_for_body("html-00000", path="/probe/")
        for story in stories():
            story.run(probed, server.port, pairs, numbers)
            assert story.outcomes == {"fresh": pairs}, story
            done.append(story)
    expected = sum(PARTS[story.part].method == "POST" for story in done) * pairs
    counts = Counter(posted.read_text().split())
    assert len(counts) == expected
    assert set(counts.values()) == {1}


def test_many_clients_through_many_reloads(probed: Path, posted: Path) -> None:
    """Each request is answered once, on connections that are kept."""
    part = PARTS["Python"]
    ended = threading.Event()
    with serve(probed, posted) as server, ExitStack() as stack:
        server.wait_for_body("html-00000", path="/probe/")
        clients = [Client(server.port, number, ended) for number in range(CLIENTS)]
        stack.callback(ended.set)
        for client in clients:
            client.start()
        wait_for(lambda: all(client.outcomes for client in clients), "all clients ask")
        for number in range(1, 11):
            replace(probed / part.file, part.text(number))
            assert part.mark(number) in server.get("/probe/").body
        answered = sum(sum(client.outcomes.values()) for client in clients)
        wait_for(lambda: sum(sum(c.outcomes.values()) for c in clients) > answered + CLIENTS, "they still ask")
        ended.set()
        for client in clients:
            client.join(PATIENCE)
        assert {outcome for client in clients for outcome in client.outcomes} == {"answered"}
        assert server.reloads == 10
    sent = Counter(text for client in clients for text in client.sent)
    assert Counter(posted.read_text().split()) == sent


def test_an_idle_connection_survives(project: Path) -> None:
    """The browser's: kept alive over a reload, and the one that it opened ahead of its need."""
    with Server(project) as server:
        kept, opened = Connection(server.port), Connection(server.port)
        assert "mark-0" in kept.ask("GET", "/version/")
        opened.open()
        before = kept.address, opened.address
        server.edit("shop/marks.py", "mark-0", "mark-1")
        assert "mark-1" in kept.ask("GET", "/version/")
        assert "mark-1" in opened.ask("GET", "/version/")
        assert (kept.address, opened.address) == before
        kept.close()
        opened.close()


def test_a_change_that_concerns_nobody_delays_nobody(project: Path) -> None:
    """Its event is read, nothing is decided against the worker, and requests go on."""
    with Server(project) as server:
        worker = server.worker_pid()
        for number in range(20):
            (project / f"notes-{number}.txt").write_text("")
            assert server.worker_pid() == worker
        assert not server.reloads


def test_template_and_translation_without_a_reload(probed: Path, posted: Path) -> None:
    part = PARTS["template"]
    with serve(probed, posted) as server:
        worker = server.worker_pid()
        for number in range(1, 21):
            replace(probed / part.file, part.text(number))
            assert part.mark(number) in server.get("/probe/").body
        catalogue = probed / "shop/locale/de/LC_MESSAGES/django.mo"
        for old, new in _alternating(b"B\xc3\xbccher", b"Buecherl"[:7]):
            replace(catalogue, catalogue.read_bytes().replace(old, new))
            assert new.decode() in server.get("/", "Accept-Language: de\r\n").body
        assert server.worker_pid() == worker
        assert not server.reloads


SLOW_TAG = """
import pathlib, time

from django import template

register = template.Library()
HERE = pathlib.Path(__file__)


@register.simple_tag
def slow():
    return ""


compile_slow = register.tags["slow"]


@register.tag("slow")
def slow_to_compile(parser, token):
    HERE.with_suffix(".began").touch()
    while not HERE.with_suffix(".go").exists():
        time.sleep(0.01)
    return compile_slow(parser, token)
"""


def test_template_that_is_compiled_while_it_changes(probed: Path, posted: Path, tmp_path: Path) -> None:
    """What the compiler has read before does not become the template that is remembered."""
    (tmp_path / "sitecustomize.py").write_text("from devrunserver import worker\nworker.ANSWERS_PATIENCE = 20.0\n")
    environ = {"PROBE_LOG": str(posted), "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    tag = probed / "shop/templatetags/slowly.py"
    tag.write_text(SLOW_TAG)
    page = probed / PARTS["template"].file
    page.write_text("{% load slowly %}{% slow %}html-00000\n")
    with Server(probed, environ=environ) as server, ThreadPoolExecutor() as pool:
        port = server.port
        before = pool.submit(get, port, "/probe/")
        wait_for(tag.with_suffix(".began").exists, "the template is being compiled")
        replace(page, page.read_text().replace("html-00000", "html-00001"))
        after = pool.submit(get, port, "/probe/")
        wait_for(lambda: _established(port) >= 2, "both have asked")
        tag.with_suffix(".go").touch()
        assert "html-00000" in before.result(PATIENCE).body
        assert "html-00001" in after.result(PATIENCE).body
        assert "html-00001" in server.get("/probe/").body
        assert not server.reloads


def _established(port: int) -> int:
    """Connections that clients have to a port. Source: proc(5)."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[2] == f"0100007F:{port:04X}" and line.split()[3] == "01" for line in lines)


def _alternating(one: bytes, other: bytes) -> Iterator[tuple[bytes, bytes]]:
    for _ in range(5):
        yield one, other
        yield other, one


SLOW = """
import pathlib, time

while pathlib.Path(__file__).with_name("slow").exists():
    time.sleep(0.05)
"""


def test_who_waits_for_too_long_is_asked_to_come_again(project: Path, tmp_path: Path) -> None:
    """A page that loads itself again for browsers; then the project answers, on the same connection."""
    settings = tmp_path / "sitecustomize.py"
    module = "devrunserver.supervisor.placeholder_server"
    settings.write_text(f"from {module} import PlaceholderServer\nPlaceholderServer.patience = 0.5\n")
    environ = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    slow = project / "shop/slow"
    with Server(project, environ=environ) as server:
        server.wait_for_body("mark-0")  # on a busy machine the first start takes too long as well
        connection = Connection(server.port)
        assert "mark-0" in connection.ask("GET", "/version/")
        slow.touch()
        server.edit("shop/marks.py", "MARK", f"{SLOW}\nMARK")
        answer = connection.ask("GET", "/version/", Accept="text/html")
        assert answer.startswith("503")
        assert 'http-equiv="refresh"' in answer
        assert get(server.port).status == 503
        assert "retry-after: 1" in get(server.port).headers.lower()
        address = connection.address
        slow.unlink()
        server.wait_for_body("mark-0")
        assert "mark-0" in connection.ask("GET", "/version/")
        assert connection.address == address
        connection.close()
