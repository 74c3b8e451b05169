"""Django's caches that this process clears while it starts.

Theory of operation
-------------------
``ready()`` of some projects calls ``cache.clear()``, so that a developer sees no value of the code before. Where the
cache is a server, as Redis is, that connects, and who has connected may have learnt something there; so there would be
no checkpoint from then on. But whoever clears a cache learns nothing. What is left of it is a connection, which is
closed (the cache opens another one when it wants it), and that the cache is empty: so each worker that is resumed from
a later checkpoint clears it again, as its own start would have.

A connection that cannot be closed in the way of its library counts as any other. So does one that was made by anything
but ``clear()``; as none stays open, such a call has to make one.
"""

from __future__ import annotations

import functools
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from devrunserver.checkpoints.connections import Connections

if TYPE_CHECKING:
    from django.core.cache.backends.base import BaseCache

CREATE = "create_connection"  # of Django's caches: makes one by its name
CLEAR = "clear"


class Safety(Protocol):
    """Whether this process may become a checkpoint, as far as that is of interest here."""

    connections: Connections
    is_to_clear: Callable[[socket.socket], bool]


class CacheClears:
    """What was cleared, and has to be again."""

    def __init__(self) -> None:
        self._connections = Connections()
        self._aliases: dict[str, None] = {}  # in the order in which they were cleared first
        self._made: list[socket.socket] | None = None  # connections, while a cache is cleared
        self._followed: list[BaseCache] = []

    def follow(self, safety: Safety) -> None:
        """From now on it is seen which caches are cleared, by this thread."""
        from django.core.cache import caches

        self._connections, safety.is_to_clear = safety.connections, self.is_of_clear
        create = caches.create_connection

        @functools.wraps(create)
        def create_followed(alias: str) -> BaseCache:
            cache = create(alias)
            self._follow(alias, cache)
            return cache

        setattr(caches, CREATE, create_followed)
        made = vars(caches)["_connections"]
        with suppress(Exception):  # settings that are wrong are for Django's checks to tell
            for alias in caches.settings:
                if hasattr(made, alias):  # as settings were loaded
                    self._follow(alias, caches[alias])

    def unfollow(self) -> None:
        """Gives Django's caches back what they had. Again is harmless."""
        from django.core.cache import caches

        vars(caches).pop(CREATE, None)
        while self._followed:
            vars(self._followed.pop()).pop(CLEAR, None)

    def is_of_clear(self, sock: socket.socket) -> bool:
        """Whether a connection is about to be made by a cache that is being cleared."""
        if self._made is None or threading.current_thread() is not threading.main_thread():
            return False
        self._made.append(sock)
        return True

    def repeat(self) -> None:
        """Does again what a start of its own would have done."""
        from django.core.cache import caches

        for alias in self._aliases:
            with suppress(Exception):  # who serves finds out, too; the project may have passed over it
                caches[alias].clear()

    def _follow(self, alias: str, cache: BaseCache) -> None:
        clear = cache.clear

        @functools.wraps(clear)
        def clear_followed(*args: Any, **kwargs: Any) -> Any:
            if self._made is not None or threading.current_thread() is not threading.main_thread():
                return clear(*args, **kwargs)
            self._made = []
            try:
                result = clear(*args, **kwargs)
            finally:
                made, self._made = self._made, None
                if made:
                    close_idle(cache)
                    self._aliases[alias] = None
                    for sock in made:
                        if sock.fileno() >= 0:
                            self._connections.on_attempt(sock, "a cache that was cleared")
            return result

        setattr(cache, CLEAR, clear_followed)
        self._followed.append(cache)


def close_idle(cache: BaseCache) -> None:
    """Closes the connections of a cache that nobody uses, as far as its library can; it opens others when needed."""
    with suppress(Exception):
        cache.close()
    # Django's cache for Redis, and that of django-redis, keep their pools
    client = getattr(cache, "_cache", None) or getattr(cache, "client", None)
    with suppress(Exception):
        client.get_client(write=True).connection_pool.disconnect()  # type: ignore[union-attr]
