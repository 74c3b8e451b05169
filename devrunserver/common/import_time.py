"""What of an edit may show while modules are imported: pure.

Theory of operation
-------------------
Most saves change what is in functions, which nobody calls before a request comes; then the imports leave the same
traces as before, in the same order. That is told from the sources alone: all of them but the bodies of functions and
the values of a module's constants is the same, and what changed is not used by code that runs at import, neither in the
files themselves nor in those that import them. A function counts as used where something of that name is called,
decorates, or is given to a call that may use it at once, and where a decorator may call it; a property or a constant
where its name is read. Special methods always count, and those that Django calls while it starts. So does whoever uses
what changed.

It errs on the side of what shows: then two starts are compared. What escapes it: a name that is put together from
texts, what other frameworks call, and a call by way of two other files.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef

MOST = 300_000  # bytes of dependents that are parsed; where there is more it may show
# By name, what keeps functions that it is given for later
HANDED_ON = {"path", "re_path", "staticmethod", "classmethod", "connect", "partial", "register"}
# Decorators, by name, that keep what they decorate for later; of others nobody knows whether they call it
KEEPING = HANDED_ON | {
    *("abstractmethod", "action", "api_view", "async_to_sync", "atomic", "cache", "cache_page", "cached_property"),
    *("contextmanager", "csrf_exempt", "csrf_protect", "decorator_from_middleware", "display", "ensure_csrf_cookie"),
    *("filter", "gzip_page", "inclusion_tag", "login_required", "lru_cache", "never_cache", "non_atomic_requests"),
    *("override", "permission_classes", "permission_required", "property", "receiver", "require_GET", "require_POST"),
    *("require_http_methods", "require_safe", "shared_task", "simple_tag", "staff_member_required", "sync_to_async"),
    *("task", "user_passes_test", "vary_on_cookie", "vary_on_headers", "wraps", "xframe_options_exempt"),
    *("deleter", "getter", "setter"),
}
STARTING = {"ready", "import_models", "contribute_to_class", "deconstruct", "get_urls", "urls"}  # Django calls them
SILENT = {"__str__", "__repr__"}  # special methods that nothing calls by itself


class Part(NamedTuple):
    """Something in a source that does not run at import by itself."""

    name: str
    is_constant: bool  # of a module; else a function
    content: str  # its body, or value
    may_be_called: bool = False  # by a decorator


Sources = Mapping[str, bytes]  # of files, by path


def may_show(before: Sources, after: Sources, dependents: Iterable[bytes]) -> bool:
    """Whether the imports may leave other traces than before, or leave them in another order.

    Args:
        before: the sources of the edited files.
        after: the same now.
        dependents: the sources of what imports them, directly or not.
    """
    parts = changed_parts(before, after)
    if parts is None or any(one.may_be_called or _runs(one.name, STARTING) for one in parts):
        return True
    trees = list(filter(None, map(parsed, [*before.values(), *after.values()]))) if parts else []
    affected = with_users({one.name for one in parts}, trees)
    read = {one.name for one in parts if one.is_constant} | affected & _properties(trees)
    return bool(affected) and (_use(trees, affected, read) or _are_used_by(dependents, affected, read))


def only_functions_differ(before: Sources, after: Sources) -> bool:
    """Whether all else in these files is as it was."""
    parts = changed_parts(before, after)
    return parts is not None and not any(one.is_constant for one in parts)


def changed_parts(before: Sources, after: Sources) -> list[Part] | None:
    """What has changed; None where that may be more than functions and constants."""
    changed: list[Part] = []
    if before.keys() != after.keys():
        return None
    for path, old in before.items():
        was, now = parsed(old), parsed(after[path])
        if was is None or now is None:
            return None
        parts, other_parts = list[Part](), list[Part]()
        if _frame(was, parts) != _frame(now, other_parts):
            return None
        changed += [one for one, other in zip(parts, other_parts, strict=True) if one != other]
    return changed


def _properties(trees: Iterable[ast.Module]) -> set[str]:
    functions = (one for tree in trees for one in ast.walk(tree) if isinstance(one, Function))
    return {one.name for one in functions if any(name.endswith("property") for name in _decorators(one))}


def _are_used_by(dependents: Iterable[bytes], names: set[str], read: set[str]) -> bool:
    """Whether other files may use something of these names at import."""
    mention = re.compile(rb"\b(?:%s)\b" % b"|".join(re.escape(name.encode()) for name in sorted(names)))
    mentioning = [source for source in dependents if mention.search(source)]
    if sum(map(len, mentioning)) > MOST:
        return True
    trees = [parsed(source) for source in mentioning]
    return any(tree is None or _use([tree], names, read) for tree in trees)


def parsed(source: bytes) -> ast.Module | None:
    """None: this is no Python."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _frame(node: ast.AST, parts: list[Part]) -> str:
    """What of a source runs at import in any case, as ``ast.dump`` says it; the rest is added to ``parts``."""
    told = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, Function):
            parts.append(Part(node.name, False, "".join(map(ast.dump, value)), not _is_kept(node)))
        elif name == "value" and (constant := _constant(node)):
            parts.append(Part(constant, True, ast.dump(value)))
        elif isinstance(value, list):
            is_module = isinstance(node, ast.Module)
            told += [_frame(one, parts) if _is_inner(one, is_module) else _dumped(one) for one in value]
        else:
            told.append(_frame(value, parts) if _is_inner(value, False) else _dumped(value))
    return f"{type(node).__name__}({','.join(told)})"


