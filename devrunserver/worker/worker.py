"""The worker: the process that runs the project and answers its requests, on its real main thread.

Theory of operation
-------------------
A supervisor has started this process with its end of a link. ``join()`` is the first thing that happens after the
settings are loaded: our app is the first that Django creates. The rest of a start goes like this, in a fresh process
and, from the middle of it on, in one that was resumed from a checkpoint:

- ``wait_for_go()`` waits for the supervisor's ``Go``, which brings the listening socket;
- ``load()`` imports the URLconf and the WSGI application, the last that a start imports;
- ``check()`` has the checks run beside the server, in a process forked for it: what they import and open stays out of
  this one, so that it is in the same state whether they have run or still run;
- ``start_serving()`` tells the supervisor.

While it starts, this process leaves checkpoints behind, and so must be the only thread. The supervisor ends it by
SIGTERM. From the moment that no more checkpoints can be made, one thread listens to the supervisor:

- ``Changed``: files changed; it answers with a verdict, whether this process has to be replaced;
- ``FreshnessShared``, ``Fresh``, ``Connections``: about requests that wait (``server_handle.py``);
- ``Stop``: it makes the main thread leave, in order, as far as that has come;
- end-of-file: the supervisor is gone, and so is this process.

What keeps the project from starting is caught around all this and served (``browser/error_page.py``) until the
supervisor says ``Stop``.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.core.signals import request_finished

from devrunserver import conf, project
from devrunserver.common import faults, link, process, process_exit
from devrunserver.common.environment import WorkerStart
from devrunserver.common.messages import (
    Broken,
    Changed,
    Checked,
    Connections,
    Fresh,
    FreshnessShared,
    Generation,
    Go,
    HistoryAsked,
    Proceed,
    Stop,
)
from devrunserver.common.role import Act
from devrunserver.server.django import server
from devrunserver.worker import interrupts, lasting_threads, warmup
from devrunserver.worker.autoreload_signals import AutoreloadSignals
from devrunserver.worker.change_answers import ChangeAnswers
from devrunserver.worker.channel import Channel
from devrunserver.worker.history import RequestHistory, summary
from devrunserver.worker.late_part import LatePart
from devrunserver.worker.live_pages import LivePages
from devrunserver.worker.server_handle import ServerHandle
from devrunserver.worker.staleness import Staleness
from devrunserver.worker.startup import Startup
from devrunserver.worker.startup_checks import Check, StartupChecks
from devrunserver.worker.view_files import ViewFiles
from devrunserver.worker.watch_report import WatchReport


class Worker:
    """This process in its role as worker.

    Args:
        to_supervisor: the link.
        start: how this process was started.
    """

    def __init__(self, to_supervisor: link.Link, start: WorkerStart) -> None:
        self._start = start
        self._channel = Channel(to_supervisor)
        self._startup = Startup(self._channel, start)
        self._identity = self._startup.identity
        self._leaving = threading.Event()
        self._history = RequestHistory(self._startup.project_files.is_own, self._channel.send)
        pages = LivePages(self._startup.project_files.is_installed, self._history.on_console_message)
        self._server = ServerHandle(self._channel, pages, self._leaving)
        self._checks = StartupChecks(
            self._identity, self._startup, self._replace_by, self._leaving, lambda: self._channel.send(Checked())
        )
        self._signals = AutoreloadSignals(lambda: self._report.send())
        self._staleness = staleness = Staleness(self._startup.reads, self._signals, self._startup.loaded)
        self._report = WatchReport(
            self._channel.send, staleness, self._signals, lambda: self._startup.read_files.paths, pages
        )
        self._late_part = LatePart(self._startup, self._signals, self._report)
        self._changes = ChangeAnswers(
            self._channel.send,
            staleness,
            self._signals,
            pages,
            self._server.let_answers_end,
            self._late_part.finish,
            self._leaving,
        )
        self._channel.handlers = {
            Go: self._identity.on_go,
            Proceed: self._identity.on_proceed,
            FreshnessShared: self._server.on_freshness_shared,
            Fresh: self._server.on_fresh,
            Connections: self._server.on_connections,
            Changed: self._changes.on_changed,
            HistoryAsked: self._history.on_history_asked,
            Generation: pages.on_generation,
            Stop: self._on_stop,
        }

    @property
    def listener(self) -> Any:
        """The listening socket, once the supervisor has given its word to serve."""
        return self._identity.listener

    @property
    def is_reload(self) -> bool:
        """Whether another worker has served before."""
        return self._identity.is_reload

    # The life of a worker, in order

    def join(self) -> None:
        """Takes up the role: from now on the supervisor knows us."""
        process.die_with_parent(os.getppid())
        interrupts.begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._on_project_fork)
        self._startup.begin(self._start.spawned, self._on_prompt)

    def run(
        self, inner_run: Callable[[], None], watch: list[str], follows_pages: bool = False, profile_to: str = ""
    ) -> None:
        """Runs the command's ``inner_run`` on this thread until the supervisor says stop.

        Args:
            inner_run: calls ``load``, ``check`` and, serving what was loaded, ``start_serving``.
            watch: paths and globs that the user wants to have watched.
            follows_pages: whether open pages are told of changes.
            profile_to: the file that is to tell what took the time of the start.
        """
        if self._start.is_rerun:
            # there is no error to catch any more: the supervisor starts us in the usual way
            process_exit.leave(process_exit.SUCCESS)
        interrupts.end_on_sigterm()
        self._signals.patterns = watch
        if (profile := self._startup.progress.profile) is not None:
            profile.path = profile_to
        if follows_pages:
            self._server.pages.switch_on()
        try:
            self.wait_for_go()
            inner_run()
        except Exception as error:
            self.show(error)
        finally:
            self._leave_unless(self._identity.conduct.at_failure, Act.SHOW)
            process_exit.make_exit_quick()
            if self._leaving.is_set():
                lasting_threads.tell_later()
                process_exit.end_without_finalization()

    def on_ready(self) -> None:
        """The apps' ``ready()`` are about to be called."""
        self._startup.progress.on_ready()

    def wait_for_go(self) -> None:
        """Waits for the supervisor's word to serve."""
        self._startup.reach_urlconf()
        self._identity.await_go()

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
        project.load_template_engines()
        self._startup.reach_end()
        return handler

    def check(self, check: Check) -> None:
        """Runs the checks beside the server, or now where this process cannot be forked."""
        self._startup.progress.on_checks()
        self._checks.run(check)

    def when_checked(self, tell: Callable[[], object]) -> None:
        """Calls it, at the first start as soon as the checks have passed."""
        self._checks.when_passed(tell)

    def start_serving(self, server: Any) -> None:
        """The server is about to accept connections: tells the supervisor, and what to watch."""
        self._server.open(server)
        self._identity.close_state_link()
        self._end_start()
        self._late_part.begin(may_wait=self._startup.checkpoints.prepared)
        self._history.begin(server)
        if self._start.makes_checkpoints and conf.load().PREPARE:
            ViewFiles(self._startup.project_files.is_own, self._channel.send).begin()
        server.on_failure = self._replace_by
        self._channel.send(replace(self._startup.summary(), is_checked=not self._checks.are_running))
        self._late_part.report()
        after_request = faults.guarded("the report of what requests have imported", self._report.after_request)
        request_finished.connect(after_request, weak=False, dispatch_uid="devrunserver")
        self._changes.is_serving = True
        if self._leaving.is_set():
            server.stop()
        if conf.load().WARM_UP or self._late_part.is_left:
            warm_up = faults.guarded("warming up", self._warm_up)
            threading.Thread(target=warm_up, name="devrunserver-warmup", daemon=True).start()
        self._checks.start_waiting()

    def _warm_up(self) -> None:
        if self._leaving.wait(warmup.DELAY):
            return
        self._late_part.finish()
        if conf.load().WARM_UP:
            warmup.run(self._leaving, lambda: self._server.has_been_asked)
            self._report.after_request()

    # Errors

    def show(self, error: BaseException, quiet: bool = False) -> None:
        """Prints what keeps the project from starting (unless ``quiet``), and serves it until told to stop."""
        from devrunserver.worker import startup_error

        self._startup.tell_failure(error)
        self._leave_unless(self._identity.conduct.at_failure, Act.SHOW)
        if not quiet:
            startup_error.tell(error)
        self.wait_for_go()
        server.run(
            ("", 0),
            startup_error.application(error, self._leaving.wait),
            threading=True,
            listener=self.listener,
            on_serve=functools.partial(self._start_showing, error),
        )

    def _start_showing(self, error: BaseException, server: Any) -> None:
        self._server.open(server, is_project=False)
        self._end_start()
        self._startup.know_read_files()
        self._report.send()
        self._channel.send(Broken(summary(error, self._startup.project_files.is_own)))
        if self._leaving.is_set():
            server.stop()

    def _replace_by(self, error: Exception) -> None:
        """Serves an error in place of the project."""
        from devrunserver.worker import startup_error

        startup_error.tell(error)
        self._server.replace_application(startup_error.application(error, self._leaving.wait))
        self._channel.send(Broken(summary(error, self._startup.project_files.is_own)))

    def _leave_unless(self, act: Act, expected: Act) -> None:
        """What follows is for those who serve: any other process has failed, and has told why if it had to."""
        if act is not expected:
            self._startup.checkpoints.fork_safety.temporary_files.remove()
            process_exit.leave(process_exit.FAILURE)

    def _on_prompt(self) -> None:
        """Somebody asks the user while we start: after the supervisor did, and such that a change can be heard."""
        self._leave_unless(self._identity.conduct.at_prompt, Act.ASK)
        self._startup.progress.hide()
        self._startup.checkpoints.fork_safety.forbid("it asked at the terminal")
        self._channel.listen()
        self._identity.await_go()

    # The server

    def _end_start(self) -> None:
        interrupts.end_start()
        self._startup.end()
        self._staleness.data_files = self._startup.read_files

    def _on_project_fork(self) -> None:
        """In a process that the project forks: it is no worker, and must keep neither the port nor the link open."""
        if not self._startup.checkpoints.forks.forking:
            self._startup.checkpoints.end()
            self._identity.leave()
            self._server.close_gate()

    # What the supervisor says

    def _on_stop(self, message: Stop) -> None:
        with faults.contained("telling tools of requests"):
            self._history.tell()
        self._leaving.set()
        if not self._server.stop(message.is_reload):
            interrupts.interrupt_main_thread()
