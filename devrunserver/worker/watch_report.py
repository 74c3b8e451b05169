"""Tells the supervisor what to watch: where modules were loaded from, and what receivers of Django's signals want."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devrunserver.common import module_files
from devrunserver.common.globs import Glob
from devrunserver.common.messages import Message, Watching
from devrunserver.common.pyc import SOURCE_SUFFIX
from devrunserver.worker.autoreload_signals import AutoreloadSignals
from devrunserver.worker.live_pages import LivePages
from devrunserver.worker.staleness import Staleness


class WatchReport:
    """Tells it once, and again after requests that have imported modules.

    Args:
        send: sends a message to the supervisor.
        staleness: knows what is loaded.
        signals: knows what the receivers want.
        data_files: tells which files the start has read besides modules.
        pages: knows of what open pages are to be told.
    """

    def __init__(
        self,
        send: Callable[[Message], None],
        staleness: Staleness,
        signals: AutoreloadSignals,
        data_files: Callable[[], list[str]],
        pages: LivePages,
    ) -> None:
        self._send = send
        self._staleness = staleness
        self._signals = signals
        self._data_files = data_files
        self._pages = pages
        self._reported_at = (0, "")  # the state of sys.modules that the supervisor knows
        self._is_complete = False  # all was told once

    def send_what_is_new(self) -> None:
        """Tells what has come since this process was resumed; the rest is known, or follows."""
        new = self._staleness.new_files()
        others = [file for file in new if not file.endswith(SOURCE_SUFFIX)]
        self._reported_at = module_files.state()
        self._send(Watching(module_files.directories_of(new), self._globs(), others, is_complete=False))

    def send(self) -> None:
        """Tells all of it now."""
        self._is_complete = True
        self._reported_at = module_files.state()
        self._send(
            Watching(
                directories=module_files.directories_of(self._staleness.loaded_files()),
                globs=self._globs(),
                files=[*self._signals.files(), *self._staleness.other_files(), *self._data_files()],
            )
        )

    def _globs(self) -> list[Glob]:
        return [*self._signals.globs(), *self._pages.globs()]

    def after_request(self, **kwargs: Any) -> None:
        """A receiver of ``request_finished``: a request may have imported modules."""
        if module_files.state() != self._reported_at:
            if self._is_complete:
                self.send()
            else:  # which data files count is not known yet
                self.send_what_is_new()
