"""Puts the table of behaviours to several servers: ``python -m tests.benchmarks.behaviours`` (needs ``.[peers]``).

A request that is to be refused may be refused with any status from 400 on, or by closing the connection; what matters
is that it ends there. Where the RFCs leave a choice, each one passes. With ``-v``, what failed is shown.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import socket
import sys
from functools import partial
from typing import Any

import django
from django.conf import settings

from devrunserver.server.django import static_setup
from tests.benchmarks.processes import end_in_order, running
from tests.live import REPOSITORY, wait_for
from tests.server.application import FILES, Application
from tests.server.exchange import play
from tests.server.table import TABLE, Outcome, Row
from tests.server.wire import NoAnswer, Wire

PATIENCE = 1.0  # seconds for an answer
SIMPLE = TABLE["versions"][0]  # HTTP/1.0, which any server answers
APPLICATION = "tests.benchmarks.behaviours:application"
COMMAND = """
import os, socketserver, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from tests.benchmarks.behaviours import {application} as application
from {module} import run
run({address}, application, threading=True)
"""


def application(environ, start_response):  # type: ignore[no-untyped-def]
    """See ``tests.server.application``; and static files as Django serves them."""
    from django.contrib.staticfiles.handlers import StaticFilesHandler

    set_up()
    handler: Any = StaticFilesHandler
    return handler(Application())(environ, start_response)


def our_application(environ, start_response):  # type: ignore[no-untyped-def]
    """The same, with static files as we serve them."""
    set_up()
    return static_setup.wrap(Application(), True, False)(environ, start_response)


@functools.cache
def set_up() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    settings.STATICFILES_DIRS = [str(FILES)]


def servers() -> dict[str, list[str]]:
    stock = COMMAND.format(
        module="django.core.servers.basehttp", application="application", address="'127.0.0.1', PORT"
    )
    ours = COMMAND.format(
        module="devrunserver.server.django.server", application="our_application", address="('127.0.0.1', PORT)"
    )
    found = {
        "Django's command": ["-c", stock],
        "devrunserver": ["-c", ours],
        "waitress": ["-m", "waitress", "--listen=127.0.0.1:PORT", APPLICATION],
        "gunicorn": ["-m", "gunicorn", "--worker-class=gthread", "--threads=8", "--bind=127.0.0.1:PORT", APPLICATION],
        "uvicorn": ["-m", "uvicorn", "--interface=wsgi", "--port=PORT", "--log-level=critical", APPLICATION],
    }
    return {name: line for name, line in found.items() if line[0] != "-m" or importlib.util.find_spec(line[1])}


def passes(port: int, row: Row) -> bool:
    """Whether a server does as the row says, or what the RFCs allow as well."""
    return any(plays(port, row, outcome) for outcome in (row.outcome, *row.allowed))


def failed(port: int, rows: list[Row]) -> list[Row]:
    """Those that a server does not pass. What a row has broken, such as a worker, gets the time to come back."""
    found = []
    for row in rows:
        if not passes(port, row):
            found.append(row)
            wait_for(lambda: passes(port, SIMPLE), f"an answer after {row.sent[:100]!r}")
    return found


def plays(port: int, row: Row, outcome: Outcome) -> bool:
    try:
        with Wire(port) as wire:
            wire.socket.settimeout(PATIENCE)
            play(wire, row, outcome, exactly=False)
    except (NoAnswer, OSError, AssertionError, ValueError, IndexError):
        return False
    return True


def main() -> None:
    end_in_order()
    count = sum(map(len, TABLE.values()))
    for name, line in servers().items():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        command = [sys.executable, *(part.replace("PORT", str(port)) for part in line)]
        with running(command, REPOSITORY):
            wait_for(partial(passes, port, SIMPLE), f"{name} answers")
            found = {group: failed(port, rows) for group, rows in TABLE.items()}
        print(f"{name}: {count - sum(map(len, found.values()))} of {count}", flush=True)
        for group, rows in found.items() if "-v" in sys.argv else ():
            print(f"  {group}: {len(TABLE[group]) - len(rows)} of {len(TABLE[group])}")
            for row in rows:
                print(f"    {row.sent[:100]!r}")


if __name__ == "__main__":
    main()
