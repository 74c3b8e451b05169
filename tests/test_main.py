"""``python -m devrunserver``: what it runs, and what becomes of an error."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from devrunserver import __main__ as entry
from devrunserver import control
from devrunserver.common import environment
from devrunserver.common.environment import WorkerStart

WRITE = "import sys\nwith open('ran', 'w') as file:\n    file.write(repr([__name__, *sys.argv[1:]]))\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path[1:]])
    monkeypatch.setattr(environment, "read", lambda environ: WorkerStart())
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *argv: str) -> BaseException | None:
    monkeypatch.setattr(sys, "argv", [*argv])
    return entry.run_program(sys.argv)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["manage.py", "runserver"], ["__main__", "runserver"]),
        (["-m", "manage", "runserver"], ["__main__", "runserver"]),
        (["-c", WRITE, "runserver"], ["__main__", "runserver"]),
    ],
)
def test_it_runs_a_program_as_the_interpreter_would(
    here: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], expected: list[str]
) -> None:
    (here / "manage.py").write_text(WRITE)
    assert run(monkeypatch, *argv) is None
    assert (here / "ran").read_text() == repr(expected)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("1 / 0", ZeroDivisionError),
        ("raise SystemExit(3)", SystemExit),
        ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise SystemExit(1)", ZeroDivisionError),
    ],
)
def test_what_it_raised_is_returned(
    here: Path, monkeypatch: pytest.MonkeyPatch, code: str, expected: type[BaseException]
) -> None:
    (here / "manage.py").write_text(code)
    assert type(run(monkeypatch, "manage.py")) is expected


def test_who_leaves_without_an_error_leaves(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "manage.py").write_text("raise SystemExit")
    with pytest.raises(SystemExit):
        run(monkeypatch, "manage.py")


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["devrunserver", *arguments])
    entry.main()


def test_usage(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call(monkeypatch)
    assert ended.value.code == entry.USAGE_STATUS
    told = capsys.readouterr().err
    assert told.startswith("Usage: python -m devrunserver manage.py runserver")
    assert all(command in told for command in control.COMMANDS)


def test_questions_to_a_server_and_trust(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from devrunserver.control import command_line
    from devrunserver.https import trust

    monkeypatch.setattr(command_line, "main", lambda argv: " ".join(["asked", *argv]))
    monkeypatch.setattr(trust, "main", lambda argv: " ".join(["trusted", *argv]))
    for arguments, expected in (
        (["status", "--json"], "asked status --json"),
        (["trust", "--undo"], "trusted --undo"),
    ):
        with pytest.raises(SystemExit) as ended:
            call(monkeypatch, *arguments)
        assert ended.value.code == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["runserver", "-6", "8001"], ["-6", "8001"]),
        (["runserver", "--noreload"], None),
        (["check"], None),
    ],
)
def test_a_broken_program_gets_a_supervisor_where_it_would_have_one(
    here: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: list[str] | None
) -> None:
    (here / "manage.py").write_text("1 / 0")
    supervised: list[list[str]] = []
    monkeypatch.setattr(entry, "supervise", supervised.append)
    if expected is None:
        with pytest.raises(ZeroDivisionError):
            call(monkeypatch, "manage.py", *arguments)
    else:
        call(monkeypatch, "manage.py", *arguments)
        assert supervised == [expected]


def test_a_worker_shows_what_it_raised(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "manage.py").write_text("1 / 0")
    shown: list[tuple[str, bool]] = []
    monkeypatch.setattr(environment, "is_worker", lambda environ: True)
    monkeypatch.setattr(entry, "show", lambda error, quiet=False: shown.append((type(error).__name__, quiet)))
    call(monkeypatch, "manage.py", "runserver")
    monkeypatch.setattr(environment, "read", lambda environ: WorkerStart(report="It ended."))
    call(monkeypatch, "manage.py", "runserver")
    assert shown == [("ZeroDivisionError", False), ("WorkerEnded", True)]


def test_what_was_printed_before_is_not_printed_again(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The program runs once more, for its error alone."""
    (here / "manage.py").write_text("import os\nos.write(1, b'out')\nos.write(2, b'err')\n1 / 0")
    monkeypatch.setattr(environment, "is_worker", lambda environ: True)
    monkeypatch.setattr(environment, "read", lambda environ: WorkerStart(is_rerun=True))
    monkeypatch.setattr(entry, "show", lambda error, quiet: os.write(1, f"shown, {quiet}".encode()))
    call(monkeypatch, "manage.py", "runserver")
    assert capfd.readouterr() == ("shown, True", "")


def test_an_address_that_is_none_is_told_without_a_traceback() -> None:
    with pytest.raises(SystemExit, match='CommandError: "x:y:z" is not a valid port number'):
        entry.supervise(["x:y:z"])
