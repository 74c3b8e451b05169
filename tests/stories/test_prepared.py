"""Prepared checkpoints, in servers: quick where nothing notices, exact where something does."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.live import Server, is_alive, replace, wait_for

PREPARED = "Prepared the next reload: "
NOT_PREPARED = r"Not prepared: the order of imports shows in registry\.entries"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are checkpoints on Linux alone")

# Modules that the edited one does not import: one that takes a while, and what leaves traces
URLS = """
import registry
import plugin
import slow
from django.http import HttpResponse
from django.urls import path

urlpatterns += [path("registry/", lambda request: HttpResponse(",".join(map(registry.name, registry.entries))))]
"""
REGISTRY = """
entries = []

def name(entry):
    return entry.__module__.rpartition(".")[2]
"""
TRACE = """
import registry

@registry.entries.append
def trace():
    pass
"""
SLOW = "import time\n\ntime.sleep(0.2)\n"
LONG_AGO = 1_000_000_000  # seconds since the epoch


@pytest.fixture
def project(project: Path) -> Path:
    """With slow modules that are imported after the shop's."""
    (project / "registry.py").write_text(REGISTRY)
    for name in ("slow.py", "plugin.py"):
        (project / name).write_text(SLOW)
    with open(project / "bookshop/urls.py", "a") as urls:
        urls.write(URLS)
    age(project)
    return project


def age(project: Path) -> None:
    """Makes nothing look as if somebody had just edited it."""
    for file in project.rglob("*.py"):
        os.utime(file, (LONG_AGO, LONG_AGO))


@pytest.fixture
def server(project: Path) -> Iterator[Server]:
    with Server(project, "--explain-reload") as server:
        server.wait_for_body("mark-0")
        yield server


@contextmanager
def edited_once(project: Path, environ: dict[str, str] | None = None) -> Iterator[Server]:
    """A server whose first edit was of a module that views import, and of nothing else."""
    age(project)
    with Server(project, "--explain-reload", environ=environ) as server:
        server.wait_for_body("mark-0")
        edit(server, 1)
        yield server


def wait_until_prepared(server: Server) -> None:
    """After the last reload."""
    wait_for(lambda: PREPARED in server.log.rpartition("changed: reloaded in")[2], "it is prepared")


def edit(server: Server, number: int) -> None:
    """One edit of a module that views import, and its answer."""
    server.edit("shop/marks.py", f"mark-{number - 1}", f"mark-{number}")
    server.wait_for_body(f"mark-{number}")
    server.wait_for_log("marks.py changed: reloaded in", number)


def kinds(server: Server, how: str = "prepared)") -> list[bool]:
    """Of each reload, whether it was prepared."""
    return [line.endswith(how) for line in server.log.splitlines() if "changed: reloaded in" in line]


@pytest.mark.measured
def test_edits_are_served_from_what_is_prepared(project: Path, server: Server) -> None:
    edit(server, 1)
    wait_until_prepared(server)
    for number in (2, 3, 4):
        edit(server, number)
    assert kinds(server)[1:] == [True, True, True]
    assert "not prepared" not in server.log.rpartition("changed: reloaded in")[2]


@pytest.mark.deep
def test_the_next_worker_is_forked_before_the_save(project: Path) -> None:
    def wait_until_forked(server: Server, number: int) -> set[int]:
        server.wait_for_log("supervisor to checkpoint: ForkAhead", number)
        server.wait_until_still()
        return server.family()

    with Server(project, "--explain-reload", environ={"DEVRUNSERVER_TRACE": "1"}) as server:
        server.wait_for_body("mark-0")
        edit(server, 1)
        wait_until_prepared(server)
        for number in (2, 3):
            before = wait_until_forked(server, number - 1)
            edit(server, number)
            assert server.worker_pid() in before
        assert kinds(server)[1:] == [True] * 2


def test_templates_that_are_saved_right_after_a_prepared_reload(project: Path, server: Server) -> None:
    """The worker has not told yet all that concerns it; a template that it has loaded shows its change anyway."""
    page = project / "shop/templates/shop/book_list.html"
    before = page.read_text()
    edit(server, 1)
    wait_until_prepared(server)
    for number in (2, 3, 4):
        server.edit("shop/marks.py", f"mark-{number - 1}", f"mark-{number}")
        server.wait_for_body(f"mark-{number}")
        for word in ("first", "second", "third"):
            replace(page, before.replace("{% block content %}", f"{{% block content %}}{word} of {number}"))
            assert f"{word} of {number}" in server.get("/").body
    # with a module at once
    replace(page, before.replace("{% block content %}", "{% block content %}last"))
    server.edit("shop/marks.py", "mark-4", "mark-5")
    assert "last" in server.get("/").body
    server.wait_for_body("mark-5")
    server.wait_for_log("marks.py changed: reloaded in", 5)
    assert kinds(server)[1:] == [True] * 4


def test_another_file_is_reloaded_exactly_and_prepared_next(project: Path, server: Server) -> None:
    edit(server, 1)
    wait_until_prepared(server)
    server.edit("slow.py", "0.2", "0.21")
    server.wait_for_log(r"slow\.py changed: reloaded in .* \(resumed at [^,]*\)")
    wait_until_prepared(server)  # for both files
    edit(server, 2)
    assert kinds(server)[-1] is True


