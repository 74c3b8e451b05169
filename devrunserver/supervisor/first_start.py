"""The first start, which is over when a worker serves and its checks, which run beside it, have passed.

Until then the next worker is a first one again: it prints Django's banner, which one does not whose checks fail.
"""

from __future__ import annotations

from devrunserver.common.messages import Serving
from devrunserver.supervisor.optional_parts import Part
from devrunserver.supervisor.setup import Setup


class FirstStart:
    """Tells the user once that the project is ready."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._waiting: Serving | None = None  # what the first worker has said, until its checks have passed

    def on_serving(self, message: Serving) -> None:
        """A worker serves."""
        self._waiting = None if self._setup.has_served else message
        if message.is_checked:
            self.on_checked()

    def on_broken(self) -> None:
        """It serves an error, as its checks have failed."""
        self._waiting = None

    def on_checked(self) -> None:
        """The checks of the worker that serves have passed. Again is harmless."""
        if (message := self._waiting) is not None:
            self._waiting = None
            self._setup.console.tell_ready()
            self._setup.optional.call(Part.EXPLAINING, self._setup.console.explain_start, message)
            self._setup.has_served = True
