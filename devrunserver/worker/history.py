"""What this worker remembers for tools that ask: requests, errors of views, and what pages have written to the
browser's console, until the supervisor has it.

Nothing is sent before it is asked for, so that it costs a request no more than an entry in a list. There are bounds, no
bodies, and what looks like a secret in a query string is not shown, by the pattern that Django hides settings by.
"""

from __future__ import annotations

import json
import re
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

from django.core.signals import got_request_exception

from devrunserver.common import faults
from devrunserver.common.messages import (
    MOST_CONSOLE_MESSAGES,
    MOST_ERRORS,
    MOST_REQUESTS,
    History,
    HistoryAsked,
    Message,
)

if TYPE_CHECKING:
    from devrunserver.browser.console_messages import Message as ConsoleMessage

LONGEST_TEXT = 8_000  # characters of an error's text, of which the beginning tells most
LARGEST_DESCRIPTION = 64_000  # characters of an error's description as JSON
LONGEST_PATH = 2_000  # characters
HIDDEN_VALUE = "********"
PARAMETER = re.compile(r"([?&;])([^=&;]*)=([^&;\s]*)")


class RequestHistory:
    """Requests and errors that the supervisor does not know yet. Safe from any thread.

    Args:
        is_own: whether a file is the project's.
        say: sends a message to the supervisor.
    """

    def __init__(self, is_own: Callable[[str], bool], say: Callable[[Message], None]) -> None:
        self._is_own = is_own
        self._say = say
        self._serves = False
        self._requests: deque[dict[str, Any]] = deque(maxlen=MOST_REQUESTS)
        self._errors: deque[dict[str, Any]] = deque(maxlen=MOST_ERRORS)
        self._browser: deque[dict[str, Any]] = deque(maxlen=MOST_CONSOLE_MESSAGES)
        self._lock = Lock()

    def begin(self, server: Any) -> None:
        """The project is served from now on, by this server."""
        self._serves = True
        on_exception = faults.guarded("the history of errors", self.on_exception)
        got_request_exception.connect(on_exception, weak=False, dispatch_uid="devrunserver")
        server.on_answer = faults.guarded("the history of requests", self.on_request)

    def on_history_asked(self, message: HistoryAsked) -> None:
        """The supervisor wants to know."""
        found: list[dict[str, Any]] = []
        if message.routes and self._serves:
            from devrunserver.worker.routes import routes  # here, as hardly any worker needs it

            with suppress(Exception):  # the URLconf is the project's, and may be broken
                found = routes()
        self.tell(message.id, found)

    def tell(self, number: int = 0, routes: Sequence[dict[str, Any]] = ()) -> None:
        """Tells what has happened since it was told last, in answer to a question or (0) unasked."""
        requests, errors, browser = self.take()
        self._say(History(number, requests, errors, list(routes), browser))

    def on_request(self, record: dict[str, Any]) -> None:
        """A request has been answered."""
        with self._lock:
            self._requests.append(record)

    def on_exception(self, sender: object = None, request: Any = None, **kwargs: Any) -> None:
        """A view has failed: a receiver of Django's ``got_request_exception``."""
        if (error := sys.exc_info()[1]) is not None:
            found = {"time": time.time(), "at": "request", "path": getattr(request, "path", "")[:LONGEST_PATH]}
            found |= summary(error, self._is_own)
            with self._lock:
                self._errors.append(found)

    def on_console_message(self, message: ConsoleMessage) -> None:
        """A page has written to the browser's console."""
        with self._lock:
            self._browser.append({"time": round(time.time(), 3), **message._asdict()})

    def take(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
        """Requests, errors and the browsers' messages since it was called last."""
        with self._lock:
            requests, errors, browser = list(self._requests), list(self._errors), list(self._browser)
            self._requests.clear()
            self._errors.clear()
            self._browser.clear()
        for one in requests:
            one["path"] = without_secrets(one["path"])[:LONGEST_PATH]
        for one in browser:
            one["text"] = without_secrets(one["text"])
        return requests, errors, browser


def without_secrets(text: str) -> str:
    """A path, or a text with URLs, whose query strings do not show the values of what is named like a secret."""
    if "=" not in text:
        return text
    from django.views.debug import SafeExceptionReporterFilter  # here, as it is large

    hidden = SafeExceptionReporterFilter.hidden_settings  # a pattern of names

    def shown(match: re.Match[str]) -> str:
        value = HIDDEN_VALUE if hidden.search(match[2]) else match[3]
        return f"{match[1]}{match[2]}={value}"

    return PARAMETER.sub(shown, text)


def summary(error: BaseException, is_own: Callable[[str], bool]) -> dict[str, Any]:
    """An error as tools are told it: type, message, text, and file and line that the user should look at first.

    ``description`` is all that the error page is made of (``browser/errors/description.py``); None where that is not
    to be had, or too much.
    """
    try:
        return _summary(error, is_own)
    except Exception:  # the project's own, as its __str__
        return {
            "type": type(error).__name__,
            "message": "",
            "file": None,
            "line": None,
            "text": "",
            "description": None,
        }


def _summary(error: BaseException, is_own: Callable[[str], bool]) -> dict[str, Any]:
    file, line = _place(error, is_own)
    text, description = _description(error, is_own)
    return {
        "type": type(error).__name__,
        "message": str(error)[:LONGEST_TEXT],
        "file": file,
        "line": line,
        "text": text[:LONGEST_TEXT],
        "description": description,
    }


def _description(error: BaseException, is_own: Callable[[str], bool]) -> tuple[str, dict[str, Any] | None]:
    """An error as text, the latest step first, and as data, without the values of variables."""
    from devrunserver.browser.errors.reading import describe, without_variables  # here, as hardly any worker fails
    from devrunserver.browser.errors.text import json_of, text_of

    described = without_variables(describe(error, is_own))
    data = json_of(described)
    del data["traceback"]  # the text
    is_small = len(json.dumps(data)) <= LARGEST_DESCRIPTION
    return text_of(described), data if is_small else None


def _place(error: BaseException, is_own: Callable[[str], bool]) -> tuple[str | None, int | None]:
    """The innermost place of the project's."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno
    found: tuple[str | None, int | None] = None, None
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if found[0] is None or (not file.startswith("<") and is_own(file)):
            found = file, line
    return found
