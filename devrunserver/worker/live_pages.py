"""What the worker does for open pages: it serves them the client, and knows what a changed file means to them."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.apps import apps
from django.conf import settings

from devrunserver import conf
from devrunserver.common import faults, handoff
from devrunserver.common.globs import Glob, matches_any
from devrunserver.common.link import Link, LinkClosed
from devrunserver.common.messages import Changed, Generation, PageStream
from devrunserver.common.page_changes import ASSET, CSS, PAGE
from devrunserver.server.access_log import OWN_PATHS

if TYPE_CHECKING:
    from devrunserver.browser.live_reload import LiveReload

PART = "telling open pages of changes"
EVERYTHING = "**/*"
NOT_WRITTEN_BY_HAND = "node_modules"
# What no browser asks for: compilers that run when a page is rendered read it
COMPILED = (".scss", ".sass", ".less", ".styl", ".ts", ".tsx", ".jsx", ".coffee")
# What editors write beside a file for the time being
DRAFTS = ("~", ".tmp", ".swp", ".swx", ".bak", ".orig")


class LivePages:
    """Implements ``server.gate.Streams``. It is off at first, and again once something of it has failed.

    Args:
        is_installed: whether a directory belongs to an installed package.
        on_console_message: a page has written to the browser's console.

    Attributes:
        generation: of the pages that are rendered now; 0: not known yet.
    """

    def __init__(
        self, is_installed: Callable[[str], bool], on_console_message: Callable[[Any], object] = lambda message: None
    ) -> None:
        self.generation = 0
        self._is_on = False
        self._is_installed = is_installed
        self._on_console_message = on_console_message
        self._link: Link | None = None
        self._application: LiveReload | None = None
        self._static: list[tuple[str, str]] | None = None  # directories, and the beginnings of their URLs

    def switch_on(self) -> None:
        """Open pages are told of changes."""
        with faults.contained(PART):
            import devrunserver.browser.live_reload  # noqa: F401  # now, so that a checkpoint has it too

            self._is_on = True

    def serve(self, server: Any, to_supervisor: Link, inserts: bool) -> None:
        """Serves the client beside what a server serves.

        Args:
            inserts: whether pages get it.
        """
        if not self._is_on:
            return
        with self._contained():
            from devrunserver.browser.console_messages import ConsoleMessages, is_wanted
            from devrunserver.browser.live_reload import LiveReload

            self._link = to_supervisor
            is_told = is_wanted(conf.load().BROWSER_CONSOLE, os.environ)
            console = ConsoleMessages(_tell, self._on_console_message) if is_told else None
            application = server.get_app()
            self._application = LiveReload(application, lambda: self.generation, self._on_fault, inserts, console)
            server.set_app(self._application)
            if handoff.capacity():
                server.streams = self

    def claims(self, environ: dict[str, Any]) -> bytes:
        """As ``LiveReload.claims``; each request asks, so what is none of ours is told apart at once."""
        claimed = b""
        if OWN_PATHS in environ.get("PATH_INFO", "") and self._application is not None and self._is_on:
            with self._contained():
                claimed = self._application.claims(environ)
        return claimed

    def take(self, sock: socket.socket) -> None:
        """Gives a stream to the supervisor."""
        with sock, suppress(LinkClosed):  # then all is over
            if self._link is not None:
                self._link.send(PageStream(sock))

    def globs(self) -> list[Glob]:
        """The files of which open pages are to be told, besides those that receivers of Django's signals want."""
        if self._is_on:
            with self._contained():
                directories = [directory for directory, _ in self._static_directories()]
                return [(one, EVERYTHING) for one in [*directories, *_other_template_directories()]]
        return []

    def on_generation(self, message: Generation) -> None:
        """Of the pages that are rendered from now on."""
        self.generation = max(self.generation, message.number)

    def on_changed(self, message: Changed, spelled: Callable[[str], object]) -> list[tuple[str, list[str]]]:
        """What changes that need no reload mean to open pages: their kinds, each with the URLs of its files.

        Args:
            spelled: something, where a receiver of Django's signals is interested in a path.
        """
        found: dict[str, list[str]] = {}
        if self._is_on:
            with self._contained():
                found = self._kinds(message.paths, spelled)
        if found:
            self.generation = message.generation
        return list(found.items())

    def _kinds(self, paths: list[str], spelled: Callable[[str], object]) -> dict[str, list[str]]:
        others = [(directory, EVERYTHING) for directory in _other_template_directories()]
        found: dict[str, list[str]] = {}
        for path in filter(_is_finished, paths):
            if (url := self._url_of(path)) is not None:
                if path.endswith(COMPILED):
                    found.setdefault(PAGE, [])  # it may have another style sheet or script now
                else:
                    found.setdefault(CSS if path.endswith(".css") else ASSET, []).append(url)
            elif spelled(path) is not None or matches_any(path, others):
                found.setdefault(PAGE, [])
        return found

    def _contained(self) -> AbstractContextManager[None]:
        return faults.contained(PART, self._switch_off)

    def _switch_off(self) -> None:
        self._is_on = False

    def _on_fault(self, error: Exception) -> None:
        faults.tell(PART, error)
        self._switch_off()

    def _url_of(self, path: str) -> str | None:
        """The URL of a static file."""
        for directory, url in self._static_directories():
            if path.startswith(directory + os.sep):
                return url + quote(os.path.relpath(path, directory).replace(os.sep, "/"))
        return None

    def _static_directories(self) -> list[tuple[str, str]]:
        if self._static is None:
            self._static = [
                (os.path.realpath(directory), url)
                for directory, url in _static_directories()
                if not self._is_installed(directory) and NOT_WRITTEN_BY_HAND not in directory.split(os.sep)
            ]
        return self._static


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _is_finished(path: str) -> bool:
    name = os.path.basename(path)
    return not name.startswith((".", "#")) and not name.endswith(DRAFTS) and "." in name


def _static_directories() -> Iterator[tuple[str, str]]:
    """Where Django's finders look for static files, and the beginnings of the URLs of what is there."""
    if not (apps.ready and apps.is_installed("django.contrib.staticfiles")):
        return
    from django.contrib.staticfiles import finders

    base = settings.STATIC_URL or ""
    for finder in finders.get_finders():
        if isinstance(finder, finders.FileSystemFinder):
            for prefix, root in finder.locations:
                yield os.fspath(root), f"{base}{prefix}/" if prefix else base
        elif isinstance(finder, finders.AppDirectoriesFinder):
            for storage in finder.storages.values():
                yield os.fspath(storage.location), base


def _other_template_directories() -> list[str]:
    """Where templates are of which Django's own receiver knows nothing: Jinja's, which look for changes themselves."""
    if not apps.ready:
        return []
    from django.template import engines
    from django.template.backends.django import DjangoTemplates

    backends = [one for one in engines.all() if not isinstance(one, DjangoTemplates)]
    directories = [os.path.realpath(directory) for one in backends for directory in one.template_dirs]
    return [directory for directory in directories if os.path.isdir(directory)]
