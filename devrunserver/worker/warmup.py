"""What every first request would wait for, done while nobody asks: the URL resolver's tables, the template engines.

None of it changes what is answered. A step that fails is left to the request that needs it, which tells of the error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Step = Callable[[], object]

MOST_RESOLVERS = 10_000  # more are a mistake of ours, or a URLconf without an end


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
