"""The contract with Django's own command: the same project under both, word for word."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import Server, copy_testproject, get, replace, wait_for
from tests.marks import plainly

SHADOW_SETTINGS = """
from bookshop.settings import *

INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "devrunserver"]
"""


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project to be copied, as migrations take their time."""
    project = copy_testproject(tmp_path_factory.mktemp("migrated"))
    (project / "stock.py").write_text(SHADOW_SETTINGS)
    assert _run(project, (sys.executable, "manage.py", "migrate", "-v0"))[0] == 0
    return project


@pytest.fixture
def both(migrated: Path, tmp_path: Path) -> Path:
    """The project, which ``--settings=stock`` runs under Django's command."""
    project = tmp_path / migrated.name
    shutil.copytree(migrated, project, ignore=shutil.ignore_patterns("__pycache__"))
    return project


READY = r"^Listening on (?P<url>https?://\S+:\d+/)$"  # as README has it


def normal(text: str) -> str:
    """The output without what differs from run to run (times, ports, how files are watched) and what is ours alone."""
    text = re.sub(rf"(?m){READY}\n", "", text)
    text = re.sub(r"\w+ \d\d?, \d{4} - [\d:]+", "<time>", text)
    text = re.sub(r"\d\d/\w{3}/\d{4} [\d:]+", "<time>", text)
    text = re.sub(r"(changes with) \w+", r"\1 <watcher>", text)
    text = re.sub(r":\d{4,5}/", ":<port>/", text)
    return re.sub(r"'(bookshop\.settings|stock)'", "<settings>", text)


WRONG_ARGUMENTS = [
    ("port",),
    ("127.0.0.1:",),
    ("[::1:8000",),
    ("127.0.0.1:8000", "-6"),
    ("--no-such-option",),
    ("8000", "9000"),
    ("--no-color", "--force-color"),
]


@pytest.mark.parametrize("arguments", plainly(WRONG_ARGUMENTS, 2), ids=" ".join)
def test_wrong_arguments_are_told_alike(both: Path, arguments: tuple[str, ...]) -> None:
    results = []
    for settings in ("stock", "bookshop.settings"):
        command = (sys.executable, "manage.py", "runserver", *arguments, f"--settings={settings}")
        results.append(_run(both, command))
    (stock_status, stock), (our_status, ours) = results
    assert our_status == stock_status
    # argparse's usage lists our options too
    assert _without_usage(ours) == _without_usage(stock)


@pytest.mark.parametrize(
    "arguments", plainly([("1.2.3.4.5:8000",), ("192.0.2.1:8000",), ("192.0.2.1:8000", "--noreload")], 1)
)
def test_address_that_cannot_be_had_is_told_alike(both: Path, arguments: tuple[str, ...]) -> None:
    """Ours tells it before the checks: the address is bound first."""
    lines = []
    for settings in ("stock", "bookshop.settings"):
        command = (sys.executable, "manage.py", "runserver", *arguments, f"--settings={settings}")
        status, log = _run(both, command)
        assert status == 1
        lines.append(log.splitlines()[-1])
    assert lines[0].startswith("Error: ")
    assert lines[1] == lines[0]


def test_port_that_is_none_is_one_sentence(both: Path) -> None:
    for arguments in (("70000",), ("70000", "--noreload")):
        status, log = _run(both, (sys.executable, "manage.py", "runserver", *arguments))
        assert status == 1
        assert log.splitlines() == ["CommandError: 70000 is not a valid port number: the highest is 65535."]


def _run(project: Path, command: tuple[str, ...]) -> tuple[int, str]:
    server = Server(project, command=command)
    return server.wait_for_end(), server.log


def _without_usage(text: str) -> str:
    lines = normal(text).splitlines()
    return "\n".join(line for line in lines if not re.match(r"usage:|\s{3,}|The database", line))


