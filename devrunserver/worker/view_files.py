"""Tells the supervisor in which of the project's files the views are that requests come to.

Who looks at a page is likely to edit its view next: the reload that this needs can be prepared before the save. Django
finds the view in ``BaseHandler.resolve_request``, by WSGI and by ASGI alike, whatever is around the application; so a
function of ours goes round that method while this process serves. It looks at each view once, and each file is told
once, so that requests that come again and again neither cost anything nor wake the supervisor.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

from devrunserver.common import faults
from devrunserver.common.file_state import resolved
from devrunserver.common.messages import Message, ViewAsked
from devrunserver.common.module_files import file_of

MOST_VIEWS = 10_000  # that are remembered as seen; a project that makes a view for each request has no end of them


class ViewFiles:
    """The files of the views that were asked for.

    Args:
        is_own: whether a file is the project's.
        say: sends a message to the supervisor.
    """

    def __init__(self, is_own: Callable[[str], bool], say: Callable[[Message], None]) -> None:
        self._is_own = is_own
        self._say = say
        self._seen: set[int] = set()  # identities of views, which live as long as the URLconf
        self._told: set[str] = set()

    def begin(self) -> None:
        """From now on they are told."""
        from django.core.handlers.base import BaseHandler

        resolve, on_view = BaseHandler.resolve_request, faults.guarded("the look at which views are used", self.on_view)

        def resolve_request(handler: Any, request: Any) -> Any:
            match = resolve(handler, request)
            on_view(getattr(match, "func", None))
            return match

        BaseHandler.resolve_request = resolve_request  # type: ignore[method-assign, assignment]

    def on_view(self, view: Any) -> None:
        """A request comes to this view."""
        if id(view) in self._seen or len(self._seen) >= MOST_VIEWS:
            return
        self._seen.add(id(view))
        file = file_behind(view)
        if file is None or not self._is_own(file) or file in self._told:
            return
        self._told.add(file)
        self._say(ViewAsked(resolved(file)))


def code_behind(view: Any) -> Any:
    """The function or class that a view was made of: its class, or what decorators and partials are around."""
    # of Django's generic views, and of REST framework's
    view = getattr(view, "view_class", None) or getattr(view, "cls", None) or view
    view = inspect.unwrap(view) if callable(view) else view
    while hasattr(view, "func"):  # functools.partial
        view = view.func
    return view


def file_behind(view: Any) -> str | None:
    """The source of a view; of one of the admin's, that of the ``ModelAdmin``."""
    if (admin := getattr(view, "model_admin", None)) is not None:
        view = type(admin)
    return file_of(sys.modules.get(getattr(code_behind(view), "__module__", None) or ""))
