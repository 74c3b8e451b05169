"""The streams of open pages: connections that workers have given us, and what happened to pages.

Theory of operation
-------------------
The head of the answer has been sent by the worker. From here on nothing is read but the end, and something is written
only when there is something to tell; so a stream costs a descriptor and nothing else, through all reloads. What a
client does not take at once costs it the connection: it comes back and is told all that it has missed.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable

from devrunserver.common.page_changes import Change, announcement
from devrunserver.common.pyc import SOURCE_SUFFIX
from devrunserver.supervisor.optional_parts import Registry

KEPT = 50  # changes; a page that has missed more is loaded again
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
        self._changes: deque[Change] = deque(maxlen=KEPT)
        self._missed: list[str] = []
        self.generation = self.rendered = self._since = self._last = int(time.time() * MILLISECONDS)

    def __len__(self) -> int:
        return len(self._streams)

    def next_generation(self) -> int:
        """A new number, for what may become a generation that pages have to know of."""
        self._last += 1
        return self._last

    def begin_generation(self, paths: Iterable[str]) -> None:
        """A worker starts.

        Args:
            paths: what has changed that nobody was asked about, as this worker reads all anew.
        """
        self.miss(paths)
        self.rendered = self.next_generation()

    def miss(self, paths: Iterable[str]) -> None:
        """Keeps changes that came with a reload: to pages they may mean more than that."""
        self._missed += [path for path in paths if not path.endswith(SOURCE_SUFFIX) and "." in os.path.basename(path)]

    def take_missed(self) -> list[str]:
        """The changes that were kept, to be shown to the new worker; they are not kept any more."""
        missed, self._missed = list(dict.fromkeys(self._missed)), []
        return missed

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
        """Tells all pages that a worker answers, with the project or with an error."""
        is_latest = self.generation < self.rendered  # or else the worker was shown a change before it answered
        self._announce(self.rendered if is_latest else self.next_generation(), [(kind, [])])

    def _announce(self, generation: int, changes: list[tuple[str, list[str]]]) -> None:
        if not changes:
            return
        for kind, files in changes:
            if len(self._changes) == KEPT:
                self._since = self._changes[0][0]
            self._changes.append((generation, kind, files))
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
