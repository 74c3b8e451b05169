"""The first worker starts as soon as our app is created in the supervisor, so that both set-ups run side by side."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Collection, Container, Iterable, Sequence
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


def is_due(app_paths: Iterable[str]) -> bool:
    """Whether it is certain enough that this process will be a supervisor.

    Args:
        app_paths: of the apps above ours, one of which may have the command instead.
    """
    return will_supervise(sys.argv, os.environ) and not any(map(ships_runserver, app_paths))


def begin(copy: Callable[[], int] | None = None, edited: Collection[str] = ()) -> bool:
    """Starts the first worker: whether this process is it, which ``copy`` has forked. See ``Launcher.spawn_early``.

    It prints nothing before it has our word. If we end first, so does it.

    Args:
        edited: the files that may be edited first.
    """
    if launcher().spawn_early(copy, edited):
        launcher.cache_clear()
        return True
    collection().begin()
    return False


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
