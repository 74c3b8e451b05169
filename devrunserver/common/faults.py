"""Faults of our own: what is optional never takes the necessary along.

An exception in an optional part is caught where the part is called, told in one line, and switches that part off until
the next start. The traceback comes with ``-v 2``.
"""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from devrunserver.common import verbosity

Callback = Callable[..., None]


def tell(part: str, error: BaseException, consequence: str = "is off until the next start") -> None:
    """Says that a part has failed, and what follows."""
    with suppress(Exception):  # the project may have replaced the stream
        if verbosity.current() >= verbosity.VERBOSE:
            traceback.print_exception(error)
        print(f"devrunserver: {part} has failed ({error!r}) and {consequence}.", file=sys.stderr, flush=True)


def guarded(part: str, callback: Callable[..., object], then: Callable[[], object] = lambda: None) -> Callback:
    """A callback that others call, a thread or a signal of Django's: its first exception is told and switches it off.

    Args:
        part: what it is, for the user.
        then: called if it has failed.
    """
    is_on = True

    @functools.wraps(callback)
    def call(*args: Any, **kwargs: Any) -> None:
        nonlocal is_on
        if is_on:
            try:
                callback(*args, **kwargs)
            except Exception as error:
                is_on = False
                tell(part, error)
                then()

    return call


@contextmanager
def contained(part: str, then: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Keeps an exception of an optional part to that part.

    Args:
        part: what it is, for the user.
        then: called if it has failed, to switch it off.
    """
    try:
        yield
    except Exception as error:
        tell(part, error)
        then()
