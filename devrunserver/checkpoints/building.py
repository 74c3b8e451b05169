"""Importing modules ahead of their turn, in a process that was forked from a checkpoint and becomes one itself."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import NoReturn

from devrunserver.checkpoints.fork_safety import ForkSafety
from devrunserver.common import link, process_exit
from devrunserver.common.messages import BuildFailed


class Building:
    """What this process builds, while it does.

    Args:
        to_supervisor: whom to tell what cannot be imported ahead.
        excluded: modules that must not be imported.
        fork_safety: whether this process may become a checkpoint.
    """

    def __init__(self, to_supervisor: link.Link, excluded: Collection[str], fork_safety: ForkSafety) -> None:
        self.to_supervisor = to_supervisor
        self._excluded = frozenset(excluded)
        self._fork_safety = fork_safety
        self._importing = ""

    def before(self, fullname: str) -> None:
        """A module is about to be loaded. Does not return if it must not be."""
        if fullname in self._excluded:
            self._give_up(f"it imports {fullname}")

    def import_all(self, modules: Iterable[str]) -> None:
        """Imports these modules. Returns if all is well, and does not otherwise."""
        for self._importing in modules:
            try:
                importlib.import_module(self._importing)
            except BaseException as error:  # whatever it is, it must not get out of here
                self._give_up(repr(error))
            if self._fork_safety.is_suspicious and self._fork_safety.forbids():
                self._give_up(self._fork_safety.reason)
        self._importing = ""
        if self._fork_safety.forbids():
            self._give_up(self._fork_safety.reason)

    def _give_up(self, reason: str) -> NoReturn:
        with suppress(link.LinkClosed):
            self.to_supervisor.send(BuildFailed(self._importing, reason))
        process_exit.leave(process_exit.FAILURE)
