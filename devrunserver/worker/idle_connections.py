"""Django's connections to databases that are files: closed where nobody uses them, so that the process can be forked.

Django opens one again when it wants it, as it does in each thread. Whoever holds a cursor would notice.
"""

from __future__ import annotations

import gc
import sys
from typing import Any

from django.db import connections


def close() -> None:
    for connection in connections.all(initialized_only=True):
        raw = connection.connection
        if raw is not None and connection.vendor == "sqlite" and not connection.in_atomic_block and not _is_used(raw):
            connection.close()


def _is_used(raw: Any) -> bool:
    """Whether a cursor of this connection is held by somebody."""
    sqlite3 = sys.modules.get("sqlite3")
    if sqlite3 is None or not isinstance(raw, sqlite3.Connection):
        return True
    return any(isinstance(one, sqlite3.Cursor | sqlite3.Blob) for one in gc.get_referrers(raw))
