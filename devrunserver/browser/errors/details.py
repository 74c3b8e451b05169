"""What else the page shows, folded: the request, cookies, settings, local variables; filtered as Django does."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType, ModuleType
from typing import Any

from django import get_version
from django.conf import settings
from django.http import HttpRequest
from django.views.debug import get_exception_reporter_filter

from devrunserver.browser.errors.values import MAX_VARIABLES, text_of

MAX_ROWS = 250  # of a section
MAX_SIZE = 12_000  # characters of a section's values
SKIPPED = ("__", "@")  # beginnings of names that say nothing


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of names and values."""

    title: str
    rows: tuple[tuple[str, str], ...]


class Variables:
    """Reads local variables for one request, as far as Django's filter lets them through.

    Unlike Django it hides in a module what it would hide among the settings: while those are loaded, they are local
    variables of theirs.
    """

    def __init__(self, request: HttpRequest | None) -> None:
        self._request = request
        self._filter: Any = get_exception_reporter_filter(request)

    def __call__(self, frame: FrameType) -> tuple[tuple[str, str], ...]:
        try:
            items = list(self._filter.get_traceback_frame_variables(self._request, frame))
        except Exception as error:
            return (("(variables)", f"the filter raises {type(error).__name__}"),)
        in_module = frame.f_code.co_name == "<module>"
        if in_module:
            items = [(name, value) for name, value in items if not _is_definition(value)]
            items.reverse()  # the latest are near the error
        shown = [(str(name), value) for name, value in items if not str(name).startswith(SKIPPED)]
        return tuple((name, self._text(name, value, in_module)) for name, value in shown[:MAX_VARIABLES])

    def _text(self, name: str, value: object, in_module: bool) -> str:
        cleanse = getattr(self._filter, "cleanse_setting", None)
        return text_of(cleanse(name, value) if in_module and callable(cleanse) else value)


def _is_definition(value: object) -> bool:
    """Whether a value of a module is of those that every module has many of."""
    return issubclass(type(value), type | ModuleType) or type(value).__name__ in ("function", "_Feature")


def versions() -> list[tuple[str, str]]:
    """What the error may depend on."""
    return [
        ("Python", f"{platform.python_version()}, {sys.executable}"),
        ("Django", get_version()),
        ("System", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("Settings", str(getattr(settings, "SETTINGS_MODULE", ""))),
    ]


def facts(request: HttpRequest | None) -> list[tuple[str, str]]:
    """The request in a line, and versions."""
    found = []
    if request is not None:
        found.append(("Request", f"{request.method} {request.get_full_path()}"))
        if view := view_name(request):
            found.append(("View", view))
    return [*found, *versions()]


def view_name(request: HttpRequest) -> str:
    """The dotted name of the view; empty if it was not found: the URLconf is not asked, as it may be broken."""
    return str(getattr(getattr(request, "resolver_match", None), "_func_path", ""))


def sections(request: HttpRequest | None) -> list[Section]:
    """The request and the settings, without what Django hides."""
    filter_: Any = get_exception_reporter_filter(request)
    readers: list[tuple[str, Callable[[], Iterable[tuple[Any, Any]]]]] = []
    if request is not None:
        readers += [
            ("User", lambda: _user(request)),
            ("GET", lambda: request.GET.items()),
            ("POST", lambda: filter_.get_post_parameters(request).items()),
            ("FILES", lambda: request.FILES.items()),
            ("Cookies", lambda: filter_.get_safe_cookies(request).items()),
            ("Headers", lambda: _meta(filter_.get_safe_request_meta(request), True)),
            ("META", lambda: _meta(filter_.get_safe_request_meta(request), False)),
        ]
    readers.append(("Settings that are not Django's defaults", lambda: _settings(filter_)))
    return [section for title, reader in readers if (section := _section(title, reader)).rows]


def _section(title: str, reader: Callable[[], Iterable[tuple[Any, Any]]]) -> Section:
    rows = []
    size = 0
    try:
        for name, value in list(reader())[:MAX_ROWS]:
            text = text_of(value)
            size += len(text)
            rows.append((str(name), text if size < MAX_SIZE else "..."))
    except Exception as error:  # a body that cannot be read any more, a filter of the project
        rows.append(("", f"cannot be read: {type(error).__name__}"))
    return Section(title, tuple(rows))


def _settings(filter_: Any) -> Iterable[tuple[str, object]]:
    is_overridden: Callable[[str], bool] = getattr(settings, "is_overridden")  # noqa: B009 - unknown to the stubs
    return [(name, value) for name, value in filter_.get_safe_settings().items() if is_overridden(name)]


def _user(request: HttpRequest) -> Iterable[tuple[str, object]]:
    """Who is logged in, if that has been asked for already: it may take a query that fails too."""
    user = getattr(request, "_cached_user", None)
    with suppress(Exception):
        if user is not None:
            return [("user", str(user))]
    return []


def _meta(meta: Mapping[str, object], headers: bool) -> list[tuple[str, object]]:
    rows = [(name, value) for name, value in sorted(meta.items()) if name.startswith("HTTP_") is headers]
    return [(name.removeprefix("HTTP_").replace("_", "-").title() if headers else name, value) for name, value in rows]
