"""The worker: the process that runs the project and answers its requests, on its real main thread.

Theory of operation
-------------------
A supervisor has started this process with its end of a link. ``join()`` is the first thing that happens after the
settings are loaded: our app is the first that Django creates. The rest of a start goes like this, in a fresh process
and, from the middle of it on, in one that was resumed from a checkpoint:

- ``await_word()`` waits for the supervisor's word, which brings the listening socket;
- ``load()`` imports the URLconf and the WSGI application, the last that a start imports;
- ``check()`` runs the checks, in a process forked for it: what they import and open stays out of this one, so that
  it is in the same state whether they have run (first start) or still run (reload);
- ``start_serving()`` tells the supervisor.

While it starts, this process leaves checkpoints behind, and so must be the only thread. The supervisor ends it by
SIGTERM. From the moment that no more checkpoints can be made, one thread listens to the supervisor:

- ``Changed``: files changed; it answers with a verdict, whether this process has to be replaced;
- ``FreshnessShared``, ``Fresh``, ``Connections``: about requests that wait (``keeper.py``);
- ``Stop``: it makes the main thread leave, in order, as far as that has come;
- end-of-file: the supervisor is gone, and so is this process.

What keeps the project from starting is caught around all this and served (``browser/error_page.py``) until the
supervisor says ``Stop``.
"""

from __future__ import annotations

import _weakrefset
import functools
import os
import signal
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from django.core.signals import request_finished
from django.db.backends.signals import connection_created

from devrunserver import conf, project
from devrunserver.checkpoints import audit
from devrunserver.checkpoints.checkpoint import NICENESS, Checkpoints, has_succeeded
from devrunserver.checkpoints.import_hook import Finder
from devrunserver.checkpoints.policy import Placement
from devrunserver.checkpoints.read_recorder import IMPORT_SYSTEM, Reads
from devrunserver.common import environment, handoff, link, module_files, process
from devrunserver.common.environment import WorkerStart
from devrunserver.common.messages import (
    Broken,
    Changed,
    CheckpointsEnded,
    Connections,
    DryRun,
    Fresh,
    FreshnessShared,
    Go,
    Hello,
    Listening,
    Message,
    PromptLeft,
    Resume,
    Serving,
    Stop,
    Verdict,
    Watching,
)
from devrunserver.common.pyc import SOURCE_SUFFIX
from devrunserver.common.role import Role
from devrunserver.server.django import server
from devrunserver.worker import debugger_prompt, lasting_threads, warmup
from devrunserver.worker.autoreload_signals import Sender
from devrunserver.worker.request_gate import Keeper

if TYPE_CHECKING:
    from devrunserver.background.dry_run import Rehearsal

LATER = 0.01  # seconds until the main thread is interrupted again, where an exception would have been lost
WEAK_REFERENCES = {weakref.__file__, _weakrefset.__file__}
PROMPT_INTERVAL = 0.2  # seconds between two looks whether a debugger prompt has been left, while a reload waits for it
WARM_UP_DELAY = 0.2  # seconds; who saves and asks at once is not to find us at something else
ANSWERS_PATIENCE = 0.1  # seconds for a template that is being compiled
LOG_PATIENCE = 0.02  # seconds for the line of an answer that the client has got already, before the reload is told
ANSWERS_INTERVAL = 0.002  # seconds between two looks whether answers have ended
SLOWEST = 5  # modules that are named to the user who asks what takes so long

Check = Callable[[bool, bool], None]  # runs the checks: whether it announces them, and whether it tells their count


