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

import re
import sys
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from functools import partial
from operator import itemgetter
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from devrunserver.background.varying import Varying
from devrunserver.common.module_files import file_of, is_standard, namespace

DEPTH = 6  # how far from a module's attribute an object may be to be described
SMALL = 4  # members of a container that is described wherever it is met: two of them, or one twice, are the same
LARGE = 8  # members of a container from which on it may be a table

# Numbers in the order of creation, which shows in what is sorted by them: of fields of Django's models and forms, and
# of REST framework's serializers, and of managers.
COUNTERS = frozenset({"creation_counter", "auto_creation_counter", "_creation_counter"})
# What is different in every process, or holds no order that anybody sees.
IGNORED_NAMES = frozenset(
    {"__builtins__", "__cached__", "__loader__", "__spec__", "__warningregistry__", "__file__", "__path__", "__doc__"}
    | {"__dict__", "__weakref__", "_abc_impl", "__annotations__", "__annotations_cache__", "__annotate_func__"}
    | {
        "__static_attributes__",
        "__import__",
        "__firstlineno__",
        "__abstractmethods__",
        "__parameters__",
        "__orig_bases__",
    }
    | COUNTERS
)
WEAK_CACHES = {"_dirty_len", "_pending_removals", "_iterating"}  # of who is gone
# Attributes of objects of these types (and of types derived from them) that hold no order, or only cache
UNORDERED = {
    "django.db.models.options.Options": {"swapped"},  # what settings say, kept once somebody has asked
    "django.conf.LazySettings": {"*"},  # settings are put there when they are asked for
    "logging.Manager": {"*"},
    "django.urls.resolvers.URLResolver": {
        *("_reverse_dict", "_namespace_dict", "_app_dict", "_populated", "_local", "_callback_strs", "urlconf_module"),
        *("url_patterns",),
    },
    "celery.app.base.Celery": {"_pending"},
    "celery.app.registry.TaskRegistry": {"*"},
    "threading.local": {"*"},
    "weakref.WeakValueDictionary": WEAK_CACHES,
    "weakref.WeakKeyDictionary": WEAK_CACHES,
    "_weakrefset.WeakSet": WEAK_CACHES,
    "asgiref.local.Local": {"*"},
}
# Dictionaries in these attributes, whose own order nobody sees: it is that in which apps have got their first model,
# or that in which fields were asked for
KEYED = {
    "django.apps.registry.Apps": {"all_models"},
    "django.db.models.options.Options": {"_get_fields_cache"},
}
# Of the standard library, whose own state is caches for the most part
REGISTRIES = ("sys.meta_path", "sys.path", "sys.path_hooks", "os.environ", "logging.root", "warnings.filters")
KEYED_REGISTRIES = ("mimetypes.types_map", "mimetypes.encodings_map")  # dictionaries whose own order nobody sees

IMPORT_SYSTEM = ("importlib", "_frozen_importlib")  # which only caches, and is what records who imports whom

Digest = int
Kind = type[Any]