def _is_inner(value: object, is_module: bool) -> bool:
    """Whether there may be parts in it."""
    return isinstance(value, ast.AST) and (
        isinstance(value, ast.stmt | ast.ExceptHandler | ast.match_case)
        and (is_module or not isinstance(value, ast.Assign | ast.AnnAssign))
    )


def _dumped(value: object) -> str:
    return ast.dump(value) if isinstance(value, ast.AST) else repr(value)


def _constant(node: ast.AST) -> str:
    """The name that is assigned a constant here, at the top of a module; empty if none is."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and len(node.targets) == 1:
        target = node.targets[0]
        return target.id if isinstance(target, ast.Name) else ""
    return ""


def with_users(names: set[str], trees: Iterable[ast.Module]) -> set[str]:
    """These names, and those of functions that use something of such a name."""
    functions = [(one.name, _names(one)) for tree in trees for one in ast.walk(tree) if isinstance(one, Function)]
    found = set(names)
    while further := {name for name, used in functions if name not in found and not found.isdisjoint(used)}:
        found |= further
    return found


def _use(trees: Collection[ast.Module], names: set[str], read: set[str]) -> bool:
    """Whether code that runs at import uses something of these names.

    Args:
        read: those of them of which it is enough to be read.
    """
    functions = {one.name for tree in trees for one in ast.walk(tree) if isinstance(one, Function)}
    called = set(STARTING)
    while True:
        nodes = [node for tree in trees for node in _at_import(tree, called)]
        found = {name for node in nodes for name in _called(node)}
        found |= read & {name for node in nodes for name in _read(node)}
        if not found.isdisjoint(names):
            return True
        if (further := found & functions) <= called:
            return False
        called |= further


def _at_import(tree: ast.AST, called: set[str]) -> Iterator[ast.AST]:
    """Each node but those in the bodies of functions that nobody calls meanwhile."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(node, Function) and not _runs(node.name, called):
                continue
            waiting += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, ast.AST)]


def _runs(name: str, called: set[str]) -> bool:
    return name in called or (name.startswith("__") and name not in SILENT)


def _called(node: ast.AST) -> set[str]:
    """What a node calls, or may have called at once, by name."""
    if isinstance(node, ast.Call):
        function = _read(node.func)
        given = [one for one in [*node.args, *(one.value for one in node.keywords)] if not HANDED_ON & function]
        return function.union(*map(_read, given))
    return _decorators(node) if isinstance(node, Function | ast.ClassDef) else set()


def _is_kept(node: Function) -> bool:
    """Whether all its decorators keep it for later: those of known names, and what they are given."""
    functions = [one.func if isinstance(one, ast.Call) else one for one in node.decorator_list]
    return all(KEEPING & _read(one) for one in functions)


def _decorators(node: Function | ast.ClassDef) -> set[str]:
    return {name for one in node.decorator_list for name in _names(one)}


def _read(node: ast.AST) -> set[str]:
    """The name that a node reads, if it is one, or an attribute."""
    if isinstance(node, ast.Attribute):
        return {node.attr}
    return {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else set()


def _names(node: ast.AST) -> set[str]:
    """All that are read in it."""
    return {name for one in ast.walk(node) for name in _read(one)}