class Worker:
    """This process in its role as worker."""

    def __init__(self, to_supervisor: link.Link, start: WorkerStart) -> None:
        self.listener: socket.socket | None = None  # comes with the supervisor's word
        self.is_reload = False  # another worker has served before
        self._start = start
        self._link = to_supervisor
        self._server: server.Serving | None = None
        self._keeper: Keeper | None = None
        self._leaving = threading.Event()
        self._project_files = project.Files()
        self._reads = Reads(self._project_files.is_installed)
        placement = None
        if start.makes_checkpoints and conf.load().CHECKPOINTS:
            placement = Placement(start.edited, conf.load().CHECKPOINTS, time.monotonic())
        self._checkpoints = Checkpoints(self, self._reads, placement, self._project_files.is_own)
        self._finder = Finder(self._reads, self._checkpoints.before)
        self._handlers: dict[str, audit.Handler] = {}
        self._sender = Sender(self._report_watched)
        self._hearing = False
        self._word_given = threading.Event()
        self._checking: tuple[int, Check] | None = None  # the process that runs the checks, and what
        self._is_set_up = False  # what is left to import is the URLconf
        self._witness: socket.socket | None = None  # where a process is to tell in what state this one is
        self._rehearsal: Rehearsal | None = None  # where this process is to rehearse
        self._serving = False
        self._loaded_at = (0, "")  # the state of sys.modules that the next is of
        self._loaded: set[str] = set()  # the files of all modules
        self._reported_at = (0, "")  # the state of sys.modules that the supervisor knows
        self._prompt_watched = False

    # The life of a worker, in order

    def join(self) -> None:
        """Takes up the role: from now on the supervisor knows us."""
        process.die_with_parent(os.getppid())
        signal.signal(signal.SIGTERM, _leave_main_thread)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _interrupt_start)
        sys.excepthook = _quiet_on_interrupt(sys.excepthook)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._resign)
        for file in module_files.loaded_files():
            self._reads.file_read_before(file, self._start.spawned)
        for name in module_files.unloaded_imports(self._project_files.loaded_modules()):
            self._finder.note(name)
        self._finder.install()
        self.say(Hello(os.getpid(), self._project_files.names_in_settings()))
        self._handlers |= dict.fromkeys(debugger_prompt.EVENTS, self._on_prompt)
        audit.listen(self._handlers)
        if self._checkpoints.active:
            self._handlers |= self._reads.handlers | self._checkpoints.seal.handlers
            self._checkpoints.seal.connections.follow()
            connection_created.connect(self._on_connection, dispatch_uid="devrunserver")
            self._checkpoints.make("the first app")
        if not self._checkpoints.active:
            self._hear()

    def run(self, inner_run: Callable[[], None], watch: list[str]) -> None:
        """Runs the command's ``inner_run`` on this thread until the supervisor says stop.

        Args:
            inner_run: calls ``load``, ``check`` and, serving what was loaded, ``start_serving``.
            watch: paths and globs that the user wants to have watched.
        """
        if self._start.is_rerun:
            os._exit(0)  # there is no error to catch any more: the supervisor starts us in the usual way
        signal.signal(signal.SIGTERM, _leave_main_thread)  # the project may have set its own
        self._watch = watch
        try:
            self.await_word()
            inner_run()
        except Exception as error:
            self.show(error)
        finally:
            self._end_rehearsal()
            process.make_exit_quick()
            if self._leaving.is_set():
                lasting_threads.tell_later()
                process.end_without_finalization()

    def await_word(self) -> None:
        """Waits for the supervisor, for as long as it lives: it may take its time to set up the project too."""
        if not self._is_set_up:
            self._is_set_up = True
            project.import_ahead()
            self._checkpoints.make("the URLconf")
        if self.listener is not None or self._rehearsal is not None:
            return  # it came with the word to resume
        if self._hearing:
            self._word_given.wait()
            return
        for message in self._link.messages():
            if isinstance(message, Go):
                self._on_go(message)
                return
        os._exit(1)

    def load(self, make_handler: Callable[[], Any], raise_errors: bool) -> Any:
        """Imports the URLconf and makes the WSGI application: all that is left to import.

        Args:
            make_handler: makes the WSGI application.
            raise_errors: whether an error in the URLconf is one now, as for checks, or not before the first request.
        """
        from django.urls import get_resolver

        try:
            _ = get_resolver().urlconf_module
        except Exception:
            if raise_errors:
                raise
        handler = make_handler()
        if self._rehearsal is not None:
            self._checkpoints.seal.is_closed()
            self._rehearsal.finish(self._checkpoints.seal.reason)
        return handler

    def check(self, check: Check) -> None:
        """Runs the checks: before serving at the first start, beside it on a reload."""
        if not self._checkpoints.active or self._checkpoints.seal.is_closed():
            check(not self.is_reload, not self.is_reload)
            return
        pid = self._checkpoints.fork_child()
        if pid == 0:
            self._testify()
            self._check_and_exit(check)
        if self.is_reload:
            self._checking = pid, check
        elif not has_succeeded(pid):
            check(False, True)  # again, for the error

    def _check_and_exit(self, check: Check) -> None:
        status = 1
        try:
            if self.is_reload:
                os.nice(NICENESS)
            self._checkpoints.end()
            self.leave()
            check(not self.is_reload, not self.is_reload)
            status = 0
        finally:
            sys.stdout.flush()
            os._exit(status)

    def start_serving(self, server: Any) -> None:
        """The server is about to accept connections: tells the supervisor, and what to watch."""
        self._keep(server)
        self._dismiss_witness()
        self._end_start()
        self._sender.start(files=[], patterns=self._watch)
        self.say(self._summary())
        self._report_watched()
        request_finished.connect(self._after_request, weak=False, dispatch_uid="devrunserver")
        self._serving = True
        if self._leaving.is_set():
            server.stop()
        if conf.load().WARM_UP:
            threading.Thread(target=self._warm_up, name="devrunserver-warmup", daemon=True).start()
        if self._checking is not None:
            threading.Thread(
                target=self._await_checks, args=self._checking, name="devrunserver-checks", daemon=True
            ).start()

    def _await_checks(self, pid: int, check: Check) -> None:
        if not has_succeeded(pid) and not self._leaving.is_set():
            try:
                check(False, True)
            except Exception as error:
                self._replace_by(error)

    def _warm_up(self) -> None:
        """Does what the first request would have to wait for, until there is one."""
        if self._leaving.wait(WARM_UP_DELAY):
            return
        for step in warmup.steps():
            if self._leaving.is_set() or self._server is None or self._server.has_been_asked:
                return
            with suppress(Exception):
                step()
        self._after_request()

    def show(self, error: BaseException, quiet: bool = False) -> None:
        """Prints what keeps the project from starting (unless ``quiet``), and serves it until told to stop."""
        from devrunserver.browser.error_page import ErrorPage, terminal_text

        self._end_rehearsal()
        sys.stdout.flush()
        if not quiet:
            print(terminal_text(error), end="", file=sys.stderr, flush=True)
        self.await_word()
        server.run(
            ("", 0),
            ErrorPage(error, self._leaving.wait),
            threading=True,
            listener=self.listener,
            on_serve=self._start_showing,
        )

    def _end_rehearsal(self) -> None:
        """A rehearsal or builder that comes here has failed: what follows is for those who serve."""
        if self._rehearsal is not None or self._checkpoints.building is not None:
            os._exit(1)

    def _start_showing(self, server: Any) -> None:
        self._keep(server)
        self._end_start()
        self._report_watched()
        self.say(Broken())
        if self._leaving.is_set():
            server.stop()

    def _replace_by(self, error: Exception) -> None:
        """Serves an error in place of the project."""
        from devrunserver.browser.error_page import ErrorPage, terminal_text

        print(terminal_text(error), end="", file=sys.stderr, flush=True)
        server: Any = self._server
        server.set_app(ErrorPage(error, self._leaving.wait))
        self.say(Broken())

    def _keep(self, server: Any) -> None:
        self._server = server
        if handoff.capacity():  # or else the server ends its connections in its own way
            self._keeper = server.gate = Keeper(self._link)

    def _end_start(self) -> None:
        self._checkpoints.finish()
        self._handlers.clear()
        connection_created.disconnect(dispatch_uid="devrunserver")
        if signal.getsignal(signal.SIGINT) is _interrupt_start:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._hear()

    def _on_prompt(self, args: tuple[Any, ...]) -> None:
        """Somebody asks the user while we start: after the supervisor did, and such that a change can be heard."""
        self._end_rehearsal()
        self._checkpoints.seal.close("it asked at the terminal")
        self._hear()
        if self.listener is None:
            self._word_given.wait()

    def _on_connection(self, **kwargs: Any) -> None:
        self._checkpoints.seal.close("it opened a database connection")

    # The role, as checkpoints take it up and leave it

    def say(self, message: Message) -> None:
        """Sends a message to the supervisor."""
        try:
            self._link.send(message)
        except link.LinkClosed:
            if not self._hearing:  # or else the listening thread learns of it
                os._exit(1)

    def sealed(self, at: str, reason: str) -> None:
        """There are no checkpoints from here on, so threads do no harm."""
        self.say(CheckpointsEnded(at, reason))
        self._hear()

    def sockets(self) -> set[int]:
        """The descriptors of our own sockets."""
        return {self._link.fileno(), *(one.fileno() for one in (self.listener, self._witness) if one is not None)}

    def leave(self) -> None:
        """Closes what is the worker's, in a process that is none any more."""
        self._link.close()
        for sock in filter(None, (self.listener, self._witness)):
            sock.close()
        self.listener = self._witness = None

    def take_up(self, resumption: Resume | DryRun) -> None:
        """Becomes the worker, or a dry run of it, in a process that was resumed from a checkpoint."""
        role = Role.WORKER if isinstance(resumption, Resume) else Role.DRY_RUN
        self._link = link.Link(resumption.link, role, Role.SUPERVISOR)
        self._finder.found.clear()
        self.say(Hello(os.getpid()))
        if isinstance(resumption, Resume):
            self.listener, self._witness = resumption.listener, resumption.state_link
            self.is_reload = resumption.is_reload
        else:
            self.is_reload = True
            self._rehearse(resumption)

    def _rehearse(self, resumption: DryRun) -> None:
        from devrunserver.background.dry_run import Rehearsal  # here, as hardly any process needs it

        is_own, path_of = self._project_files.is_own, self._reads.path_of
        self._rehearsal = Rehearsal(self._link, resumption.edited, self._finder, path_of, is_own)

    def _testify(self) -> None:
        """Leaves a process behind that tells in what state the project was before it served."""
        if self._witness is None:
            return
        with suppress(OSError):
            if self._checkpoints.fork_sibling():
                try:
                    from devrunserver.background import state_report  # here, as hardly any process needs it

                    to_supervisor, self._witness = link.Link(self._witness, Role.STATE_REPORTER, Role.SUPERVISOR), None
                    self.leave()
                    state_report.stand_aside()
                    state_report.testify(to_supervisor, self._project_files.is_own)
                finally:
                    os._exit(1)
        self._dismiss_witness()

    def _dismiss_witness(self) -> None:
        if self._witness is not None:
            self._witness.close()
            self._witness = None

    def _resign(self) -> None:
        """In a process that the project forks: it is no worker, and must keep neither the port nor the link open."""
        if not self._checkpoints.forking:
            self._checkpoints.end()
            self.leave()
            if self._keeper is not None:
                self._keeper.close()

    # What the supervisor says

    def _hear(self) -> None:
        if not self._hearing:
            self._hearing = True
            threading.Thread(target=self._listen, name="devrunserver-link", daemon=True).start()
            self.say(Listening())

    def _listen(self) -> None:
        handlers: dict[type[Message], Callable[[Any], None]] = {
            Go: self._on_go,
            FreshnessShared: self._on_freshness_shared,
            Fresh: self._on_fresh,
            Connections: self._on_connections,
            Changed: self._on_changed,
            Stop: self._on_stop,
        }
        for message in self._link.messages():
            handlers[type(message)](message)
        os._exit(1)  # the supervisor is gone; nothing that we could still do is wanted

    def _on_go(self, message: Go) -> None:
        self.listener, self.is_reload = message.listener, message.is_reload
        self._word_given.set()

    def _on_freshness_shared(self, message: FreshnessShared) -> None:
        if self._keeper is not None:
            self._keeper.look_with(message.page, message.events)

    def _on_fresh(self, message: Fresh) -> None:
        if self._server is not None:
            self._server.release()

    def _on_connections(self, message: Connections) -> None:
        for one in handoff.from_message(message):
            if self._server is not None:
                self._server.take_over(*one)

    def _on_stop(self, message: Stop) -> None:
        self._leaving.set()
        if self._server is not None:
            self._server.stop()
        else:
            _interrupt_main_thread()

    def _on_changed(self, message: Changed) -> None:
        stale = next((path for path in message.paths if self._is_stale(path)), None)
        prompt = debugger_prompt.open_prompt() if stale is not None else None
        if stale is not None and prompt is None:
            self._let_answers_end(LOG_PATIENCE)
        self.say(Verdict(message.id, stale, prompt))
        if prompt is not None and not self._prompt_watched:
            self._prompt_watched = True
            threading.Thread(target=self._watch_prompt, name="devrunserver-prompt", daemon=True).start()

    def _watch_prompt(self) -> None:
        while debugger_prompt.open_prompt() is not None and not self._leaving.wait(PROMPT_INTERVAL):
            pass
        self._prompt_watched = False
        self.say(PromptLeft())

    def _is_stale(self, path: str) -> bool:
        """Whether a change of this path makes this process one that a fresh start would not give."""
        if path.endswith(SOURCE_SUFFIX):
            stale = self._has_seen(path)
            if stale and self._serving:
                self._sender.handle(Path(path))
            return stale
        if path in self._loaded_files():  # an archive, an extension
            return self._has_seen(path)
        spelled = self._sender.spelled(path)
        if spelled is not None:
            # what is being answered may have read a template before it changed, and would remember it afterwards
            self._let_answers_end(ANSWERS_PATIENCE)
            return self._serving and not self._sender.handle(spelled)
        return "." not in os.path.basename(path) and self._has_seen(path)

    def _let_answers_end(self, patience: float) -> None:
        """Waits, for so many seconds at most, until nothing is being answered."""
        deadline = time.monotonic() + patience
        while self._server is not None and self._server.is_answering and time.monotonic() < deadline:
            if self._leaving.wait(ANSWERS_INTERVAL):
                return

    def _has_seen(self, path: str) -> bool:
        """Whether a module has been loaded from here as it was before, from below here, or looked for in vain."""
        if self._reads.has_read(path):
            return self._reads.is_outdated(path)
        loaded = self._loaded_files()
        below = path + os.sep
        return (
            path in loaded
            or path in self._sender.files()
            or (not os.path.exists(path) and any(file.startswith(below) for file in loaded))
            or self._reads.looked_for(path)
        )

    def _loaded_files(self) -> set[str]:
        state = module_files.state()
        if state != self._loaded_at:
            self._loaded, self._loaded_at = module_files.loaded_files(), state
        return self._loaded

    def _other_files(self) -> list[str]:
        """What modules were loaded from that is no source: archives, extensions."""
        return [file for file in self._loaded_files() if not file.endswith(SOURCE_SUFFIX)]

    # What we say

    def _after_request(self, **kwargs: Any) -> None:
        """A request may have imported modules."""
        if module_files.state() != self._reported_at:
            self._report_watched()

    def _report_watched(self) -> None:
        self._reported_at = module_files.state()
        self.say(
            Watching(
                directories=module_files.directories_of(self._loaded_files()),
                globs=self._sender.globs(),
                files=[*self._sender.files(), *self._other_files()],
            )
        )

    def _summary(self) -> Serving:
        """What this start consisted of."""
        times = module_files.times(self._finder.found, time.monotonic())
        installed = [name for name in times if not self._project_files.is_own(module_files.file_named(name) or "")]
        return Serving(
            resumed_at=self._checkpoints.resumed_at,
            prepared=self._checkpoints.prepared,
            imported=len(times),
            seconds=sum(times.values()),
            installed_seconds=sum(times[name] for name in installed),
            slowest=sorted(times.items(), key=lambda item: -item[1])[:SLOWEST],
        )


