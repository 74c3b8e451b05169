"""The page in place of a project that does not start: Django's own technical error page.

Who does not accept HTML gets the same as plain text or as JSON. The details are for those alone who would see them on a
failing view: under DEBUG, and on an allowed host.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.wsgi import WSGIRequest
from django.core.management.base import SystemCheckError
from django.http import HttpRequest, HttpResponse
from django.urls import set_script_prefix
from django.views.debug import ExceptionReporter

STATUS = 500
RETRY_AFTER = "1"  # seconds
PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"  # our own frames say nothing about the error

TERSE = "The project does not start. Its error is in the terminal of the development server.\n"

RELOAD_PATH = "/__devrunserver__/until-next-start"  # answered when the worker that shows the error leaves
SCRIPT = f"""
<script>fetch("{RELOAD_PATH}", {{cache: "no-store"}}).then(function () {{ location.reload(); }});</script>
"""

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class ErrorPage:
    """A WSGI application that answers every request with one error."""

    def __init__(self, error: BaseException, wait_for_next_start: Callable[[], object] = lambda: None) -> None:
        self._error = error
        self._wait = wait_for_next_start

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        set_script_prefix(environ.get("SCRIPT_NAME") or "/")
        response = self._respond(WSGIRequest(environ))
        status = f"{response.status_code} {response.reason_phrase}"
        start_response(status, [*response.items(), ("Content-Length", str(len(response.content)))])
        return [response.content]

    def _respond(self, request: WSGIRequest) -> HttpResponse:
        if request.path_info == RELOAD_PATH:
            self._wait()
            return HttpResponse(status=204)
        response = self._explain(request) if shows_details(request) else HttpResponse(TERSE, content_type="text/plain")
        response.status_code = STATUS
        response["Cache-Control"] = "no-store"
        response["Retry-After"] = RETRY_AFTER
        return response

    def _explain(self, request: WSGIRequest) -> HttpResponse:
        if request.accepts("text/html"):
            page = html(request, self._error)
            return HttpResponse(page.replace("</body>", SCRIPT + "</body>"))
        text = describe(self._error)
        if request.accepts("text/plain"):
            return HttpResponse(text, content_type="text/plain; charset=utf-8")
        data = {"error": type(self._error).__name__, "message": str(self._error), "traceback": text}
        return HttpResponse(json.dumps(data), content_type="application/json")


def shows_details(request: HttpRequest) -> bool:
    """Whether a failing view of the project would show its details to this request."""
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return bool(settings.DEBUG)


def html(request: HttpRequest, error: BaseException) -> str:
    """Django's technical page for an error; for failed system checks without the frames, which say nothing."""
    # Django's page would look for the view in the URLconf, which may be what is broken
    request.resolver_match = SimpleNamespace(_func_path="")  # type: ignore[assignment]
    reporter = ExceptionReporter(request, type(error), error, own_traceback(error))
    return str(reporter.get_traceback_html())


def describe(error: BaseException) -> str:
    """The error as the terminal shows it."""
    if isinstance(error, SystemCheckError):
        return f"{error}\n"
    return "".join(traceback.format_exception(type(error), error, own_traceback(error)))


def own_traceback(error: BaseException) -> TracebackType | None:
    """The error's traceback from the first frame on that is not ours."""
    if isinstance(error, SystemCheckError):
        return None
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(PACKAGE):
        frames = frames.tb_next
    return frames or error.__traceback__
