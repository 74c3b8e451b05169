"""The fingerprint of a process: what the order of its imports can have changed, as one checksum per module.

Theory of operation
-------------------
Modules that do not depend on each other may be imported in another order, unless they leave traces in a common place:
receivers of a signal, a registry, a list of plug-ins, an attribute that both replace. Such traces are reachable from
the namespace of some module, so the fingerprint goes through all modules, in the order of their names, and through

- their attributes, except that which holds no order: the modules themselves, and what caches;
- the attributes of classes, at the module that defines them, and the order of subclasses where the project asks for it;
- lists, tuples, dictionaries (in their order), sets (without one), and the attributes of other objects in these.

Every object is described once, where it is met first; elsewhere it stands for that place. So an order of equal-looking
objects is told from another one, and nothing is described five hundred times. Nothing is evaluated: types are asked by
``type()``, attributes by ``object.__getattribute__``, so that lazy objects stay what they are. Addresses do not count.

Fingerprints can be compared between processes that share the seed of ``hash``: those that were forked from the same
one, or that were started with the same ``PYTHONHASHSEED``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from operator import itemgetter
from types import ModuleType
from typing import Any

from devrunserver.background.kinds import COUNTERS, Digest, Form, Kind, Kinds, full_name, namespace_of_class, text_of
from devrunserver.background.outdated_relations import ATTRIBUTE, REGISTRY, outdated_relations
from devrunserver.background.outline import Containers, Outliner, by_name, target
from devrunserver.background.varying import Varying
from devrunserver.common.module_files import file_of, is_standard, namespace

DEPTH = 6  # how far from a module's attribute an object may be to be described
SMALL = 4  # members of a container that is described wherever it is met: two of them, or one twice, are the same
LARGE = 4  # members of a container from which on it may be a table
SUBCLASSES = "__subclasses__"

# What is different in every process, or holds no order that anybody sees.
IGNORED_NAMES = frozenset(
    {"__builtins__", "__cached__", "__loader__", "__spec__", "__warningregistry__", "__file__", "__path__", "__doc__"}
    | {"__dict__", "__weakref__", "_abc_impl", "__annotations__", "__annotations_cache__", "__annotate_func__"}
    | {"__static_attributes__", "__import__", "__firstlineno__", "__abstractmethods__", "__parameters__"}
    | {"__orig_bases__", *COUNTERS}
)
# Of the standard library, whose own state is caches for the most part
REGISTRIES = {
    "sys": frozenset({"meta_path", "path", "path_hooks"}),
    "os": frozenset({"environ"}),
    "logging": frozenset({"root"}),
    "warnings": frozenset({"filters"}),
    "mimetypes": frozenset({"types_map", "encodings_map"}),
}
# Dictionaries, and dictionaries of those, whose order nobody sees: a cache in memory puts first what was asked for last
UNORDERED = {
    *(("mimetypes", "types_map"), ("mimetypes", "encodings_map")),
    *(("django.core.cache.backends.locmem", one) for one in ("_caches", "_expire_info")),
}
TEXTS = frozenset({str})
TABLES = frozenset({list, tuple})
TABULAR = frozenset({type(None), bool, int, str})

IMPORT_SYSTEM = ("importlib", "_frozen_importlib")  # which only caches, and is what records who imports whom

Digests = dict[str, Digest]


class Texts(Digests):
    """What each text is worth."""

    def __init__(self, varying: Varying) -> None:
        self._varying = varying

    def __missing__(self, text: str) -> Digest:
        known = self[text] = hash(self._varying.lasting(text))
        return known


class Fingerprint:
    """Takes the fingerprint of this process.

    Args:
        own: whether a module is one of ours, of which nothing counts.
        has_subclasses: whether the order of ``__subclasses__()`` counts, for the classes of a module.
    """

    def __init__(
        self, own: Callable[[str], bool], has_subclasses: Callable[[ModuleType], bool] = lambda module: False
    ) -> None:
        self._own = own
        self._varying = Varying()
        self._texts = Texts(self._varying)
        self._kinds = Kinds(own, self._texts.__getitem__, self._varying)
        self._outliner = Outliner(self._kinds)
        self._has_subclasses = has_subclasses
        self._places: dict[int, Digest] = {}  # of objects by id, where they were met first
        self._kept: list[Any] = []  # so that no id is used twice
        self._attributes: dict[str, Digests] = {}  # by module
        self._classes: dict[str, dict[str, type[Any]]] = {}  # the same, by name
        self._of_classes: dict[str, dict[str, Digests]] = {}  # their attributes, the same
        self._outdated = outdated_relations()
        self._take()

    def modules(self) -> Digests:
        """One checksum of each module."""
        found = {}
        for name, digests in self._attributes.items():
            classes = ((one, frozenset(of.items())) for one, of in self._of_classes[name].items())
            found[name] = hash((frozenset(digests.items()), frozenset(classes)))
        return found

    def attributes(self, module: str) -> Digests:
        """One checksum of each attribute of a module, and of each of its classes'."""
        found = dict(self._attributes.get(module, {}))
        for qualname, digests in self._of_classes.get(module, {}).items():
            found.update((f"{qualname}.{attribute}", digest) for attribute, digest in digests.items())
        return found

    def outline(self, module: str, attribute: str) -> Containers:
        """The containers of an attribute, the attribute itself first, and where what is in them comes from."""
        value = self.value(module, attribute)
        return [] if value is None else self._outliner.outline(value)

    def value(self, module: str, attribute: str) -> Any:
        """What an attribute of a module or of one of its classes holds."""
        qualname, _, name = attribute.rpartition(".")
        of_class = self._classes.get(module, {}).get(qualname)
        if of_class is not None:
            return type.__subclasses__(of_class) if name == SUBCLASSES else namespace_of_class(of_class).get(name)
        if (module, attribute) == (REGISTRY, ATTRIBUTE):
            return self._outdated
        value = namespace(sys.modules[module]).get(attribute) if module in self._classes else None
        return _without_order(value) if (module, attribute) in UNORDERED else value

    def _take(self) -> None:
        modules = [(name, one) for name, one in sys.modules.items() if type(one) is ModuleType and not self._own(name)]
        modules = [(name, one) for name, one in modules if not name.startswith(IMPORT_SYSTEM)]
        modules.sort(key=itemgetter(0))
        for name, module in modules:
            self._places[id(module)] = hash(name)
        classes = list(self._find_classes(modules))
        for name, module in modules:
            self._attributes[name] = self._describe_module(name, module)
        for name, one in classes:
            self._describe_class(name, one)
        if self._outdated:
            self._attributes[REGISTRY][ATTRIBUTE] = self._digest(self._outdated, DEPTH, hash(REGISTRY), ATTRIBUTE)

    def _find_classes(self, modules: Iterable[tuple[str, ModuleType]]) -> Iterable[tuple[str, type[Any]]]:
        """The classes of each module, each of which has its place there from now on."""
        for name, module in modules:
            self._classes[name], self._of_classes[name] = {}, {}
            for value in list(namespace(module).values()):
                is_class = self._kinds[type(value)].is_class
                if is_class and id(value) not in self._places and text_of(value, "__module__") == name:
                    self._places[id(value)] = hash((name, text_of(value, "__qualname__")))
                    yield name, value

    def _describe_module(self, name: str, module: ModuleType) -> Digests:
        is_shallow, place = _is_standard(module), hash(name)
        registries = REGISTRIES.get(name, frozenset()) if is_shallow else frozenset()
        names, values, digests = [], [], {}
        for attribute, value in list(namespace(module).items()):
            if attribute in IGNORED_NAMES or type(value) is ModuleType:
                continue
            if attribute in registries:
                digests[attribute] = self._digest(self.value(name, attribute), DEPTH, place, attribute)
            else:
                names.append(attribute)
                values.append(_without_order(value) if (name, attribute) in UNORDERED else value)
        digests.update(zip(names, self._digests(values, 0 if is_shallow else DEPTH, place, names), strict=True))
        return digests

    def _describe_class(self, module: str, one: type[Any]) -> None:
        qualname, place = text_of(one, "__qualname__"), self._places[id(one)]
        depth = 0 if _is_standard(sys.modules[module]) else DEPTH - 1
        names, values = [], []
        for attribute, value in namespace_of_class(one).items():
            if attribute not in IGNORED_NAMES and not self._kinds[type(value)].is_passed_over:
                names.append(attribute)
                values.append(value)
        digests = dict(zip(names, self._digests(values, depth, place, names), strict=True))
        if self._has_subclasses(sys.modules[module]):
            digests[SUBCLASSES] = hash(tuple(map(full_name, type.__subclasses__(one))))
        self._classes[module][qualname] = one
        self._of_classes[module].setdefault(qualname, {}).update(digests)

    # Values: each is described by a number. ``place`` is that of what it was met in, ``key`` its name or number there

    def _digest(self, value: Any, depth: int, place: Digest, key: object) -> Digest:
        kind = self._kinds[type(value)]
        return kind.by_itself(value) if kind.by_itself is not None else self._inside(value, kind, depth, place, key)

    def _digests(self, values: Iterable[Any], depth: int, place: Digest, keys: Iterable[object]) -> list[Digest]:
        """What each of several values is worth. This is where the time goes."""
        kinds, inside = self._kinds, self._inside
        return [
            inside(value, kind, depth, place, key)
            if (tell := (kind := kinds[type(value)]).by_itself) is None
            else tell(value)
            for value, key in zip(values, keys, strict=False)
        ]

    def _inside(self, value: Any, kind: Kind, depth: int, place: Digest, key: object) -> Digest:
        """What a value is worth by what is in it, if it is met for the first time."""
        known = self._places.get(id(value))
        if known is not None:
            return known
        if kind.is_class:
            return hash((text_of(value, "__module__"), text_of(value, "__qualname__")))
        here = hash((place, key))
        if not kind.is_plain or len(value) > SMALL:
            self._places[id(value)] = here
            self._kept.append(value)
        return kind.bare if depth <= 0 else self._describe(value, kind, depth - 1, here)

    def _describe(self, value: Any, kind: Kind, depth: int, place: Digest) -> Digest:
        form = kind.form
        if form is Form.DICTIONARY:
            return self._describe_dictionary(value, kind, depth, place)
        if form is Form.SEQUENCE:
            members = list(kind.base.__iter__(value))
            table = self._table(value, members) if type(value) in TABLES else None
            return table or hash((kind.name, *self._digests(members, depth, place, range(len(members)))))
        if form is Form.SET:
            return hash((kind.name, sum(map(self._member, list(kind.base.__iter__(value))))))
        if form is Form.REFERENCE:
            return hash(("ref", self._digest(target(value), depth, place, "")))
        if form is Form.PARTIAL:
            return hash(("partial", *self._digests((value.func, value.args, value.keywords), depth, place, range(3))))
        if form is Form.SIGNAL:
            return hash((kind.name, *self._receivers(value, kind, depth, place)))
        return hash(kind.name) if form is Form.OPAQUE else self._describe_attributes(value, kind, depth, place)

    def _table(self, value: Any, members: list[Any]) -> Digest | None:
        """A container of nothing but texts and whole numbers at once. None where it is not, or one of them may vary."""
        if len(members) < LARGE or not TABULAR.issuperset(map(type, members)):
            return None
        text = repr(value)
        return None if self._varying.may_be_in(text) else hash(text)

    def _describe_dictionary(self, value: Any, kind: Kind, depth: int, place: Digest) -> Digest:
        items = [(key, one) for key, one in kind.base.items(value) if type(key) is not str or key not in IGNORED_NAMES]
        keys, values = [key for key, _ in items], [one for _, one in items]
        is_whole = type(value) is dict and len(value) == len(items)
        if is_whole and (table := self._table(value, keys + values)) is not None:
            return table
        if TEXTS.issuperset(map(type, keys)):
            return hash((kind.name, *map(self._texts.__getitem__, keys), *self._digests(values, depth, place, keys)))
        names = [key if type(key) is str else number for number, key in enumerate(keys)]
        of_keys = self._digests(keys, depth, place, range(len(keys)))
        return hash((kind.name, *of_keys, *self._digests(values, depth, place, names)))

    def _describe_attributes(self, value: Any, kind: Kind, depth: int, place: Digest) -> Digest:
        attributes = kind.attributes_of(value)
        for attribute in kind.keyed & attributes.keys():
            attributes[attribute] = by_name(attributes[attribute])
        names = sorted(one for one in attributes if type(one) is str and one not in kind.ignored)
        return hash((kind.name, *names, *self._digests(map(attributes.get, names), depth, place, names)))

    def _receivers(self, signal: Any, kind: Kind, depth: int, place: Digest) -> Iterable[Digest]:
        """Receivers in order; they are told by address, which does not count."""
        for number, entry in enumerate(kind.attributes_of(signal).get("receivers", ())):
            (uid, _), receiver = entry[0], entry[1]
            yield self._digest(receiver, depth, place, number)
            yield hash(uid) if type(uid) is str else 0

    def _member(self, value: Any) -> Digest:
        """What a member adds to the checksum of a set: only what can be told without a place."""
        kind = self._kinds[type(value)]
        if kind.by_itself is not None or kind.is_class:
            return self._digest(value, 0, 0, "")
        if type(value) is tuple:
            return hash(tuple(map(self._member, value)))
        return kind.bare


def _without_order(value: Any) -> Any:
    """A dictionary, and those in it, in an order of their own."""
    if not isinstance(value, dict):
        return value
    return {key: by_name(one) if isinstance(one, dict) else one for key, one in by_name(value).items()}


def _is_standard(module: ModuleType) -> bool:
    file = file_of(module)
    return file is None or is_standard(file)
