"""Puts the table of WebSockets to several servers: ``python -m tests.benchmarks.websockets`` (``.[tests,peers]``).

What a client sends by RFC 6455, right and wrong, and the frames and the close code that have to come back
(``tests/server/asgi/frames.py``). A handshake that is to be refused may be refused by any status from 400 on, or by
closing the connection. With ``-v``, what failed is shown.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.benchmarks.processes import end_in_order, running
from tests.live import REPOSITORY, wait_for
from tests.server.asgi.frames import HANDSHAKES, LIMIT, TABLE, handshake
from tests.server.asgi.sockets import Sockets, play, shake_hands
from tests.server.wire import NoAnswer, Wire

PATIENCE = 1.0  # seconds for an answer
APPLICATION = "tests.benchmarks.websockets:application"
OURS = f"""
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from devrunserver.server.asgi.server import AsgiServer
from devrunserver.server.asgi.turn import Options
from devrunserver.server.django.asgi_host import AsgiHandler, not_found
from devrunserver.server.django.server import run
from tests.benchmarks.websockets import application
options = Options(message_limit={LIMIT})
run(("127.0.0.1", PORT), AsgiHandler(AsgiServer(application, (), options), not_found), threading=True)
"""
SWITCHING_PROTOCOLS = 101
application = Sockets()


def servers(folder: Path) -> dict[str, list[str]]:
    """The command lines of the servers that there are, by name; each takes the port as ``PORT``."""
    limits = folder / "hypercorn.toml"
    limits.write_text(f"websocket_max_message_size = {LIMIT}\n")
    found = {
        "devrunserver": ["-c", OURS],
        "uvicorn": ["-m", "uvicorn", "--port=PORT", f"--ws-max-size={LIMIT}", "--log-level=critical", APPLICATION],
        "daphne": ["-m", "daphne", "-p", "PORT", "-v", "0", f"--websocket-max-message-size={LIMIT}", APPLICATION],
        "hypercorn": ["-m", "hypercorn", "--bind=127.0.0.1:PORT", f"--config={limits}", APPLICATION],
    }
    return {name: line for name, line in found.items() if line[0] != "-m" or importlib.util.find_spec(line[1])}


def passes(port: int, case: Callable[[Wire], None]) -> bool:
    """Whether a server does as the case wants it."""
    try:
        with Wire(port) as wire:
            wire.socket.settimeout(PATIENCE)
            case(wire)
    except (NoAnswer, OSError, AssertionError, ValueError, IndexError):
        return False
    return True


def shakes_hands(sent: str, status: int) -> Callable[[Wire], None]:
    """Plays a handshake, which may be refused in any way where it is to be."""

    def case(wire: Wire) -> None:
        if status == SWITCHING_PROTOCOLS:
            shake_hands(wire, sent)
            return
        wire.send(sent)
        try:
            assert wire.answer().status >= 400
        except (NoAnswer, ConnectionError):
            pass  # it was closed

    return case


def cases() -> dict[str, list[tuple[str, Callable[[Wire], None]]]]:
    """What is played, by group, each with a name."""
    found: dict[str, list[tuple[str, Callable[[Wire], None]]]] = {
        group: [(f"{row.sent[:40]!r}", partial(play, row=row)) for row in rows] for group, rows in TABLE.items()
    }
    found["handshakes"] = [(f"{sent!r}: {status}", shakes_hands(sent, status)) for sent, status in HANDSHAKES]
    return found


def main() -> None:
    end_in_order()
    table = cases()
    count = sum(map(len, table.values()))
    with tempfile.TemporaryDirectory() as folder:
        for name, line in servers(Path(folder)).items():
            with socket.create_server(("127.0.0.1", 0)) as listener:
                port = listener.getsockname()[1]
            command = [sys.executable, *(part.replace("PORT", str(port)) for part in line)]
            with running(command, REPOSITORY):
                simple = shakes_hands(handshake(), SWITCHING_PROTOCOLS)
                wait_for(partial(passes, port, simple), f"{name} answers")
                failed = {
                    group: [name for name, case in rows if not passes(port, case)] for group, rows in table.items()
                }
            print(f"{name}: {count - sum(map(len, failed.values()))} of {count}", flush=True)
            for group, names in failed.items() if "-v" in sys.argv else ():
                print(f"  {group}: {len(table[group]) - len(names)} of {len(table[group])}", *names, sep="\n    ")


if __name__ == "__main__":
    main()
