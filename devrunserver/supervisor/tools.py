"""The tool interface as the supervisor has it: a socket, the answers, and the state file by which it is found.

It is optional, and contained where it is called. A supervisor opens it when it starts and closes it when it ends; what
is remembered stays for the next one.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace

from devrunserver.common.messages import Broken, History, Serving
from devrunserver.common.runtime_directory import key_of, runtime_directory
from devrunserver.common.state_file import Running, StateFile
from devrunserver.supervisor.control_server import ControlServer, Registry, listen_locally
from devrunserver.supervisor.tool_answers import Answering, Memory, ToolAnswers


class Tools:
    """Answers ``python -m devrunserver status`` and its like.

    Args:
        url: where the server listens.
        project: its directory.
        say: tells the user one line.
    """

    def __init__(self, url: str, project: str, say: Callable[[str], None]) -> None:
        since = round(time.time(), 3)
        self._running = Running(
            os.getpid(), os.path.realpath(project), url, log_file() or "", http_token=secrets.token_hex(), since=since
        )
        self._say = say
        self._memory = Memory(since=since)
        self._stack = ExitStack()
        self._answers: ToolAnswers | None = None
        self._server: ControlServer | None = None
        self._file: StateFile | None = None

    def open(self, registry: Registry, answering: Answering) -> None:
        """Makes the socket and the state file, or says why it cannot."""
        try:
            self._open(registry, answering)
        except OSError as error:
            self.close()
            self._say(f"`python -m devrunserver status`, `wait` and the like do not work: {error}.")

    def _open(self, registry: Registry, answering: Answering) -> None:
        running = self._running
        path = runtime_directory() / f"{key_of(running.project)}-{running.pid}.sock"
        listener, token = listen_locally(path)
        self._stack.callback(path.unlink, missing_ok=True)
        facts = {
            "pid": running.pid,
            "url": running.url,
            "project": running.project,
            "log": running.log or None,
            "mcp": {"url": f"{running.url}__devrunserver__/mcp", "token": running.http_token},
        }
        self._answers = ToolAnswers(answering, facts, self._memory)
        self._server = self._answers.server = ControlServer(listener, token, self._answers.on_question)
        self._stack.callback(self._server.close)
        self._server.open(registry)
        port = listener.getsockname()[1] if token else 0
        self._running = replace(running, socket="" if token else str(path), port=port, token=token)
        self._file = StateFile.create(self._running)
        self._stack.callback(self._file.close)

    @property
    def due(self) -> float | None:
        """When something is to be done, as a moment of the monotonic clock."""
        moments = [one.due for one in (self._answers, self._server) if one is not None]
        return min((one for one in moments if one is not None), default=None)

    def step(self, now: float) -> None:
        """Answers what can be answered now. At the end of each step of the loop."""
        if self._answers is not None and self._server is not None:
            self._server.step(now)
            self._answers.step(now)
            self._write(self._answers.generation)

    def on_serving(self, message: Serving, path: str | None, seconds: float | None) -> None:
        """A worker serves: after a reload for the change of a path, which took so many seconds, or at first."""
        if self._answers is not None:
            self._answers.on_serving(message, path, seconds)

    def on_broken(self, message: Broken) -> None:
        """A worker shows the error that keeps the project from starting."""
        if self._answers is not None:
            self._answers.on_broken(message)

    def on_checked(self) -> None:
        """The worker's checks are done."""
        if self._answers is not None:
            self._answers.on_checked()

    def on_history(self, message: History) -> None:
        """The worker has told what it alone knew."""
        if self._answers is not None:
            self._answers.on_history(message)

    def close(self) -> None:
        """Removes the socket and the file. Again is harmless."""
        self._answers = self._server = self._file = None
        self._stack.close()

    def _write(self, generation: int) -> None:
        if self._file is not None and generation != self._running.generation:
            self._running = replace(self._running, generation=generation)
            with suppress(OSError):  # the disk is full
                self._file.write(self._running)


def log_file() -> str | None:
    """The file that standard output goes to, if it is one and the system tells its name."""
    try:
        descriptor = sys.stdout.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.readlink(f"/proc/self/fd/{descriptor}")
    except (OSError, ValueError, AttributeError):  # no real file, or no such directory
        pass
    return None


def project_directory(argv: list[str]) -> str:
    """The directory that tools find the server by: that of ``manage.py``, or else the current one."""
    script = os.path.abspath(argv[0]) if argv else ""
    is_script = script.endswith(".py") and os.path.isfile(script) and os.path.basename(script) != "__main__.py"
    return os.path.dirname(script) if is_script else os.getcwd()
