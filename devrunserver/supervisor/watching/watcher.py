"""What is watched.

Theory of operation
-------------------
Two kinds of places are watched. *Trees* are the project's own: every directory below, but for those that
hold no code (``exclusions.py``). *Directories* are those of other loaded modules, one by one and not what
is below them: an installed package is edited now and then, to look into it.

By which means a place is watched is the matter of ``backends.py``. A directory that appears in a tree is
watched at once, and what it holds already counts as written: it may have been there before the watch was.

Lost events (an overflow) are reported as such: whoever decides has to assume that anything has changed.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from devrunserver.supervisor.watching.backends import Backends
from devrunserver.supervisor.watching.events import Event, Kind
from devrunserver.supervisor.watching.exclusions import MARKERS, Exclusions
from devrunserver.supervisor.watching.mode import Mode
from devrunserver.supervisor.watching.polling import entries_of
from devrunserver.supervisor.watching.roots import Roots, is_below

if TYPE_CHECKING:
    from devrunserver.supervisor.watching.inotify import Inotify

MAX_DIRECTORIES = 10_000  # of one tree; more are data, not code


class Watcher:
    """Watches trees and directories; reports events. Nothing here blocks: wait for ``filenos`` and then ``read``.

    Args:
        mode: ``auto``, or one of ``events`` and ``polling`` by force.
        interval: seconds between two looks at a polled directory.
        exclusions: which directories are left out.
    """

    def __init__(self, mode: Mode, interval: float, exclusions: Exclusions) -> None:
        self._exclusions = exclusions
        self._roots = Roots(exclusions)
        self._backends = Backends(mode, interval, self._roots.tree_of)

    @property
    def name(self) -> str:
        """How files are watched, for the user."""
        return self._backends.name

    @property
    def notes(self) -> list[str]:
        """What the user should know: which places are watched otherwise than wanted, and why."""
        return self._backends.notes

    @property
    def filenos(self) -> list[int]:
        """Descriptors that become readable when there are events."""
        return self._backends.filenos

    @property
    def events(self) -> Inotify | None:
        """Where the system's own events wait, if they come that way."""
        return self._backends.inotify

    @property
    def directories(self) -> list[str]:
        """The directories that have a watch of their own, but for those that are polled."""
        inotify = self._backends.inotify
        return list(inotify.directories) if inotify is not None else []

    @property
    def project_roots(self) -> list[str]:
        return list(self._roots.project)

    def watches(self, directory: str) -> bool:
        """Whether a directory has a watch of its own, or lies in a tree that is watched as one."""
        return self._backends.watch(directory)

    def in_project(self, path: str) -> bool:
        """Whether a path belongs to the project's own trees."""
        return is_below(path, self._roots.project)

    def add_project(self, root: str) -> None:
        """Watches a tree of the project's own."""
        root = os.path.realpath(root)
        if root not in self._roots.project:
            self._roots.project.append(root)
        self.add_tree(root)

    def add_tree(self, root: str) -> list[str]:
        """Watches a directory and all below it; tells which of them were not watched before."""
        root = os.path.realpath(root)
        if is_below(root, self._roots.trees) and self._reports(root):
            return []
        if root not in self._roots.trees:
            self._roots.trees.append(root)
        if self._backends.takes_trees(root):
            if not self._backends.cover(root) and not self._backends.add_tree(root, root):
                self._add_below(root)
            return [root]
        return self._add_below(root)

    def add_directory(self, directory: str) -> list[str]:
        """Watches one directory, not what is below it; tells what was not watched before."""
        if self._reports(directory) or self._reports(directory := os.path.realpath(directory)):
            return []
        if self._roots.exclude(directory):
            return []
        self._roots.singles.add(directory)
        if self._backends.takes_trees(directory):
            tree = _search_path_of(directory)
            if not self._backends.cover(directory) and not self._backends.add_tree(tree, directory):
                self._backends.polling.add(directory)
            return [directory]
        return [directory] if self._backends.add(directory) else []

    def restore(self) -> None:
        """Watches trees again whose root was away for a while."""
        for root in self._roots.trees:
            self.add_tree(root)

    def read(self) -> list[Event]:
        """What has happened since the last call; returns at once."""
        single, whole = self._backends.read()
        raw = [*single, *(event for event in whole if not self._roots.leave_out(event.path))]
        return [event for one in raw for event in self._complete(one)]

    def poll_now(self) -> None:
        """Looks at the polled directories before their time: ``read`` then has what was saved before this call."""
        self._backends.polling.poll()

    def close(self) -> None:
        """Ends every watch and thread."""
        self._backends.close()

    def _reports(self, directory: str) -> bool:
        """Whether a directory is watched, and not in a part of a whole tree whose events are left out."""
        left_out = self._backends.cover(directory) and self._roots.leave_out(os.path.join(directory, ""))
        return self.watches(directory) and not left_out

    def _complete(self, event: Event) -> Iterator[Event]:
        """An event, and what follows from it: watches for a directory that appeared, and the files it brought."""
        if event.kind is Kind.REMOVED:
            self._backends.polling.remove(event.path)
        elif event.kind is Kind.OVERFLOW:
            for root in self._roots.trees:
                self._add_below(root)
        elif os.path.isdir(event.path):
            yield from self._complete_directory(event)
            return
        if not self._exclusions.excludes_file(event.path):
            yield event

    def _complete_directory(self, event: Event) -> Iterator[Event]:
        if self._backends.cover(event.path):
            if not self._exclusions.excludes(event.path):
                yield event  # it appeared, as EVENT_FILTER has it; what it holds is reported by itself
            return
        if self.watches(event.path) or self._exclusions.excludes(event.path):
            return  # its own mtime or mode: no news
        yield event
        if not is_below(event.path, self._roots.trees):
            return
        for directory in self._add_below(event.path):
            for path in _files_in(directory):
                if not self._exclusions.excludes_file(path):
                    yield Event(Kind.WRITTEN, path)

    def _add_below(self, root: str) -> list[str]:
        """Watches a directory and all below it that are not excluded; returns those that were not watched before."""
        added: list[str] = []
        pending, count = deque([root]), 0
        while pending:
            directory = pending.popleft()
            count += 1
            if count > MAX_DIRECTORIES:
                self._backends.note(
                    f"{root} has more than {MAX_DIRECTORIES} directories; the deepest are not watched. "
                    f"Name what holds no code in DEVRUNSERVER['EXCLUDE']."
                )
                break
            known = self.watches(directory)
            if not self._backends.add(directory):
                continue
            entries = entries_of(directory)  # after the watch, so that none is missed
            if directory != root and not MARKERS.isdisjoint(entry.name for entry in entries):
                self._backends.forget(directory)
                continue
            added += [] if known else [directory]
            # links are not followed: a tree that links to itself has no end; linked packages come as loaded modules
            inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            pending += [path for path in inner if not self._exclusions.excludes_by_name(path)]
        return added


def _files_in(directory: str) -> list[str]:
    return [entry.path for entry in entries_of(directory) if not entry.is_dir()]


def _search_path_of(directory: str) -> str:
    """The entry of ``sys.path`` that holds a directory, or the directory itself."""
    entries = [os.path.realpath(entry) for entry in sys.path if entry]
    holders = [entry for entry in entries if directory == entry or directory.startswith(entry + os.sep)]
    return max(holders, key=len, default=directory)