class Fingerprint:
    """Takes the fingerprint of this process.

    Args:
        own: whether a module is one of ours, of which nothing counts.
        asks_for_subclasses: whether the order of ``__subclasses__()`` counts, for classes of the project.
        is_project: whether a file is the project's.
    """

    def __init__(
        self, own: Callable[[str], bool], is_project: Callable[[str], bool], asks_for_subclasses: bool = False
    ) -> None:
        self._own = own
        self._varying = Varying()
        self._texts: dict[str, Digest] = {}
        self._is_project = is_project
        self._asks_for_subclasses = asks_for_subclasses
        self._places: dict[int, Digest] = {}  # of objects by id, where they were met first
        self._kept: list[Any] = []  # so that no id is used twice
        self._attributes: dict[str, dict[str, Digest]] = {}  # by module
        self._values: dict[str, dict[str, Any]] = {}  # the same
        self._unordered: dict[Kind, set[str]] = {}
        self._dictionaries: dict[Kind, Any] = {}  # of types, what gives the attributes of an object
        self._take()

    def modules(self) -> dict[str, Digest]:
        """One checksum of each module."""
        return {name: hash(tuple(sorted(values.items()))) for name, values in self._attributes.items()}

    def attributes(self, module: str) -> dict[str, Digest]:
        """One checksum of each attribute of a module, and of each of its classes'."""
        return self._attributes.get(module, {})

    def outline(self, module: str, attribute: str) -> list[tuple[str, str]]:
        """What an attribute holds, in order: functions and classes, each by its module and its name."""
        found: list[tuple[str, str]] = []
        self._outline(self._values.get(module, {}).get(attribute), DEPTH, found, set())
        return found

    def value(self, module: str, attribute: str) -> Any:
        """What an attribute holds."""
        return self._values.get(module, {}).get(attribute)

    def _outline(self, value: Any, depth: int, found: list[tuple[str, str]], seen: set[int]) -> None:
        kind = type(value)
        if kind is FunctionType:
            found.append((str(value.__module__), value.__qualname__))
        elif is_class(value):
            found.append((_text(value, "__module__"), _text(value, "__qualname__")))
        elif kind in SCALARS or kind in BY_NAME or id(value) in seen or not depth:
            pass
        else:
            seen.add(id(value))
            for one in self._parts(value, kind):
                self._outline(one, depth - 1, found, seen)

    def _parts(self, value: Any, kind: Kind) -> Iterable[Any]:
        if issubclass(kind, dict):
            return [one for item in list(dict.items(value)) for one in item]
        for sequence in SEQUENCES:
            if issubclass(kind, sequence):
                return list(sequence.__iter__(value))
        if issubclass(kind, weakref.ReferenceType):
            return [_target(value)]
        return [kind, *self._attributes_of(value, kind).values()]

    def _attributes_of(self, value: Any, kind: Kind) -> dict[str, Any]:
        """The instance dictionary itself: a class may say that it is another one, as lazy objects do."""
        if kind not in self._dictionaries:
            found = (type.__dict__["__dict__"].__get__(one).get("__dict__") for one in type.mro(kind))
            self._dictionaries[kind] = next((one for one in found if type(one) is GetSetDescriptorType), None)
        getter = self._dictionaries[kind]
        attributes = {} if getter is None else getter.__get__(value)
        return dict(attributes) if type(attributes) is dict else {}

    def _take(self) -> None:
        modules = [(name, one) for name, one in sys.modules.items() if type(one) is ModuleType and not self._own(name)]
        modules = [(name, one) for name, one in modules if not name.startswith(IMPORT_SYSTEM)]
        modules.sort(key=itemgetter(0))
        for name, module in modules:
            self._places[id(module)] = hash(name)
        classes = list(self._classes(modules))
        for name, module in modules:
            shallow, place = _is_standard(module), hash(name)
            digests, values = self._attributes[name], self._values[name]
            for attribute, value in list(namespace(module).items()):
                if attribute in IGNORED_NAMES or type(value) is ModuleType:
                    continue
                registry = f"{name}.{attribute}" if shallow else ""
                if registry in KEYED_REGISTRIES:
                    value = _sorted(value)
                depth = 0 if shallow and registry not in REGISTRIES + KEYED_REGISTRIES else DEPTH
                digests[attribute] = self._digest(value, depth, place, attribute)
                values[attribute] = value
        for name, one in classes:
            self._describe_class(name, one)

    def _classes(self, modules: Iterable[tuple[str, ModuleType]]) -> Iterable[tuple[str, Kind]]:
        """The classes of each module, each of which has its place there from now on."""
        for name, module in modules:
            self._attributes[name], self._values[name] = {}, {}
            for value in list(namespace(module).values()):
                if is_class(value) and id(value) not in self._places and _text(value, "__module__") == name:
                    self._places[id(value)] = hash((name, _text(value, "__qualname__")))
                    yield name, value

    def _describe_class(self, module: str, one: Kind) -> None:
        digests, values = self._attributes[module], self._values[module]
        qualname, place = _text(one, "__qualname__"), self._places[id(one)]
        depth = 0 if _is_standard(sys.modules[module]) else DEPTH - 1
        for attribute, value in _namespace_of_class(one).items():
            if attribute in IGNORED_NAMES or type(value) in PLAIN:
                continue
            name = f"{qualname}.{attribute}"
            digests[name] = self._digest(value, depth, place, attribute)
            values[name] = value
        if self._asks_for_subclasses and self._is_project(file_of(sys.modules[module]) or ""):
            name, subclasses = f"{qualname}.__subclasses__", type.__subclasses__(one)
            digests[name] = hash(
                tuple(f"{_text(sub, '__module__')}.{_text(sub, '__qualname__')}" for sub in subclasses)
            )
            values[name] = subclasses

    # Values: each is described by a number. ``place`` is that of what it was met in, ``key`` its name or number there

    def _digest(self, value: Any, depth: int, place: Digest, key: object) -> Digest:
        kind = type(value)
        if kind is str:
            known = self._texts.get(value)
            return known if known is not None else self._text_digest(value)
        if kind in SINGLE:
            return hash(kind.__name__)  # their own hash is their address, for some versions of Python
        if kind in SCALARS:
            return hash(value) if kind not in VARYING and value == value else self._varying.number(value)
        if (describe := BY_NAME.get(kind)) is not None:
            return describe(value)
        module = kind.__module__
        if module == "typing":  # these are cached, so that it is chance which are the same
            return hash(_text(kind, "__qualname__"))
        if module == "zoneinfo":  # the same
            return hash(("zone", str(value)))
        known = self._places.get(id(value))
        if known is not None:
            return known
        if is_class(value):
            return hash((_text(value, "__module__"), _text(value, "__qualname__")))
        here = hash((place, key))
        if kind not in PLAIN_CONTAINERS or len(value) > SMALL:
            self._places[id(value)] = here
            self._kept.append(value)
        if depth <= 0:
            return hash(_text(kind, "__qualname__"))
        return self._describe(value, kind, depth - 1, here)

    def _text_digest(self, text: str) -> Digest:
        known = self._texts[text] = hash(self._varying.lasting(text))
        return known

    def _describe(self, value: Any, kind: Kind, depth: int, place: Digest) -> Digest:
        if kind in TABLES and len(value) >= LARGE and (table := self._table(value, kind)) is not None:
            return table
        if issubclass(kind, dict):
            return self._describe_dict(value, kind, depth, place)
        for sequence in SEQUENCES:
            if issubclass(kind, sequence):
                parts = [self._digest(one, depth, place, at) for at, one in enumerate(list(sequence.__iter__(value)))]
                return hash((_text(kind, "__qualname__"), *parts))
        for unordered in SETS:
            if issubclass(kind, unordered):
                return hash((_text(kind, "__qualname__"), sum(map(self._member, list(unordered.__iter__(value))))))
        if issubclass(kind, weakref.ReferenceType):
            return hash(("ref", self._digest(_target(value), depth, place, "")))
        if kind is partial:
            bound = enumerate((value.func, value.args, value.keywords))
            return hash(("partial", *(self._digest(one, depth, place, at) for at, one in bound)))
        return self._describe_object(value, kind, depth, place)

    def _table(self, value: Any, kind: Kind) -> Digest | None:
        """A long container of nothing but texts and whole numbers at once; None where one of them may vary."""
        types = set(map(type, value))
        if kind is dict:
            types.update(map(type, value.values()))
        if not types <= TABULAR or (kind is dict and not IGNORED_NAMES.isdisjoint(value)):
            return None
        text = repr(value)
        return None if self._varying.may_be_in(text) else hash(text)

    def _describe_dict(self, value: Any, kind: Kind, depth: int, place: Digest) -> Digest:
        items = OrderedDict.items(value) if issubclass(kind, OrderedDict) else dict.items(value)
        parts: list[Digest] = []
        for number, (key, one) in enumerate(list(items)):
            if type(key) is str and key in IGNORED_NAMES:
                continue
            name = key if type(key) is str else number
            parts.append(self._digest(key, depth, place, number))
            parts.append(self._digest(one, depth, place, name))
        return hash((_text(kind, "__qualname__"), *parts))

    def _describe_object(self, value: Any, kind: Kind, depth: int, place: Digest) -> Digest:
        name = f"{_text(kind, '__module__')}.{_text(kind, '__qualname__')}"
        ignored = self._ignored(kind)
        if "*" in ignored or self._own(_text(kind, "__module__")):
            return hash(name)
        if name == "django.dispatch.dispatcher.Signal":
            return hash((name, *self._receivers(value, depth, place)))
        attributes = self._attributes_of(value, kind)
        for attribute in KEYED.get(name, set()) & attributes.keys():
            attributes[attribute] = _sorted(attributes[attribute])
        parts = [
            (attribute, self._digest(attributes[attribute], depth, place, attribute))
            for attribute in sorted(filter(_is_text, attributes))
            if attribute not in ignored and attribute not in COUNTERS
        ]
        return hash((name, *parts))

    def _receivers(self, signal: Any, depth: int, place: Digest) -> Iterable[Digest]:
        """Receivers in order; they are told by address, which does not count."""
        for number, entry in enumerate(self._attributes_of(signal, type(signal)).get("receivers", ())):
            (uid, _), receiver = entry[0], entry[1]
            yield self._digest(receiver, depth, place, number)
            yield hash(uid) if type(uid) is str else 0

    def _member(self, value: Any) -> Digest:
        """What a member adds to the checksum of a set: only what can be told without a place."""
        kind = type(value)
        if kind in SCALARS or kind in BY_NAME or is_class(value):
            return self._digest(value, 0, 0, "")
        if kind is tuple:
            return hash(tuple(self._member(one) for one in value))
        return hash(_text(kind, "__qualname__"))

    def _ignored(self, kind: Kind) -> set[str]:
        known = self._unordered.get(kind)
        if known is None:
            names = [f"{_text(one, '__module__')}.{_text(one, '__qualname__')}" for one in type.mro(kind)]
            names += ["threading.local"] if any(one.__name__ == "_local" for one in kind.__mro__) else []
            known = self._unordered[kind] = set().union(*(UNORDERED.get(name, ()) for name in names))
        return known


