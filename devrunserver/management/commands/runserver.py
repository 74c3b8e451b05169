"""``manage.py runserver``: a table of contents.

Django's own command lends its options, its messages and its hooks (``on_bind``, ``get_handler``, ``server_cls``,
``default_port``, ...); ours are the checks, the reloader and the server.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.management.commands.runserver import Command as RunserverCommand
from django.db import connections
from django.utils import autoreload

from devrunserver import conf
from devrunserver.common import process_exit
from devrunserver.https import options as https
from devrunserver.https.error import HttpsError
from devrunserver.management import request_log
from devrunserver.server import address, listener, reachable, tunnel
from devrunserver.server.asgi.choice import Choice, choose
from devrunserver.server.django import static_setup
from devrunserver.worker import banner, joining, post_mortem

MAX_PORT = 65535
READY = "Listening on {url}"  # a promise to other programs: README has it as a regular expression
OTHER_RELOADER = "django_browser_reload"
SIGTERM_STATUS = 128 + signal.SIGTERM  # what a shell shows for a process that SIGTERM has ended


class ServerClass:
    """Ours, imported where it is asked for: the supervisor does not ask."""

    def __get__(self, command: object, owner: object = None) -> type[Any]:
        from devrunserver.server import WSGIServer

        return WSGIServer


class Command(RunserverCommand):
    """Starts the development server."""

    help = "Starts a lightweight web server for development and also serves static files."

    server_cls = ServerClass()
    choice = Choice(is_asgi=False)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--nostatic",
            action="store_false",
            dest="use_static_handler",
            help="Tells Django to NOT automatically serve static files at STATIC_URL.",
        )
        parser.add_argument(
            "--insecure",
            action="store_true",
            dest="insecure_serving",
            help="Allows serving static files even if DEBUG is False.",
        )
        _add_own_arguments(parser)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # what is wrong with the command line, the supervisor says, while a worker that was started early waits
        if (current := joining.current()) is not None:
            current.wait_for_go()
        return super().create_parser(prog_name, subcommand, **kwargs)

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG and not settings.ALLOWED_HOSTS:
            raise CommandError("You must set settings.ALLOWED_HOSTS if DEBUG is False.")
        if options["use_ipv6"] and not socket.has_ipv6:
            raise CommandError("Your Python does not support IPv6.")
        self.set_address(options)
        self._options = options
        self.run(**options)

    def set_address(self, options: dict[str, Any]) -> None:
        """Reads where to listen into ``addr``, ``port``, ``use_ipv6`` and ``_raw_ipv6``, as Django's command does."""
        try:
            where = address.parse(
                options["addrport"],
                options["use_ipv6"],
                self.default_addr,
                self.default_addr_ipv6,
                self.default_port,
            )
        except address.AddressError as error:
            raise CommandError(str(error)) from None
        self.addr, self.port = where.host, where.port
        self.use_ipv6, self._raw_ipv6 = where.use_ipv6, where.raw_ipv6
        if https.is_asked_for(options):
            self.protocol = "https"

    def run(self, **options: Any) -> None:
        """Runs the server: as worker, as supervisor that keeps a worker, or all in this process."""
        if int(self.port) > MAX_PORT:
            raise CommandError(f"{self.port} is not a valid port number: the highest is {MAX_PORT}.")
        current = joining.current()
        if current is not None:
            inner_run = functools.partial(self.inner_run, None, **options)
            current.run(
                inner_run,
                self._watched(options),
                _follows_pages(options, None if current.is_reload else self._say),
                options.get("start_profile") or "",
            )
        elif options["use_reloader"]:
            self.supervise(options)
        else:
            _end_on_sigterm()
            self.inner_run(None, **options)

    def inner_run(self, *args: Any, **options: Any) -> None:
        """Checks the project, then serves it. Returns or exits when the server ends."""
        # what broke django.setup(), which Django has kept for this moment
        autoreload.raise_last_exception()
        current = joining.current()
        if current is None:
            self._check(options, announce=True, count=True)
            handler = self.get_handler(*args, **options)
        else:
            handler = current.load(lambda: self.get_handler(*args, **options), not options["skip_checks"])
            current.check(functools.partial(self._check, options))
        try:
            self._serve(handler, options)
        except OSError as error:
            if joining.current() is not None:
                raise  # not the address: that is bound already
            self.stderr.write(f"Error: {listener.explain(error, int(self.port))}{self._who_listens()}")
            # Django's exit; also where this runs in a thread, which sys.exit() would end alone
            self.stderr.flush()
            process_exit.leave(process_exit.FAILURE)
        except KeyboardInterrupt:
            if message := options.get("shutdown_message", ""):
                self.stdout.write(message)
            sys.exit(0)

    def _check(self, options: dict[str, Any], announce: bool, count: bool) -> None:
        """Runs the system checks and looks for migrations.

        Args:
            options: of the command line.
            announce: whether to say so.
            count: whether to say how many issues there are.
        """
        if not options["skip_checks"]:
            if announce:
                self.stdout.write("Performing system checks...\n\n")
            # Django 4.2 has no such method, and checks everything
            check_kwargs: Callable[..., dict[str, Any]] = getattr(BaseCommand, "get_check_kwargs", lambda *_: {})
            self.check(**check_kwargs(self, options), display_num_errors=count)
        self.check_migrations()
        for connection in connections.all(initialized_only=True):  # those that the check has opened
            connection.close()

    def on_bind(self, server_port: int) -> None:
        """Prints the banner; on a reload the supervisor says one line instead."""
        if (current := joining.current()) is None or not current.is_reload:
            super().on_bind(server_port)
            if line := self.choice.banner(static_setup.setting("ASGI_APPLICATION")):
                self.stdout.write(line)
            self._tell_of_reach(server_port)
            self.stdout.flush()  # what follows may come from another process

    def _on_bind(self, port: int) -> None:
        """Where checks run beside the server the banner follows them: they print before it."""
        if (current := joining.current()) is None:
            self.on_bind(port)
        else:
            current.when_checked(functools.partial(self.on_bind, port))

    def url(self, port: int) -> str:
        """Where the server is, as the banner says it."""
        host = f"[{self.addr}]" if self._raw_ipv6 else "0.0.0.0" if self.addr == "0" else self.addr
        return f"{self.protocol}://{host}:{port}/"

    def _tell_of_reach(self, port: int) -> None:
        """Tells who signs, and where others reach the server; a fault in this keeps nobody from serving."""
        options = getattr(self, "_options", {})
        try:
            lines = banner.lines(self.protocol, self.addr, port, https.describe(options), options.get("qr", False))
            self.stdout.write("\n".join(lines), ending="\n" if lines else "")
        except Exception as error:
            self.stderr.write(f"{type(error).__name__}: {error}")

    def get_handler(self, *args: Any, **options: Any) -> Any:
        """The project's application by WSGI or ASGI, with static files if they should be served."""
        serve = options["use_static_handler"] and static_setup.is_installed()
        self.choice = self._choose(options)
        if self.choice.is_asgi:
            from devrunserver.server.django import asgi_setup  # asyncio takes its time to import

            return asgi_setup.make_handler(options, serve)
        handler = super().get_handler(*args, **options)
        return static_setup.wrap(handler, serve, options["insecure_serving"])

    def _on_ready(self, port: int, options: dict[str, Any]) -> None:
        """The project serves for the first time."""
        self.stdout.write(READY.format(url=self.url(port)))
        self.stdout.flush()
        if options.get("open_browser"):
            banner.open_browser(reachable.own_url(self.protocol, self.addr, port), self._say)

    def _choose(self, options: dict[str, Any]) -> Choice:
        """Whether the project is served by WSGI or by ASGI."""
        installed = {config.name for config in apps.get_app_configs()}
        return choose(options.get("use_asgi"), conf.load().ASGI, installed, static_setup.setting("ASGI_APPLICATION"))

    def _serve(self, handler: Any, options: dict[str, Any]) -> None:
        from devrunserver.browser.errors import technical_500  # here, as the supervisor does not serve
        from devrunserver.server.django import server

        current = joining.current()
        consoles = None
        if conf.load().FRAME_CONSOLE and not self.choice.is_asgi:
            from devrunserver.browser.errors import frame_consoles  # here, as hardly anybody wants it

            consoles = frame_consoles.around(handler)
        with technical_500.replaced(post_mortem.chosen(options), consoles), contextlib.ExitStack() as stack:
            listening = current.listener if current else None
            if current is None and https.is_asked_for(options):
                listening = stack.enter_context(self._listen(options))
            server.run(
                (self.addr, int(self.port)),
                consoles or handler,
                ipv6=self.use_ipv6,
                threading=options["use_threading"],
                on_bind=self._on_bind,
                server_cls=self.server_cls,
                listener=listening,
                on_serve=current.start_serving if current else lambda one: self._on_ready(one.server_port, options),
                log=request_log.of(getattr(self, "_options", {}), self.style),
            )

    @contextlib.contextmanager
    def _listen(self, options: dict[str, Any]) -> Iterator[socket.socket]:
        """The socket to serve on: it listens, and TLS is spoken before it where that is asked for."""
        names = reachable.addresses(self.use_ipv6) if reachable.is_for_all(self.addr) else [self.addr]
        try:
            shown = https.certificates(options, names, self._say)
            listening = listener.listen(self.addr, int(self.port), self.use_ipv6)
        except HttpsError as error:
            self.stderr.write(f"Error: {error}")
            sys.exit(1)
        except listener.ListenError as error:
            self.stderr.write(f"Error: {error}{self._who_listens()}")
            sys.exit(1)
        with listening, https.before(listening, shown, self._say) as plain:
            yield plain

    def supervise(self, options: dict[str, Any]) -> None:
        """Keeps a worker running until the user ends it; needs ``set_address`` and no settings. Does not return."""
        from devrunserver.management import supervision  # here, as no worker needs it

        with self._listen(options) as listening:
            port = tunnel.public_address(listening)[1]
            on_ready = functools.partial(self._on_ready, port, options)
            status = supervision.run(listening, self.url(port), options, self._say, on_ready)
        supervision.end(status)

    def _who_listens(self) -> str:
        """A sentence about the server of ours that has the port, if one has."""
        from devrunserver.common import state_file  # here, as hardly any start needs it
        from devrunserver.supervisor.tools import project_directory

        return state_file.who_listens(int(self.port), project_directory(sys.argv))

    def _watched(self, options: dict[str, Any]) -> list[str]:
        return [*conf.load().WATCH, *options.get("watch", [])]

    def _say(self, text: str) -> None:
        self.stderr.write(text, self.style.NOTICE)
        self.stderr.flush()


