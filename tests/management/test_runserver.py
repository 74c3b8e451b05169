"""The command's decisions, without a server."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.test import override_settings

from devrunserver.common import process_exit
from devrunserver.https import options as https
from devrunserver.https.error import HttpsError
from devrunserver.management.commands import runserver
from devrunserver.management.commands.runserver import OTHER_RELOADER, SIGTERM_STATUS, Command
from devrunserver.server import listener
from devrunserver.worker import banner, joining


@pytest.fixture
def command() -> Command:
    return Command(stdout=io.StringIO(), stderr=io.StringIO(), no_color=True)


def options(command: Command, *arguments: str) -> dict[str, Any]:
    return vars(command.create_parser("manage.py", "runserver").parse_args(list(arguments)))


def printed(stream: Any) -> str:
    return str(stream._out.getvalue())


class Left(BaseException):
    """The process would have ended."""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x:y:z"], '"x:y:z" is not a valid port number or address:port pair.'),
        (["65536"], "65536 is not a valid port number: the highest is 65535."),
    ],
)
def test_a_wrong_address(command: Command, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError) as raised:
        command.handle(**options(command, *arguments))
    assert str(raised.value) == message


def test_what_django_refuses(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with override_settings(DEBUG=False, ALLOWED_HOSTS=[]), pytest.raises(CommandError, match="ALLOWED_HOSTS"):
        command.handle(**options(command))
    monkeypatch.setattr(socket, "has_ipv6", False)
    with pytest.raises(CommandError, match="Your Python does not support IPv6"):
        command.handle(**options(command, "-6"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "http://127.0.0.1:8000/"),
        (["0:80"], "http://0.0.0.0:80/"),
        (["-6"], "http://[::1]:8000/"),
        (["--https", "shop.localhost:1"], "https://shop.localhost:1/"),
    ],
)
def test_the_url(command: Command, arguments: list[str], expected: str) -> None:
    command.set_address(options(command, *arguments))
    assert command.url(int(command.port)) == expected


@pytest.mark.parametrize(("arguments", "ways"), [([], ["supervisor"]), (["--noreload"], ["this process"])])
def test_who_serves(command: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str], ways: list[str]) -> None:
    found: list[str] = []
    monkeypatch.setattr(command, "supervise", lambda options: found.append("supervisor"))
    monkeypatch.setattr(command, "inner_run", lambda *args, **options: found.append("this process"))
    command.handle(**options(command, *arguments))
    assert found == ways


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (HttpsError("There is no such file."), "Error: There is no such file."),
        (listener.ListenError("That port is already in use."), "Error: That port is already in use. It is yours."),
    ],
)
def test_what_keeps_it_from_listening(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: str
) -> None:
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(https if isinstance(error, HttpsError) else listener, fail_of(error), fail)
    monkeypatch.setattr(command, "_who_listens", lambda: " It is yours.")
    asked = options(command, "0")
    command.set_address(asked)
    with pytest.raises(SystemExit) as ended, command._listen(asked):
        pass
    assert ended.value.code == 1
    assert printed(command.stderr) == f"{expected}\n"


def fail_of(error: Exception) -> str:
    return "certificates" if isinstance(error, HttpsError) else "listen"


def test_nobody_of_ours_has_a_port(command: Command, runtime_directory: Path) -> None:
    command.port = "1"  # type: ignore[assignment]
    assert command._who_listens() == ""


def serves(command: Command, monkeypatch: pytest.MonkeyPatch, raised: BaseException) -> dict[str, Any]:
    """A command whose server ends in this way, and its options."""

    def fail(*args: object) -> None:
        raise raised

    monkeypatch.setattr(command, "check", lambda **options: None)
    monkeypatch.setattr(command, "check_migrations", lambda: None)
    monkeypatch.setattr(command, "get_handler", lambda *args, **options: None)
    monkeypatch.setattr(command, "_serve", fail)
    monkeypatch.setattr(command, "_who_listens", lambda: "")
    asked = options(command, "--noreload")
    command.set_address(asked)
    return asked


def test_an_address_that_cannot_be_had_ends_the_process(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(status: int) -> None:
        raise Left(status)

    monkeypatch.setattr(process_exit, "leave", leave)
    with pytest.raises(Left, match="1"):
        command.inner_run(None, **serves(command, monkeypatch, OSError("no such address")))
    assert printed(command.stdout).startswith("Performing system checks...")
    assert printed(command.stderr) == "Error: no such address\n"


def test_ctrl_c_says_the_message(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = serves(command, monkeypatch, KeyboardInterrupt())
    with pytest.raises(SystemExit) as ended:
        command.inner_run(None, **asked, shutdown_message="Bye.")
    assert ended.value.code == 0
    assert printed(command.stdout).endswith("Bye.\n")


def test_a_fault_in_the_banner_keeps_nobody_from_serving(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("no network")

    command.set_address(options(command))
    monkeypatch.setattr(banner, "lines", fail)
    command._tell_of_reach(8000)
    assert printed(command.stderr) == "RuntimeError: no network\n"


def test_ready_is_told_and_a_browser_is_opened_where_that_is_wanted(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(banner, "open_browser", lambda url, say: opened.append(url))
    for arguments in ([], ["--open"]):
        asked = options(command, *arguments)
        command.set_address(asked)
        command._on_ready(8001, asked)
    assert printed(command.stdout) == "Listening on http://127.0.0.1:8001/\n" * 2
    assert opened == ["http://127.0.0.1:8001/"]


@pytest.mark.parametrize(
    ("debug", "argument", "others", "expected"),
    [
        (True, [], False, True),
        (False, [], False, False),
        (True, ["--no-browser-reload"], False, False),
        (True, [], True, False),
    ],
)
def test_whether_pages_follow(
    command: Command, monkeypatch: pytest.MonkeyPatch, debug: bool, argument: list[str], others: bool, expected: bool
) -> None:
    told: list[str] = []
    monkeypatch.setattr(runserver, "apps", SimpleNamespace(ready=True, is_installed=lambda name: others))
    with override_settings(DEBUG=debug):
        assert runserver._follows_pages(options(command, *argument), told.append) is expected
        assert runserver._follows_pages(options(command, *argument), None) is expected
    assert [OTHER_RELOADER in line for line in told] == [True] * others


def test_a_worker_waits_before_it_reads_the_command_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[bool] = []
    monkeypatch.setattr(joining, "current", lambda: SimpleNamespace(wait_for_go=lambda: waited.append(True)))
    options(command)
    assert waited == [True]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_the_first_process_of_a_container_ends_on_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        runserver._end_on_sigterm()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL  # the kernel ends any other
        monkeypatch.setattr(os, "getpid", lambda: 1)
        runserver._end_on_sigterm()
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGTERM)
        assert ended.value.code == SIGTERM_STATUS
    finally:
        signal.signal(signal.SIGTERM, before)
