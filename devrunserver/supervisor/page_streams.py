"""The streams of open pages: connections that workers have given us, and what happened to pages.

Theory of operation
-------------------
The head of the answer has been sent by the worker. From here on nothing is read but the end, and something is written
only when there is something to tell; so a stream costs a descriptor and nothing else, through all reloads. What a
client does not take at once costs it the connection: it comes back and is told all that it has missed.

What is told is a state and no history: of a file only its last change counts, and of all that documents are made of
the last generation, or the error that keeps them from being shown. So a page that has slept through a thousand saves
still knows what to do, unless they were of more than MOST_FILES different files.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time

from devrunserver.common.page_changes import ERROR, PAGE, Change, announcement
from devrunserver.supervisor.optional_parts import Registry

MOST_FILES = 300  # of which changes are told; a page that has missed more is loaded again
MOST = 512  # streams: of more the oldest ends, whose browser comes back
MILLISECONDS = 1000
RETRY = b"retry: 1000\n\n"  # milliseconds after which a browser comes back


class PageStreams:
    """All streams, and the generation.

    Args:
        selector: wakes the supervisor when a client leaves; each entry's data is what to call.

    Attributes:
        generation: the last one that open pages have to know of.
        rendered: the one that a worker's pages have when it starts to serve.
    """

    def __init__(self, selector: Registry) -> None:
        self._selector = selector
        self._streams: dict[socket.socket, None] = {}
        self._changes: list[Change] = []
        self.generation = self.rendered = self._since = self._last = int(time.time() * MILLISECONDS)

    def __len__(self) -> int:
        return len(self._streams)

    def next_generation(self) -> int:
        """A new number, for what may become a generation that pages have to know of."""
        self._last += 1
        return self._last

    def begin_generation(self) -> None:
        """A worker starts."""
        self.rendered = self.next_generation()

    def forget(self) -> None:
        """Anything may have changed: every page that is open now is to be loaded again, with the next announcement."""
        self._changes, self._since = [], self.next_generation()

    def add(self, stream: socket.socket) -> None:
        """Takes a stream over, and tells it what there is to tell."""
        while len(self._streams) >= MOST:
            self._end(next(iter(self._streams)))
        stream.setblocking(False)
        self._streams[stream] = None
        self._selector.register(stream, selectors.EVENT_READ, lambda: self._on_readable(stream))
        self._send(stream, RETRY + self._announcement())

    def announce(self, changes: list[tuple[str, list[str]]]) -> None:
        """Tells all pages of changes that needed no reload: kinds, and the URLs of files."""
        self._announce(self._last, changes)

    def announce_start(self, kind: str) -> None:
        """Tells all pages that a worker answers, with the project or with an error; the worker learns ``rendered``."""
        if self.generation >= self.rendered:  # the worker was shown a change before it answered
            self.rendered = self.next_generation()
        self._announce(self.rendered, [(kind, [])])

    def _announce(self, generation: int, changes: list[tuple[str, list[str]]]) -> None:
        if not changes:
            return
        self._changes, forgotten = with_changes(self._changes, generation, changes)
        self._since = max(self._since, forgotten)
        self.generation = max(self.generation, generation)
        told = self._announcement()
        for stream in list(self._streams):
            self._send(stream, told)

    def close(self) -> None:
        """Ends all streams. Again is harmless."""
        for stream in list(self._streams):
            self._end(stream)

    def _announcement(self) -> bytes:
        return announcement(self.generation, self._since, self._changes)

    def _send(self, stream: socket.socket, data: bytes) -> None:
        try:
            sent = stream.send(data)
        except OSError:
            sent = 0
        if sent < len(data):
            self._end(stream)

    def _on_readable(self, stream: socket.socket) -> None:
        """The client has gone; or it says something, which is none of ours to answer."""
        self._end(stream)

    def _end(self, stream: socket.socket) -> None:
        if stream in self._streams:
            del self._streams[stream]
            self._selector.unregister(stream)
            with contextlib.suppress(OSError):
                stream.close()


def with_changes(
    known: list[Change], generation: int, changes: list[tuple[str, list[str]]]
) -> tuple[list[Change], int]:
    """The changes that are to be told from now on, and the last generation of which something is left out; or 0.

    Args:
        known: those that were told before, which new ones may replace.
        generation: of the new ones.
        changes: kinds, and the URLs of files.
    """
    told = list(known)
    for kind, files in changes:
        if kind in (PAGE, ERROR):
            told = [one for one in told if one[1] not in (PAGE, ERROR)]
        else:
            again = set(files)
            rest = [(number, of, [file for file in names if file not in again]) for number, of, names in told]
            told = [one for one in rest if one[2] or one[1] in (PAGE, ERROR)]
        told.append((generation, kind, files))
    forgotten = 0
    while sum(len(files) for _, _, files in told) > MOST_FILES:
        oldest = next(one for one in told if one[2])
        told.remove(oldest)
        forgotten = max(forgotten, oldest[0])
    return told, forgotten
