"""The project's URL patterns as a list, for tools that ask."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator
from typing import Any

from devrunserver.worker.view_files import code_behind

MOST = 5_000  # patterns that are told


def routes() -> list[dict[str, Any]]:
    """Each pattern with its name and the view behind it: its name, file and line."""
    from django.urls import get_resolver

    found = []
    for route, name, view in _walk(get_resolver(), "/", ""):
        found.append({"route": route, "name": name, **_view(view)})
        if len(found) == MOST:
            break
    return found


def _walk(resolver: Any, prefix: str, namespace: str) -> Iterator[tuple[str, str | None, Any]]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern, route, inner)
        else:
            yield route, f"{namespace}{pattern.name}" if pattern.name else None, pattern.callback


def _view(view: Any) -> dict[str, Any]:
    view = code_behind(view)
    name = f"{getattr(view, '__module__', '')}.{getattr(view, '__qualname__', type(view).__qualname__)}"
    file, line = _place(view)
    return {"view": name, "file": file, "line": line}


def _place(view: Any) -> tuple[str | None, int | None]:
    """File and line of a view. Quicker than ``inspect``, which reads whole files syntactically for a class."""
    code = getattr(view, "__code__", None)
    if code is not None:
        return code.co_filename, code.co_firstlineno
    kind = view if isinstance(view, type) else type(view)
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if file is None:
        return None, None
    begins = f"class {kind.__name__}"
    lines = enumerate(linecache.getlines(file), 1)
    line = next((number for number, text in lines if text.lstrip().startswith((f"{begins}(", f"{begins}:"))), None)
    return file, line
