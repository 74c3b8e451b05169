"""Places in the user's files that no frame of a traceback names: templates, settings, views, what a check is about."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any

from devrunserver.browser.errors.description import Attempt, Frame, Issue, Place
from devrunserver.browser.errors.source import AROUND, place_at, source_lines
from devrunserver.browser.errors.stack import IsOwn
from devrunserver.browser.errors.values import message_of

QUOTED = re.compile(r"""['"]([\w.\-]{3,})['"]""")
LEVELS = ((50, "critical"), (40, "error"), (30, "warning"), (20, "info"))  # of Django's check messages
MAX_ISSUES = 100  # that are shown
MAX_SETTINGS_FILES = 20  # that are searched
SETTINGS_MODULE = "DJANGO_SETTINGS_MODULE"
TEMPLATE_CODE = ("django.template.", "django.utils.text", "jinja2.")  # modules that only execute templates


# Templates


def template_frame(error: BaseException) -> Frame | None:
    """The line of a template that was compiled or rendered when the error came."""
    info = getattr(error, "template_debug", None)
    if not isinstance(info, dict) or not info.get("line"):
        return None
    lines = [str(text).rstrip("\n") for _, text in info.get("source_lines", ())]
    line = int(info["line"])
    before, during = str(info.get("before", "")), str(info.get("during", ""))
    column = len(before) - (before.rfind("\n") + 1) + 1
    columns = (column, column + len(during)) if during and "\n" not in during else (0, 0)
    place = place_at(str(info.get("name", "")), line, columns=columns, text="\n".join(lines))
    return Frame(place, "template", is_own=True)


def is_in_template(traceback: TracebackType | None, is_own: IsOwn) -> bool:
    """Whether the project's own code was not reached any more after the template was."""
    in_template = False
    while traceback is not None:
        frame = traceback.tb_frame
        if str(frame.f_globals.get("__name__", "")).startswith(TEMPLATE_CODE):
            in_template = True
        elif is_own(frame.f_code.co_filename) and frame.f_globals.get("__name__") != "__main__":
            in_template = False
        traceback = traceback.tb_next
    return in_template


def attempts(error: BaseException) -> tuple[Attempt, ...]:
    """Where a template was looked for."""
    if type(error).__name__ != "TemplateDoesNotExist":
        return ()
    every = [error, *(getattr(error, "chain", None) or ())]
    tried = [one for each in every for one in getattr(each, "tried", None) or ()]
    return tuple(dict.fromkeys(Attempt(str(getattr(origin, "name", origin)), str(why)) for origin, why in tried))


# Settings, URLconf and views


def settings_files(is_own: IsOwn) -> list[str]:
    """The files that the settings are from: the module itself, then those beside it, of which it may be made."""
    name = os.environ.get(SETTINGS_MODULE, "")
    package = name.rpartition(".")[0]
    found: dict[str, None] = {}
    near = [other for other in list(sys.modules) if package and other.rpartition(".")[0] == package]
    for one in (name, *near[:MAX_SETTINGS_FILES]):
        file = getattr(sys.modules.get(one), "__file__", None)
        if isinstance(file, str) and is_own(file):
            found[file] = None
    return list(found)


def mention(error: BaseException, files: Iterable[str]) -> Frame | None:
    """The first line of these files that has, in quotes, a name which the message has too."""
    names = [getattr(error, "name", None), *QUOTED.findall(message_of(error))]
    texts = [(file, source_lines(file)) for file in files]
    for name in dict.fromkeys(one for one in names if isinstance(one, str) and len(one) > 2):
        quoted = re.compile(rf"""['"]{re.escape(name)}['".]|^{re.escape(name)}\s*[:=]""")
        for file, lines in texts:
            for number, text in enumerate(lines, 1):
                if (match := quoted.search(text)) is not None and not text.lstrip().startswith("#"):
                    begin = match.start() + 1
                    return Frame(
                        place_at(file, number, columns=(begin, begin + len(name) + 2)), "settings", is_own=True
                    )
    return None


