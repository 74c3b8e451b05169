"""By which means a place is watched: the system's own events where its file system sends them, else polling.

On Linux each directory has a watch (``inotify.py``), elsewhere whole trees have (``watchdog_backend.py``). Where
the system's limit of watches is reached the rest is polled; ``notes`` says which and why.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from devrunserver.supervisor.watching.events import Event
from devrunserver.supervisor.watching.mode import Mode
from devrunserver.supervisor.watching.mounts import file_system_type, is_silent, read_mountinfo
from devrunserver.supervisor.watching.polling import Polling

if TYPE_CHECKING:
    from devrunserver.supervisor.watching.inotify import Inotify
    from devrunserver.supervisor.watching.watchdog_backend import Observer

LIMITS = {
    errno.ENOSPC: "the limit of watches is reached (sysctl fs.inotify.max_user_watches raises it)",
    errno.EMFILE: "the limit of inotify instances is reached (sysctl fs.inotify.max_user_instances raises it)",
}


class Backends:
    """The system's events, and polling.

    Args:
        mode: ``auto``, or one of ``events`` and ``polling`` by force.
        interval: seconds between two looks at a polled directory.
        tree_of: the tree to name to the user for a directory.

    Attributes:
        notes: what the user should know.
        polling: always there.
        inotify: on Linux, if it works.
        observer: elsewhere, if it works.
    """

    def __init__(self, mode: Mode, interval: float, tree_of: Callable[[str], str]) -> None:
        self.notes: list[str] = []
        self.inotify: Inotify | None = None
        self.observer: Observer | None = None
        self._mode: Mode = mode
        self._tree_of = tree_of
        self._mountinfo = read_mountinfo()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self.polling = Polling(interval, self._wake)
        if mode != "polling":
            self._start_native()

    @property
    def name(self) -> str:
        """How files are watched, for the user."""
        native = self.inotify or self.observer
        return native.name if native is not None else self.polling.name

    @property
    def filenos(self) -> list[int]:
        """Descriptors that become readable when there are events."""
        return [self._woken.fileno()] + ([self.inotify.fileno()] if self.inotify else [])

    def watch(self, directory: str) -> bool:
        """Whether a directory has a watch of its own, or lies in a tree that is watched as one."""
        native = self.inotify or self.observer
        return (
            directory in self.polling.directories
            or (native is not None and directory in native.directories)
            or self.cover(directory)
        )

    def cover(self, directory: str) -> bool:
        """Whether a directory lies in a tree that is watched as one."""
        return self.observer is not None and self.observer.covers(directory)

    def takes_trees(self, root: str) -> bool:
        """Whether a directory that exists is to be watched with all below it as one."""
        return self.observer is not None and not self._is_silent(root) and os.path.isdir(root)

    def add_tree(self, tree: str, wanted: str) -> bool:
        """Has the observer watch a tree, of which ``wanted`` is wanted; False where it refuses."""
        assert self.observer is not None
        try:
            self.observer.add(tree)
        except Exception as error:  # not OSError alone: watchdog's FSEvents raises SystemError and RuntimeError
            self.note(f"Polling {wanted}: {error}.")
            return False
        return True

    def add(self, directory: str) -> bool:
        """Watches one directory, by events or by polling; False where it is gone or cannot be read."""
        if not os.path.isdir(directory):
            return False
        if self.inotify is not None and not self._is_silent(directory):
            try:
                self.inotify.add(directory)
                return True
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR):  # gone in the meantime
                    return False
                if error.errno == errno.EACCES:
                    self.note(f"{directory} cannot be read; changes in it are not seen.")
                    return False
                reason = LIMITS.get(error.errno or 0, os.strerror(error.errno or 0))
                self.note(f"Polling what is left of {self._tree_of(directory)}: {reason}.")
        self.polling.add(directory)
        return True

    def forget(self, directory: str) -> None:
        """Stops watching a directory, but not those below it, which may be watched for themselves."""
        self.polling.forget(directory)
        if self.inotify is not None:
            self.inotify.forget(directory)

    def read(self) -> tuple[list[Event], list[Event]]:
        """What has happened since the last call: to directories with a watch of their own, and in whole trees."""
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            pass
        single = self.polling.read() + (self.inotify.read() if self.inotify is not None else [])
        return single, list(self.observer.read()) if self.observer is not None else []

    def close(self) -> None:
        """Ends every watch and thread."""
        for backend in (self.polling, self.inotify, self.observer):
            if backend is not None:
                backend.close()
        self._woken.close()
        self._waker.close()

    def note(self, text: str) -> None:
        """Something that the user should know, once."""
        if text not in self.notes:
            self.notes.append(text)

    def _start_native(self) -> None:
        """The system's own events: inotify on Linux, watchdog's observer elsewhere, or neither."""
        try:
            if sys.platform == "linux":
                from devrunserver.supervisor.watching.inotify import Inotify

                self.inotify = Inotify()
            else:
                from devrunserver.supervisor.watching.watchdog_backend import Observer

                self.observer = Observer(self._wake)
        except OSError as error:
            self.note(f"Watching by polling: {LIMITS.get(error.errno or 0, error)}.")
        except Exception as error:  # no watchdog, one of another version, a libc without inotify
            self.note(f"Watching by polling: native file events are not available ({error}).")

    def _is_silent(self, directory: str) -> bool:
        if self._mode != "auto":
            return False
        file_system = file_system_type(directory, self._mountinfo)
        if not is_silent(file_system):
            return False
        self.note(f"Polling {self._tree_of(directory)}: its file system ({file_system}) sends no events.")
        return True

    def _wake(self) -> None:
        try:
            self._waker.send(b"\0")
        except OSError:
            pass  # full: it wakes already; closed: nobody waits
