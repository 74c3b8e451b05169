"""Stories of reloads where nothing is forked: an interpreter that has started ahead goes on as the worker."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.live import Server, replace, wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")

MARKS = "shop/marks.py"
SETTINGS = """
import os
DEVRUNSERVER = {"SPARES": True, "PREPARE": "prepare" in os.environ}
if os.environ.get("RUN_MAIN") == "true":
    print("the settings are read")
"""
# The start reads the database
APPS = """
from django.apps import AppConfig
from django.db import connection


class ShopConfig(AppConfig):
    name = "shop"

    def ready(self) -> None:
        print("tables:", connection.introspection.table_names())
"""
SEVERAL_STARTS = 120.0  # seconds for them, on a machine that may be busy
PAUSED = "supervisor from spare: FactsRead"
AFRESH = r"marks.py changed: reloaded in \S+ s \(started afresh\)"
FROM_SPARE = r"marks.py changed: reloaded in \S+ s \(resumed at shop\.marks, from a spare\)"


@pytest.fixture
def project(project: Path) -> Path:
    with (project / "bookshop/settings.py").open("a") as settings:
        settings.write(SETTINGS)
    (project / "shop/apps.py").write_text(APPS)
    return project


def save_first(server: Server) -> None:
    """A first save, after which a spare comes to its pause."""
    server.wait_for_body("mark-0")
    replace(server.project / MARKS, 'MARK = "mark-1"\n')
    server.wait_for_body("mark-1")
    server.wait_for_log(AFRESH)
    server.wait_for_log(PAUSED)


def wait_for_count(server: Server, text: str, count: int) -> None:
    """Waits for what takes several starts."""
    wait_for(lambda: server.log.count(text) >= count, f"{count} times {text!r} in the log", SEVERAL_STARTS)


def starts(server: Server) -> int:
    """How many starts have been seen."""
    return len(re.findall("the settings are read", server.log))


@pytest.mark.measured
def test_a_spare_goes_on_as_the_worker(project: Path) -> None:
    """What it prints is seen when it is used. It does not stop before a database that is read."""
    with Server(project, environ={"DEVRUNSERVER_TRACE": "1"}) as server:
        save_first(server)
        assert starts(server) == 2
        replace(project / MARKS, 'MARK = "mark-2"\n')
        server.wait_for_body("mark-2")
        server.wait_for_log(FROM_SPARE)
        assert starts(server) == 3
        server.wait_for_log(PAUSED, 2)


@pytest.mark.deep
def test_saves_while_a_spare_starts_and_of_settings(project: Path) -> None:
    """What was saved last is served, whichever process has begun to start. What a spare has seen of settings is not."""
    with Server(project, environ={"DEVRUNSERVER_TRACE": "1"}) as server:
        save_first(server)
        for number in (2, 3, 4, 5, 6):
            replace(project / MARKS, f'MARK = "mark-{number}"\n')
            if number != 4:  # that and the next are saved at once
                server.wait_for_body(f"mark-{number}")
        wait_for(lambda: PAUSED in server.log.rpartition("reloaded in")[2], "a spare waits")
        settings = project / "bookshop/settings.py"
        replace(settings, settings.read_text() + 'print("the settings are new")\n')
        server.wait_for_log("the settings are new")
        server.wait_for_body("mark-6")


@pytest.mark.deep
def test_a_spare_shows_what_is_broken_and_the_next_mends_it(project: Path) -> None:
    with Server(project, environ={"DEVRUNSERVER_TRACE": "1"}) as server:
        save_first(server)
        replace(project / MARKS, 'MARK = "mark-2\n')
        server.wait_for_body("SyntaxError")
        server.wait_for_log(PAUSED, 2)
        replace(project / MARKS, 'MARK = "mark-3"\n')
        server.wait_for_body("mark-3")
        server.wait_for_log(FROM_SPARE)


@pytest.mark.deep
def test_a_spare_imports_ahead_what_was_found_to_make_no_difference(project: Path) -> None:
    """Functions may change; what else is edited is compared after it was served, and prepared again."""
    (project / "slow.py").write_text("import time\n\ntime.sleep(0.3)\n")
    urls = project / "bookshop/urls.py"
    urls.write_text(urls.read_text() + "\nimport slow\n")
    environ = {"DEVRUNSERVER_TRACE": "1", "prepare": "1"}
    with Server(project, "--explain-reload", environ=environ) as server:
        save_first(server)
        for number, line in enumerate(("", "import json"), 2):
            # by the start that was compared, and by spares
            wait_for_count(server, "supervisor to spare: ImportAhead", number)
            replace(project / MARKS, f'{line}\nMARK = "mark-{number}"\n')
            server.wait_for_body(f"mark-{number}")
            server.wait_for_log(r"reloaded in \S+ s \(resumed at shop\.marks, prepared, from a spare\)", number - 1)
        wait_for_count(server, "Prepared the next reload: ", 2)
        assert "once more" not in server.log