def _add_asgi_arguments(parser: CommandParser) -> None:
    """What concerns ASGI: our own option, and daphne's."""
    parser.add_argument(
        "--asgi",
        action="store_true",
        dest="use_asgi",
        default=None,
        help="Serves ASGI_APPLICATION, with WebSockets. So it is without this where daphne is installed as an app.",
    )
    parser.add_argument(
        "--noasgi", action="store_false", dest="use_asgi", help="Serves WSGI, also where daphne is installed."
    )
    parser.add_argument(
        "--http_timeout", type=int, metavar="SECONDS", help="ASGI: time for an answer to begin (default: any time)."
    )
    parser.add_argument(
        "--websocket_handshake_timeout",
        type=int,
        default=5,
        metavar="SECONDS",
        help="ASGI: time for the application to accept a WebSocket (default: 5).",
    )
    for what, unit in (("message", "message"), ("frame", "frame of a message")):
        parser.add_argument(
            f"--websocket-max-{what}-size",
            type=int,
            metavar="BYTES",
            help=f"ASGI: how large a {unit} of a WebSocket may be (default: 1 MiB; 0: any size).",
        )


def _end_on_sigterm() -> None:
    """Lets SIGTERM end this process where the kernel would not: the first process of a container has no default."""
    on_main_thread = threading.current_thread() is threading.main_thread()
    if os.getpid() == 1 and on_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(SIGTERM_STATUS))