def view_frame(request: Any, is_own: IsOwn) -> Frame | None:
    """The definition of the view that answers a request."""
    match = getattr(request, "resolver_match", None)
    view = getattr(match, "func", None)
    if view is None:
        return None
    view = getattr(view, "view_class", None) or getattr(view, "cls", None) or view
    place = definition_of(view)
    return Frame(place, "the view", is_own=True) if place is not None and is_own(place.file) else None


def definition_of(thing: object) -> Place | None:
    """Where a class or a function is defined; None if that is not to be had."""
    with suppress(OSError, TypeError, ValueError):
        thing = inspect.unwrap(thing) if callable(thing) else thing
        file, (lines, line) = inspect.getsourcefile(thing), inspect.getsourcelines(thing)  # type: ignore[arg-type]
        decorators = next((index for index, text in enumerate(lines) if text.lstrip().startswith(DEFINES)), 0)
        if file is not None:
            return place_at(file, line + decorators)
    return None


DEFINES = ("def ", "class ", "async def ")


def not_reached(error: BaseException, request: Any, is_own: IsOwn) -> Frame | None:
    """A place in the project for an error whose traceback has none of it."""
    ways: tuple[Callable[[], Frame | None], ...] = (
        lambda: view_frame(request, is_own),
        lambda: mention(error, _migration_files(error)),
        lambda: mention(error, settings_files(is_own)),
        lambda: mention(error, _urlconf_files(is_own)),
    )
    for way in ways:
        with suppress(Exception):  # they ask a project that is broken
            if (frame := way()) is not None:
                return frame
    return None


def _migration_files(error: BaseException) -> list[str]:
    """The migration that names another one which is not there."""
    module = sys.modules.get(type(getattr(error, "origin", None)).__module__)
    file = getattr(module, "__file__", None)
    return [file] if isinstance(file, str) and "migrations" in file else []


def _urlconf_files(is_own: IsOwn) -> list[str]:
    from django.conf import settings

    file = getattr(sys.modules.get(str(settings.ROOT_URLCONF)), "__file__", None)
    return [file] if isinstance(file, str) and is_own(file) else []


# System checks


def issues(error: BaseException) -> tuple[Issue, ...]:
    """What system checks have found of which some failed: warnings too, the worst first."""
    found = sorted(_check_messages(error.__traceback__), key=lambda one: -one.level)
    return tuple(_issue(one) for one in found[:MAX_ISSUES])


def _check_messages(traceback: TracebackType | None) -> Iterator[Any]:
    """The messages from which Django made the text that it has raised: a local variable of its ``check``."""
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code.co_name == "check" and frame.f_globals.get("__name__") == "django.core.management.base":
            yield from (one for one in frame.f_locals.get("all_issues", ()) if not one.is_silenced())
        traceback = traceback.tb_next


def _issue(message: Any) -> Issue:
    place = None
    with suppress(Exception):  # it may be about anything
        place = _place_of_subject(message.obj)
    text = str(message)
    subject = text.partition(": ")[0] if message.obj is not None else ""
    level = next((name for least, name in LEVELS if message.level >= least), "debug")
    return Issue(level, message.id or "", subject, str(message.msg), str(message.hint or ""), place)


def _place_of_subject(subject: Any) -> Place | None:
    """Where the object of a check is: a model, a field, an admin, an app, a URL pattern, a view."""
    if subject is None or isinstance(subject, str):
        return None
    model = getattr(subject, "model", None)
    if isinstance(model, type) and hasattr(subject, "name") and not isinstance(subject, type):  # a field or a manager
        return _line_in(model, rf"^\s+{re.escape(str(subject.name))}\s*[:=]") or definition_of(model)
    if (callback := getattr(subject, "callback", None)) is not None:
        return definition_of(callback)
    for thing in (subject, type(subject)):
        if isinstance(thing, type) or inspect.isroutine(thing):
            return definition_of(thing)
    return None


def _line_in(cls: type, pattern: str) -> Place | None:
    """The first line of a class, or of one that it inherits from, that is like this."""
    for base in cls.__mro__:
        if base.__module__.startswith("django.") or base is object:
            continue
        with suppress(OSError, TypeError):
            lines, first = inspect.getsourcelines(base)
            for number, text in enumerate(lines, first):
                if re.match(pattern, text):
                    file = inspect.getsourcefile(base) or ""
                    return place_at(file, number, around=AROUND)
    return None
