"""Static files in development, as ``django.contrib.staticfiles`` serves them, only sooner.

Theory of operation
-------------------
What Django's handler answers for a file is remembered: its headers, and where it was found. The next request for it
costs a look at the disk, whether the file is still the one that the finders would find. It is no request to Django
then: there is no request or response object, and no signal, as with a web server in front. Everything else (other
methods, what is not found, classes that replace something) takes Django's way.

What the finders would find is looked up anew where the project has finders or storages of its own: they may do more
than to look. Django's own take the first file that exists in a list of places; so it is enough to see that those
before the one that was found are still empty.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from wsgiref.types import StartResponse
from wsgiref.util import FileWrapper

from django.contrib.staticfiles import finders, handlers, views
from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import FileSystemStorage
from django.core.handlers.exception import response_for_exception
from django.core.handlers.wsgi import WSGIRequest, get_path_info
from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase

from devrunserver.server.protocol import conditional
from devrunserver.server.protocol.conditional import Verdict

MOST_FILES = 10_000  # that are remembered: many paths may name one file
# What Django's answer depends on, besides the file
CONDITIONS = ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE")
# What is said anew each time
VOLATILE = {"content-length", "last-modified", "etag", "accept-ranges"}
# What an answer without the file says as well: RFC 9110, 15.4.5
CONTENT = "content-"
BLOCK_SIZE = 65_536  # bytes, for who reads the file and does not send it

REPLACEABLE = ("get_response", "serve", "file_path", "_should_handle", "get_base_url", "load_middleware")


@dataclass(frozen=True)
class Found:
    """A static file as Django has answered with it.

    Attributes:
        path: of the file.
        headers: of Django's answer, without those that depend on what is in the file.
        earlier: paths that would be found in its place if they existed; None where only the finders know.
    """

    path: str
    headers: list[tuple[str, str]]
    earlier: tuple[str, ...] | None


class StaticFilesHandler(handlers.StaticFilesHandler):
    """Django's handler, which remembers what it has found."""

    def __init__(self, application: Any) -> None:
        super().__init__(application)
        self._found: dict[str, Found] = {}
        ours = all(getattr(type(self), name) is getattr(StaticFilesHandler, name) for name in REPLACEABLE)
        self._may_remember = ours and vars(handlers)["serve"] is views.serve

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Any:
        path = get_path_info(environ)
        if not self._should_handle(path):
            return self.application(environ, start_response)
        if self._may_remember and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            found = self._found.get(path)
            if found is None or not self._is_current(found, path):
                found = self._find(path, environ)
            if found is not None and (known := self._answer(found, environ, start_response)) is not None:
                return known
        return super().__call__(environ, start_response)

    def serve(self, request: HttpRequest) -> Any:
        """As Django's; what cannot be the path of a file, or leads out of the static files, is not found."""
        try:
            return super().serve(request)
        except (SuspiciousOperation, ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.ENAMETOOLONG:
                raise
            raise Http404(str(error)) from error

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        """As Django's; to a host that is not allowed as the other pages are, and not by a traceback."""
        try:
            return super().get_response(request)
        except SuspiciousOperation as error:
            return response_for_exception(request, error)

    def _is_current(self, found: Found, path: str) -> bool:
        """Whether the finders would still find this file."""
        if found.earlier is None:
            return _find(self.file_path(path)) == found.path
        return not any(map(os.path.exists, found.earlier))

    def _find(self, path: str, environ: dict[str, Any]) -> Found | None:
        """Asks Django for its answer, and remembers it; None where it is no file."""
        self._found.pop(path, None)
        request = WSGIRequest({key: value for key, value in environ.items() if key not in CONDITIONS})
        try:
            response = self.serve(request)
        except Exception:  # Django's way tells of it
            return None
        file: Any = getattr(response, "file_to_stream", None)
        if not isinstance(response, FileResponse) or response.status_code != 200 or not hasattr(file, "name"):
            return None
        file.close()  # and not the response, which would end a request
        headers = [(name, value) for name, value in response.items() if name.lower() not in VOLATILE]
        found = Found(os.fspath(file.name), headers, _earlier(self.file_path(path), os.fspath(file.name)))
        if len(self._found) >= MOST_FILES:
            self._found.clear()
        self._found[path] = found
        return found

    def _answer(self, found: Found, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes] | None:
        """The answer with a file, or that the client has it already; None where it is gone."""
        try:
            status = os.stat(found.path)
            one = conditional.of_file(status)
            is_known = conditional.select(environ, one).verdict is Verdict.NOT_MODIFIED
            file = None if is_known else open(found.path, "rb", buffering=0)  # noqa: SIM115 (closed with the answer)
        except OSError:
            return None
        if file is None:
            headers = [header for header in found.headers if not header[0].lower().startswith(CONTENT)]
            start_response(Verdict.NOT_MODIFIED.value, [*headers, ("ETag", one.etag)])
            return []
        described = [("Content-Length", str(one.size)), ("Last-Modified", one.last_modified)]
        start_response("200 OK", [*found.headers, *described])
        return FileWrapper(file, BLOCK_SIZE)


def _find(url_path: str) -> str | None:
    """What the finders find, as ``django.contrib.staticfiles.views.serve`` asks them."""
    try:
        found = finders.find(posixpath.normpath(url_path).lstrip("/"))
    except (SuspiciousOperation, ValueError):
        return None
    return os.fspath(found) if isinstance(found, str) else None


def _earlier(url_path: str, path: str) -> tuple[str, ...] | None:
    """The places in which Django's finders look before they come to a file; None where a finder is not Django's."""
    earlier: list[str] = []
    for place in _places(posixpath.normpath(url_path).lstrip("/")):
        if place is None:
            return None
        if os.path.normpath(place) == os.path.normpath(path):
            return tuple(earlier)
        earlier.append(place)
    return None


def _places(relative: str) -> Iterator[str | None]:
    """Where Django's finders look for a file, one after another; None for a finder or storage that is not Django's."""
    for finder in finders.get_finders():
        if type(finder) is finders.FileSystemFinder:
            for prefix, root in finder.locations:
                if not prefix or relative.startswith(f"{prefix}{os.sep}"):
                    yield os.path.join(root, relative.removeprefix(f"{prefix}{os.sep}") if prefix else relative)
        elif type(finder) is finders.AppDirectoriesFinder:
            for app in finder.apps:
                storage = finder.storages[app]
                yield os.path.join(storage.location, relative) if type(storage) is FileSystemStorage else None
        else:
            yield None
