"""``python -m devrunserver manage.py runserver``: the entry that survives what fails before our app is created.

Broken settings never reach an app. Here the program runs under our eyes: if it raises, the supervisor starts all the
same and the worker serves the error. A supervisor that was started in the usual way runs a worker like this, once,
to catch the error of one that has just ended without a word.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence

from devrunserver import control
from devrunserver.common import environment, stdio

USAGE = (
    "Usage: python -m devrunserver manage.py runserver [options]\n"
    f"       python -m devrunserver {'|'.join(control.COMMANDS)} [--json] [--port PORT]\n"
    "       python -m devrunserver trust [--undo]   has browsers trust the certificates of --https"
)
USAGE_STATUS = 2


class WorkerEnded(Exception):
    """The server process ended, and could not say why itself."""


def main() -> None:
    stdio.prepare()
    del sys.argv[0]
    is_worker, start = environment.is_worker(os.environ), environment.read(os.environ)
    if start.report:
        show(WorkerEnded(start.report), quiet=True)
        return
    if sys.argv[:1] == ["trust"]:
        from devrunserver.https import trust

        sys.exit(trust.main(sys.argv[1:]))
    if not sys.argv:
        print(USAGE, file=sys.stderr)
        sys.exit(USAGE_STATUS)
    if not is_worker and sys.argv[0] in control.COMMANDS:
        from devrunserver.control import command_line

        sys.exit(command_line.main(sys.argv))
    outputs = mute() if start.is_rerun else None
    error = run_program(sys.argv)
    if error is None:
        return
    if is_worker:
        if outputs is not None:
            unmute(outputs)
        show(error, quiet=outputs is not None)
    elif "runserver" in sys.argv and "--noreload" not in sys.argv:
        supervise(sys.argv[sys.argv.index("runserver") + 1 :])
    else:
        raise error


def run_program(argv: Sequence[str]) -> BaseException | None:
    """Runs a script, or ``-m MODULE``, as the interpreter would; returns what it raised, if that is an error."""
    try:
        if argv[0] == "-m":
            del sys.argv[0]
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        elif argv[0] == "-c":
            exec(sys.argv.pop(1), {"__name__": "__main__"})
        else:
            sys.path[0] = os.path.dirname(os.path.realpath(argv[0]))
            runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as error:
        if not error.code:
            raise
        return error.__context__ or error  # Django exits in the handler of the error that it has printed
    except Exception as error:
        return error
    return None


def show(error: BaseException, quiet: bool = False) -> None:
    """Serves the error in place of the project, until the supervisor says stop; ``quiet``: it has been printed."""
    import django
    from django.conf import settings

    from devrunserver.worker import joining

    environment.forbid_checkpoints(os.environ)  # what is broken was read before any checkpoint could know
    if not settings.configured:
        # only to those on this machine, as Django does with DEBUG and no ALLOWED_HOSTS
        settings.configure(DEBUG=True, SECRET_KEY="none", USE_I18N=False, USE_TZ=True)
        django.setup()
    current = joining.current()
    if current is not None:
        current.show(error, quiet)


def supervise(arguments: Sequence[str]) -> None:
    """Becomes the supervisor without settings: what they break, its worker shows."""
    from django.core.management.base import CommandError

    from devrunserver.management.commands.runserver import Command

    command = Command()
    options = vars(command.create_parser("manage.py", "runserver").parse_args(list(arguments)))
    try:
        command.set_address(options)
    except CommandError as error:
        sys.exit(f"CommandError: {error}")
    command.supervise(options)


def mute() -> tuple[int, int]:
    """Sends standard output and error nowhere; returns where they went."""
    sys.stdout.flush()
    saved = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return saved


def unmute(saved: tuple[int, int]) -> None:
    """Lets standard output and error go where they went."""
    sys.stdout.flush()
    for descriptor, original in zip((1, 2), saved, strict=True):
        os.dup2(original, descriptor)
        os.close(original)


if __name__ == "__main__":
    main()
