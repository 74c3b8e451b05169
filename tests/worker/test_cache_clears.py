"""Caches that a start clears: what is a connection then, and what is done again."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import CacheHandler
from django.core.cache.backends.base import BaseCache

from devrunserver.checkpoints.connections import Connections
from devrunserver.worker.cache_clears import CacheClears


class Pool:
    def __init__(self, cache: Remote) -> None:
        self.cache = cache

    def disconnect(self) -> None:
        self.cache.stop()


class Client:
    """As Django's cache for Redis keeps one."""

    def __init__(self, cache: Remote) -> None:
        self.connection_pool = Pool(cache)

    def get_client(self, key: object = None, *, write: bool = False) -> Client:
        return self


class Remote(BaseCache):
    """A cache that is a server. How its connection can be closed is in its location."""

    def __init__(self, location: str, params: dict[str, object]) -> None:
        super().__init__(params)
        self.location = location
        self.clears = 0
        self.sock: socket.socket | None = None
        if location == "pool":
            self._cache = Client(self)

    def clear(self) -> None:
        if self.location == "broken":
            raise ConnectionError
        self.stop()
        self.sock = socket.socket()
        followed.append(safety.is_to_clear(self.sock))  # as the audit event of ``connect``
        self.clears += 1

    def close(self, **kwargs: object) -> None:
        if self.location == "close":
            self.stop()

    def stop(self) -> None:
        if self.sock is not None:
            self.sock.close()


class Local(BaseCache):
    def __init__(self, location: str, params: dict[str, object]) -> None:
        super().__init__(params)

    def clear(self) -> None:
        followed.append(False)


followed: list[bool] = []
safety = SimpleNamespace(connections=Connections(), is_to_clear=None)
clears = CacheClears()


@pytest.fixture
def caches(monkeypatch: pytest.MonkeyPatch) -> Any:
    global clears
    clears, safety.connections = CacheClears(), Connections()
    names = ("close", "pool", "open", "broken")
    settings = {name: {"BACKEND": f"{__name__}.Remote", "LOCATION": name} for name in names}
    handler = CacheHandler({"default": {"BACKEND": f"{__name__}.Local", "LOCATION": ""}, **settings})
    monkeypatch.setattr("django.core.cache.caches", handler)
    followed.clear()
    return handler


def cleared_again(cache: Any) -> bool:
    before = cache.clears
    clears.repeat()
    return bool(cache.clears > before)


@pytest.mark.parametrize(("alias", "stays_open"), [("close", False), ("pool", False), ("open", True)])
@pytest.mark.parametrize("is_early", [False, True], ids=["after", "before"])
def test_what_connects(caches: Any, alias: str, stays_open: bool, is_early: bool) -> None:
    """Whether it was made by then, or is when it is wanted."""
    if is_early:
        caches[alias]
    clears.follow(safety)
    caches[alias].clear()
    assert followed == [True]
    assert bool(safety.connections.made_by) is stays_open, "what cannot be closed is a connection like any other"
    assert cleared_again(caches[alias])
    caches[alias].stop()


def test_what_does_not_connect_is_not_done_again(caches: Any) -> None:
    clears.follow(safety)
    caches["default"].clear()
    with pytest.raises(ConnectionError):  # it had none to make
        caches["broken"].clear()
    followed.clear()
    clears.repeat()
    assert (followed, safety.connections.made_by) == ([], "")


def test_what_is_not_cleared_by_this_thread_counts(caches: Any) -> None:
    clears.follow(safety)

    def clear() -> None:
        caches["close"].clear()
        caches["close"].close()

    other = threading.Thread(target=clear)
    other.start()
    other.join(10)
    with socket.socket() as sock:
        followed.append(safety.is_to_clear(sock))
    assert followed == [False, False]


def test_all_is_given_back(caches: Any) -> None:
    before = {*vars(caches), "settings"}  # which are looked up once
    clears.follow(safety)
    cache = caches["close"]
    assert "clear" in vars(cache)
    clears.unfollow()
    clears.unfollow()
    assert {*vars(caches)} <= before
    assert "clear" not in vars(cache)
    cache.clear()
    assert followed == [False]
    cache.close()


def test_settings_that_are_wrong_are_told_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.core.cache.caches", CacheHandler({"other": {"BACKEND": "nowhere"}}))
    clears.follow(safety)
    clears.unfollow()
