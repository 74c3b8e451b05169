"""``--pm``: an exception in a view opens the terminal's debugger where it was raised, before the page shows it."""

from __future__ import annotations

import sys
import threading
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

NOTICE = (
    "{kind}: {message}\nThe debugger is where it was raised; q leaves it, and the page is shown. A save waits for that."
)
NO_TERMINAL = "--pm does nothing: standard input is no terminal."


def add_to(parser: ArgumentParser) -> None:
    """Adds the option."""
    parser.add_argument(
        "--pm", action="store_true", help="Opens the terminal's debugger where an exception in a view was raised."
    )


def chosen(options: Mapping[str, Any]) -> PostMortem | None:
    """The debugger, if these options ask for it."""
    return PostMortem() if options.get("pm") else None


class PostMortem:
    """Opens the debugger for one exception after another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # there is one terminal
        self._is_told = False

    def __call__(self, error: BaseException) -> None:
        """Returns when the user has left the debugger."""
        if sys.stdin is None or not sys.stdin.isatty():
            if not self._is_told:
                self._is_told = True
                print(NO_TERMINAL, file=sys.stderr, flush=True)
            return
        import pdb

        with self._lock:
            print(NOTICE.format(kind=type(error).__name__, message=error), file=sys.stderr, flush=True)
            pdb.post_mortem(error.__traceback__)
