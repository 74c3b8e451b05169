"""The module whose body is being executed, asked for many times a second.

Theory of operation
-------------------
To find it the frames of the stack are walked, which costs an audit event each. Some libraries import in functions that
they call for each field of each class, 80 frames deep: that took as long as all else of a start. So what was found is
kept for as long as it must still be so. Each body begins with the audit event ``exec``; while none has come, no other
body can be nearer. A module's body is not over while the import system says that the module is being initialized; that
of the program is over last. Of a body that was begun in another way nothing says when it is over: nothing is kept.
"""

from __future__ import annotations

import sys
import threading
from importlib.machinery import ModuleSpec
from typing import Any

from devrunserver.common.module_files import executed, is_incomplete

PROGRAM = "__main__"
NOWHERE = -1  # nothing is kept


class ExecutedModule:
    """Which module it is. ``on_body`` has to be told of each audit event ``exec``."""

    def __init__(self) -> None:
        self._begun = 0  # bodies, so far
        self._found = NOWHERE  # how many had begun when it was looked for last
        self._thread = 0  # by which thread
        self._name = ""
        self._spec: ModuleSpec | None = None  # of the module, if it is one that is imported

    def on_body(self, args: tuple[Any, ...]) -> None:
        """Something is about to be executed: the body of a module, or what was compiled."""
        self._begun += 1

    def name(self) -> str:
        """The module whose body is the nearest on the stack of this thread; empty where there is none."""
        thread = threading.get_ident()
        if (
            self._found == self._begun
            and self._thread == thread
            and (self._spec is None or getattr(self._spec, "_initializing", False))
        ):
            return self._name
        self._name, self._thread = executed(), thread
        is_imported = self._name not in ("", PROGRAM)
        self._spec = sys.modules[self._name].__spec__ if is_imported and is_incomplete(self._name) else None
        self._found = self._begun if self._spec is not None or not is_imported else NOWHERE
        return self._name
