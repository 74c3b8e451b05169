"""Who imports whom, recorded while a process imports: also what is loaded already, and what is imported by name.

An import belongs to the module whose body is being executed: that of the nearest frame which is one. So what a function
imports counts for the module that calls it while it is imported, and not at all when it is called later.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from typing import Any

Edges = dict[str, set[str]]  # by module, what it imports


class EdgeRecorder:
    """Records from now on, for the rest of this process' life."""

    def __init__(self) -> None:
        self.edges: Edges = {}
        self._import = builtins.__import__
        self._import_by_name = importlib._bootstrap._gcd_import  # type: ignore[attr-defined]
        builtins.__import__ = self._on_import
        importlib._bootstrap._gcd_import = self._on_import_by_name  # type: ignore[attr-defined]

    def _on_import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        try:
            return self._import(name, globals, locals, fromlist or (), level)
        finally:
            self._note(absolute(name, globals, level), fromlist or ())

    def _on_import_by_name(self, name: str, package: str | None = None, level: int = 0) -> Any:
        try:
            return self._import_by_name(name, package, level)
        finally:
            self._note(absolute(name, {"__package__": package}, level), ())

    def _note(self, name: str, fromlist: Sequence[str]) -> None:
        importer = importing_module(2)
        if importer and name:
            imported = self.edges.setdefault(importer, set())
            imported.add(name)
            imported.update(full for item in fromlist if (full := f"{name}.{item}") in sys.modules)


def absolute(name: str, globals: Mapping[str, object] | None, level: int) -> str:
    """The full name of what is imported; empty where it has none."""
    if not level:
        return name
    package = (globals or {}).get("__package__")
    try:
        return importlib.util.resolve_name("." * level + name, package if isinstance(package, str) else None)
    except ImportError:
        return ""


def importing_module(depth: int) -> str:
    """The module whose body is executed, seen from ``depth`` frames above the caller; empty where there is none."""
    frame = sys._getframe(depth + 1)
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            return str(frame.f_globals.get("__name__", ""))
        frame = frame.f_back  # type: ignore[assignment]
    return ""