def test_broken_code_shows_and_heals(project: Path, server: Server) -> None:
    edit(server, 1)
    wait_until_prepared(server)
    server.edit("shop/marks.py", "MARK", "MARK MARK")
    assert server.wait_for_body("SyntaxError").status == 500
    server.edit("shop/marks.py", "MARK MARK", "MARK")
    assert server.wait_for_body("mark-1").status == 200
    assert "once more" not in server.log


def trap(file: Path) -> None:
    """Has a module leave its trace where all can see in which order."""
    file.write_text(file.read_text() + TRACE)


@pytest.mark.deep
@pytest.mark.measured
def test_a_module_whose_order_shows_is_left_out(project: Path) -> None:
    """And what else is slow is still prepared."""
    trap(project / "plugin.py")
    trap(project / "shop/marks.py")
    with edited_once(project) as server:
        server.wait_for_log(NOT_PREPARED + "( and [0-9]+ more)?, because of plugin")
        wait_until_prepared(server)
        for number in (2, 3):
            edit(server, number)
            assert server.get("/registry/").body == "marks,plugin"
        assert kinds(server)[1:] == [True, True]


@pytest.mark.deep
def test_a_trace_that_an_edit_adds_is_noticed(project: Path) -> None:
    """The worker that was resumed from the prepared checkpoint is replaced by an exact one."""
    trap(project / "plugin.py")
    with edited_once(project) as server:
        wait_until_prepared(server)
        trap(project / "shop/marks.py")
        server.wait_for_log(r"marks\.py changed: .*prepared\)")
        server.wait_for_log(r"Reloading once more, from an exact checkpoint: the order .* registry\.entries")
        server.wait_for_body("marks,plugin", "/registry/")
        edit(server, 2)
        assert server.get("/registry/").body == "marks,plugin"


@pytest.mark.deep
def test_what_nobody_imports_any_more_is_gone(project: Path) -> None:
    """It was imported ahead for the edited module alone, and would have to be made once more."""
    (project / "unused.py").write_text(SLOW)
    marks = project / "shop/marks.py"
    marks.write_text(f"import unused\n{marks.read_text()}")
    with edited_once(project) as server:
        wait_until_prepared(server)
        edit(server, 2)
        assert kinds(server)[-1]
        server.edit("shop/marks.py", "import unused\n", "")
        server.wait_for_log(r"marks\.py does not name unused any more")
        wait_until_prepared(server)
        server.edit("shop/marks.py", "mark-2", "mark-3")
        server.wait_for_log("marks.py changed: reloaded in", 4)
        assert kinds(server)[-2:] == [False, True]
        assert "once more" not in server.log


def test_what_fails_in_a_fresh_start_too_is_not_reloaded_once_more(project: Path) -> None:
    with edited_once(project, {"DEVRUNSERVER_TRACE": "1"}) as server:
        wait_until_prepared(server)
        marks = project / "shop/marks.py"
        working = marks.read_text()
        marks.write_text(f"{working}\nraise ValueError('not yet')\n")
        server.wait_for_log("supervisor from dry run: BuildFailed.*ValueError")
        server.wait_until_still()
        assert "once more" not in server.log
        marks.write_text(working.replace("mark-1", "mark-2"))
        server.wait_for_body("mark-2")
        assert "once more" not in server.log


@pytest.mark.deep
def test_what_fails_from_a_prepared_checkpoint_alone_heals_by_itself(project: Path) -> None:
    trap(project / "plugin.py")
    with edited_once(project) as server:
        wait_until_prepared(server)
        marks = project / "shop/marks.py"
        marks.write_text(marks.read_text() + "\nimport registry\n\nassert not registry.entries\n")
        server.wait_for_log("Reloading once more, from an exact checkpoint: a fresh start does not fail")
        server.wait_for_body("mark-1")


@pytest.mark.deep
def test_prepare_can_be_switched_off(project: Path) -> None:
    with open(project / "bookshop/settings.py", "a") as settings:
        settings.write('\nDEVRUNSERVER = {"PREPARE": False}\n')
    with Server(project, "--explain-reload") as server:
        server.wait_for_body("mark-0")
        edit(server, 1)
        for number in (2, 3):
            edit(server, number)
        assert not any(kinds(server))
        assert "repared" not in server.log


def test_a_prepared_checkpoint_that_died_does_no_harm(project: Path, server: Server) -> None:
    exact = set(server.checkpoints())
    edit(server, 1)
    wait_until_prepared(server)
    server.wait_until_still()
    for pid in set(server.checkpoints()) - exact:
        with suppress(ProcessLookupError):  # who was forked from another one ends with it
            os.kill(pid, signal.SIGKILL)
    edit(server, 2)
    edit(server, 3)


@pytest.mark.deep
@pytest.mark.parametrize("after", ["plan", "verify"])
def test_nothing_is_left_by_who_quits_meanwhile(project: Path, after: str) -> None:
    server = Server(project, "--explain-reload")
    with server:
        server.wait_for_body("mark-0")
        edit(server, 1)
        if after == "verify":
            wait_until_prepared(server)
            edit(server, 2)
        family = server.family()
        os.kill(server.process.pid, signal.SIGINT)
        assert server.wait_for_end() == 0
        wait_for(lambda: not any(map(is_alive, family)), "nobody is left")
