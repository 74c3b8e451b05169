"""What probably helps against an error.

Each function knows one kind of error and returns None for what it does not know. They look at the project as it is
now, and none of them changes anything. A hint that fails is none.
"""

from __future__ import annotations

import builtins
import os
import pkgutil
import re
import socket
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from devrunserver.browser.errors.description import Hint
from devrunserver.browser.errors.distributions import distribution_of, install_command
from devrunserver.browser.errors.django_places import attempts
from devrunserver.browser.errors.values import message_of
from devrunserver.common.module_files import PACKAGES

NEARNESS = 0.7  # of two names, for the one to be taken for the other misspelt; 1 means equal
MAX_NAMES = 5_000  # that are compared

EXTENSION_TROUBLE = (
    "undefined symbol",
    "cannot open shared object file",
    "DLL load failed",
    "Library not loaded",
    "mach-o",
)
MISSING_TABLE = (
    r"no such table: (?:main\.)?(?P<table>\w+)",
    r'relation "(?P<table>[^"]+)" does not exist',
    r"Table '(?:[^'.]*\.)?(?P<table>\w+)' doesn't exist",
    r"ORA-00942",
)
MISSING_COLUMN = (
    r"no such column: (?:(?P<table>\w+)\.)?\w+",
    r"table (?P<table>\w+) has no column named \w+",
    r"column (?:(?P<table>\w+)\.)?\w+ does not exist",
    r'column "\w+" of relation "(?P<table>\w+)" does not exist',
    r"Unknown column '(?:(?P<table>\w+)\.)?\w+'",
)
NO_DATABASE_SERVER = ("Connection refused", "could not translate host name", "Can't connect to", "timeout expired")


def near(name: str, names: Iterable[str]) -> str:
    """The one of the names that is most like it; empty if none is."""
    candidates = [one for _, one in zip(range(MAX_NAMES), names, strict=False) if one != name]
    return next(iter(get_close_matches(name, candidates, 1, NEARNESS)), "")


def innermost(traceback: TracebackType | None) -> FrameType | None:
    """The frame in which it was raised."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame if traceback is not None else None


def missing_module(error: BaseException) -> Hint | None:
    """A module that is not there: the name that is near, or what to install."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    parent, _, last = error.name.rpartition(".")
    package = sys.modules.get(parent)
    if (not parent or package is None) and (distribution := distribution_of(error.name)):
        command = install_command(distribution, Path.cwd())
        return Hint(f"{error.name.partition('.')[0]} comes with {distribution.partition('[')[0]}.", (command,))
    if not parent:
        names = {*sys.stdlib_module_names, *(info.name for info in pkgutil.iter_modules())}
    elif package is None:
        return None  # what is missing is above it
    elif (path := getattr(package, "__path__", None)) is None:
        return Hint(f"{parent} is a module, not a package: nothing can be imported from below it.")
    else:
        names = {info.name for info in pkgutil.iter_modules(path)}
    name = near(last, sorted(names))
    return Hint(f"Did you mean {parent}{'.' if parent else ''}{name}?") if name else None


def broken_import(error: BaseException) -> Hint | None:
    """A name that a module does not have: circular imports, extensions that do not load, names that are near."""
    if not isinstance(error, ImportError) or isinstance(error, ModuleNotFoundError):
        return None
    message = message_of(error)
    if "partially initialized module" in message:
        return Hint(
            "A circular import: modules import each other, and this one is not complete yet. "
            "Move one of the imports into the function that needs it, or what both need into a third module."
        )
    if any(one in message for one in EXTENSION_TROUBLE):
        return Hint(
            "A compiled module does not fit this Python or a library of the system is missing. "
            "Installing its package again, or the library, may help."
        )
    wanted = getattr(error, "name_from", None) or (re.search(r"cannot import name '(\w+)'", message) or ["", ""])[1]
    module = sys.modules.get(error.name or "")
    name = near(wanted, vars(module)) if wanted and module is not None else ""
    return Hint(f"Did you mean {name}?") if name else None


