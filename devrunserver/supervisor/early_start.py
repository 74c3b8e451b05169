"""The first worker starts as soon as our app is created in the supervisor, so that both set-ups run side by side."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from devrunserver.common import environment
from devrunserver.common.garbage_collection import StartCollection
from devrunserver.supervisor.launcher import Launcher

ENDING_OPTIONS = {"-h", "--help", "--version"}  # that print something and end


@functools.cache
def launcher() -> Launcher:
    """What starts the workers of this process."""
    return Launcher(sys.orig_argv)


@functools.cache
def collection() -> StartCollection:
    """The garbage collector of this process while it sets up the project, beside its worker."""
    return StartCollection()


def begin(app_paths: Iterable[str]) -> bool:
    """Spawns the first worker, if it is certain enough that this process will be its supervisor; whether it is.

    It prints nothing before it has our word. If we end first, so does it.

    Args:
        app_paths: of the apps above ours, one of which may have the command instead.
    """
    if not will_supervise(sys.argv, os.environ) or any(map(ships_runserver, app_paths)):
        return False
    launcher().spawn_early()
    collection().begin()
    return True


def will_supervise(argv: Sequence[str], environ: Container[str]) -> bool:
    """Whether a command line and an environment are those of a supervisor."""
    options = argv[2:]
    return (
        argv[1:2] == ["runserver"]
        and not environment.serves(environ)
        and ENDING_OPTIONS.isdisjoint(options)
        and not any(is_noreload(option) for option in options)
    )


def is_noreload(option: str) -> bool:
    """Whether an option is ``--noreload``, perhaps shortened as ``argparse`` allows."""
    return option.startswith("--nor") and "--noreload".startswith(option)


def ships_runserver(app_path: str) -> bool:
    """Whether an app in this directory has a ``runserver`` command."""
    return (Path(app_path) / "management/commands/runserver.py").exists()
