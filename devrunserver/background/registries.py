"""The lists and dictionaries that several modules have left something in: plug-ins, receivers of signals, admin sites;
and the subclasses of a class, where the project asks for these.

Theory of operation
-------------------
A module that is imported ahead leaves its entry before those that come in their turn. Where it came after one of them,
that shows, and the comparison would find it; to know it beforehand spares an attempt (``common/import_plan.py``).

So all that is near a module's namespace, or that of one of its classes, is looked through for containers in which more
than one module has left something: the last one, of those that what an entry is made of comes from (``outline.py``).
That is a guess. What Django derives from models, and has in abundance, is passed over: it is no registry.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType
from typing import Any

from devrunserver.background.kinds import Form, Kinds, namespace_of_class, text_of
from devrunserver.background.outline import CONTAINERS, PLAIN, Outliner, entries_of
from devrunserver.background.varying import Varying
from devrunserver.common.import_record import ImportRecord, Trace
from devrunserver.common.module_files import file_of, is_standard, namespace

DEPTH = (
    4  # how far from an attribute a registry may be: a lazy object, what it stands for, a dictionary, a list in that
)
DERIVED = ("django.db.models.options", "django.db.models.fields")  # where what derives from models is defined


class Registries:
    """Finds them in this process.

    Args:
        own: whether a module is one of ours, of which nothing counts.
        record: what this process has imported.
        has_subclasses: whether the order of the subclasses counts that the classes of a module have.
    """

    def __init__(
        self, own: Callable[[str], bool], record: ImportRecord, has_subclasses: Callable[[ModuleType], bool]
    ) -> None:
        self._has_subclasses = has_subclasses
        self._kinds = Kinds(own, hash, Varying())
        self._outliner = Outliner(self._kinds)
        self._order, self._places = record.order, record.places
        self._seen: dict[int, Any] = {}  # by id
        self._found: list[tuple[Any, list[int]]] = []  # what it was reached from, and who has left something
        modules = [(name, one) for name, one in list(sys.modules.items()) if type(one) is ModuleType and not own(name)]
        self._modules = sorted(modules, key=lambda one: self._places.get(one[0], -1))  # -1: before all that is recorded

    def traces(self) -> list[Trace]:
        """What was left in each, and which modules have it at hand, those that were looked up first before others."""
        for name, module in self._modules:
            file = file_of(module)
            if file is None or is_standard(file):
                continue
            has_subclasses = self._has_subclasses(module)
            for attribute, value in list(namespace(module).items()):
                if not attribute.startswith("__"):
                    self._look_at(name, value, has_subclasses)
        holders = self._holders({id(root) for root, _ in self._found})
        return [Trace(holders[id(root)], [self._order[place] for place in left]) for root, left in self._found]

    def _look_at(self, module: str, value: Any, has_subclasses: bool) -> None:
        if not self._kinds[type(value)].is_class:
            self._walk(value, value, DEPTH)
        elif text_of(value, "__module__") == module:
            for attribute, one in namespace_of_class(value).items():
                if not attribute.startswith("__"):
                    self._walk(one, value, DEPTH)
            if has_subclasses:
                self._note(value, ((one,) for one in type.__subclasses__(value)))

    def _walk(self, value: Any, root: Any, depth: int) -> None:
        kind = self._kinds[type(value)]
        if kind.is_class or kind.by_itself is not None or kind.form is Form.OPAQUE or id(value) in self._seen:
            return
        if kind.name.startswith(DERIVED):
            return
        self._seen[id(value)] = value
        entries = entries_of(value, kind)
        if kind.form in CONTAINERS and not issubclass(kind.base, tuple):
            self._note(root, entries)
        if depth > 1:
            for entry in entries:
                for one in entry:
                    if type(one) not in PLAIN:
                        self._walk(one, root, depth - 1)

    def _note(self, root: Any, entries: Iterable[tuple[Any, ...]]) -> None:
        left = self._left(entries)
        if len(set(left)) > 1:
            self._found.append((root, left))

    def _left(self, entries: Iterable[tuple[Any, ...]]) -> list[int]:
        """Who has left the entries, by place; who has left several one after the other, once."""
        found: list[int] = []
        for entry in entries:
            known = [self._places[module] for module in self._outliner.modules(entry) if module in self._places]
            if known and found[-1:] != [max(known)]:
                found.append(max(known))
        return found

    def _holders(self, roots: set[int]) -> dict[int, list[str]]:
        """Which modules have each at hand: in their namespace is it, or what was defined where it was first."""
        found: dict[int, dict[str, None]] = {root: {} for root in roots}
        for name, module in self._modules:
            for root in {id(value) for value in list(namespace(module).values())} & roots:
                found[root][name] = None
        owned = defaultdict(list)
        for holders in found.values():
            owned[next(iter(holders), "")].append(holders)
        for name, module in self._modules:
            for owner in {_defined_in(value) for value in list(namespace(module).values())} & owned.keys():
                for holders in owned[owner]:
                    holders[name] = None
        return {root: list(holders) for root, holders in found.items()}


def _defined_in(value: Any) -> str:
    """The module that a function or class was defined in; none of anything else."""
    if type(value) is FunctionType:
        return str(value.__module__)
    return text_of(value, "__module__") if issubclass(type(value), type) else ""