@pytest.mark.parametrize(
    "arguments",
    plainly(
        [(), ("--noreload",), ("-6",), ("--nothreading",), ("--nostatic",), ("--skip-checks",), ("--force-color",)], 2
    ),
    ids=" ".join,
)
def test_output_is_word_for_word(both: Path, arguments: tuple[str, ...]) -> None:
    outputs = []
    for settings in ("stock", "bookshop.settings"):
        port = "0" if "-6" in arguments else "localhost:0"
        with Server(both, port, f"--settings={settings}", *arguments) as server:
            server.wait_for_log("Quit the server")
            found = re.search(r"server at http://\S+:(\d+)/", server.log)
            assert found is not None
            host = "::1" if "-6" in arguments else "127.0.0.1"
            for path in ("/api/books/", "/static/shop/shop.css", "/nowhere/", "/admin"):
                get(int(found[1]), path, host=host)
            server.wait_for_log(r"GET /admin HTTP")
            server.process.send_signal(signal.SIGINT)
            assert server.wait_for_end() == 0
            outputs.append(normal(server.log))
    stock, ours = outputs
    assert ours == stock


def test_hide_warning_and_migration_warning(both: Path) -> None:
    (both / "db.sqlite3").unlink()
    outputs = []
    for settings in ("stock", "bookshop.settings"):
        environ = {"DJANGO_RUNSERVER_HIDE_WARNING": "true", "DJANGO_COLORS": "nocolor"}
        command = (sys.executable, "-m", "django", "runserver", f"--settings={settings}")
        with Server(both, command=command, environ={**environ, "PYTHONPATH": _path(both)}) as server:
            server.wait_for_log("Quit the server")
            outputs.append(normal(server.log))
    stock, ours = outputs
    assert "unapplied migration(s)" in ours
    assert "WARNING" not in ours
    assert ours == stock


def _path(project: Path) -> str:
    return f"{Path(__file__).parents[2]}:{project}"


@pytest.mark.parametrize("addrport", plainly(["0.0.0.0:0", "[::1]:0", "0", "0:0", "localhost:0", "127.0.0.1:0"], 2))
def test_address_forms_answer(project: Path, addrport: str) -> None:
    with Server(project, addrport) as server:
        host = "::1" if "[" in addrport else "127.0.0.1"
        port = server.port
        wait_for(lambda: "mark-0" in get(port, host=host).body, "an answer")


def test_refuses_without_allowed_hosts(both: Path) -> None:
    (both / "production.py").write_text("from bookshop.settings import *\nDEBUG = False\n")
    status, log = _run(both, (sys.executable, "manage.py", "runserver", "0", "--settings=production"))
    assert status == 1
    assert log == "CommandError: You must set settings.ALLOWED_HOSTS if DEBUG is False.\n"


def test_static_files_without_debug_need_insecure(both: Path) -> None:
    (both / "production.py").write_text("from bookshop.settings import *\nDEBUG = False\nALLOWED_HOSTS = ['*']\n")
    for arguments, status in (((), 404), (("--insecure",), 200)):
        with Server(both, "--settings=production", *arguments) as server:
            assert server.get("/static/shop/shop.css").status == status


COMMAND = """
from devrunserver.management.commands.runserver import Command as RunserverCommand

class Command(RunserverCommand):
    default_port = 0
    default_addr = "localhost"
    protocol = "https"

    def get_handler(self, *args, **options):
        print("get_handler", options["use_threading"])
        return super().get_handler(*args, **options)

    def inner_run(self, *args, **options):
        print("inner_run")
        super().inner_run(*args, **options)

    def on_bind(self, server_port):
        print("on_bind", server_port)
        super().on_bind(server_port)
"""

OWN_SERVER_COMMAND = """
from django.core.management.base import BaseCommand
from django.core.management import call_command

class Command(BaseCommand):
    def handle(self, **options):
        print("serve was called")
        call_command("runserver", "0")
"""


def write_command(project: Path, name: str, text: str) -> None:
    folder = project / "shop/management/commands"
    folder.mkdir(parents=True)
    for package in (folder, folder.parent):
        (package / "__init__.py").touch()
    (folder / f"{name}.py").write_text(text)


