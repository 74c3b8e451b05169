"""Which requests are logged, and how."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

OWN_PATHS = "/__devrunserver__/"  # asked for by our own pages, and nothing that the user wants to see in the log
FIRST_ERROR = "400"


class Recorder(Protocol):
    """What was recorded of one request."""

    @property
    def count(self) -> int: ...
    @property
    def printed(self) -> Sequence[tuple[str, float]]: ...
    def summary(self) -> str: ...
    def lines(self, slow: float) -> Iterable[str]: ...
    def as_json(self, slow: float) -> dict[str, Any]: ...


class Queries(Protocol):
    """Records the database queries of requests (``server/django/queries.py``)."""

    @property
    def slow(self) -> float:
        """Seconds from which a query is slow."""

    def begin(self) -> Recorder: ...
    def end(self) -> None: ...


@dataclass(frozen=True)
class AccessLog:
    """The user's wishes.

    Attributes:
        duration: whether the line says how long the answer took.
        ignored: beginnings of paths that are not logged at all.
        quiet: beginnings of paths of which only errors are logged.
        queries: records the database queries, where they are told.
        slow: seconds from which a request's line says how long its answer took in any case.
        show: makes text of a query that is printed, where all are.
        as_json: whether what is logged is one JSON object for each request.
    """

    duration: bool = False
    ignored: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    queries: Queries | None = None
    slow: float = math.inf
    show: Callable[[str], str] | None = None
    as_json: bool = False

    def is_wanted(self, path: str, status: str) -> bool:
        if path.startswith((OWN_PATHS, *self.ignored)):
            return False
        return not (self.quiet and path.startswith(self.quiet) and status < FIRST_ERROR)