def is_class(value: Any) -> bool:
    """Whether a value is a class; ``isinstance`` would ask lazy objects for theirs."""
    return issubclass(type(value), type)


def _namespace_of_class(one: Kind) -> dict[str, Any]:
    return dict(type.__dict__["__dict__"].__get__(one))


def _sorted(value: Any) -> dict[Any, Any]:
    """A dictionary in an order of its own."""
    return dict(sorted(dict.items(value), key=lambda item: str(item[0])))


def _is_text(name: object) -> bool:
    return type(name) is str


def _text(one: Kind, name: str) -> str:
    """A name of a class, as it is in its dictionary."""
    if name == "__qualname__":
        return type.__dict__["__qualname__"].__get__(one)  # type: ignore[no-any-return]
    value = type.__dict__["__dict__"].__get__(one).get(name, "")
    return value if type(value) is str else ""


def _target(reference: Any) -> Any:
    call = weakref.WeakMethod if issubclass(type(reference), weakref.WeakMethod) else weakref.ReferenceType
    return call.__call__(reference)


def _function(value: Any) -> Digest:
    """By name, as lines shift when a file is edited; by content where names do not tell."""
    code, name = value.__code__, value.__qualname__
    if name.endswith(">") or "<locals>" in name or name == "_":
        return hash((value.__module__, name, code.co_code, code.co_names, len(code.co_consts)))
    return hash((value.__module__, name))


