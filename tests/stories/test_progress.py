"""The story of a start that takes its time, as the user sees it on a terminal and a tool is told it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from tests.live import PATIENCE, REPOSITORY, Server, replace
from tests.screen import screen

pty = pytest.importorskip("pty")
pytestmark = pytest.mark.usefixtures("runtime_directory")

SLOW = """
import os, subprocess, sys, time
def wait(name):
    while not os.path.exists(name):
        time.sleep(0.02)
if "runserver" in sys.argv:
    print("the project says this")
    wait("../go-1")
    print("half ", end="", flush=True)
    wait("../go-2")
    print("a line")
    subprocess.run("echo a program; while ! [ -e ../go-3 ]; do sleep 0.02; done; echo says two lines", shell=True)
    import shop.slower
"""


# In both processes: each import says where the start is
SLOW_MODELS = """
import importlib, os, sys, time
while "runserver" in sys.argv and not os.path.exists("../go-0"):
    time.sleep(0.02)
    sys.modules.pop("shop.again", None)
    importlib.import_module("shop.again")
"""


class Screen:
    """What a terminal shows."""

    def __init__(self, master: int) -> None:
        self._master = master
        self.output = b""

    def wait_for(self, *texts: str) -> str:
        """Reads until all of these are on it; the text then."""
        deadline = time.monotonic() + PATIENCE
        while not all(text in self.text for text in texts):
            assert time.monotonic() < deadline, f"{texts} is not on the screen:\n{self.text}"
            self.read(0.1)
        return self.text

    def read(self, patience: float = 0.0) -> None:
        while select.select([self._master], [], [], patience)[0]:
            with contextlib.suppress(OSError):  # nobody has it open any more
                self.output += os.read(self._master, 65536)
                continue
            return

    @property
    def text(self) -> str:
        return "\n".join(screen(self.output))


def status(project: Path) -> dict[str, Any]:
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    argv = [sys.executable, "-m", "devrunserver", "status", "--json"]
    done = subprocess.run(argv, cwd=project, env=environ, capture_output=True, text=True, timeout=PATIENCE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.measured
def test_a_slow_start(project: Path) -> None:
    (project / "shop/slow.py").write_text(SLOW)
    (project / "shop/slower.py").write_text('from shop.slow import wait\nwait("../go-4")\n')
    (project / "shop/slow_models.py").write_text(SLOW_MODELS)
    (project / "shop/again.py").touch()
    models, urls = project / "shop/models.py", project / "shop/urls.py"
    replace(models, f"import shop.slow_models\n{models.read_text()}")
    replace(urls, f"import shop.slow\n{urls.read_text()}")
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, 120, 0, 0))
    arguments = ("--explain-start", "--start-profile=profile.json")
    with Server(project, *arguments, stdout=slave, environ={"TERM": "xterm", "PYTHONUNBUFFERED": ""}) as server:
        os.close(slave)
        shown = Screen(master)
        shown.wait_for("Starting: models, shop.again, ")  # the supervisor waits, too
        (project.parent / "go-0").touch()
        text = shown.wait_for("the project says this\n", "Starting: URLconf, shop.slow")
        assert "models" not in text
        progress = status(project)["progress"]
        assert (progress["phase"], progress["own_module"]) == ("URLconf", "shop.slow")
        assert progress["seconds"] > 0 and progress["expected_seconds"] is None
        (project.parent / "go-1").touch()
        assert shown.wait_for("half ").endswith("\nhalf ")
        (project.parent / "go-2").touch()
        assert shown.wait_for("a program\n").endswith("\nhalf a line\na program\n")
        (project.parent / "go-3").touch()
        shown.wait_for("\na program\nsays two lines\nStarting: URLconf, shop.slower, ")
        (project.parent / "go-4").touch()
        text = shown.wait_for("Listening on ", " s  shop.slower\n")
        profile = json.loads((project / "profile.json").read_text())
        assert {"URLconf", "shop.slow", "ready() of shop"} <= {one["name"] for one in profile["shared"]["frames"]}
        assert "Starting: " not in text
        assert status(project)["progress"] is None
        (project.parent / "go-4").unlink()
        replace(project / "shop/slower.py", (project / "shop/slower.py").read_text() + "# again\n")
        shown.wait_for("\nReloading: URLconf, shop.slower, ")
        server.process.send_signal(signal.SIGINT)
        server.wait_for_end()
        shown.read()
        assert "Reloading: " not in shown.text
    os.close(master)
