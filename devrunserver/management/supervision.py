"""What the command does in the process that the user has started: it becomes the supervisor."""

from __future__ import annotations

import functools
import json
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from devrunserver import conf, project
from devrunserver.common import process, process_exit
from devrunserver.common.remembered_file import RememberedFile
from devrunserver.supervisor import early_start, safe_mode, start_progress
from devrunserver.supervisor.console import Console
from devrunserver.supervisor.placeholder_server import PlaceholderServer
from devrunserver.supervisor.preparation.known import Known
from devrunserver.supervisor.setup import Limits, Setup
from devrunserver.supervisor.signals import die_of
from devrunserver.supervisor.tools import Tools, project_directory
from devrunserver.supervisor.watching.exclusions import Exclusions
from devrunserver.supervisor.watching.watcher import Watcher
from devrunserver.supervisor.worker_cycle import logger

IN_THE_WAY = ".in-the-way"  # what names of files end with that tell what was, of preparing reloads
EXIT_PATIENCE = 0.3  # seconds for the supervisor's own `atexit` handlers and threads


def run(
    listening: socket.socket,
    url: str,
    options: dict[str, Any],
    say: Callable[[str], None],
    on_ready: Callable[[], None],
) -> int:
    """Keeps a worker running until the user ends it; returns the exit status, below 0 for a signal.

    Args:
        listening: the socket that workers serve on.
        url: where the server is, for the user.
        options: of the command line.
        say: tells the user one line.
        on_ready: called when the project serves for the first time.
    """
    early_start.collection().end()
    watcher = make_watcher(options)
    logger.info("Watching for file changes with %s", watcher.name)
    settled = conf.load()
    explains = options.get("explain_reload", False), options.get("explain_start", False)
    log = functools.partial(_log, url) if options.get("log_format") == "json" else None
    console = Console(say, options.get("verbosity", 1), explains[0], on_ready, explains[1], log)
    directory = project_directory(sys.argv)
    # what is prepared hangs at checkpoints
    forks = conf.makes_checkpoints(settled) and process.adopt_orphans()
    limits = Limits(
        settled.CHECKPOINTS,
        settled.CHECKPOINT_MEMORY,
        prepares=settled.PREPARE and forks,
        forks=forks,
        spares=conf.makes_spares(settled),
        prepares_spares=settled.PREPARE,
        known=Known.recall(RememberedFile.of(directory, IN_THE_WAY)),
    )
    launcher = early_start.launcher()
    progress = start_progress.of(launcher.progress, directory, options.get("verbosity", 1))
    placeholder = PlaceholderServer(listening, progress.text)
    tools = Tools(url, directory, say)
    setup = Setup(listening, watcher, console, launcher, limits, placeholder, tools=tools, progress=progress)
    return safe_mode.run(setup)


def _log(url: str, event: dict[str, Any]) -> None:
    """Writes what becomes of a start as a line of JSON."""
    print(json.dumps({**event, "url": url}), flush=True)


def end(status: int) -> NoReturn:
    """Ends this process with that status, or by that signal."""
    if status < 0:
        die_of(-status)
    process_exit.make_exit_quick()
    # a thread of the project that nobody ends must not keep us
    keeper = threading.Timer(EXIT_PATIENCE, process_exit.leave, (status,))
    keeper.daemon = True
    keeper.start()
    sys.exit(status)


def make_watcher(options: dict[str, Any]) -> Watcher:
    """What watches the project's trees, by settings and options."""
    settled = conf.load()
    exclusions = Exclusions(
        [*settled.EXCLUDE, *options.get("exclude", [])],
        [*project.upload_directories(), *project.installed_directories()],
    )
    watcher = Watcher(options.get("watcher") or settled.WATCHER, settled.POLL_INTERVAL, exclusions)
    for root in project.roots():
        watcher.add_project(root)
    return watcher
