"""Our page in place of Django's for an error in a view, unless the project has a reporter of its own.

Django calls ``technical_500_response`` by its name in the module, under DEBUG only. What fails in our page is told in
one line, and Django's is shown from then on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.views import debug

if TYPE_CHECKING:
    from devrunserver.browser.errors.frame_consoles import FrameConsoles

NAME = "technical_500_response"


@contextmanager
def replaced(
    before: Callable[[BaseException], object] | None = None, consoles: FrameConsoles | None = None
) -> Iterator[None]:
    """While this lasts, errors in views are shown by us.

    Args:
        before: called with each error before it is shown: a debugger.
        consoles: the prompts in the page's frames.
    """
    original = getattr(debug, NAME)
    setattr(debug, NAME, Technical500(original, before, consoles))
    try:
        yield
    finally:
        setattr(debug, NAME, original)


class Technical500:
    """Answers a request that failed.

    Args:
        original: does so as Django does.
        before: called with the error first.
        consoles: the prompts in the page's frames.
    """

    def __init__(
        self, original: Any, before: Callable[[BaseException], object] | None, consoles: FrameConsoles | None
    ) -> None:
        self._original = original
        self._before = before
        self._consoles = consoles
        self._is_broken = False

    def __call__(
        self,
        request: HttpRequest,
        exc_type: type[BaseException],
        exc_value: BaseException,
        tb: TracebackType | None,
        status_code: int = 500,
    ) -> HttpResponse:
        self._call_before(exc_value)
        if not self._is_broken:
            try:
                reporter: object = debug.get_exception_reporter_class(request)
                if reporter is debug.ExceptionReporter:
                    from devrunserver.browser.errors.report import Report  # here: before the first error it costs

                    error = exc_value.with_traceback(tb)
                    return Report(error, request, consoles=self._consoles).respond(status_code)
            except Exception as fault:
                self._is_broken = True
                where = f"{type(fault).__name__}: {fault}"
                print(f"The error page has failed ({where}); Django's is shown until the next start.", file=sys.stderr)
        response: HttpResponse = self._original(request, exc_type, exc_value, tb, status_code)
        return response

    def _call_before(self, exc_value: BaseException) -> None:
        if self._before is None:
            return
        try:
            self._before(exc_value)
        except Exception as error:
            self._before = None
            where = f"{type(error).__name__}: {error}"
            print(f"The debugger has failed ({where}); it is off until the next start.", file=sys.stderr)
