"""Changes that nobody could be shown, or that nobody has answered for: kept for a worker that can.

Theory of operation
-------------------
A change is shown to the worker, which alone knows what it means. There are two moments at which that cannot be:

- A worker that starts has not said yet what concerns it, and one that is broken never does. What changes meanwhile is
  *unheard*. It is shown as soon as a worker says what concerns it, before it serves: it may have read such a file.
- A worker that has been asked is replaced, or its start goes on while it answers. The question is *unanswered*. The
  code is read anew then; to pages such a change may mean more than that (a style sheet that was saved with a module).
  It is shown once the worker serves, so that no answer to a request waits for it.

Of each is known whether another worker has started since. That one has read what is new: to it this is no news, and
only open pages have to be told.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from devrunserver.common.pyc import SOURCE_SUFFIX

MOST = 10_000  # unheard paths; of more the oldest is forgotten


class KeptChanges:
    """Paths, in the order in which they changed."""

    def __init__(self) -> None:
        self._unheard: dict[str, bool] = {}  # whether another worker has started since; the same below
        self._unanswered: dict[str, bool] = {}

    def keep_unheard(self, path: str, is_before: bool = False) -> None:
        """Nobody has said yet whether this concerns anybody.

        Args:
            is_before: another worker has started since it has changed.
        """
        self._unheard[path] = is_before
        if len(self._unheard) > MOST:
            del self._unheard[next(iter(self._unheard))]

    def keep_unanswered(self, paths: Iterable[str]) -> None:
        """Whoever was to be asked will not answer, or not for good. Sources are read anew in any case."""
        for path in paths:
            if not path.endswith(SOURCE_SUFFIX) and "." in os.path.basename(path):
                self._unanswered[path] = False

    def on_start(self) -> None:
        """A worker starts."""
        self._unheard = dict.fromkeys(self._unheard, True)
        self._unanswered = dict.fromkeys(self._unanswered, True)

    def take_unheard(self) -> dict[str, bool]:
        """Those, each with whether another worker has started since; they are not kept any more."""
        taken, self._unheard = self._unheard, {}
        return taken

    def take_unanswered(self) -> dict[str, bool]:
        """The same of those that nobody has answered for."""
        taken, self._unanswered = self._unanswered, {}
        return taken
