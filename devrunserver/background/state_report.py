"""A process that tells the supervisor what it has come to: what it has imported, its fingerprint, and particulars."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import ModuleType
from typing import NoReturn

from devrunserver.background.fingerprint import Fingerprint
from devrunserver.background.literals import Literals
from devrunserver.background.registries import Registries
from devrunserver.checkpoints.forking import silence
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.common import link, process_exit
from devrunserver.common.import_record import ImportRecord
from devrunserver.common.messages import (
    Attributes,
    AttributesAsked,
    Imports,
    ImportsAsked,
    Loaded,
    Outdated,
    OutdatedAsked,
    Outlines,
    OutlinesAsked,
    StateAsked,
    StateReport,
    Unexplained,
    UnexplainedAsked,
)
from devrunserver.common.module_files import file_named, file_of

# A second of work is to be done before somebody saves again, beside a program that keeps each core busy, too: at 15 it
# would take half a minute there
NICENESS = 5
OURS = "devrunserver"  # our own package, whose state is no part of the project's


def stand_aside() -> None:
    """Makes this a process in the background: low priority, and what it prints goes nowhere."""
    silence()
    with suppress(OSError):
        os.nice(max(0, NICENESS - os.nice(0)))


def answer_questions(
    to_supervisor: link.Link,
    is_project: Callable[[str], bool],
    reads: ReadRecorder,
    record: Callable[[], ImportRecord],
) -> NoReturn:
    """Answers until there are no more questions.

    Args:
        is_project: whether a file is the project's.
        reads: what was read.
        record: what was imported.
    """
    with suppress(link.LinkClosed):
        to_supervisor.be_patient()
        gc.disable()  # we only look, and not for long
        to_supervisor.send(Loaded())
        fingerprint: Fingerprint | None = None
        has_subclasses = subclasses_that_count(is_project)
        for message in to_supervisor.messages():
            if isinstance(message, ImportsAsked):
                to_supervisor.send(Imports(with_traces(record(), has_subclasses) if message.traces else record()))
                continue
            if isinstance(message, OutdatedAsked):
                to_supervisor.send(Outdated(reads.outdated_facts()))
                continue
            if fingerprint is None:
                fingerprint = Fingerprint(_is_ours, has_subclasses)
            if isinstance(message, StateAsked):
                to_supervisor.send(StateReport(fingerprint.modules()))
            elif isinstance(message, AttributesAsked):
                to_supervisor.send(Attributes({one: fingerprint.attributes(one) for one in message.modules}))
            elif isinstance(message, OutlinesAsked):
                to_supervisor.send(Outlines([(*one, fingerprint.outline(*one)) for one in message.attributes]))
            elif isinstance(message, UnexplainedAsked):
                literals = Literals()
                of = [one for one in message.attributes if not literals.explain(*one, fingerprint.value(*one))]
                to_supervisor.send(Unexplained(of))
    process_exit.leave(process_exit.SUCCESS)


def with_traces(record: ImportRecord, has_subclasses: Callable[[ModuleType], bool]) -> ImportRecord:
    """A record with what modules have left in common; without it where some object cannot be looked at."""
    with suppress(Exception):
        return replace(record, traces=Registries(_is_ours, record, has_subclasses).traces())
    return record


def subclasses_that_count(is_project: Callable[[str], bool]) -> Callable[[ModuleType], bool]:
    """Tells whether the order of subclasses counts for the classes of a module: of the project, if that asks for it."""
    asks = functools.cache(lambda: _asks_for_subclasses(is_project))
    return lambda module: bool((file := file_of(module)) and is_project(file) and asks())


def _asks_for_subclasses(is_project: Callable[[str], bool]) -> bool:
    """Whether some module of the project asks classes for their subclasses, and may rely on their order."""
    for name in list(sys.modules):
        file = file_named(name)
        if file is not None and is_project(file):
            with suppress(OSError), open(file, "rb") as source:
                if b"__subclasses__" in source.read():
                    return True
    return False


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == OURS
