"""What keeps the project from starting is printed once, and served until the next save: every door leads here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from devrunserver.browser.error_page import ErrorPage, terminal_text


def tell(error: BaseException) -> None:
    """Prints it."""
    sys.stdout.flush()
    print(terminal_text(error), end="", file=sys.stderr, flush=True)


def application(error: BaseException, wait_for_next_start: Callable[[], object]) -> Any:
    """The WSGI application that answers every request with it.

    Args:
        wait_for_next_start: returns when this process is to leave.
    """
    return ErrorPage(error, wait_for_next_start)
