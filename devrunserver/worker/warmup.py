"""What every first request would wait for, done while nobody asks: the URL resolver's tables, the template engines.

None of it changes what is answered. A step that fails is left to the request that needs it, which tells of the error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

Step = Callable[[], object]

DELAY = 0.2  # seconds from serving on; who saves and asks at once is not to find us at something else
MOST_RESOLVERS = 10_000  # more are a mistake of ours, or a URLconf without an end


def run(leaving: threading.Event, has_been_asked: Callable[[], bool]) -> None:
    """Takes the steps, until there is a request or this process is to leave."""
    for step in steps():
        if leaving.is_set() or has_been_asked():
            return
        with suppress(Exception):  # the project's: the request that needs it tells
            step()


def steps() -> Iterator[Step]:
    """Each as short as can be, in the order in which requests need them."""
    from django.urls import get_resolver

    for resolver in reversed(list(_resolvers(get_resolver()))):
        yield resolver._populate
    yield _make_template_engines


def _resolvers(resolver: Any) -> Iterator[Any]:
    """A resolver and those in it, the inner ones later: each of these makes the outer one's tables from its own."""
    found = [resolver]
    for one in found:
        yield one
        if len(found) < MOST_RESOLVERS:
            found += [inner for inner in one.url_patterns if hasattr(inner, "url_patterns")]


def _make_template_engines() -> None:
    from django.template import engines

    engines.all()