def missing_name(error: BaseException) -> Hint | None:
    """A name or attribute that is not there: the one that is near."""
    if isinstance(error, AttributeError):
        owner, wanted = getattr(error, "obj", None), getattr(error, "name", None)
        name = near(wanted, dir(owner)) if wanted and owner is not None else ""
    elif isinstance(error, NameError):
        frame, wanted = innermost(error.__traceback__), getattr(error, "name", None)
        if frame is None or not wanted:
            return None
        if wanted in sys.stdlib_module_names:
            return Hint(f"Did you forget to import {wanted}?")
        name = near(wanted, [*frame.f_locals, *frame.f_globals, *dir(builtins)])
    else:
        return None
    return Hint(f"Did you mean {name}?") if name else None


def missing_variable(error: BaseException) -> Hint | None:
    """A variable of the environment that is not set."""
    frame = innermost(error.__traceback__)
    if not isinstance(error, KeyError) or frame is None or not error.args:
        return None
    if frame.f_code.co_name != "__getitem__" or frame.f_globals.get("__name__") != "os":
        return None
    name = str(error.args[0])
    other = near(name, os.environ)
    return Hint(
        f"The environment variable {name} is not set." + (f" Did you mean {other}?" if other else ""),
        (f"export {name}=...",) if os.name != "nt" else (f"set {name}=...",),
    )


def wrong_indentation(error: BaseException) -> Hint | None:
    """Tabs and spaces, or a block that does not stand where it should."""
    if isinstance(error, TabError):
        return Hint("Tabs and spaces are mixed. Convert all of them to spaces in your editor.")
    if isinstance(error, SyntaxError) and "merge conflict" not in message_of(error):
        text = (error.text or "").lstrip()
        if text.startswith(("<<<<<<<", "=======", ">>>>>>>")):
            return Hint("This is the mark of a merge conflict: choose one of the two sides.")
    return None


def wrong_encoding(error: BaseException) -> Hint | None:
    """Bytes that are not text in the encoding that was assumed."""
    if isinstance(error, UnicodeDecodeError):
        around = error.object[max(error.start - 10, 0) : error.end + 10]
        return Hint(f"The bytes around it are {bytes(around)!r}. Is the encoding another one than {error.encoding}?")
    if isinstance(error, SyntaxError) and "codec can't decode" in message_of(error):
        return Hint("Save the file as UTF-8.")
    return None


def endless_recursion(error: BaseException) -> Hint | None:
    """Functions that call each other without end."""
    if not isinstance(error, RecursionError):
        return None
    names: dict[str, int] = {}
    step = error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_name
        names[name] = names.get(name, 0) + 1
        step = step.tb_next
    circle = [name for name, count in names.items() if count > 10][:4]
    return Hint(f"{' and '.join(circle)} call{'s' if len(circle) == 1 else ''} itself without end.") if circle else None


def missing_table(error: BaseException) -> Hint | None:
    """Tables and columns that a migration would make."""
    if type(error).__name__ not in ("OperationalError", "ProgrammingError", "DatabaseError"):
        return None
    message = message_of(error)
    for what, patterns in (("table", MISSING_TABLE), ("column", MISSING_COLUMN)):
        for pattern in patterns:
            if (match := re.search(pattern, message)) is None:
                continue
            cause, command = (
                f"The database has no such {what}: there are migrations to apply",
                "python manage.py migrate",
            )
            if label := _app_of(match.groupdict().get("table") or ""):
                cause += f", or {label} has changes without one yet"
                return Hint(f"{cause}.", (f"python manage.py makemigrations {label}", command))
            return Hint(f"{cause}.", (command,))
    return None


def _app_of(table: str) -> str:
    """The project's app whose model has this table; empty if it is not known, or an installed package's."""
    from django.apps import apps

    for model in apps.get_models(include_auto_created=True) if apps.models_ready and table else ():
        config = model._meta.app_config
        if model._meta.db_table == table and config is not None and PACKAGES.isdisjoint(Path(config.path).parts):
            return str(config.label)
    return ""


def missing_database(error: BaseException) -> Hint | None:
    """A database server that does not answer."""
    if type(error).__name__ != "OperationalError" or not any(one in message_of(error) for one in NO_DATABASE_SERVER):
        return None
    return Hint("The database server does not answer. Is it running, and are HOST and PORT in DATABASES right?")