@functools.cache
def current() -> Worker | None:
    """This process as a worker, joined; None where no supervisor has started it."""
    descriptor, start = environment.take(os.environ)
    to_supervisor = process.inherited_socket(descriptor) if descriptor is not None else None
    if to_supervisor is None:
        return None
    worker = Worker(link.Link(to_supervisor, Role.WORKER, Role.SUPERVISOR), start)
    worker.join()
    return worker


def _leave_main_thread(number: int, frame: FrameType | None) -> None:
    """Handles SIGTERM."""
    if frame is not None and _swallows_exceptions(frame):
        later = threading.Timer(LATER, _interrupt_main_thread)
        later.daemon = True
        later.start()
        return
    process.make_exit_quick()
    process.end_without_finalization()
    sys.exit(0)


def _interrupt_start(number: int, frame: FrameType | None) -> None:
    """Handles SIGINT until we serve. The supervisor's SIGTERM follows, and must not disturb what ends us."""
    signal.signal(signal.SIGINT, _do_nothing)
    signal.signal(signal.SIGTERM, _do_nothing)
    signal.default_int_handler(number, frame)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Unlike SIG_IGN this is no error to Python where a signal came right before it was set."""


def _swallows_exceptions(frame: FrameType) -> bool:
    """Whether what runs now may be a callback, as of a weak reference, in which an exception is printed and lost."""
    file = frame.f_code.co_filename
    return frame.f_code.co_name == "__del__" or file.startswith(IMPORT_SYSTEM) or file in WEAK_REFERENCES


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