def _builtin(value: Any) -> Digest:
    return hash(("builtin", getattr(value, "__qualname__", "")))


def _method(value: Any) -> Digest:
    target = value.__self__
    owner = target if is_class(target) else type(target)
    return hash((_text(owner, "__qualname__"), getattr(value.__func__, "__qualname__", "")))


def _wrapped(value: Any) -> Digest:
    inner = value.__func__
    return _function(inner) if type(inner) is FunctionType else hash(type(inner).__name__)


def _property(value: Any) -> Digest:
    return hash(tuple(_function(one) if type(one) is FunctionType else 0 for one in (value.fget, value.fset)))


SINGLE = frozenset({type(None), type(Ellipsis), type(NotImplemented)})
SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented)})
VARYING = frozenset({int, float})
TABLES = frozenset({dict, list, tuple})
TABULAR = frozenset({type(None), bool, int, str})
BY_NAME: dict[Kind, Callable[[Any], Digest]] = {
    FunctionType: _function,
    BuiltinFunctionType: _builtin,
    MethodType: _method,
    staticmethod: _wrapped,
    classmethod: _wrapped,
    property: _property,
    re.Pattern: lambda value: hash(("pattern", value.pattern, value.flags)),  # from a cache that forgets
    ModuleType: lambda value: hash(("module", namespace(value).get("__name__"))),
}
PLAIN_CONTAINERS = frozenset({dict, list, tuple, set, frozenset})
SEQUENCES: tuple[Any, ...] = (list, tuple, deque)
SETS: tuple[Any, ...] = (set, frozenset)
PLAIN = frozenset({MemberDescriptorType, GetSetDescriptorType, WrapperDescriptorType})


def _is_standard(module: ModuleType) -> bool:
    file = file_of(module)
    return file is None or is_standard(file)
