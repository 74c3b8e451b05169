"""The worker: the process that runs the project and answers its requests, on its real main thread.

Theory of operation
-------------------
A supervisor has started this process with its end of a link and with the listening socket. ``join()`` is the first
thing that happens after the settings are loaded: our app is the first that Django creates. From then on one thread
listens to the supervisor:

- ``changed``: files changed; it answers with a verdict, whether this process has to be replaced;
- ``stop``: it makes the main thread leave, in order, as far as that has come;
- end-of-file: the supervisor is gone, and so is this process.

The main thread runs the command as Django would. What keeps the project from starting is caught around it
and served (``browser/error_page.py``) until the supervisor says ``stop``.
"""

from __future__ import annotations

import functools
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from django.core.signals import request_finished

from devrunserver.reloader import link, modules, process, prompt
from devrunserver.reloader.bytecode import SOURCE_SUFFIX
from devrunserver.sender import Sender
from devrunserver.server import http

PROMPT_INTERVAL = 0.2  # seconds between two looks whether a debugger prompt has been left, while a reload waits for it


class Worker:
    """This process in its role as worker."""

    def __init__(self, to_supervisor: link.Link, listener: socket.socket | None, is_rerun: bool) -> None:
        self.listener = listener
        self._is_rerun = is_rerun
        self._link = to_supervisor
        self._server: http.Serving | None = None
        self._leaving = threading.Event()
        self._not_found = modules.NotFound()
        self._sender = Sender(self._report_watched)
        self._serving = False
        self._loaded_at = (0, "")  # the state of sys.modules that the next is of
        self._loaded: set[str] = set()  # the files of all modules
        self._reported_at = (0, "")  # the state of sys.modules that the supervisor knows
        self._prompt_watched = False

    # The life of a worker, in order

    def join(self) -> None:
        """Takes up the role: from now on the supervisor is heard."""
        process.die_with_parent(os.getppid())
        signal.signal(signal.SIGTERM, _leave_main_thread)
        sys.excepthook = _quiet_on_interrupt(sys.excepthook)
        self._not_found.install()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._resign)
        threading.Thread(target=self._listen, name="devrunserver-link", daemon=True).start()
        self._say("hello")

    def _resign(self) -> None:
        """In a process that the project forks: it is no worker, and must keep neither the port nor the link open."""
        self._link.close()
        if self.listener is not None:
            self.listener.close()

    def run(self, inner_run: Callable[[], None], watch: list[str]) -> None:
        """Runs the command's ``inner_run`` on this thread until the supervisor says stop.

        Args:
            inner_run: checks, builds the handler and serves it, calling ``start_serving``.
            watch: paths and globs that the user wants to have watched.
        """
        if self._is_rerun:
            os._exit(0)  # there is no error to catch any more: the supervisor starts us in the usual way
        signal.signal(signal.SIGTERM, _leave_main_thread)  # the project may have set its own
        self._watch = watch
        try:
            inner_run()
        except Exception as error:
            self.show(error)
        finally:
            process.make_exit_quick()

    def start_serving(self, server: Any) -> None:
        """The server is about to accept connections: tells the supervisor, and what to watch."""
        self._server = server
        self._announce()
        self._say("serving")
        self._serving = True
        if self._leaving.is_set():
            server.stop()

    def show(self, error: BaseException, quiet: bool = False) -> None:
        """Prints what keeps the project from starting (unless ``quiet``), and serves it until told to stop."""
        from devrunserver.browser.error_page import ErrorPage, describe

        sys.stdout.flush()
        if not quiet:
            print(describe(error), end="", file=sys.stderr, flush=True)
        http.run(
            ("", 0),
            ErrorPage(error, self._leaving.wait),
            threading=True,
            listener=self.listener,
            on_serve=self._start_showing,
        )

    def _start_showing(self, server: Any) -> None:
        self._server = server
        self._report_watched()
        self._say("broken")
        if self._leaving.is_set():
            server.stop()

    # What the supervisor says

    def _listen(self) -> None:
        hear = {"changed": self._on_changed, "stop": self._on_stop}
        for message in self._link.messages():
            hear[message["kind"]](message)
        os._exit(1)  # the supervisor is gone; nothing that we could still do is wanted

    def _on_stop(self, message: link.Message) -> None:
        self._leaving.set()
        if self._server is not None:
            self._server.stop()
        else:
            _interrupt_main_thread()

    def _on_changed(self, message: link.Message) -> None:
        stale = next((path for path in message["paths"] if self._is_stale(path)), None)
        wait = stale is not None and prompt.is_open()
        self._say("verdict", id=message["id"], reload=stale, prompt=wait)
        if wait and not self._prompt_watched:
            self._prompt_watched = True
            threading.Thread(target=self._watch_prompt, name="devrunserver-prompt", daemon=True).start()

    def _watch_prompt(self) -> None:
        while prompt.is_open() and not self._leaving.wait(PROMPT_INTERVAL):
            pass
        self._prompt_watched = False
        self._say("prompt-left")

    def _is_stale(self, path: str) -> bool:
        """Whether a change of this path makes this process one that a fresh start would not give."""
        if path.endswith(SOURCE_SUFFIX):
            stale = self._has_seen(path)
            if stale and self._serving:
                self._sender.handle(Path(path))
            return stale
        spelled = self._sender.spelled(path)
        if spelled is not None:
            return self._serving and not self._sender.handle(spelled)
        return "." not in os.path.basename(path) and self._has_seen(path)

    def _has_seen(self, path: str) -> bool:
        """Whether a module has been loaded from here, from below here, or looked for in vain."""
        loaded = self._loaded_files()
        below = path + os.sep
        return (
            path in loaded
            or path in self._sender.files()
            or (not os.path.exists(path) and any(file.startswith(below) for file in loaded))
            or self._not_found.looked_for(path)
        )

    def _loaded_files(self) -> set[str]:
        state = modules.state()
        if state != self._loaded_at:
            self._loaded, self._loaded_at = modules.loaded_files(), state
        return self._loaded

    # What we say

    def _announce(self) -> None:
        """Sends Django's ``autoreload_started``, as its reloaders do: after the URLconf is loaded."""
        from django.urls import get_resolver

        with suppress(Exception):  # it shows in the first request, as with Django's reloader
            _ = get_resolver().urlconf_module
        self._sender.start(files=[], patterns=self._watch)
        self._not_found.install()
        self._report_watched()
        request_finished.connect(self._after_request, weak=False, dispatch_uid="devrunserver")

    def _after_request(self, **kwargs: Any) -> None:
        """A request may have imported modules."""
        if modules.state() != self._reported_at:
            self._report_watched()

    def _report_watched(self) -> None:
        self._reported_at = modules.state()
        self._say(
            "watching",
            directories=modules.directories_of(self._loaded_files()),
            globs=self._sender.globs(),
            files=self._sender.files(),
        )

    def _say(self, kind: str, **data: Any) -> None:
        with suppress(link.LinkClosed):  # the listening thread learns of it too
            self._link.send(kind, **data)


@functools.cache
def current() -> Worker | None:
    """This process as a worker, joined; None where no supervisor has started it."""
    to_supervisor = process.inherited_socket(process.LINK)
    listener = process.inherited_socket(process.LISTENER)
    if to_supervisor is None:
        return None
    worker = Worker(link.Link(to_supervisor), listener, bool(os.environ.pop(process.RERUN, "")))
    worker.join()
    return worker


def _leave_main_thread(*args: object) -> None:
    process.make_exit_quick()
    sys.exit(0)


def _interrupt_main_thread() -> None:
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, signal.SIGTERM)  # wakes it from a system call too
    else:
        signal.raise_signal(signal.SIGTERM)


Excepthook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


def _quiet_on_interrupt(hook: Excepthook) -> Excepthook:
    """Ctrl-C while the project is being imported is no error to print."""

    def excepthook(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            hook(kind, error, frames)

    return excepthook
