"""What an attribute holds, and which modules may have left it there: what the order of imports shows in.

Theory of operation
-------------------
Modules leave traces in lists and dictionaries, one entry each. Who has left an entry is not written on it; but whatever
an entry is made of had to be imported before: the class of an object and the functions and classes that it holds, the
key and the value. So an entry is told by the modules of all of these, and who reads it knows in which order they were
imported: the last of them has left it, most likely. An object that one module alone has in its namespace was made
there, as what a registry is given is often kept under a name. Containers that an entry holds itself do not count, as
others may have filled them since; they are told for themselves.

Nothing is evaluated here either, see ``fingerprint.py``.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable
from functools import cached_property
from types import FunctionType, MethodType, ModuleType
from typing import Any

from devrunserver.background.kinds import Form, Kind, Kinds, text_of
from devrunserver.common.module_files import namespace

DEPTH = 6  # how far from an attribute a container may be
PARTS = 3  # how far from an entry a function or class may be that it is made of; what an attribute holds is two further
OF_ATTRIBUTE = 2
CONTAINERS = (Form.DICTIONARY, Form.SEQUENCE, Form.SET)  # no set: an enumeration's hash is slow
PLAIN = frozenset({str, int, bool, float, type(None), bytes})  # types of what comes from no module, and holds nothing

NAMED_BY_THEMSELVES = (type, FunctionType, ModuleType)  # they are told as what they are

Entry = tuple[str, ...]  # what it is, and the modules that what it is made of comes from
Containers = list[list[Entry]]  # each in its order; of entries that are numbers and texts nothing is told


class Outliner:
    """Tells what attributes hold.

    Args:
        kinds: what is known of types.
    """

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._seen: dict[int, Any] = {}  # by id, and kept, so that no id is used twice
        self._found: Containers = []

    def outline(self, value: Any) -> Containers:
        """The containers that a value is made of, the value itself first."""
        self._seen, self._found = {}, []
        self._note([(value,)])
        self._walk(value, DEPTH)
        return self._found

    def modules(self, entry: Iterable[Any]) -> set[str]:
        """The modules that what an entry is made of comes from."""
        return {module for module, _ in self._parts(entry)}

    @cached_property
    def _made_in(self) -> dict[int, tuple[str, str] | None]:
        """By id, the module that alone has an object in its namespace, and the name; None where several have."""
        found: dict[int, tuple[str, str] | None] = {}
        for module, one in list(sys.modules.items()):
            for name, value in list(namespace(one).items()) if type(one) is ModuleType else ():
                if type(value) not in PLAIN and not issubclass(type(value), NAMED_BY_THEMSELVES):
                    other = found.setdefault(id(value), (module, name))
                    if other is not None and other[0] != module:
                        found[id(value)] = None
        return found

    def _walk(self, value: Any, depth: int) -> None:
        kind = self._kinds[type(value)]
        if kind.is_class or kind.by_itself is not None or kind.form is Form.OPAQUE or not depth:
            return
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value
        entries = entries_of(value, kind)
        if kind.form in CONTAINERS:
            self._note(entries)
        for entry in entries:
            for one in entry:
                self._walk(one, depth - 1)

    def _note(self, entries: Iterable[tuple[Any, ...]]) -> None:
        told = []
        for entry in entries:
            if parts := self._parts(entry):
                told.append((" ".join(name for _, name in parts), *dict.fromkeys(module for module, _ in parts)))
        if told:
            self._found.append(told)

    def _parts(self, entry: Iterable[Any]) -> dict[tuple[str, str], None]:
        """The functions and classes that an entry is made of, each by its module and name."""
        parts: dict[tuple[str, str], None] = {}
        for one in entry:
            if type(one) not in PLAIN:
                self._find_parts(one, PARTS, parts)
                made = self._made_in.get(id(one))
                if made is not None and self._kinds[type(one)].form not in CONTAINERS:
                    parts[made] = None
        return parts

    def _find_parts(self, value: Any, depth: int, found: dict[tuple[str, str], None]) -> None:
        kind = self._kinds[type(value)]
        if type(value) is FunctionType:
            found[str(value.__module__), value.__qualname__] = None
        elif kind.is_class:
            found[text_of(value, "__module__"), text_of(value, "__qualname__")] = None
        elif type(value) is MethodType:
            self._find_parts(value.__func__, depth, found)
        elif kind.by_itself is None and depth > 0:
            self._find_inner_parts(value, kind, depth, found)

    def _find_inner_parts(self, value: Any, kind: Kind, depth: int, found: dict[tuple[str, str], None]) -> None:
        is_tuple_or_reference = kind.form is Form.REFERENCE or issubclass(kind.base, tuple)
        if not is_tuple_or_reference:
            if kind.form in CONTAINERS:
                return
            self._find_parts(type(value), 0, found)
            if kind.form is Form.OPAQUE:
                return
        for (one,) in entries_of(value, kind):
            if type(one) not in PLAIN:
                self._find_parts(one, depth - (1 if is_tuple_or_reference else OF_ATTRIBUTE), found)


def entries_of(value: Any, kind: Kind) -> list[tuple[Any, ...]]:
    """What a value holds; of what is no container the attributes."""
    if kind.form is Form.DICTIONARY:
        return list(kind.base.items(value))
    if kind.form is Form.SEQUENCE:
        return [(one,) for one in list(kind.base.__iter__(value))]
    if kind.form is Form.SET:
        return []
    if kind.form is Form.REFERENCE:
        return [(target(value),)]
    if kind.form is Form.PARTIAL:
        return [(value.func,), (value.args,), (value.keywords,)]
    attributes = kind.attributes_of(value)
    return [
        (by_name(one) if name in kind.keyed else one,) for name, one in attributes.items() if name not in kind.ignored
    ]


def by_name(value: Any) -> dict[Any, Any]:
    """A dictionary in an order of its own."""
    return dict(sorted(dict.items(value), key=lambda item: str(item[0])))


def target(reference: Any) -> Any:
    """What a weak reference refers to, if that is still there."""
    call = weakref.WeakMethod if issubclass(type(reference), weakref.WeakMethod) else weakref.ReferenceType
    return call.__call__(reference)
