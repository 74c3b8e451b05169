"""How the fingerprint describes objects, by their type.

What there is to know of a type is asked once. Nothing is evaluated: a type is asked by ``type()``, and what it says of
itself is read where Python keeps it, so that lazy objects stay what they are.
"""

from __future__ import annotations

import re
import sys
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
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

from devrunserver.background.varying import NOT_A_NUMBER, Varying
from devrunserver.common.module_files import namespace

Digest = int

# Numbers in the order of creation, which shows in what is sorted by them: of fields of Django's models and forms, and
# of REST framework's serializers, and of managers.
COUNTERS = frozenset({"creation_counter", "auto_creation_counter", "_creation_counter"})
WEAK_CACHES = {"_dirty_len", "_pending_removals", "_iterating"}  # of who is gone
ALL = "*"
# Attributes of objects of these types (and of types derived from them) that hold no order, or only cache
UNORDERED = {
    "django.db.models.options.Options": {"_get_fields_cache"},  # forgotten whenever there is another model
    "django.conf.LazySettings": {ALL},  # settings are put there when they are asked for
    "logging.Manager": {ALL},
    "logging.Logger": {"_cache"},
    "django.urls.resolvers.URLResolver": {
        *("_reverse_dict", "_namespace_dict", "_app_dict", "_populated", "_local", "_callback_strs", "urlconf_module"),
        *("url_patterns",),
    },
    "celery.app.base.Celery": {"_pending"},
    "celery.app.registry.TaskRegistry": {ALL},
    "threading.local": {ALL},
    "weakref.WeakValueDictionary": WEAK_CACHES,
    "weakref.WeakKeyDictionary": WEAK_CACHES,
    "_weakrefset.WeakSet": WEAK_CACHES,
    "asgiref.local.Local": {ALL},
    "_frozen_importlib_external.FileFinder": {"_path_mtime", "_path_cache", "_relaxed_path_cache"},
}
# Dictionaries in these attributes, whose own order nobody sees: it is that in which apps have got their first model
KEYED = {"django.apps.registry.Apps": {"all_models"}}
MODELS = "django.db.models."  # where is defined what Django makes models of
CACHED_PROPERTY = "django.utils.functional.cached_property"
SIGNAL = "django.dispatch.dispatcher.Signal"


class Form(Enum):
    """What objects of a type are made of."""

    OPAQUE = auto()  # nothing that counts
    DICTIONARY = auto()
    SEQUENCE = auto()
    SET = auto()
    REFERENCE = auto()
    PARTIAL = auto()
    SIGNAL = auto()
    ATTRIBUTES = auto()


