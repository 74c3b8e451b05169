"""What in a module's namespace its own source says, so that it tells nothing of what else was imported, or when.

A function is its source. So is a constant, if the source says what it is: ``NAME = "value"``, once, and not under a
condition. Anything else may have been computed from what was there at that moment.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from pathlib import Path
from types import FunctionType
from typing import Any

from devrunserver.common.module_files import file_named

Constants = dict[str, Any]  # by name, also ``Class.name``
MANY = object()  # of what is assigned more than once


class Literals:
    """Knows the constants of modules, each of which is read once."""

    def __init__(self) -> None:
        self._constants: dict[str, Constants] = {}

    def explain(self, module: str, attribute: str, value: Any) -> bool:
        """Whether a value is what the module's source says."""
        value = getattr(value, "__func__", value) if type(value) in (staticmethod, classmethod) else value
        if type(value) is FunctionType:
            return value.__module__ == module
        if module not in self._constants:
            self._constants[module] = self._read(module)
        constant = self._constants[module].get(attribute, MANY)
        return type(constant) is type(value) and bool(constant == value)

    @staticmethod
    def _read(module: str) -> Constants:
        with suppress(OSError, SyntaxError, ValueError):
            return constants(ast.parse(Path(file_named(module) or "").read_bytes()))
        return {}


def constants(tree: ast.Module) -> Constants:
    """The names of a module, and of its classes, that are assigned a constant once."""
    found: Constants = {}
    _collect(tree.body, "", found)
    return {name: value for name, value in found.items() if value is not MANY}


def _collect(body: list[ast.stmt], prefix: str, found: Constants) -> None:
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            _collect(statement.body, f"{prefix}{statement.name}.", found)
        constant = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                name = prefix + node.id
                is_first = name not in found and isinstance(constant, ast.Constant)
                found[name] = constant.value if is_first and isinstance(constant, ast.Constant) else MANY
