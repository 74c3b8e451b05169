"""The project's own trees: where its code is edited."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import re
import site
import sys
import sysconfig
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from devrunserver.common.configuration_files import may_configure
from devrunserver.common.module_files import PACKAGES, file_of

SERVING = (
    "devrunserver.browser.errors.technical_500",
    "devrunserver.browser.live_reload",
    "devrunserver.server.django.static_files",
    "django.conf.urls.i18n",
    "django.conf.urls.static",
    "django.contrib.staticfiles.handlers",
    "django.core.wsgi",
    "django.core.handlers.asgi",
    "django.template.loaders.app_directories",
    "django.template.loaders.cached",
    "django.template.loaders.filesystem",
    "django.templatetags.cache",
    "django.templatetags.i18n",
    "django.templatetags.l10n",
    "django.templatetags.static",
    "django.templatetags.tz",
    "django.views.debug",
    "django.views.defaults",
    "django.views.static",
)
# What is served by ASGI with, WebSockets included
ASGI = ("devrunserver.server.asgi.websocket", "devrunserver.server.django.asgi_setup")
LOOKED_UP = ("encodings.idna", "stringprep")  # by the server, for its host
FILE_NAME = re.compile(r"[\w-]*\.[\w.-]*\w")

INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")  # of sysconfig: nobody edits there


def setting(name: str) -> object:
    """A setting, or None where there is none or the settings could not be loaded."""
    return getattr(settings, name, None) if settings.configured else None


def roots(apps_to_come: Iterable[str] = ()) -> list[str]:
    """The directories whose trees are the project's: what it is imported from, and what its settings call its own.

    Args:
        apps_to_come: names of apps that are not set up yet.
    """
    candidates = [entry or os.getcwd() for entry in sys.path]
    candidates += directories_of(apps_to_come)
    for config in apps.app_configs.values():
        candidates += [config.path, *directories_of(getattr(config, "left_out", ()))]
    base = setting("BASE_DIR")
    if isinstance(base, str | Path):
        candidates.append(os.fspath(base))
    return own(candidates, installed_directories(), str(Path.home()))


def directories_of(names: Iterable[str]) -> Iterator[str]:
    """The directories of the top-level packages that these names begin with, none of which is imported."""
    for top in sorted({name.partition(".")[0] for name in names}):
        with suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(top)
            yield from (spec.submodule_search_locations if spec is not None else None) or ()


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


def is_set_up() -> bool:
    """Whether Django is; where that has failed it goes on without apps, until it runs the command."""
    return bool(apps.ready and apps.app_configs)


def import_ahead() -> None:
    """Imports those parts of Django that serving the project needs anyway, so that no reload has to."""
    names = {*SERVING, *LOOKED_UP, str(setting("SESSION_ENGINE"))}
    for listing in map(setting, ("MIDDLEWARE", "AUTHENTICATION_BACKENDS")):
        if isinstance(listing, list | tuple):
            names.update(str(name).rpartition(".")[0] for name in listing)
    for config in apps.app_configs.values():
        package = f"{config.name}.templatetags"
        names.update(f"{package}.{name}" for _, name, _ in pkgutil.iter_modules([f"{config.path}/templatetags"]))
    if "--asgi" in sys.argv or (apps.is_installed("daphne") and "--noasgi" not in sys.argv):
        names.update(ASGI)
    for name in sorted(names):
        if name.startswith(("django.", "devrunserver.", *LOOKED_UP)):
            with suppress(ImportError, ImproperlyConfigured):
                importlib.import_module(name)


def load_template_engines() -> None:
    """Does a moment earlier what Django does to find out where templates are: engines import all modules of tags.

    As a part of what all starts have in common these may be imported ahead of the next one.
    """
    with suppress(Exception):  # it is raised again there
        from django.template import engines
        from django.template.backends.django import DjangoTemplates

        for one in engines.all():
            if isinstance(one, DjangoTemplates):
                _ = one.engine.template_loaders


class Files:
    """Which files are the project's own."""

    def __init__(self) -> None:
        self._installed = tuple(path.rstrip(os.sep) + os.sep for path in installed_directories())
        self._ours = str(Path(__file__).parent) + os.sep
        self._known: dict[str, bool] = {}  # of directories

    def is_installed(self, directory: str) -> bool:
        """Whether a directory belongs to the interpreter or to installed packages."""
        known = self._known.get(directory)
        if known is None:
            path = os.path.join(directory, "")
            known = path.startswith((*self._installed, self._ours)) or not PACKAGES.isdisjoint(path.split(os.sep))
            self._known[directory] = known
        return known

    def is_own(self, file: str) -> bool:
        """Whether a file is the project's: neither the interpreter's nor of an installed package."""
        return not self.is_installed(os.path.dirname(file))

    def loaded_modules(self) -> list[ModuleType]:
        """The project's modules that are loaded now."""
        loaded = list(sys.modules.values())
        return [module for module in loaded if (file := file_of(module)) and self.is_own(file)]

    def data_of_settings(self, names: Container[str]) -> list[str]:
        """The files beside the project's settings that these may have been read from: ``.env``, and of these names."""
        base = setting("BASE_DIR")
        directories = {os.fspath(base)} if isinstance(base, str | Path) else set()
        with suppress(FileNotFoundError):  # the working directory was deleted
            directories.add(os.getcwd())
        directories |= {os.path.dirname(file_of(module) or "") for module in self.loaded_modules()}
        found = []
        for directory in {os.path.realpath(one) for one in directories if not self.is_installed(one)}:
            with suppress(OSError), os.scandir(directory) as entries:
                named = [entry for entry in entries if _is_data_of_settings(entry.name, names)]
                found += [entry.path for entry in named if entry.is_file()]
        return sorted(found)

    def names_in_settings(self) -> list[str]:
        """What looks like the name of a file in the project's files that are loaded now: the settings."""
        names: set[str] = set()
        for module in self.loaded_modules():
            with suppress(OSError):
                names.update(FILE_NAME.findall(Path(file_of(module) or "").read_text(errors="replace")))
        return sorted(names)


def _is_data_of_settings(name: str, named: Container[str]) -> bool:
    return name.startswith(".env") or (name in named and may_configure(name, named))
