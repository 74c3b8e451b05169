"""System checks: the setting, and whether the command that runs is ours.

``INSTALLED_APPS`` decides which app's ``runserver`` runs: the first one's. An app above us replaces ours, unless its
command builds on the next one; an app below us is replaced by ours, which is a loss where it adds something.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Warning
from django.core.management import load_command_class

from devrunserver import conf

APP = "devrunserver"
COMMAND = Path("management", "commands", "runserver.py")

# Apps whose command builds on the next app's, and so belongs above ours: what each would lose below it.
WRAPPERS = {"whitenoise.runserver_nostatic": "static files are served by Django instead of WhiteNoise"}
# Apps whose command we do all of.
CONTAINED = {"django.contrib.staticfiles", "daphne"}


def check_setting(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001: what is wrong with the setting DEVRUNSERVER."""
    return [Error(one.cause, hint=one.remedy, id="devrunserver.E001") for one in conf.mistakes()]


def check_precedence(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W001, W002: another app's ``runserver`` replaces ours, or is replaced by it and lost."""
    shipping = {config.name for config in apps.get_app_configs() if (Path(config.path) / COMMAND).exists()}
    building = {name for name in shipping if name != APP and builds_on_ours(name)}
    return precedence([config.name for config in apps.get_app_configs()], shipping, building)


def builds_on_ours(app: str) -> bool:
    """Whether the ``runserver`` of another app is a subclass of ours, as that of a wrapper above us is."""
    try:
        command = load_command_class(app, COMMAND.stem)
    except Exception:  # it has its own way to say so, when it is run
        return False
    return any(cls.__module__ == f"{APP}.management.commands.runserver" for cls in type(command).__mro__)


def precedence(names: Iterable[str], shipping: set[str], building: set[str]) -> list[CheckMessage]:
    """The messages for apps in this order.

    Args:
        shipping: those that bring a ``runserver`` of their own.
        building: those of them whose command builds on ours.
    """
    order = [name for name in names if name in shipping or name == APP]
    if APP not in order:
        return []
    position = order.index(APP)
    messages: list[CheckMessage] = [
        Warning(
            f"The runserver of {name} replaces devrunserver's.",
            hint=f'Move "{APP}" to the top of INSTALLED_APPS'
            + ("." if name in CONTAINED else f", or remove it if you want {name}'s."),
            id="devrunserver.W001",
        )
        for name in order[:position]
        if name not in building
    ]
    for name in order[position + 1 :]:
        if name in CONTAINED:
            continue
        loss = WRAPPERS.get(name)
        hint = f'Move "{name}" above "{APP}".' if loss else f'Remove "{APP}" or "{name}" from INSTALLED_APPS.'
        cause = f"devrunserver's runserver replaces the one of {name}" + (f": {loss}." if loss else ".")
        messages.append(Warning(cause, hint=hint, id="devrunserver.W002"))
    return messages


def check_websockets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W005: WebSockets are wanted, as daphne is installed, and the package that ours needs is missing."""
    if not apps.is_installed("daphne") or find_spec("websockets") is not None:
        return []
    return [
        Warning(
            "websockets is not installed: requests for WebSockets are answered with 501.",
            hint='python -m pip install "devrunserver[asgi]"',
            id="devrunserver.W005",
        )
    ]


def check_watchdog(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W003: watchdog is missing, so that files are polled where the system's events come by it."""
    if str(sys.platform) == "linux" or find_spec("watchdog") is not None:
        return []
    return [
        Warning(
            "watchdog is not installed: files are polled, which costs CPU and notices changes later.",
            hint="python -m pip install 'watchdog>=7'",
            id="devrunserver.W003",
        )
    ]
