"""The app. Django creates it right after the settings are loaded: there a worker joins its supervisor."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks, management

from devrunserver import conf, project
from devrunserver.checks import check_precedence, check_setting, check_watchdog, check_websockets
from devrunserver.common import environment, faults, process, stdio, verbosity


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
            self._supervise([config.path for config in apps.app_configs.values()])
        if sys.argv[1:2] == ["runserver"] and "--noreload" not in sys.argv:
            keep_command(self.name)

    def _supervise(self, above: Sequence[str]) -> None:
        """Starts the first worker, where this is a supervisor. Returns in that worker, too, where it is a copy."""
        from devrunserver.supervisor import early_start

        if not early_start.is_due(above):
            return
        copy, source = copying() if not above else (None, None)
        if early_start.begin(copy, likely_first()):
            from devrunserver.worker import joining

            joining.current()
        elif not needs_setup(above, source):
            self.left_out = leave_out_others(settings.INSTALLED_APPS, len(above))

    def ready(self) -> None:
        joining = sys.modules.get("devrunserver.worker.joining")  # where it is not there, this is no worker
        if joining is not None and (current := joining.current()) is not None:
            current.on_ready()
        for check in (check_setting, check_precedence, check_watchdog, check_websockets):
            checks.register(check)


def copying() -> tuple[Callable[[], int] | None, str | None]:
    """What makes the first worker a copy of this process, the supervisor, which has set up no other app.

    Returns:
        None where the worker has to start afresh; and what ``lasting_source`` has said, None where it was not asked.
    """
    source = None
    try:
        if not (conf.makes_checkpoints(conf.load()) and process.adopt_orphans()):
            return None, None
        from devrunserver.checkpoints import first_worker, forking  # here, as no other process needs it

        began = process.started_at()
        if not (reason := first_worker.obstacle(began)):
            source = lasting_source()
            reason = source or first_worker.doubt(began)
        if not reason:
            return forking.copy, source
    except Exception as error:
        reason = f"the look at it has failed: {error!r}"
    if verbosity.current() >= verbosity.VERBOSE:
        print(f"The first worker is no copy of this process ({reason}).", file=sys.stderr)
    return None, source


def needs_setup(above: Sequence[str], source: str | None = None) -> bool:
    """Whether the supervisor is to set up all apps, as Django's reloader does.

    Args:
        above: the directories of apps above ours: they may need those below it.
        source: what ``lasting_source`` has said already.
    """
    chosen = conf.load().SUPERVISOR_SETUP
    if chosen is not None or above:
        return chosen is not False
    source = lasting_source() if source is None else source
    if source and verbosity.current() >= verbosity.VERBOSE:
        print(f"All apps are set up in this process, too, as in Django's reloader ({source}).", file=sys.stderr)
    return bool(source)


def lasting_source() -> str:
    """A source of the project's that may be meant for the process that outlives reloads; empty where there is none."""
    try:
        from devrunserver.supervisor import lasting_code  # here, as no other process needs it

        names = [str(name) for name in settings.INSTALLED_APPS]
        own = project.roots(names)
        others = (name for name in names if not name.startswith(("django.", f"{DevrunserverConfig.name}.")))
        return lasting_code.find(own, project.directories_of(others))
    except Exception as error:
        return f"the search has failed: {error!r}"


def likely_first() -> list[str]:
    """The files that may be edited first: a checkpoint right before each is of most use."""
    found: list[str] = []
    with faults.contained("the guess of what is edited first"):
        from devrunserver.supervisor import edited_files  # here, as no other process needs it

        found += edited_files.likely_first(project.roots([str(name) for name in settings.INSTALLED_APPS]))
    return found


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
