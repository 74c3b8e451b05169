"""Importing modules ahead of their turn, in a process that pauses afterwards: a fork of a checkpoint, or a spare.

Theory of operation
-------------------
A module may not be importable yet: it asks Django for models that are still to come. Then this process is of no use
any more, as what that module had done by then would be done once more in its turn. But it goes on to the end of the
list, to find all such modules at once: the next one is made without them, and without what imports them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import NoReturn, Protocol

from devrunserver.common import link
from devrunserver.common.messages import BuildFailed
from devrunserver.common.module_files import executed, failed


class Safety(Protocol):
    """Knows whether this process may wait, as ``fork_safety.py`` does."""

    reason: str
    is_suspicious: bool
    suspect: str

    def forbids(self) -> bool: ...


class Building:
    """What this process builds, while it does.

    Args:
        to_supervisor: whom to tell what cannot be imported ahead.
        excluded: modules that must not be imported.
        safety: whether this process may wait afterwards.
        let_go: closes what a process that waits must not have open.
        leave: ends this process, where something cannot be imported ahead.
    """

    def __init__(
        self,
        to_supervisor: link.Link,
        excluded: Collection[str],
        safety: Safety,
        let_go: Callable[[], None],
        leave: Callable[[], NoReturn],
    ) -> None:
        self.to_supervisor = to_supervisor
        self._excluded = frozenset(excluded)
        self._safety = safety
        self._planned: Collection[str] = ()
        self._let_go = let_go
        self._leave = leave
        self._importing = ""
        self._failed: dict[str, str] = {}  # modules that cannot be imported ahead, and why

    def before(self, fullname: str) -> None:
        """A module is about to be loaded. Does not return if it must not be."""
        if fullname in self._excluded:
            self.give_up(f"it imports {fullname}", executed(), fullname)

    def import_all(self, modules: Collection[str]) -> None:
        """Imports these modules. Returns if all is well, and does not otherwise."""
        self._planned = frozenset(modules)
        for self._importing in modules:
            try:
                importlib.import_module(self._importing)
            except BaseException as error:  # whatever it is, it must not get out of here
                self._note(repr(error), failed(error.__traceback__))
            if not self._failed and (self._safety.is_suspicious or len(sys._current_frames()) > 1):
                self._look()
        if self._failed:
            self._end()
        self._importing = ""
        self._look()

    def _look(self) -> None:
        """Gives up where this process must not wait."""
        culprit = self._safety.suspect if self._safety.is_suspicious else ""
        self._let_go()
        if self._safety.forbids():
            self.give_up(self._safety.reason, culprit)

    def give_up(self, reason: str, culprit: str, wanted: str = "") -> NoReturn:
        """Ends.

        Args:
            culprit: the module whose body did it: often one that is imported by that whose turn it is.
            wanted: the module that must not be imported, where it was about to be.
        """
        self._note(reason, culprit)
        self._end(wanted)

    def _note(self, reason: str, culprit: str) -> None:
        self._failed.setdefault(culprit if culprit in self._planned else self._importing, reason)

    def _end(self, wanted: str = "") -> NoReturn:
        (module, reason), *others = self._failed.items()
        with suppress(link.LinkClosed):
            self.to_supervisor.send(BuildFailed(module, reason, [name for name, _ in others], wanted))
        self._leave()
