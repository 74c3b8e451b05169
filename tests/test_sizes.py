"""No class and no function is larger than what fits in the head."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "devrunserver"
FILES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}

ATTRIBUTES = 13  # of a class, set in its methods or declared as fields
METHODS = 20  # of a class
LINES = 40  # of a function, its docstring not counted

# What is larger for now: it may shrink, never grow.
LARGER: dict[str, tuple[int, int]] = {
    "conf.py:Conf": (60, 0),  # a field is a setting
}


def classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def methods(node: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]


def attributes(node: ast.ClassDef) -> set[str]:
    """What the methods of a class set on ``self``, and the fields of a dataclass."""
    found = {
        target.attr
        for method in methods(node)
        for one in ast.walk(method)
        for target in ([one] if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store) else [])
        if isinstance(target.value, ast.Name) and target.value.id == "self"
    }
    is_dataclass = any("dataclass" in ast.unparse(one) for one in node.decorator_list)
    if is_dataclass:
        found |= {
            one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        }
    return found


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from its ``def`` on, without its docstring and the functions in it."""
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    nested = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    inner = sum((one.end_lineno or one.lineno) - one.lineno + 1 for one in nested)
    return (node.end_lineno or node.lineno) - first.lineno + 1 - inner


@pytest.mark.parametrize("name", FILES)
def test_classes_fit_in_the_head(name: str) -> None:
    tree = ast.parse(FILES[name].read_text(), name)
    large = {}
    for node in classes(tree):
        most_attributes, most_methods = LARGER.get(f"{name}:{node.name}", (ATTRIBUTES, METHODS))
        size = len(attributes(node)), len(methods(node))
        if size[0] > most_attributes or size[1] > most_methods:
            large[node.name] = size
    assert not large, f"attributes and methods: {large}"


@pytest.mark.parametrize("name", FILES)
def test_functions_fit_on_a_screen(name: str) -> None:
    tree = ast.parse(FILES[name].read_text(), name)
    found = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {one.name: length(one) for one in found if length(one) > LINES}
    assert not long, f"lines: {long}"


def test_the_exceptions_are_needed() -> None:
    """An exception whose class has become small enough is taken from the list."""
    for place in LARGER:
        name, _, wanted = place.partition(":")
        (node,) = [one for one in classes(ast.parse(FILES[name].read_text())) if one.name == wanted]
        assert len(attributes(node)) > ATTRIBUTES or len(methods(node)) > METHODS, place
