"""The app. Django creates it right after the settings are loaded: there a worker joins its supervisor."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks, management

from devrunserver import conf, project
from devrunserver.checks import check_precedence, check_setting, check_watchdog, check_websockets
from devrunserver.common import environment, stdio, verbosity


class DevrunserverConfig(AppConfig):
    """Top of INSTALLED_APPS."""

    name = "devrunserver"

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        super().__init__(app_name, app_module)
        self.left_out: list[str] = []  # apps that this process does without
        if sys.argv[1:2] == ["runserver"]:
            stdio.prepare()
        if environment.is_worker(os.environ):
            from devrunserver.worker import joining

            joining.current()
        else:
            from devrunserver.supervisor import early_start

            above = [config.path for config in apps.app_configs.values()]
            if early_start.begin(above) and not needs_setup(above):
                self.left_out = leave_out_others(settings.INSTALLED_APPS, len(above))
        if sys.argv[1:2] == ["runserver"] and "--noreload" not in sys.argv:
            keep_command(self.name)

    def ready(self) -> None:
        joining = sys.modules.get("devrunserver.worker.joining")  # where it is not there, this is no worker
        if joining is not None and (current := joining.current()) is not None:
            current.on_ready()
        for check in (check_setting, check_precedence, check_watchdog, check_websockets):
            checks.register(check)


def needs_setup(above: Sequence[str]) -> bool:
    """Whether the supervisor is to set up all apps, as Django's reloader does.

    Args:
        above: the directories of apps above ours: they may need those below it.
    """
    chosen = conf.load().SUPERVISOR_SETUP
    if chosen is not None or above:
        return chosen is not False
    try:
        from devrunserver.supervisor import lasting_code  # here, as no other process needs it

        names = [str(name) for name in settings.INSTALLED_APPS]
        own = project.roots(names)
        others = (name for name in names if not name.startswith(("django.", f"{DevrunserverConfig.name}.")))
        reason = lasting_code.find(own, project.directories_of(others))
    except Exception as error:
        reason = f"the search has failed: {error!r}"
    if reason and verbosity.current() >= verbosity.VERBOSE:
        print(f"All apps are set up in this process, too, as in Django's reloader ({reason}).", file=sys.stderr)
    return bool(reason)


def leave_out_others(installed: object, position: int) -> list[str]:
    """Has Django set up no app below us, in a supervisor: it serves nothing, and its worker sets up all of them.

    Args:
        installed: the apps, which Django is going through now; a list, or else nothing is left out.
        position: our place in it.

    Returns:
        What is left out.
    """
    if not isinstance(installed, list) or not str(installed[position]).startswith("devrunserver"):
        return []
    left_out = installed[position + 1 :]
    del installed[position + 1 :]
    return left_out


def keep_command(app_name: str) -> None:
    """Has Django find our ``runserver`` even if another app turns out to be broken.

    Django then goes on with an empty app registry, which would leave only its own command, and takes our options out
    of the command line (``ManagementUtility.execute``). We are created before any other app is imported, so what
    makes the registry empty comes later.
    """
    get_commands = management.get_commands

    @functools.wraps(get_commands)
    def with_ours() -> dict[str, str]:
        commands = get_commands()
        if not apps.app_configs:
            commands["runserver"] = app_name
        return commands

    management.get_commands = with_ours
