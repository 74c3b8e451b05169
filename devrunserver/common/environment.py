"""The environment variables by which a supervisor tells a worker how it is started: written and read here alone.

A worker takes them out of its environment, so that the programs which the project starts do not inherit them. Only
Django's ``RUN_MAIN``, which projects rely on, and the user's own ``DEVRUNSERVER_TRACE`` stay.
"""

from __future__ import annotations

import math
import os
from collections.abc import Container, Mapping, MutableMapping
from typing import NamedTuple

RUN_MAIN = "RUN_MAIN"  # Django's: "true" in the process that serves
ASKING = (b"RUN_MAIN", b"AUTORELOAD_ENV")  # in code that asks for it: the variable, or Django's name for that
LINK = "DEVRUNSERVER_LINK"  # descriptor of the worker's end of the link
CHECKPOINTS = "DEVRUNSERVER_CHECKPOINTS"
SPAWNED = "DEVRUNSERVER_SPAWNED"
EDITED = "DEVRUNSERVER_EDITED"  # separated like the directories of PATH
RERUN = "DEVRUNSERVER_RERUN"
REPORT = "DEVRUNSERVER_REPORT"
PROGRESS = "DEVRUNSERVER_PROGRESS"  # descriptor of a page of memory (``progress_page.py``)
SERVERS_CHANGE = "DEVRUNSERVER_SERVERS_CHANGE"
SPARE = "DEVRUNSERVER_SPARE"  # numbers, separated by commas
TRACE = "DEVRUNSERVER_TRACE"  # set by the user: messages are traced (``trace.py``)


class WorkerStart(NamedTuple):
    """How a worker is started.

    Attributes:
        spawned: when, in seconds since the epoch; infinite where nobody has told.
        makes_checkpoints: whether it may leave checkpoints behind, as the supervisor adopts them.
        edited: the files that are being edited.
        is_rerun: it runs again only to catch the error of the one before, whose output was seen already.
        report: what to show in the browser without running anything of the project; empty: run the project.
        progress: the descriptor of the page on which it says how far it is; -1: nobody wants to know.
        servers_change: databases on servers had other answers several times: nothing is to rely on them.
        outputs: this is a spare, whose output is held back: what its real standard output and error are inherited as.
    """

    spawned: float = math.inf
    makes_checkpoints: bool = False
    edited: tuple[str, ...] = ()
    is_rerun: bool = False
    report: str = ""
    progress: int = -1
    servers_change: bool = False
    outputs: tuple[int, ...] = ()


def write(start: WorkerStart, link: int) -> dict[str, str]:
    """The variables of a worker whose end of the link is this descriptor."""
    variables = {RUN_MAIN: "true", LINK: str(link), SPAWNED: repr(start.spawned), EDITED: os.pathsep.join(start.edited)}
    flags = {CHECKPOINTS: "1" * start.makes_checkpoints, RERUN: "1" * start.is_rerun, REPORT: start.report}
    flags[SERVERS_CHANGE] = "1" * start.servers_change
    flags[SPARE] = ",".join(map(str, start.outputs))
    if start.progress >= 0:
        variables[PROGRESS] = str(start.progress)
    return variables | {name: value for name, value in flags.items() if value}


def read(environ: Mapping[str, str]) -> WorkerStart:
    """How this process was started, as far as it is told."""
    progress = environ.get(PROGRESS, "")
    return WorkerStart(
        spawned=_number(environ.get(SPAWNED, "")),
        makes_checkpoints=bool(environ.get(CHECKPOINTS)),
        edited=tuple(filter(None, environ.get(EDITED, "").split(os.pathsep))),
        is_rerun=bool(environ.get(RERUN)),
        report=environ.get(REPORT, ""),
        progress=int(progress) if progress.isdecimal() else -1,
        servers_change=bool(environ.get(SERVERS_CHANGE)),
        outputs=tuple(int(one) for one in environ.get(SPARE, "").split(",") if one.isdecimal()),
    )


def take(environ: MutableMapping[str, str]) -> tuple[int | None, WorkerStart]:
    """The descriptor of the link, None where there is none, and how this process was started; forgets both."""
    descriptor, start = environ.get(LINK, ""), read(environ)
    for name in (LINK, CHECKPOINTS, SPAWNED, EDITED, RERUN, REPORT, PROGRESS, SERVERS_CHANGE, SPARE):
        environ.pop(name, None)
    return int(descriptor) if descriptor.isdecimal() else None, start


def forbid_checkpoints(environ: MutableMapping[str, str]) -> None:
    """The worker that this process becomes makes none."""
    environ.pop(CHECKPOINTS, None)


def is_worker(environ: Container[str]) -> bool:
    """Whether a supervisor of ours has started this process, which has not joined it yet."""
    return LINK in environ


def serves(environ: Container[str]) -> bool:
    """Whether this is a process that some supervisor, ours or Django's, has started."""
    return RUN_MAIN in environ


def traces(environ: Mapping[str, str]) -> bool:
    """Whether the user wants messages to be traced."""
    return bool(environ.get(TRACE))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf
