"""What this process has imported."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import itertools
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Any

BODY = "<module>"  # the name of the code of a module's body
IMPORTING_CALLS = ("import_module", "__import__")
INSTALLED = f"{os.sep}site-packages"
PACKAGES = frozenset({"site-packages", "dist-packages"})  # also those of another interpreter


def loaded_files(names: Iterable[str] | None = None) -> set[str]:
    """The files that the loaded modules came from, with links resolved; an archive for what came from one.

    Args:
        names: of the modules that are meant; all by default.
    """
    modules = list(sys.modules.values()) if names is None else [sys.modules.get(name) for name in names]
    directories: dict[str, str] = {}  # resolved ones, as many modules share one
    files = set()
    for file in filter(None, map(file_of, modules)):
        directory, name = os.path.split(file)
        if directory not in directories:
            directories[directory] = os.path.realpath(directory)
        path = os.path.join(directories[directory], name)
        files.add(path)
        if INSTALLED not in directory and os.path.islink(path):  # a question to the disk that most can be spared
            files.add(os.path.realpath(path))
    return files


def state() -> tuple[int, str]:
    """Changes whenever a module is imported."""
    return len(sys.modules), next(reversed(sys.modules))


class LoadedFiles:
    """The files that this process has loaded modules from so far.

    Only modules that are new are looked at. To look at a module writes to it, as it is counted who refers to it: that
    takes time, and memory that was shared with checkpoints.
    """

    def __init__(self) -> None:
        self._state = (0, "")
        self._files: set[str] = set()

    def now(self) -> set[str]:
        """All of them."""
        if added := self.added():
            self._files = self._files | added
            self._state = state()
        return self._files

    def added(self) -> set[str]:
        """Those that have come since somebody asked for all of them."""
        return loaded_files(added_since(self._state)) if state() != self._state else set()


def added_since(earlier: tuple[int, str]) -> list[str] | None:
    """The modules that were imported since that state; None where that cannot be known.

    Others may be gone meanwhile. If the last one has come once more, there are fewer after it than there must be.
    """
    count, last = earlier
    newest = list(itertools.takewhile(lambda name: name != last, reversed(sys.modules)))
    return newest if last in sys.modules and len(newest) >= len(sys.modules) - count else None


def directories_of(files: Iterable[str]) -> list[str]:
    """Their directories, each once."""
    return sorted({os.path.dirname(file) for file in files})


def file_of(module: object) -> str | None:
    """The file that a module came from, or the archive; None where there is none."""
    # a few packages put other objects into sys.modules, some of which import something when they are touched
    if not issubclass(type(module), ModuleType):
        return None
    values = namespace(module)
    spec = values.get("__spec__")
    if spec is None:
        file = values.get("__file__")  # __main__
    elif spec.has_location:
        file = getattr(spec.loader, "archive", None) or spec.origin
    else:
        file = None
    return file if isinstance(file, str) else None


def namespace(module: object) -> dict[str, Any]:
    """As vars(), which would run a lazily loaded module."""
    values: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return values


def incomplete() -> list[str]:
    """The modules that are being imported now: their bodies are not done."""
    return [name for name in list(sys.modules) if is_incomplete(name)]


def is_incomplete(name: str) -> bool:
    """Whether a module is being imported now."""
    module = sys.modules.get(name)
    return issubclass(type(module), ModuleType) and getattr(namespace(module).get("__spec__"), "_initializing", False)


def executed() -> str:
    """The module whose body this thread executes: that of the nearest frame which is one; empty where there is none."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == BODY:
            return str(frame.f_globals.get("__name__", ""))
        frame = frame.f_back
    return ""


def failed(traceback: TracebackType | None) -> str:
    """The module whose body an exception came from; empty where there is none."""
    found = ""
    while traceback is not None:
        code, names = traceback.tb_frame.f_code, traceback.tb_frame.f_globals
        found = str(names.get("__name__", "")) if code.co_name == BODY else found
        traceback = traceback.tb_next
    return found


def is_standard(file: str) -> bool:
    """Whether a file is the standard library's, or frozen into the interpreter."""
    return file.startswith(("<frozen ", _STANDARD)) and PACKAGES.isdisjoint(file.split(os.sep))


_STANDARD = sysconfig.get_path("stdlib") + os.sep


def file_named(name: str) -> str | None:
    """The file of a loaded module."""
    return file_of(sys.modules.get(name))


def unloaded_imports(modules: Iterable[ModuleType]) -> set[str]:
    """What the source of these modules imports, and what is not loaded: an optional part that is not there, or broken.

    Of a name whose packages are not loaded either, the outermost of these.
    """
    names: set[str] = set()
    for module in modules:
        with contextlib.suppress(OSError, SyntaxError, ValueError):
            source = Path(file_of(module) or "").read_bytes()
            values = namespace(module)
            names |= set(imports_of(ast.parse(source), values["__name__"], "__path__" in values))
    return {outermost for name in names if (outermost := _outermost_unloaded(name))}


def imports_of(tree: ast.Module, name: str, is_package: bool) -> Iterator[str]:
    """The modules that a module's source imports by name, wherever in it, and all names that may be modules.

    Args:
        name: the module's.
        is_package: whether it is a package.
    """
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            with contextlib.suppress(ImportError):  # beyond the top
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            value = node.args[0].value
            if called in IMPORTING_CALLS and isinstance(value, str) and not value.startswith("."):
                yield value


def _outermost_unloaded(name: str) -> str:
    """The first part that is neither loaded nor something else in what is; empty if there is none."""
    parts = name.split(".")
    for count, part in enumerate(parts):
        above = sys.modules.get(".".join(parts[:count]))
        if ".".join(parts[: count + 1]) not in sys.modules:
            is_other = issubclass(type(above), ModuleType) and part in namespace(above)
            return "" if is_other else ".".join(parts[: count + 1])
    return ""


def times(found: Sequence[tuple[float, str]], end: float) -> dict[str, float]:
    """The seconds that each module took, without those that it imported: from its look-up to the next.

    Args:
        found: when each was looked up, in order, and its name.
        end: when the last was done.
    """
    moments = [moment for moment, _ in found[1:]] + [end]
    taken: dict[str, float] = {}
    for (begin, name), moment in zip(found, moments, strict=False):
        taken[name] = taken.get(name, 0.0) + moment - begin
    return taken
