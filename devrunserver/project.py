"""The project's own trees: where its code is edited."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from django.apps import apps
from django.conf import settings

PACKAGES = frozenset({"site-packages", "dist-packages"})  # also those of another interpreter
INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")  # of sysconfig: nobody edits there


def setting(name: str) -> object:
    """A setting, or None where there is none or the settings could not be loaded."""
    return getattr(settings, name, None) if settings.configured else None


def roots() -> list[str]:
    """The directories whose trees are the project's: what it is imported from, and what its settings call its own."""
    candidates = [entry or os.getcwd() for entry in sys.path]
    candidates += [config.path for config in apps.app_configs.values()]
    base = setting("BASE_DIR")
    if isinstance(base, str | Path):
        candidates.append(os.fspath(base))
    return own(candidates, installed_directories(), str(Path.home()))


def own(candidates: Iterable[str], installed: Iterable[str], home: str) -> list[str]:
    """Of these directories those that are a project's: not what is installed, nor a whole home or file system."""
    system = [path.rstrip(os.sep) + os.sep for path in installed]
    home = os.path.realpath(home)
    whole = {os.sep, os.path.dirname(home)}
    if not os.path.exists(os.path.join(home, "manage.py")):  # in a container it may be the project
        whole.add(home)
    found: dict[str, None] = {}
    for candidate in candidates:
        path = os.path.realpath(candidate)
        below = any((path + os.sep).startswith(prefix) for prefix in system)
        below = below or not PACKAGES.isdisjoint(path.split(os.sep))
        if os.path.isdir(path) and not below and path not in whole:
            found[path] = None
    return sorted(found)


def installed_directories() -> list[str]:
    """Where the interpreter and packages are installed."""
    paths = [*map(sysconfig.get_path, INSTALLED), *site.getsitepackages(), site.getusersitepackages()]
    return sorted(set(map(os.path.realpath, paths)))


def upload_directories() -> list[str]:
    """Where files are put that are no code."""
    return [os.fspath(path) for name in ("MEDIA_ROOT", "STATIC_ROOT") if isinstance(path := setting(name), str | Path)]