def test_hooks_of_a_subclass_are_called(project: Path) -> None:
    write_command(project, "runserver", COMMAND)
    settings = project / "bookshop/settings.py"
    settings.write_text(settings.read_text().replace('"devrunserver",\n    "shop",', '"shop",\n    "devrunserver",'))
    command = (sys.executable, "manage.py", "runserver")
    with Server(project, "--nothreading", command=command) as server:
        port = server.port
        assert f"https://localhost:{port}/" in server.log
        server.wait_for_body("mark-0")
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")
        assert (
            re.findall(r"^(inner_run|get_handler False|on_bind \d+)$", server.log, re.MULTILINE)
            == [
                "inner_run",
                "get_handler False",
                f"on_bind {port}",
            ]
            * 2
        )
        assert "devrunserver.W001" not in server.log, "it builds on ours"


def test_call_command_from_another_command(project: Path) -> None:
    write_command(project, "serve", OWN_SERVER_COMMAND)
    with Server(project, command=(sys.executable, "manage.py", "serve")) as server:
        server.wait_for_body("mark-0")
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")
        replace(project / "shop/models.py", (project / "shop/models.py").read_text() + "\n1 / 0\n")
        server.wait_for_body("ZeroDivisionError")
        server.edit("shop/models.py", "\n1 / 0\n", "")
        server.wait_for_body("mark-1")


@pytest.mark.parametrize(
    "start", plainly([("-m", "django"), ("-W", "default", "manage.py"), ("manage.py",), ("-um", "django")], 2)
)
def test_ways_to_start(project: Path, start: tuple[str, ...]) -> None:
    environ = {"DJANGO_SETTINGS_MODULE": "bookshop.settings", "PYTHONPATH": _path(project)}
    with Server(project, command=(sys.executable, *start, "runserver"), environ=environ) as server:
        server.wait_for_body("mark-0")
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")


def test_interpreter_flags_reach_the_worker(project: Path) -> None:
    replace(project / "shop/marks.py", "import sys\nMARK = f'{sys.flags.optimize}-{sys._xoptions}-{sys.warnoptions}'\n")
    command = (sys.executable, "-O", "-X", "marker=7", "-W", "ignore::ImportWarning", "manage.py", "runserver")
    with Server(project, command=command) as server:
        body = server.wait_for_body("marker").body
        assert body.startswith("1-{'marker': '7'}-['ignore::ImportWarning']")


def test_listening_socket_is_not_inherited_by_programs_of_the_project(project: Path) -> None:
    replace(
        project / "shop/marks.py",
        "import os, subprocess, sys\n"
        "if os.environ.get('RUN_MAIN') == 'true':\n"
        "    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], close_fds=False,"
        " start_new_session=True)\n"
        "MARK = str(sorted(name for name in os.environ if 'DEVRUNSERVER' in name))\n",
    )
    with Server(project) as server:
        port = server.port
        assert server.wait_for_body("[").body.startswith("[] ")
        child = next(pid for pid in Path("/proc").glob("[0-9]*") if _is_sleeper(pid, server.worker_pid()))
        sockets = [link for one in (child / "fd").iterdir() if (link := str(one.readlink())).startswith("socket:")]
        assert sockets == []
    os.kill(int(child.name), signal.SIGKILL)
    with socket.create_server(("127.0.0.1", port)):
        pass  # the port is free


def _is_sleeper(process: Path, parent: int) -> bool:
    try:
        return f"PPid:\t{parent}\n" in (process / "status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("arguments", [(), ("--noreload",)], ids=" ".join)
def test_the_ready_line_gets_through_a_pipe(project: Path, arguments: tuple[str, ...]) -> None:
    """Nobody asks Python not to buffer what is no terminal."""
    with Server(project, *arguments, environ={"PYTHONUNBUFFERED": ""}, stdout=subprocess.PIPE) as server:
        assert server.process.stdout is not None
        with server.process.stdout as pipe:
            lines = iter(pipe.readline, b"")
            found = next(match for line in lines if (match := re.match(READY, line.decode().rstrip())))
            port = int(found["url"].rstrip("/").rpartition(":")[2])
            assert get(port).status == 200
