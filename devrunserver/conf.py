"""The setting DEVRUNSERVER: a dictionary, of which every key has a default."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import PurePath
from typing import Any, get_args

from devrunserver import project
from devrunserver.supervisor.watching.mode import Mode

NAME = "DEVRUNSERVER"
MODES: tuple[str, ...] = get_args(Mode)


@dataclass(frozen=True)
class Conf:
    """What the user configures.

    Attributes:
        WATCHER: "auto" (events where the file system sends them), "events" or "polling".
        POLL_INTERVAL: seconds between two looks at a polled directory.
        WATCH: paths and globs whose change reloads, besides the project's code.
        CHECKPOINTS: how many checkpoints are kept, at most; 0: none, so that each reload is a fresh start,
            unless SPARES is True.
        CHECKPOINT_MEMORY: megabytes that all checkpoints together may take; None: about a third of the worker's.
        SPARES: whether a second interpreter, started after a reload, waits for the next one, in place of checkpoints;
            None: where processes cannot be forked.
        PREPARE: whether the next reload of the files that are being edited is prepared in the background.
        READ_FILES: whether a change of a data file that the start has read reloads.
        WARM_UP: whether a worker to whom nobody talks does what the first request would have to wait for.
        SUPERVISOR_SETUP: whether the supervisor sets up all apps too, as Django's reloader does; None: where the
            project's sources seem to have a use for that.
        BROWSER_RELOAD: whether open pages follow each save.
        EXCLUDE: names and globs of what is not watched, besides the usual ones (.git, node_modules, ...).
        ASGI: whether the project is served by ASGI; None: where daphne is installed as an app.
        LOG_DURATION: whether the line of a request says how many milliseconds its answer took.
        LOG_FILES: whether static and media files are logged; those that fail always are.
        LOG_IGNORE: beginnings of paths whose requests are not logged.
        LOG_QUERIES: whether a request's line says how many database queries it made, how long they took, and which of
            them came again and again.
        SLOW_QUERY: seconds from which a query is named with the line that made it, where LOG_QUERIES is on.
        SLOW_REQUEST: seconds from which the line of a request says its duration in any case.
        BROWSER_CONSOLE: whether the terminal shows errors of the browser's console; None: if a coding agent runs it.
        FRAME_CONSOLE: whether the error page's frames have a prompt, behind a PIN.
        EDITOR: which editor the links of the error page open: a name, or a template with {path}, {line} and {column};
            empty: the one that the environment names.
        EDITOR_PATHS: beginnings of paths, and what they are where the editor runs.
    """

    WATCHER: Mode = "auto"
    POLL_INTERVAL: float = 1.0
    WATCH: tuple[str, ...] = ()
    EXCLUDE: tuple[str, ...] = ()
    CHECKPOINTS: int = 6
    CHECKPOINT_MEMORY: float | None = None
    SPARES: bool | None = None
    PREPARE: bool = True
    READ_FILES: bool = True
    WARM_UP: bool = True
    SUPERVISOR_SETUP: bool | None = None
    ASGI: bool | None = None
    BROWSER_RELOAD: bool = True
    LOG_DURATION: bool = False
    LOG_FILES: bool = True
    LOG_IGNORE: tuple[str, ...] = ()
    LOG_QUERIES: bool = False
    SLOW_QUERY: float = 0.1
    SLOW_REQUEST: float = 5.0
    BROWSER_CONSOLE: bool | None = None
    FRAME_CONSOLE: bool = False
    EDITOR: str = ""
    EDITOR_PATHS: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong with the setting, and what would be right."""

    key: str
    cause: str
    remedy: str


def load(value: object = None) -> Conf:
    """The setting, with the default for what is missing or wrong: ``mistakes`` tells the user of the latter."""
    value = project.setting(NAME) if value is None else value
    if not isinstance(value, Mapping):
        return Conf()
    return Conf(**{key: _normal(one) for key, one in value.items() if key in _KEYS and not _cause(key, one)})


def makes_checkpoints(conf: Conf) -> bool:
    """Whether paused copies are made, where the system can fork."""
    return conf.CHECKPOINTS > 0 and conf.SPARES is not True


def makes_spares(conf: Conf) -> bool:
    """Whether a spare may stand for them, where they cannot be made or are not to be."""
    return conf.CHECKPOINTS > 0 if conf.SPARES is None else conf.SPARES


def mistakes(value: object = None) -> Iterator[Mistake]:
    """What is wrong with the setting."""
    value = project.setting(NAME) if value is None else value
    if value is None:
        return
    if not isinstance(value, Mapping):
        yield Mistake("", f"{NAME} is {value!r}, not a dictionary.", f"Write {NAME} = {{...}}, or leave it out.")
        return
    for key, one in value.items():
        if key not in _KEYS:
            yield Mistake(key, f"{NAME} has no key {key!r}.", f"Its keys are {', '.join(sorted(_KEYS))}.")
        elif cause := _cause(key, one):
            yield Mistake(key, f"{NAME}[{key!r}] is {one!r}, {cause}.", f"Its default is {getattr(_DEFAULTS, key)!r}.")


_KEYS = {one.name for one in fields(Conf)}
_DEFAULTS = Conf()


def _cause(key: str, value: Any) -> str:
    """What is wrong with one value; empty if nothing is."""
    if key == "WATCHER":
        return "" if value in MODES else f"not one of {', '.join(MODES)}"
    if isinstance(getattr(_DEFAULTS, key), bool):
        return "" if isinstance(value, bool) else "neither True nor False"
    if key in ("ASGI", "SPARES", "SUPERVISOR_SETUP"):
        return "" if value is None or isinstance(value, bool) else "neither True, False nor None"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if key in ("SLOW_QUERY", "SLOW_REQUEST"):
        return "" if is_number and value >= 0 else "not a number of seconds"
    if key == "POLL_INTERVAL":
        return "" if is_number and 0 < value < math.inf else "not a number of seconds above 0"
    if key == "CHECKPOINTS":
        return "" if is_number and isinstance(value, int) and value >= 0 else "not a number from 0 on"
    if key == "CHECKPOINT_MEMORY":
        return "" if value is None or (is_number and value > 0) else "not a number of megabytes above 0"
    if key == "LOG_IGNORE":
        prefixes = isinstance(value, list | tuple | set) and all(
            isinstance(one, str) and one.startswith("/") for one in value
        )
        return "" if prefixes else 'not a list of paths that begin with "/"'
    if key == "BROWSER_CONSOLE":
        return "" if value is None or isinstance(value, bool) else "neither True, False nor None"
    if key == "EDITOR":
        from devrunserver.browser.errors import editor  # here, as hardly anybody sets it

        return editor.cause(value) if isinstance(value, str) else "not a text"
    if key == "EDITOR_PATHS":
        pairs = isinstance(value, Mapping) and all(isinstance(one, str) for pair in value.items() for one in pair)
        return "" if pairs else "not a dictionary of paths"
    paths = isinstance(value, list | tuple | set) and all(isinstance(one, str | PurePath) for one in value)
    return "" if paths else "not a list of paths or globs"


def _normal(value: Any) -> Any:
    return tuple(map(str, value)) if isinstance(value, list | tuple | set) else value
