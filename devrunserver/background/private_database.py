"""A start that never serves leaves databases alone that are files (SQLite): it works on a copy in memory.

SQLite lets one process write at a time, and refuses at once where two want to that have read before. So what is
written here, for nobody, could make the start of a worker fail, or a request. Servers of databases make one wait.
"""

from __future__ import annotations

import os
import sqlite3

MOST_BYTES = 64 * 2**20  # that are copied
FORMATS = slice(18, 20)  # of a database, how it is written and read. Source: https://www.sqlite.org/fileformat.html
WITHOUT_LOG = b"\1\1"  # a database in memory cannot have a write-ahead log


def make_private(connection: sqlite3.Connection) -> bool:
    """Has a new connection go on with a copy of its database, from which nothing gets into the file.

    Returns whether it does. It does not where the database is large, is locked, or is empty; or where Python was built
    without.
    """
    try:
        files = [row[2] for row in connection.execute("PRAGMA database_list") if row[2]]
        if sum(map(os.path.getsize, files)) > MOST_BYTES:
            return False
        if files:
            content = connection.serialize()
            if content[FORMATS] != WITHOUT_LOG:
                content = content[: FORMATS.start] + WITHOUT_LOG + content[FORMATS.stop :]
            connection.deserialize(content)
        return True
    except (sqlite3.Error, AttributeError, OSError):
        return False