FORMS: tuple[tuple[type[Any], Form], ...] = (
    (OrderedDict, Form.DICTIONARY),
    (dict, Form.DICTIONARY),
    (list, Form.SEQUENCE),
    (tuple, Form.SEQUENCE),
    (deque, Form.SEQUENCE),
    (set, Form.SET),
    (frozenset, Form.SET),
    (weakref.ReferenceType, Form.REFERENCE),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a type.

    Attributes:
        name: its own, and that of its module.
        bare: what an object of it is worth of which nothing more is told.
        by_itself: describes an object by its value or name alone, wherever it is met. None: that is not enough.
        base: the type among ``FORMS``, or this one.
        is_passed_over: objects of it hold nothing in a class.
        ignored: attributes that do not count.
        keyed: attributes whose own order does not count.
        dictionary: gives the attributes of an object, if there are any.
    """

    name: str
    bare: Digest
    by_itself: Callable[[Any], Digest] | None
    form: Form
    base: type[Any]
    is_class: bool
    is_plain: bool
    is_passed_over: bool
    ignored: frozenset[str]
    keyed: frozenset[str]
    dictionary: Any

    def attributes_of(self, value: Any) -> dict[str, Any]:
        """The instance dictionary itself: a class may say that it is another one, as lazy objects do."""
        attributes = {} if self.dictionary is None else self.dictionary.__get__(value)
        return dict(attributes) if type(attributes) is dict else {}


class Kinds(dict[type[Any], Kind]):
    """All types that were met.

    Args:
        own: whether a module is one of ours, of which nothing counts.
        texts: describes a text.
    """

    def __init__(self, own: Callable[[str], bool], texts: Callable[[str], Digest], varying: Varying) -> None:
        self._own = own
        # a package may have put its own in place of Django's, as dynaconf does
        self._of_settings = type(getattr(sys.modules.get("django.conf"), "settings", None))
        self._by_itself: dict[type[Any], Callable[[Any], Digest]] = {
            **BY_NAME,
            bool: hash,
            bytes: hash,
            complex: lambda value: hash(value) if value == value else NOT_A_NUMBER,
            int: varying.number,
            float: varying.number,
            str: texts,
        }

    def __missing__(self, kind: type[Any]) -> Kind:
        names = [full_name(one) for one in type.mro(kind)]
        ignored = COUNTERS.union(*(UNORDERED.get(name, ()) for name in names))
        if any(one.__name__ == "_local" for one in kind.__mro__):
            ignored |= UNORDERED["threading.local"]
        ignored |= _kept_answers(kind)
        found = (type.__dict__["__dict__"].__get__(one).get("__dict__") for one in type.mro(kind))
        base, form = next(((one, form) for one, form in FORMS if issubclass(kind, one)), (kind, Form.ATTRIBUTES))
        if kind is partial:
            form = Form.PARTIAL
        elif kind is self._of_settings or (
            form is Form.ATTRIBUTES and (ALL in ignored or self._own(text_of(kind, "__module__")))
        ):
            form = Form.OPAQUE
        elif names[0] == SIGNAL:
            form = Form.SIGNAL
        known = self[kind] = Kind(
            name=text_of(kind, "__qualname__") if form in SAME_BY_NAME else names[0],
            bare=hash(text_of(kind, "__qualname__")),
            by_itself=self._by_itself.get(kind) or _by_itself(kind),
            form=form,
            base=base,
            is_class=issubclass(kind, type),
            is_plain=kind in PLAIN_CONTAINERS,
            is_passed_over=kind in PASSED_OVER,
            ignored=ignored,
            keyed=frozenset(KEYED.get(names[0], ())),
            dictionary=next((one for one in found if type(one) is GetSetDescriptorType), None),
        )
        return known


def _kept_answers(kind: type[Any]) -> set[str]:
    """Attributes that are there once somebody has asked: of what models are made of, they follow from the others."""
    return {
        name
        for one in type.mro(kind)
        if text_of(one, "__module__").startswith(MODELS)
        for name, value in namespace_of_class(one).items()
        if full_name(type(value)) == CACHED_PROPERTY
    }


def namespace_of_class(one: type[Any]) -> dict[str, Any]:
    """A copy of what is in a class, as Python keeps it."""
    return dict(type.__dict__["__dict__"].__get__(one))


def full_name(one: type[Any]) -> str:
    """A class by the names of its module and of itself."""
    return f"{text_of(one, '__module__')}.{text_of(one, '__qualname__')}"


def text_of(one: type[Any], name: str) -> str:
    """A name of a class, as it is in its dictionary."""
    if name == "__qualname__":
        return type.__dict__["__qualname__"].__get__(one)  # type: ignore[no-any-return]
    value = type.__dict__["__dict__"].__get__(one).get(name, "")
    return value if type(value) is str else ""


def _by_itself(kind: type[Any]) -> Callable[[Any], Digest] | None:
    """Describes objects of which it is chance which are the same, as they are cached."""
    if kind in SINGLE:
        constant = hash(kind.__name__)  # their own hash is their address, for some versions of Python
        return lambda value: constant
    if kind.__module__ == "typing":
        name = hash(text_of(kind, "__qualname__"))
        return lambda value: name
    if kind.__module__ == "zoneinfo":
        return lambda value: hash(("zone", str(value)))
    return None


def _function(value: Any) -> Digest:
    """By name, as lines shift when a file is edited; by content where names do not tell."""
    name = value.__qualname__
    if "<" in name or name == "_":  # a lambda, or in a function
        code = value.__code__
        return hash((value.__module__, name, code.co_code, code.co_names, len(code.co_consts)))
    return hash((value.__module__, name))


def _builtin(value: Any) -> Digest:
    return hash(("builtin", getattr(value, "__qualname__", "")))


def _method(value: Any) -> Digest:
    target = value.__self__
    owner = target if issubclass(type(target), type) else type(target)
    return hash((text_of(owner, "__qualname__"), getattr(value.__func__, "__qualname__", "")))


def _wrapped(value: Any) -> Digest:
    inner = value.__func__
    return _function(inner) if type(inner) is FunctionType else hash(type(inner).__name__)


def _property(value: Any) -> Digest:
    return hash(tuple(_function(one) if type(one) is FunctionType else 0 for one in (value.fget, value.fset)))


SINGLE = frozenset({type(None), type(Ellipsis), type(NotImplemented)})
BY_NAME: dict[type[Any], Callable[[Any], Digest]] = {
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
SAME_BY_NAME = frozenset({Form.DICTIONARY, Form.SEQUENCE, Form.SET})  # whatever module their type is in
PASSED_OVER = frozenset({MemberDescriptorType, GetSetDescriptorType, WrapperDescriptorType})