def refused_connection(error: BaseException) -> Hint | None:
    """Another service that does not answer."""
    if isinstance(error, ConnectionRefusedError | socket.gaierror):
        return Hint("Another service does not answer. Is it running, and is its address right?")
    return None


def apps_not_ready(error: BaseException) -> Hint | None:
    """Models that are used too early."""
    if type(error).__name__ != "AppRegistryNotReady":
        return None
    return Hint(
        "Models are imported while apps are still being loaded: import them in the function that needs them, "
        "or in the ready() method of the AppConfig."
    )


def misspelt_field(error: BaseException) -> Hint | None:
    """A lookup of a field that the model does not have."""
    match = re.search(r"Cannot resolve keyword '([^']*)' into field. Choices are: (.*)", message_of(error))
    if type(error).__name__ != "FieldError" or match is None:
        return None
    name = near(match[1], match[2].split(", "))
    return Hint(f"Did you mean {name}?") if name else None


def misspelt_url(error: BaseException) -> Hint | None:
    """A name that no pattern of the URLconf has."""
    match = re.search(r"Reverse for '([^']*)' not found", message_of(error))
    if type(error).__name__ != "NoReverseMatch" or match is None:
        return None
    from django.urls import get_resolver

    names: set[str] = set()

    def collect(resolver: Any, prefix: str) -> None:
        names.update(prefix + one for one in resolver.reverse_dict if isinstance(one, str))
        for namespace, (_, inner) in resolver.namespace_dict.items():
            collect(inner, f"{prefix}{namespace}:")

    collect(get_resolver(), "")
    wanted = match[1]
    # without its namespace it is not found either
    name = next((one for one in sorted(names) if one.rpartition(":")[2] == wanted), "") or near(wanted, names)
    return Hint(f"Did you mean '{name}'?") if name else None


def unknown_tag(error: BaseException) -> Hint | None:
    """A tag or filter of a library that the template does not load."""
    match = re.search(r"Invalid (?:block tag on line \d+: |filter: )'(\w+)'", message_of(error))
    if type(error).__name__ != "TemplateSyntaxError" or match is None:
        return None
    from django.template import engines
    from django.template.library import import_library

    known: set[str] = set()
    for engine in engines.all():
        inner = getattr(engine, "engine", None)
        for builtin in getattr(inner, "template_builtins", ()):
            known.update([*builtin.tags, *builtin.filters])
        for name, module in getattr(inner, "libraries", {}).items():
            library = import_library(module)
            if match[1] in {*library.tags, *library.filters}:
                return Hint(f"{match[1]} is in the library {name}.", (f"{{% load {name} %}}",))
            known.update([*library.tags, *library.filters])
    name = near(match[1], known)
    return Hint(f"Did you mean {name}?") if name else None


def missing_template(error: BaseException) -> Hint | None:
    """A template that is not there: one beside it whose name is near."""
    if type(error).__name__ != "TemplateDoesNotExist":
        return None
    tried = attempts(error)
    for attempt in tried:
        wanted = Path(attempt.file)
        if wanted.parent.is_dir():
            name = near(wanted.name, sorted(one.name for one in wanted.parent.iterdir()))
            if name:
                return Hint(f"Did you mean {wanted.parent / name}?")
    if not tried:
        return Hint("No template engine has looked for it: TEMPLATES names no directory, and APP_DIRS is off.")
    return None


HINTS: tuple[Callable[[BaseException], Hint | None], ...] = (
    missing_module,
    broken_import,
    missing_name,
    missing_variable,
    wrong_indentation,
    wrong_encoding,
    endless_recursion,
    missing_table,
    missing_database,
    refused_connection,
    apps_not_ready,
    misspelt_field,
    misspelt_url,
    unknown_tag,
    missing_template,
)


def hint_for(error: BaseException) -> Hint | None:
    """What probably helps; None if nothing is known."""
    for hint in HINTS:
        try:
            if (found := hint(error)) is not None:
                return found
        except Exception:  # it asks a project that is broken
            continue
    return None
