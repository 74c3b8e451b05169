"""Puts the table of behaviours to several servers: ``python -m tests.benchmarks.behaviours`` (needs ``.[peers]``).

A request that is to be refused may be refused with any status from 400 on, or by closing the connection; what matters
is that it ends there.
"""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys

from tests.benchmarks.processes import ending
from tests.live import REPOSITORY, wait_for
from tests.server.table import ANSWERED, HIDDEN, LAST, REFUSED
from tests.server.wire import NoAnswer, Wire

PATIENCE = 1.0  # seconds for an answer
APPLICATION = "tests.benchmarks.behaviours:application"
COMMAND = """
import os, socketserver, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from tests.benchmarks.behaviours import application
from {module} import {run}
{run}({arguments}, application, threading=True)
"""


def application(environ, start_response):  # type: ignore[no-untyped-def]
    """One that does not wait: see ``tests.server.application``."""
    from tests.server.application import Application

    return Application()(environ, start_response)


def servers() -> dict[str, list[str]]:
    django = COMMAND.format(module="django.core.servers.basehttp", run="run", arguments="'127.0.0.1', PORT")
    ours = COMMAND.format(module="devrunserver.server.http", run="run", arguments="('127.0.0.1', PORT)")
    found = {
        "Django's command": ["-c", django],
        "devrunserver": ["-c", ours],
        "waitress": ["-m", "waitress", "--listen=127.0.0.1:PORT", APPLICATION],
        "gunicorn": ["-m", "gunicorn", "--worker-class=gthread", "--threads=8", "--bind=127.0.0.1:PORT", APPLICATION],
        "uvicorn": ["-m", "uvicorn", "--interface=wsgi", "--port=PORT", "--log-level=critical", APPLICATION],
    }
    return {name: line for name, line in found.items() if line[0] != "-m" or importlib.util.find_spec(line[1])}


def answers_right(port: int, sent: str, bodies: list[bytes], kept: bool | None) -> bool:
    with Wire(port) as wire:
        wire.socket.settimeout(PATIENCE)
        wire.send(sent)
        if [wire.answer().body for _ in bodies] != bodies:
            return False
        if kept:
            wire.send(LAST)
            if wire.answer().body != b"hello":
                return False
        return kept is None or wire.is_ended()


def refuses(port: int, sent: str) -> bool:
    with Wire(port) as wire:
        wire.socket.settimeout(PATIENCE)
        wire.send(sent + HIDDEN)
        try:
            answer = wire.answer()
        except NoAnswer:
            return True
        return answer.status >= 400 and wire.is_ended()


def passes(port: int, row: tuple[object, ...]) -> bool:
    try:
        return answers_right(port, *row) if len(row) == 3 else refuses(port, row[0])  # type: ignore[arg-type]
    except (NoAnswer, OSError, AssertionError, ValueError, IndexError):
        return False


def main() -> None:
    rows: list[tuple[object, ...]] = [*ANSWERED, *REFUSED]
    for name, line in servers().items():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        command = [sys.executable, *(part.replace("PORT", str(port)) for part in line)]
        quiet = subprocess.DEVNULL
        with ending(subprocess.Popen(command, cwd=REPOSITORY, stdout=quiet, stderr=quiet)):
            wait_for(lambda port=port: passes(port, ANSWERED[0]) or passes(port, ANSWERED[12]), f"{name} answers")
            failed = [row for row in rows if not passes(port, row)]
        print(f"{name}: {len(rows) - len(failed)} of {len(rows)}", flush=True)
        for row in failed if "-v" in sys.argv else []:
            print(f"    {row[0][:100]!r}")  # type: ignore[index]


if __name__ == "__main__":
    main()
