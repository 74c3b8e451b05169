"""The observable state of a server process, as JSON: this file is copied into the projects that the oracle test edits.

It tells what is loaded, never what is on the disk: a process that has loaded the old code must show it. Objects are
described by names and values, not by addresses, so that two processes in the same state give the same text.
"""

from __future__ import annotations

import gc
import mimetypes
import os
import signal
import sys
import weakref
import zlib
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.checks.registry import registry
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import get_resolver

PROJECT = os.path.dirname(os.path.abspath(__file__)) + os.sep
# Names in every module, or in those that have warned: with a count of how often anybody has changed what is shown
IMPORT_SYSTEM = ("__builtins__", "__cached__", "__doc__", "__loader__", "__spec__", "__warningregistry__")


def state(request: HttpRequest) -> HttpResponse:
    """All there is."""
    loaded = dict(sys.modules)  # first of all: what follows may import
    return JsonResponse(
        {
            "modules": [name for name in loaded if not _is_ours(name)],
            "files": {name: _file(module) for name, module in loaded.items() if not _is_ours(name)},
            "marks": {_file(module): _mark(module) for module in loaded.values() if _is_project(module)},
            "namespaces": {name: _namespace(module) for name, module in loaded.items() if _is_project(module)},
            "apps": [[config.label, config.path, type(config).__module__] for config in apps.get_app_configs()],
            "models": [[model._meta.label, _name(model), _fields(model)] for model in _models()],
            "admin": _admin(),
            "urls": list(_urls(get_resolver())),
            "signals": {name: list(_receivers(signal)) for name, signal in _signals(loaded)},
            "checks": sorted([_name(check), sorted(check.tags)] for check in registry.get_checks(True)),
            "settings": {name: describe(getattr(settings, name)) for name in sorted(dir(settings)) if name.isupper()},
            "hooks": _hooks(),
            "process": _process(),
        }
    )


def lazy(request: HttpRequest) -> HttpResponse:
    """Calls what imports modules when it is called."""
    for module in list(sys.modules.values()):
        if _is_project(module):
            for name, value in list(vars(module).items()):
                if name.startswith("lazy_"):
                    value()
    return HttpResponse("done")


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answers what is asked here, in a project that has its own idea of what URLs there are."""

    def respond(request: HttpRequest) -> HttpResponse:
        views = {"/state/": state, "/lazy/": lazy}
        return views.get(request.path_info, get_response)(request)

    return respond


def _is_ours(name: str) -> bool:
    """Our own modules may differ: how a process came about is what they are about. So may when we import others."""
    return name.partition(".")[0] in ("devrunserver", "ctypes", "_ctypes", "mmap")


def _is_project(module: object) -> bool:
    """Modules of the project, namespace packages too."""
    return (_file(module) or "").startswith(PROJECT)


def _file(module: object) -> str | None:
    if type(module) is not ModuleType:
        return None
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)


def _mark(module: object) -> str | None:
    return getattr(module, "MARK", None)


def _namespace(module: ModuleType) -> list[list[Any]]:
    """Names in their order, but for modules: those that a package holds are in the order of their import."""
    names = [[name, describe(value)] for name, value in vars(module).items() if name not in IMPORT_SYSTEM]
    modules = [[name, told] for name, told in names if str(told).startswith("module ")]
    return [one for one in names if one not in modules] + sorted(modules)


def describe(value: Any) -> Any:
    """A value without addresses; never touches what a lazy object stands for."""
    kind = type(value)
    if kind in (type(None), bool, int, float, str, bytes):
        return repr(value)
    if kind in (list, tuple):
        return [kind.__name__, *map(describe, value)]
    if kind is dict:
        return [kind.__name__, *([describe(key), describe(one)] for key, one in value.items())]
    if kind in (set, frozenset):
        return [kind.__name__, *sorted(map(str, map(describe, value)))]
    if kind is FunctionType:
        return f"function {_name(value)} {_digest(value.__code__)}"
    if kind is ModuleType:
        return f"module {value.__name__}"
    if issubclass(kind, type):
        return f"class {_name(value)}"
    if issubclass(kind, os.PathLike):
        return f"path {os.fspath(value)}"
    return f"a {_name(kind)}"


def _digest(code: CodeType) -> int:
    """A checksum of what a function does."""
    constants = [_digest(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return zlib.crc32(repr((code.co_code, code.co_names, code.co_varnames, constants)).encode())


def _name(value: Any) -> str:
    owner = value if hasattr(value, "__qualname__") else type(value)
    return f"{owner.__module__}.{owner.__qualname__}"


def _models() -> list[Any]:
    return list(apps.get_models(include_auto_created=True, include_swapped=True))


def _admin() -> list[list[str]]:
    if not apps.is_installed("django.contrib.admin"):
        return []
    return [[model._meta.label, _name(type(one))] for model, one in admin.site._registry.items()]


def _fields(model: Any) -> list[list[str]]:
    return [[field.name, _name(type(field))] for field in model._meta.get_fields()]


def _urls(resolver: Any, above: str = "") -> Iterator[list[str | None]]:
    for pattern in resolver.url_patterns:
        route = above + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield [route, pattern.namespace, "include"]
            yield from _urls(pattern, route)
        else:
            yield [route, pattern.name, _name(pattern.callback)]


def _signals(loaded: dict[str, ModuleType]) -> Iterator[tuple[str, Signal]]:
    """Every signal that a module has, by the first name that it has."""
    seen = set()
    for name, module in sorted(loaded.items()):
        for key, value in list(vars(module).items()) if type(module) is ModuleType else ():
            if issubclass(type(value), Signal) and id(value) not in seen:
                seen.add(id(value))
                yield f"{name}.{key}", value


def _receivers(signal: Signal) -> Iterator[list[Any]]:
    """The receivers in their order, with whom they listen to."""
    senders = {id(model): model._meta.label for model in _models()}
    senders |= {id(config): config.label for config in apps.get_app_configs()} | {id(None): "all"}
    for (uid, sender), reference, *_ in signal.receivers:
        receiver = reference() if isinstance(reference, weakref.ReferenceType) else reference
        if receiver is None or _is_ours(_name(receiver)):
            continue
        yield [uid if isinstance(uid, str) else "", senders.get(sender, "other"), describe(receiver), _name(receiver)]


def _hooks() -> list[list[Any]]:
    """Wagtail's registry of hooks."""
    hooks = getattr(sys.modules.get("wagtail.hooks"), "_hooks", {})
    return [[name, _name(hook), order] for name, found in hooks.items() for hook, order in found]


def _process() -> dict[str, Any]:
    """What else a project may rely on."""
    return {
        "path": sys.path,
        "argv": sys.argv,
        "meta_path": [_name(finder) for finder in sys.meta_path],
        "environ": {name: value for name, value in sorted(os.environ.items()) if name != "ORACLE_FRESH"},
        "directory": os.getcwd(),
        "types of files": sorted(mimetypes.types_map.items()),
        "handlers": [describe(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "collects": [gc.isenabled(), *gc.get_threshold()],
    }
