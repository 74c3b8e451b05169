"""Which requests are logged, and how."""

from __future__ import annotations

from dataclasses import dataclass

OWN_PATHS = "/__devrunserver__/"  # asked for by our own pages, and nothing that the user wants to see in the log
FIRST_ERROR = "400"


@dataclass(frozen=True)
class AccessLog:
    """The user's wishes.

    Attributes:
        duration: whether the line says how long the answer took.
        ignored: beginnings of paths that are not logged at all.
        quiet: beginnings of paths of which only errors are logged.
    """

    duration: bool = False
    ignored: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()

    def is_wanted(self, path: str, status: str) -> bool:
        if path.startswith((OWN_PATHS, *self.ignored)):
            return False
        return not (self.quiet and path.startswith(self.quiet) and status < FIRST_ERROR)
