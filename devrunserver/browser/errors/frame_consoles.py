"""A prompt in the frames of the error page, by Werkzeug's debugger: behind its PIN, for the project's hosts only.

Theory of operation
-------------------
The page has for each frame an identifier, and a secret that this process has made up. A command is run where the
secret is right, the host is one of the project's, and the browser has given the PIN that the terminal shows; ten wrong
ones lock it for good (``werkzeug.debug.DebuggedApplication`` does all that). The frames of the last few errors are
kept. A reload is a new process with another secret: it says that the frames are gone.

This runs code by design. It is off unless the setting asks for it, under DEBUG only, and never without a PIN.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from wsgiref.types import StartResponse

from django.conf import settings
from django.http import HttpRequest

PATH = "/__devrunserver__/frames"
MAX_ERRORS = 5  # whose frames are kept
MAX_FRAMES = 50  # of each, the latest
MISSING = "FRAME_CONSOLE needs Werkzeug: python -m pip install 'werkzeug>=3.1'"
NO_PIN = "FRAME_CONSOLE is off: there is none without a PIN, and WERKZEUG_DEBUG_PIN switches that off."
PIN = "PIN of the console in the error page's frames: {}"
GONE = b"These frames are gone: the code was reloaded, or there were other errors since. Load the page again."
WRONG_PIN = b"The PIN is missing. The terminal shows it."


@dataclass(frozen=True, slots=True)
class OpenConsoles:
    """What a page needs to reach its frames: the identifiers of consoles by those of frames."""

    url: str
    secret: str
    is_trusted: bool
    ids: Mapping[int, int]


class FrameConsoles:
    """The application around the project's, and the frames that it has a prompt for.

    Args:
        application: the project's, by WSGI.
        debugger: Werkzeug's, around the application that it is given.
    """

    def __init__(self, application: Any, debugger: Callable[..., Any]) -> None:
        self._application = application
        self._debugger = debugger(self._refuse, evalex=True, pin_logging=False)
        hosts = [one for one in settings.ALLOWED_HOSTS if one != "*"]
        self._debugger.trusted_hosts = [*self._debugger.trusted_hosts, "[::1]", *hosts]
        self._kept: deque[list[int]] = deque()
        self._is_told = False

    @property
    def has_pin(self) -> bool:
        """Whether it is safe to use."""
        return self._debugger.pin is not None

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == PATH:
            return self._debugger(environ, start_response)  # type: ignore[no-any-return]
        return self._application(environ, start_response)  # type: ignore[no-any-return]

    def open(self, error: BaseException, request: HttpRequest) -> OpenConsoles:
        """Keeps the frames of an error, in place of those of an older one."""
        from werkzeug.debug.tbtools import DebugFrameSummary

        ids: dict[int, int] = {}
        for step in _steps(error):
            frame, code = step.tb_frame, step.tb_frame.f_code
            names = {"filename": code.co_filename, "lineno": step.tb_lineno, "name": code.co_name}
            summary = DebugFrameSummary(locals=frame.f_locals, globals=frame.f_globals, **names)
            self._debugger.frames[id(summary)] = summary
            ids[id(frame)] = id(summary)
        self._kept.append(list(ids.values()))
        while len(self._kept) > MAX_ERRORS:
            for one in self._kept.popleft():
                self._debugger.frames.pop(one, None)
        if not self._is_told:
            self._is_told = True
            print(PIN.format(self._debugger.pin), file=sys.stderr, flush=True)
        url = f"{request.META.get('SCRIPT_NAME', '')}{PATH}"
        return OpenConsoles(url, self._debugger.secret, bool(self._debugger.check_pin_trust(request.META)), ids)

    def _refuse(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """The answer to what the debugger does not take for a command."""
        is_trusted = bool(self._debugger.check_pin_trust(environ))
        status, text = ("410 Gone", GONE) if is_trusted else ("403 Forbidden", WRONG_PIN)
        start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))])
        return [text]


def around(application: Any) -> FrameConsoles | None:
    """The consoles around an application, where they are possible; else says why not. None without DEBUG."""
    if not settings.DEBUG:
        return None
    try:
        from werkzeug.debug import DebuggedApplication
    except ImportError:
        print(MISSING, file=sys.stderr, flush=True)
        return None
    consoles = FrameConsoles(application, DebuggedApplication)
    if not consoles.has_pin:
        print(NO_PIN, file=sys.stderr, flush=True)
        return None
    return consoles


def _steps(error: BaseException | None) -> list[TracebackType]:
    """The frames of an error and of those that led to it."""
    found: list[TracebackType] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        steps = []
        step = error.__traceback__
        while step is not None:
            steps.append(step)
            step = step.tb_next
        found += steps[-MAX_FRAMES:]
        error = error.__cause__ or error.__context__
    return found
