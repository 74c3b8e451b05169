"""Importing modules ahead of their turn, in a process that was forked from a checkpoint and becomes one itself."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from types import TracebackType
from typing import NoReturn

from devrunserver.checkpoints.fork_safety import ForkSafety
from devrunserver.common import link, process_exit
from devrunserver.common.messages import BuildFailed
from devrunserver.common.module_files import BODY, executed


class Building:
    """What this process builds, while it does.

    Args:
        to_supervisor: whom to tell what cannot be imported ahead.
        excluded: modules that must not be imported.
        fork_safety: whether this process may become a checkpoint.
        let_go: closes what a checkpoint must not have open.
    """

    def __init__(
        self,
        to_supervisor: link.Link,
        excluded: Collection[str],
        fork_safety: ForkSafety,
        let_go: Callable[[], None],
    ) -> None:
        self.to_supervisor = to_supervisor
        self._excluded = frozenset(excluded)
        self._fork_safety = fork_safety
        self._planned: Collection[str] = ()
        self._let_go = let_go
        self._importing = ""

    def before(self, fullname: str) -> None:
        """A module is about to be loaded. Does not return if it must not be."""
        if fullname in self._excluded:
            self._give_up(f"it imports {fullname}", executed(sys._getframe()))

    def import_all(self, modules: Collection[str]) -> None:
        """Imports these modules. Returns if all is well, and does not otherwise."""
        self._planned = frozenset(modules)
        for self._importing in modules:
            try:
                importlib.import_module(self._importing)
            except BaseException as error:  # whatever it is, it must not get out of here
                self._give_up(repr(error), failed(error.__traceback__))
            if self._fork_safety.is_suspicious or len(sys._current_frames()) > 1:
                self._look()
        self._importing = ""
        self._look()

    def _look(self) -> None:
        """Gives up where this process must not become a checkpoint."""
        culprit = self._fork_safety.suspect if self._fork_safety.is_suspicious else ""
        self._let_go()
        if self._fork_safety.forbids():
            self._give_up(self._fork_safety.reason, culprit)

    def _give_up(self, reason: str, culprit: str) -> NoReturn:
        """Ends.

        Args:
            culprit: the module whose body did it: often one that is imported by that whose turn it is.
        """
        with suppress(link.LinkClosed):
            self.to_supervisor.send(BuildFailed(culprit if culprit in self._planned else self._importing, reason))
        self._fork_safety.temporary_files.remove()
        process_exit.leave(process_exit.FAILURE)


def failed(traceback: TracebackType | None) -> str:
    """The module whose body an exception came from; empty where there is none."""
    found = ""
    while traceback is not None:
        code, names = traceback.tb_frame.f_code, traceback.tb_frame.f_globals
        found = str(names.get("__name__", "")) if code.co_name == BODY else found
        traceback = traceback.tb_next
    return found
