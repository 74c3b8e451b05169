"""Who imports whom, recorded while a process imports: also what is loaded already, and what is imported by name.

An import belongs to the module whose body is being executed: that of the nearest frame which is one. So what a function
imports counts for the module that calls it while it is imported, and not at all when it is called later.

It is recorded in the real start, by a function of ours around ``builtins.__import__``, as a start of its own for it
would cost as much as it tells. That adds about a microsecond to each statement, of which a large project executes some
ten thousands. Most of them are in the body of a module, which Python tells by giving the same names as global and local
ones. For others somebody has to find it (``executed_module.py``).

Where an import has loaded something, its importer goes on from then on: what follows is its own work, which in many
modules takes more than all that comes before (classes that are made, a schema that is put together).
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from devrunserver.checkpoints.import_hook import ImportHook
from devrunserver.common.import_record import ImportRecord, Returned
from devrunserver.common.module_files import executed, file_named

Edges = dict[str, set[str]]  # by module, what it imports


class EdgeRecorder:
    """Records from now on, until it is told to stop.

    Args:
        on_fault: called if something cannot be recorded, which ends it: no import of the project fails because of us.
        finder: knows what is loaded, and is told who goes on then.
        executed: tells the module whose body is the nearest on the stack.
    """

    def __init__(
        self,
        on_fault: Callable[[Exception], None],
        finder: ImportHook,
        executed: Callable[[], str] = executed,
    ) -> None:
        self.edges: Edges = {}
        self._finder = finder
        self._is_resting = False
        self._on_fault = on_fault
        self._executed = executed
        self._import = builtins.__import__
        self._import_by_name = importlib._bootstrap._gcd_import  # type: ignore[attr-defined]
        builtins.__import__ = self._on_import
        importlib._bootstrap._gcd_import = self._on_import_by_name  # type: ignore[attr-defined]

    def stop(self) -> None:
        """Gives back what was there before, unless somebody else has put something around it.

        What was recorded is kept: to free it would have memory copied that is shared with checkpoints.
        """
        if builtins.__import__ == self._on_import:
            builtins.__import__ = self._import
        if importlib._bootstrap._gcd_import == self._on_import_by_name:  # type: ignore[attr-defined]
            importlib._bootstrap._gcd_import = self._import_by_name  # type: ignore[attr-defined]

    def rest(self) -> None:
        """Records no more, but stays where it is: to the project this process is like one that records."""
        self._is_resting = True

    def note_use(self, module: str) -> None:
        """The module whose body is executed needs another one that it does not import."""
        if self._is_resting:
            return
        try:
            self._note(module, (), "", len(self._finder.history))
        except Exception as fault:
            self._fail(fault)

    def _on_import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        if self._is_resting:
            return self._import(name, globals, locals, fromlist or (), level)
        looked_up = len(self._finder.history)
        try:
            return self._import(name, globals, locals, fromlist or (), level)
        finally:
            try:
                if level:
                    name = absolute(name, globals, level)
                self._note(name, fromlist, body_of(globals, locals, fromlist), looked_up)
            except Exception as fault:
                self._fail(fault)

    def _on_import_by_name(self, name: str, package: str | None = None, level: int = 0) -> Any:
        if self._is_resting:
            return self._import_by_name(name, package, level)
        looked_up = len(self._finder.history)
        try:
            return self._import_by_name(name, package, level)
        finally:
            try:
                self._note(absolute(name, {"__package__": package}, level), (), "", looked_up)
            except Exception as fault:
                self._fail(fault)

    def _fail(self, fault: Exception) -> None:
        self.stop()
        self.edges = {}
        self._on_fault(fault)

    def _note(self, name: str, fromlist: Sequence[str] | None, importer: str, looked_up: int) -> None:
        importer = importer or self._executed()
        if len(self._finder.history) > looked_up:
            self._finder.on_return(importer)
        if importer and name:
            imported = self.edges.get(importer)
            if imported is None:
                imported = self.edges[importer] = set()
            imported.add(name)
            if fromlist:
                for item in fromlist:
                    if (full := f"{name}.{item}") in sys.modules:
                        imported.add(full)


def body_of(
    globals: Mapping[str, object] | None, locals: Mapping[str, object] | None, fromlist: Sequence[str] | None
) -> str:
    """The module in whose body an import statement is, by what it gives; empty where it is in none.

    ``PyImport_Import``, by which C imports in any function, gives a list, and the global names twice.
    """
    if globals is None or locals is not globals or isinstance(fromlist, list):
        return ""
    return str(globals.get("__name__", ""))


def absolute(name: str, globals: Mapping[str, object] | None, level: int) -> str:
    """The full name of what is imported; empty where it has none."""
    if not level:
        return name
    package = (globals or {}).get("__package__")
    try:
        return importlib.util.resolve_name("." * level + name, package if isinstance(package, str) else None)
    except ImportError:
        return ""


def record(
    finder: ImportHook, edges: Edges, path_of: Callable[[str], str], is_project: Callable[[str], bool]
) -> ImportRecord:
    """What this process has imported so far.

    Args:
        finder: knows what was looked up, and when.
        path_of: a path with links to directories resolved.
        is_project: whether a file is the project's.
    """
    found, ends = finder.history, finder.ends()
    taken = [end - begin for (begin, _, _), end in zip(found, ends, strict=False)]
    files = {name: file for _, name, _ in found if (file := file_named(name)) and is_project(file)}
    return ImportRecord(
        order=[name for _, name, _ in found],
        phases=[phase for _, _, phase in found],
        seconds=taken,
        edges=edges,
        files={path_of(file): name for name, file in files.items()},
        lost=tuple(dict.fromkeys(name for _, name, _ in found if name not in sys.modules)),
        returned=returned(finder.returns, ends),
    )


def returned(returns: Sequence[tuple[int, float, str]], ends: Sequence[float]) -> list[Returned]:
    """How long each has gone on: until the next one did, or the next look-up.

    Args:
        returns: after how many look-ups, when, and who.
        ends: when the next look-up was, of each.
    """
    found = []
    for (count, moment, name), (following, until, _) in zip(returns, [*returns[1:], (0, 0.0, "")], strict=True):
        if count:
            found.append(Returned(count - 1, name, (until if following == count else ends[count - 1]) - moment))
    return found
