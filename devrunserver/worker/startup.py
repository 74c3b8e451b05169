"""What goes along with a start: it records what the project reads and imports, and leaves checkpoints behind.

All of it ends where the worker serves, or shows an error. In a process that was resumed from a checkpoint it goes on
from there.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db.backends.signals import connection_created

from devrunserver import conf, project
from devrunserver.checkpoints import audit, fork_safety
from devrunserver.checkpoints.checkpoint import Checkpoints
from devrunserver.checkpoints.database_reads import is_sqlite, watch_writing
from devrunserver.checkpoints.import_hook import ImportHook
from devrunserver.checkpoints.policy import CheckpointPolicy
from devrunserver.checkpoints.read_recorder import ReadRecorder
from devrunserver.common import faults, module_files, process_exit
from devrunserver.common.environment import WorkerStart
from devrunserver.common.garbage_collection import StartCollection
from devrunserver.common.import_plan import URLCONF
from devrunserver.common.messages import DryRun, Hello, Resume, Serving
from devrunserver.common.role import Act, Role
from devrunserver.common.shown_path import shown_path
from devrunserver.worker import debugger_prompt
from devrunserver.worker.channel import Channel
from devrunserver.worker.identity import Identity
from devrunserver.worker.read_files import ReadFiles
from devrunserver.worker.start_history import StartHistory
from devrunserver.worker.start_progress import PROGRAMS, StartProgress

if TYPE_CHECKING:
    from devrunserver.background.dry_run import DryRunTeller
    from devrunserver.checkpoints.spare import Spare

SLOWEST = 5  # modules that are named to the user who asks what takes so long


class Startup:
    """The start of this process.

    Args:
        channel: to the supervisor.
        start: how it was started.
    """

    def __init__(self, channel: Channel, start: WorkerStart) -> None:
        self.identity = Identity(channel, self.on_resume, self.before_pause)
        self.project_files = project.Files()
        self.read_files = ReadFiles()  # known when the start is over, or a moment later
        self.loaded = module_files.LoadedFiles()
        self.reads = ReadRecorder(self.project_files.is_installed, self._before_source_is_written)
        policy = None
        if start.makes_checkpoints and conf.makes_checkpoints(conf.load()):
            policy = CheckpointPolicy(start.edited, conf.load().CHECKPOINTS, time.monotonic())
        self.checkpoints = Checkpoints(self.identity, self.reads, policy, self.project_files.is_own)
        self.history = self.identity.history = StartHistory(
            lambda phase: ImportHook(self.reads, self._before_import, self._on_read_fault, phase),
            self.reads.path_of,
            self.project_files.is_own,
        )
        self.progress = StartProgress(
            start.progress, lambda: self.identity.role, self.history.phase, self.project_files.is_own
        )
        self._collection = StartCollection()
        self._handlers: dict[str, audit.Handler] = {}
        safety = self.checkpoints.fork_safety
        self.identity.server_reads.begin(
            self.reads.note, safety.forbid, self._before_change, not start.servers_change, safety.connections.withdraw
        )
        self._failed: set[str] = set()  # parts of ours
        self._dry_run: DryRunTeller | None = None
        self._spare = None
        if self.identity.role is Role.SPARE:
            self._spare = _make_spare(start, self.identity, self.reads, self.project_files.is_own)

    def begin(self, spawned: float, on_prompt: Callable[[], None]) -> None:
        """Starts to record, and makes the first checkpoint.

        Args:
            spawned: when this process was started, in seconds since the epoch.
            on_prompt: called when somebody asks the user at the terminal.
        """
        self._collection.begin()
        self.progress.begin(spawned)
        for file in self.loaded.now():
            self.reads.file_read_before(file, spawned)
        names = self.project_files.names_in_settings()
        for file in self.project_files.data_of_settings(set(names)):
            self.reads.file_read_before(file, spawned)
        for name in module_files.unloaded_imports(self.project_files.loaded_modules()):
            self.history.finder.note(name)
        self.history.finder.install()
        self._handlers |= dict.fromkeys(PROGRAMS, lambda args: None)
        self._handlers |= dict.fromkeys(debugger_prompt.EVENTS, lambda args: on_prompt())
        audit.listen(self._handlers, self._on_read_fault, dict.fromkeys(PROGRAMS, self.progress.on_program))
        safety = self.checkpoints.fork_safety
        if self._spare is not None:
            self._spare.begin()
            self._handlers |= self.reads.handlers | self._spare.handlers | safety.temporary_handlers
            if conf.load().PREPARE:
                self._handlers |= self.history.record_edges()
            self._follow_databases()
            return
        self.identity.say(Hello(os.getpid(), names))
        if self.checkpoints.active:
            self._handlers |= self.reads.handlers | self.checkpoints.fork_safety.handlers
            self.checkpoints.fork_safety.connections.follow()
            self.identity.cache_clears.follow(self.checkpoints.fork_safety)
            if conf.load().PREPARE:
                self._handlers |= self.history.record_edges()
            self._follow_databases()
            self.checkpoints.make("the first app")
        elif conf.load().READ_FILES:
            self._handlers |= self.reads.handlers
        if not self.checkpoints.active:
            self.identity.channel.listen()

    def _follow_databases(self) -> None:
        on_connection = faults.guarded("the look at connections", self._on_connection, self.checkpoints.end)
        connection_created.connect(on_connection, weak=False, dispatch_uid="devrunserver")

    def reach_urlconf(self) -> None:
        """The project is set up: what is left to import is the URLconf. Again is harmless.

        There is no checkpoint where that has failed: who fails for something that is no file, such as a server that is
        down, is to find out anew with the next start.
        """
        if not self.history.is_set_up:
            self.history.is_set_up = True
            self.progress.on_urlconf()
            if project.is_set_up():
                project.import_ahead()
                self.checkpoints.make(URLCONF)

    def may_fork(self) -> bool:
        """Whether a process that is forked now is what this one is."""
        return self.checkpoints.active and self.checkpoints.may_fork()

    def may_leave_reporter(self) -> bool:
        """Whether a process that is forked now can tell in what state this one is, though it may not serve itself."""
        return hasattr(os, "fork") and fork_safety.has_no_other_threads()

    def reach_end(self) -> None:
        """All is imported. A spare waits here at the latest; a dry run tells how that went, and does not return."""
        self.history.finder.reach_end()
        self.identity.cache_clears.unfollow()
        if self._spare is not None:
            self._spare.pause("the end of the start")
        if self._dry_run is not None:
            self._dry_run.finish(self.history.record)

    def tell_failure(self, error: BaseException) -> None:
        """The project has raised an exception: what nobody will see is told to the supervisor."""
        if self._dry_run is not None:
            self._dry_run.give_up(repr(error), module_files.failed(error.__traceback__))

    def end(self) -> None:
        """The start is over."""
        self.progress.end()
        self._collection.end()
        self.checkpoints.finish()
        if self._spare is not None:
            self._spare.databases.end()
        self.history.stop()
        self._handlers.clear()
        if conf.load().READ_FILES:
            self._handlers |= self.read_files.handlers
        connection_created.disconnect(dispatch_uid="devrunserver")
        self.identity.server_reads.end()
        self.identity.channel.listen()

    def know_read_files(self) -> None:
        """Finds out which of the files that this start has read count, once it is over."""
        if conf.load().READ_FILES:
            before = self.read_files.handlers
            self.read_files.know(self.reads.data_files(), project.roots())
            for event in before.keys() - self.read_files.handlers.keys():
                self._handlers.pop(event, None)

    def summary(self) -> Serving:
        """What this start consisted of."""
        now = time.monotonic()
        times = module_files.times(self.history.finder.found, now)
        if self.progress.profile is not None:  # which knows what each did after its imports, too
            times |= {name: taken for name, taken in self.progress.profile.times(now).items() if name in times}
        installed = [name for name in times if not self.project_files.is_own(module_files.file_named(name) or "")]
        phases, parts = self._profile(now)
        return Serving(
            resumed_at=self._spare.resumed_at if self._spare is not None else self.checkpoints.resumed_at,
            prepared=self.checkpoints.prepared or (self._spare is not None and self._spare.is_prepared),
            from_spare=self._spare is not None,
            imported=len(times),
            seconds=sum(times.values()),
            installed_seconds=sum(times[name] for name in installed),
            slowest=sorted(times.items(), key=lambda item: -item[1])[:SLOWEST],
            phases=phases,
            parts=parts,
        )

    def _profile(self, now: float) -> tuple[list[tuple[str, float]], list[tuple[str, int, float]]]:
        """What took the time of this start, where somebody has asked; it is written to a file, too."""
        profile = self.progress.profile
        if profile is not None:
            with faults.contained("the profile of the start"):
                if profile.path:
                    profile.write(profile.path, now, self.checkpoints.resumed_at)
                return profile.phases(now), profile.rows(now)
        return [], []

    def before_pause(self, later: Collection[str]) -> None:
        """This process waits to be resumed: does what each that is resumed would have to.

        Args:
            later: modules that are still to be imported, most likely.
        """
        self.loaded.now()
        self.history.finder.code_ahead.read(later)

    def on_resume(self, order: Resume | DryRun) -> None:
        """This process was resumed."""
        self.history.finder.on_resume()
        self.progress.on_resume()
        if self._spare is not None and isinstance(order, Resume):
            self.identity.channel.listen()
        if isinstance(order, DryRun):
            from devrunserver.background.dry_run import DryRunTeller  # here, as hardly any process needs it

            self._dry_run = DryRunTeller(
                self.identity.channel.link,
                self.project_files.is_own,
                self.reads,
                order.is_urgent,
                self.checkpoints.fork_safety.temporary_files.remove,
            )

    def _before_import(self, fullname: str, file: str) -> bool:
        """Leaves a checkpoint behind where it is due; whether this process was resumed from it."""
        try:
            self.progress.on_import(fullname, file)
            if self._dry_run is not None:
                self._dry_run.before_import()
            return (self._spare or self.checkpoints).before(fullname, file)
        except Exception as error:
            if self.identity.conduct.at_failure is not Act.SHOW:  # it must not go on as a second worker
                process_exit.leave(process_exit.FAILURE)
            self._on_fault("leaving checkpoints behind", error)
            return False

    def _before_source_is_written(self, path: str) -> None:
        """A source of the project's is written by its start: that is for the worker alone to do.

        The worker has loaded it, so a process in the background that wrote it again would have the worker replaced, and
        the next one's preparation write it once more, and so on for ever.
        """
        if self.identity.role is Role.WORKER or not any(map(Path(path).is_relative_to, project.roots())):
            return
        if self._dry_run is not None:
            self._dry_run.give_up(f"a start writes {shown_path(path)}")
        elif self._spare is not None:
            self._spare.pause(f"the writing of {shown_path(path)}")
        else:
            self.checkpoints.give_up_building(f"a start writes {shown_path(path)}")

    def _on_read_fault(self, error: Exception) -> None:
        self._on_fault("the record of what the start reads", error)

    def _on_fault(self, part: str, error: Exception) -> None:
        """What checkpoints rely on has failed: there are no more from here on. Said once."""
        self.checkpoints.end()
        if self.identity.role is Role.SPARE:  # it could not tell what it relies on
            process_exit.leave(process_exit.FAILURE)
        if part not in self._failed:
            self._failed.add(part)
            faults.tell(part, error)

    def _on_connection(self, connection: Any, **kwargs: Any) -> None:
        database = connection.connection
        if self._dry_run is not None:
            if is_sqlite(database):
                self._dry_run.keep_private(database)
        elif self._spare is not None:
            self._spare.databases.on_connection(database)
        elif is_sqlite(database):
            self.checkpoints.fork_safety.databases.follow(database)
            if self.identity.role is Role.BUILDER or self.identity.listener is None:
                watch_writing(database, self._before_change)
        else:
            self.identity.server_reads.follow(connection)

    def _before_change(self) -> None:
        """This process is about to change a database, most likely."""
        if self.identity.role is Role.BUILDER:
            self.checkpoints.give_up_building("it writes to a database")
        elif self.identity.listener is None and threading.current_thread() is threading.main_thread():
            self.identity.await_go()  # the supervisor may set up the project, and write, too


def _make_spare(start: WorkerStart, identity: Identity, reads: ReadRecorder, is_own: Callable[[str], bool]) -> Spare:
    from devrunserver.checkpoints.spare import Spare  # here, as hardly any process needs it

    return Spare(identity.channel.link, identity, reads, start.edited, start.outputs, is_own)
