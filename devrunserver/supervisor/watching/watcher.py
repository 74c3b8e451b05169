"""What is watched, and by which means.

Theory of operation
-------------------
Two kinds of places are watched. *Trees* are the project's own: every directory below, but for those that
hold no code (``exclusions.py``). *Directories* are those of other loaded modules, one by one and not what
is below them: an installed package is edited now and then, to look into it.

Each place gets native events where its file system sends them and polling where it does not, or where
the system's limit of watches is reached; ``notes`` says which and why. A directory that appears in a tree is
watched at once, and what it holds already counts as written: it may have been there before the watch was.

Lost events (an overflow) are reported as such: whoever decides has to assume that anything has changed.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from devrunserver.supervisor.watching.events import Event, Kind
from devrunserver.supervisor.watching.exclusions import MARKERS, Exclusions
from devrunserver.supervisor.watching.mounts import file_system_type, is_silent, read_mountinfo
from devrunserver.supervisor.watching.polling import Polling, entries_of

if TYPE_CHECKING:
    from devrunserver.supervisor.watching.inotify import Inotify
    from devrunserver.supervisor.watching.watchdog_backend import Observer

Mode = Literal["auto", "events", "polling"]

MAX_DIRECTORIES = 10_000  # of one tree; more are data, not code
LIMITS = {
    errno.ENOSPC: "the limit of watches is reached (sysctl fs.inotify.max_user_watches raises it)",
    errno.EMFILE: "the limit of inotify instances is reached (sysctl fs.inotify.max_user_instances raises it)",
}


class Watcher:
    """Watches trees and directories; reports events. Nothing here blocks: wait for ``filenos`` and then ``read``.

    Args:
        mode: ``auto``, or one of ``events`` and ``polling`` by force.
        interval: seconds between two looks at a polled directory.
        exclusions: which directories are left out.
    """

    def __init__(self, mode: Mode, interval: float, exclusions: Exclusions) -> None:
        self.notes: list[str] = []
        self._mode: Mode = mode
        self._exclusions = exclusions
        self._mountinfo = read_mountinfo()
        self._project: list[str] = []  # roots of the project's own trees
        self._trees: list[str] = []  # every root whose new directories are watched too
        self._singles: set[str] = set()  # directories that are watched for themselves
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._polling = Polling(interval, self._wake)
        self._inotify: Inotify | None = None
        self._observer: Observer | None = None
        if mode != "polling":
            self._start_native()

    @property
    def name(self) -> str:
        """How files are watched, for the user."""
        native = self._inotify or self._observer
        return native.name if native is not None else self._polling.name

    @property
    def filenos(self) -> list[int]:
        """Descriptors that become readable when there are events."""
        return [self._woken.fileno()] + ([self._inotify.fileno()] if self._inotify else [])

    @property
    def events(self) -> Inotify | None:
        """Where the system's own events wait, if they come that way."""
        return self._inotify

    @property
    def directories(self) -> list[str]:
        """The directories that have a watch of their own, but for those that are polled."""
        return list(self._inotify.directories) if self._inotify is not None else []

    def watches(self, directory: str) -> bool:
        """Whether a directory has a watch of its own, or lies in a tree that is watched as one."""
        native = self._inotify or self._observer
        return (
            directory in self._polling.directories
            or (native is not None and directory in native.directories)
            or (self._observer is not None and self._observer.covers(directory))
        )

    def _reports(self, directory: str) -> bool:
        """Whether a directory is watched, and not in a part of a whole tree whose events are left out."""
        whole = self._observer is not None and self._observer.covers(directory)
        return self.watches(directory) and not (whole and self._left_out(os.path.join(directory, "")))

    def add_project(self, root: str) -> None:
        """Watches a tree of the project's own."""
        root = os.path.realpath(root)
        if root not in self._project:
            self._project.append(root)
        self.add_tree(root)

    def add_tree(self, root: str) -> list[str]:
        """Watches a directory and all below it; tells which of them were not watched before."""
        root = os.path.realpath(root)
        if _is_below(root, self._trees) and self._reports(root):
            return []
        if root not in self._trees:
            self._trees.append(root)
        if self._observer is not None and not self._is_silent(root) and os.path.isdir(root):
            if not self._observer.covers(root):
                self._observe(root)
            return [root]
        return self._add_below(root)

    def add_directory(self, directory: str) -> list[str]:
        """Watches one directory, not what is below it; tells what was not watched before."""
        if self._reports(directory) or self._reports(directory := os.path.realpath(directory)):
            return []
        if any(self._exclusions.names_below(root, directory) for root in self._roots_of(directory)):
            return []
        self._singles.add(directory)
        if self._observer is not None and not self._is_silent(directory) and os.path.isdir(directory):
            if not self._observer.covers(directory):
                self._observe(_search_path_of(directory), directory)
            return [directory]
        return [directory] if self._add(directory) else []

    def restore(self) -> None:
        """Watches trees again whose root was away for a while."""
        for root in self._trees:
            self.add_tree(root)

    @property
    def project_roots(self) -> list[str]:
        return list(self._project)

    def in_project(self, path: str) -> bool:
        """Whether a path belongs to the project's own trees."""
        return _is_below(path, self._project)

    def read(self) -> list[Event]:
        """What has happened since the last call; returns at once."""
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            pass
        raw = self._polling.read()
        if self._inotify is not None:
            raw += self._inotify.read()
        if self._observer is not None:
            raw += [event for event in self._observer.read() if not self._left_out(event.path)]
        return [event for one in raw for event in self._complete(one)]

    def close(self) -> None:
        """Ends every watch and thread."""
        for backend in (self._polling, self._inotify, self._observer):
            if backend is not None:
                backend.close()
        self._woken.close()
        self._waker.close()

    def _start_native(self) -> None:
        """The system's own events: inotify on Linux, watchdog's observer elsewhere, or neither."""
        try:
            if sys.platform == "linux":
                from devrunserver.supervisor.watching.inotify import Inotify

                self._inotify = Inotify()
            else:
                from devrunserver.supervisor.watching.watchdog_backend import Observer

                self._observer = Observer(self._wake)
        except OSError as error:
            self._note(f"Watching by polling: {LIMITS.get(error.errno or 0, error)}.")
        except Exception as error:  # a watchdog of another version, a libc without inotify
            self._note(f"Watching by polling: native file events are not available ({error}).")

    def _complete(self, event: Event) -> Iterator[Event]:
        """An event, and what follows from it: watches for a directory that appeared, and the files it brought."""
        if event.kind is Kind.REMOVED:
            self._polling.remove(event.path)
        elif event.kind is Kind.OVERFLOW:
            for root in self._trees:
                self._add_below(root)
        elif os.path.isdir(event.path):
            if self._observer is not None and self._observer.covers(event.path):
                if not self._exclusions.excludes(event.path):
                    yield event  # it appeared, as EVENT_FILTER has it; what it holds is reported by itself
                return
            if self.watches(event.path) or self._exclusions.excludes(event.path):
                return  # its own mtime or mode: no news
            yield event
            if not _is_below(event.path, self._trees):
                return
            for directory in self._add_below(event.path):
                for path in _files_in(directory):
                    if not self._exclusions.excludes_file(path):
                        yield Event(Kind.WRITTEN, path)
            return
        if not self._exclusions.excludes_file(event.path):
            yield event

    def _add_below(self, root: str) -> list[str]:
        """Watches a directory and all below it that are not excluded; returns those that were not watched before."""
        added: list[str] = []
        pending, count = deque([root]), 0
        while pending:
            directory = pending.popleft()
            count += 1
            if count > MAX_DIRECTORIES:
                self._note(
                    f"{root} has more than {MAX_DIRECTORIES} directories; the deepest are not watched. "
                    f"Name what holds no code in DEVRUNSERVER['EXCLUDE']."
                )
                break
            known = self.watches(directory)
            if not self._add(directory):
                continue
            entries = entries_of(directory)  # after the watch, so that none is missed
            if directory != root and not MARKERS.isdisjoint(entry.name for entry in entries):
                self._forget(directory)
                continue
            added += [] if known else [directory]
            # links are not followed: a tree that links to itself has no end; linked packages come as loaded modules
            inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            pending += [path for path in inner if not self._exclusions.excludes_by_name(path)]
        return added

    def _add(self, directory: str) -> bool:
        if not os.path.isdir(directory):
            return False
        if self._inotify is not None and not self._is_silent(directory):
            try:
                self._inotify.add(directory)
                return True
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR):  # gone in the meantime
                    return False
                if error.errno == errno.EACCES:
                    self._note(f"{directory} cannot be read; changes in it are not seen.")
                    return False
                reason = LIMITS.get(error.errno or 0, os.strerror(error.errno or 0))
                self._note(f"Polling what is left of {self._tree_of(directory)}: {reason}.")
        self._polling.add(directory)
        return True

    def _forget(self, directory: str) -> None:
        """Stops watching a directory, but not those below it, which may be watched for themselves."""
        self._polling.forget(directory)
        if self._inotify is not None:
            self._inotify.forget(directory)

    def _observe(self, tree: str, single: str = "") -> None:
        """Has the observer watch a tree. Where it refuses, polls the tree, or what alone is wanted of it."""
        assert self._observer is not None
        try:
            self._observer.add(tree)
        except Exception as error:  # not OSError alone: watchdog's FSEvents raises SystemError and RuntimeError
            self._note(f"Polling {single or tree}: {error}.")
            if single:
                self._polling.add(single)
            else:
                self._add_below(tree)

    def _is_silent(self, directory: str) -> bool:
        if self._mode != "auto":
            return False
        file_system = file_system_type(directory, self._mountinfo)
        if not is_silent(file_system):
            return False
        self._note(f"Polling {self._tree_of(directory)}: its file system ({file_system}) sends no events.")
        return True

    def _tree_of(self, directory: str) -> str:
        return next(iter(self._roots_of(directory)), os.path.dirname(directory))

    def _left_out(self, path: str) -> bool:
        """Whether an event of a whole tree is of a place that is not watched."""
        if os.path.dirname(path) in self._singles:
            return False
        # Also where no tree holds it: the rest of a search path
        return all(self._exclusions.excludes_below(root, path) for root in self._roots_of(path))

    def _roots_of(self, path: str) -> list[str]:
        return [root for root in self._trees if _is_below(path, [root])]

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _wake(self) -> None:
        try:
            self._waker.send(b"\0")
        except OSError:
            pass  # full: it wakes already; closed: nobody waits


def _is_below(path: str, roots: list[str]) -> bool:
    return any(path == root or path.startswith(root + os.sep) for root in roots)


def _files_in(directory: str) -> list[str]:
    return [entry.path for entry in entries_of(directory) if not entry.is_dir()]


def _search_path_of(directory: str) -> str:
    """The entry of ``sys.path`` that holds a directory, or the directory itself."""
    entries = [os.path.realpath(entry) for entry in sys.path if entry]
    holders = [entry for entry in entries if directory == entry or directory.startswith(entry + os.sep)]
    return max(holders, key=len, default=directory)
