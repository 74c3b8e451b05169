"""What is served in place of a project that does not start: its error.

As a page, or as text, Markdown or JSON, as the client wants. The details are for those alone who would see them on a
failing view: under DEBUG, and on an allowed host.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.wsgi import WSGIRequest
from django.core.management.color import color_style, no_style, supports_color
from django.http import HttpRequest, HttpResponse
from django.urls import set_script_prefix

from devrunserver.browser.errors.reading import describe
from devrunserver.browser.errors.report import Report, is_own
from devrunserver.browser.errors.text import text_of
from devrunserver.common import stdio

STATUS = 500
WAITED = 204  # the status of the answer to RELOAD_PATH
RETRY_AFTER = "1"  # seconds

TERSE = "The project does not start. Its error is in the terminal of the development server.\n"

RELOAD_PATH = "/__devrunserver__/until-next-start"  # answered when the worker that shows the error leaves
LATE = 1000  # milliseconds; a proxy that refuses the path is not to have the page reloaded all the time
# Where it is answered by another worker, the one that has shown the error has gone before this was asked
SCRIPT = f"""
fetch("{RELOAD_PATH}", {{cache: "no-store"}}).then(({{status}}) => {{
  if (status < 500) setTimeout(() => location.reload(), status === {WAITED} ? 0 : {LATE});
}});
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
            return HttpResponse(status=WAITED)
        response = self._explain(request) if shows_details(request) else HttpResponse(TERSE, content_type="text/plain")
        response.status_code = STATUS
        response["Cache-Control"] = "no-store"
        response["Retry-After"] = RETRY_AFTER
        return response

    def _explain(self, request: WSGIRequest) -> HttpResponse:
        try:
            return Report(self._error, request, SCRIPT).respond(STATUS)
        except Exception:  # what is broken may be anything that the page asks
            return HttpResponse(stdio.utf8(_python_text(self._error)), content_type="text/plain; charset=utf-8")


def shows_details(request: HttpRequest) -> bool:
    """Whether a failing view of the project would show its details to this request."""
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return bool(settings.DEBUG)


def terminal_text(error: BaseException) -> str:
    """The error for the terminal."""
    try:
        style = color_style() if supports_color() and sys.stderr.isatty() else no_style()
        return text_of(describe(error, is_own), style.ERROR)
    except Exception:
        return _python_text(error)


def _python_text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
