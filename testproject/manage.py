#!/usr/bin/env python
"""The bookshop's command line: Django's own, except that ``runserver`` finds the database migrated."""

import os
import subprocess
import sys

MIGRATED = "BOOKSHOP_MIGRATED"  # variable of the environment: set in all processes that the first one starts


def migrate() -> None:
    """Bring the SQLite file up to date, so that the first page has books to show.

    In a process of its own, because broken code must not keep the server from starting: it is the server that
    shows what is broken.
    """
    command = [sys.executable, __file__, "migrate", "--verbosity=0", "--no-input"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode:
        reason = result.stderr.strip().rpartition("\n")[2]
        print(f"The database could not be migrated: {reason}", file=sys.stderr)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookshop.settings")
    if sys.argv[1:2] == ["runserver"] and MIGRATED not in os.environ:
        migrate()
        os.environ[MIGRATED] = "true"

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