def _follows_pages(options: dict[str, Any], tell: Callable[[str], None] | None) -> bool:
    """Whether open pages are told of changes."""
    if not (settings.DEBUG and options.get("browser_reload", True) and conf.load().BROWSER_RELOAD):
        return False
    if apps.ready and apps.is_installed(OTHER_RELOADER):
        if tell is not None:
            tell(f"Open pages are left to {OTHER_RELOADER}; without that app they would follow each save.")
        return False
    return True


def _add_own_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--watcher",
        choices=conf.MODES,
        help="How files are watched: by the system's events, by polling, or by what fits (auto, the default).",
    )
    parser.add_argument(
        "--watch",
        action="append",
        default=[],
        metavar="GLOB",
        help="Reloads when this path, or a file that this glob names, changes. May be given more than once.",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="GLOB",
        help="Does not watch directories and files of this name or path. May be given more than once.",
    )
    parser.add_argument(
        "--no-browser-reload",
        action="store_false",
        dest="browser_reload",
        help="Leaves open pages as they are when a file is saved.",
    )
    parser.add_argument(
        "--explain-reload",
        action="store_true",
        help="Tells after each reload where it resumed, what was imported again, and what would make it faster.",
    )
    parser.add_argument("--explain-start", action="store_true", help="Tells after the first start what took its time.")
    parser.add_argument(
        "--start-profile",
        metavar="FILE",
        help="Writes what took the time of the last start or reload to a file for https://www.speedscope.app.",
    )
    for part in (request_log, https, banner, post_mortem):
        part.add_to(parser)
    _add_asgi_arguments(parser)
