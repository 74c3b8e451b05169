"""Connections to databases that are files are closed where nobody uses them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devrunserver.worker import idle_connections


class Connection:
    """Django's, of which this is looked at."""

    def __init__(self, raw: Any, vendor: str = "sqlite", in_atomic_block: bool = False) -> None:
        self.connection = raw
        self.vendor = vendor
        self.in_atomic_block = in_atomic_block
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def raw(tmp_path: Path) -> Any:
    connection = sqlite3.connect(tmp_path / "db.sqlite3")
    yield connection
    connection.close()


def close(monkeypatch: pytest.MonkeyPatch, one: Connection) -> bool:
    connections = SimpleNamespace(all=lambda initialized_only: [one])
    monkeypatch.setattr(idle_connections, "connections", connections)
    idle_connections.close()
    return one.is_closed


def test_which_are_closed(monkeypatch: pytest.MonkeyPatch, raw: Any) -> None:
    assert close(monkeypatch, Connection(raw))
    assert not close(monkeypatch, Connection(None))
    assert not close(monkeypatch, Connection(raw, vendor="postgresql"))
    assert not close(monkeypatch, Connection(raw, in_atomic_block=True))
    assert not close(monkeypatch, Connection(object()))  # something else than Python's own


def test_one_whose_cursor_is_held_stays_open(monkeypatch: pytest.MonkeyPatch, raw: Any) -> None:
    cursor = raw.execute("select 1")
    assert not close(monkeypatch, Connection(raw))
    cursor.close()
    del cursor
    assert close(monkeypatch, Connection(raw))
