"""Whether the first worker is started before it is certain that this process supervises."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devrunserver.management.commands.runserver import Command
from devrunserver.supervisor import early_start
from devrunserver.supervisor.early_start import is_noreload, ships_runserver, will_supervise

OPTIONS = ["8000", "-6", "--nothreading", "--no-color", "--nostatic", "--insecure", "-v", "2", "--settings=shop.dev"]


@pytest.mark.parametrize(
    ("argv", "environ", "expected"),
    [
        (["manage.py", "runserver"], [], True),
        (["/usr/bin/django-admin", "runserver", "0.0.0.0:8000"], ["PATH"], True),
        (["manage.py", "runserver", *OPTIONS], [], True),
        (["manage.py", "runserver", "--watcher", "polling", "--explain"], [], True),
        (["manage.py", "runserver"], ["RUN_MAIN"], False),  # Django's own reloader is above us
        (["manage.py", "runserver", "--noreload"], [], False),
        (["manage.py", "runserver", *OPTIONS, "--noreload"], [], False),
        (["manage.py", "runserver", "--nore", "8000"], [], False),
        (["manage.py", "runserver", "--help"], [], False),
        (["manage.py", "runserver", "-h"], [], False),
        (["manage.py", "runserver", "8000", "--version"], [], False),
        (["manage.py", "help", "runserver"], [], False),
        (["manage.py", "migrate"], [], False),
        (["manage.py", "runserver_plus"], [], False),
        (["manage.py", "--settings=shop.dev", "runserver"], [], False),  # not certain, so it comes in the usual time
        (["manage.py"], [], False),
        (["runserver"], [], False),
        ([], [], False),
    ],
)
def test_will_supervise(argv: list[str], environ: list[str], expected: bool) -> None:
    assert will_supervise(argv, environ) is expected


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--noreload", True),
        ("--noreloa", True),
        ("--nor", True),
        ("--no", False),  # ambiguous: an error, not an option
        ("--noreloads", False),
        ("--nothreading", False),
        ("--nostatic", False),
        ("--no-color", False),
        ("-noreload", False),
        ("noreload", False),
        ("", False),
    ],
)
def test_is_noreload(option: str, expected: bool) -> None:
    assert is_noreload(option) is expected


@given(st.lists(st.sampled_from([*OPTIONS, "--noreload", "--norel", "--nor", "--nothr", "--skip-checks"]), max_size=5))
def test_it_agrees_with_the_command(options: list[str]) -> None:
    options = [one for one in options if one not in ("8000", "-v", "2")]
    parsed = Command().create_parser("manage.py", "runserver").parse_args(options)
    assert will_supervise(["manage.py", "runserver", *options], []) is parsed.use_reloader


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app that has commands."""
    (tmp_path / "management/commands").mkdir(parents=True)
    (tmp_path / "management/commands/__init__.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("management/commands/runserver.py", True),
        ("management/commands/runserver_plus.py", False),
        ("management/commands/_runserver.py", False),
        ("management/runserver.py", False),
        ("runserver.py", False),
    ],
)
def test_ships_runserver(app: Path, file: str, expected: bool) -> None:
    assert not ships_runserver(str(app))
    (app / file).touch()
    assert ships_runserver(str(app)) is expected


def test_an_app_without_commands_ships_none(tmp_path: Path) -> None:
    assert not ships_runserver(str(tmp_path))
    assert not ships_runserver(str(tmp_path / "nowhere"))


class FakeLauncher:
    def __init__(self) -> None:
        self.spawned = 0

    def spawn_early(self, copy: object, edited: object) -> bool:
        self.spawned += 1
        return copy is not None


@pytest.mark.parametrize(
    ("argv", "runserver_above", "spawned"),
    [
        (["manage.py", "runserver"], False, 1),
        (["manage.py", "runserver"], True, 0),  # another app's command may be the one that runs
        (["manage.py", "runserver", "--noreload"], False, 0),
        (["manage.py", "check"], False, 0),
    ],
)
def test_begin(
    monkeypatch: pytest.MonkeyPatch, app: Path, argv: list[str], runserver_above: bool, spawned: int
) -> None:
    launcher = FakeLauncher()
    monkeypatch.setattr(early_start, "launcher", lambda: launcher)
    monkeypatch.setattr("sys.argv", argv)
    monkeypatch.delenv("RUN_MAIN", raising=False)
    if runserver_above:
        (app / "management/commands/runserver.py").touch()
    if early_start.is_due(iter([str(app.parent), str(app)])):
        assert not early_start.begin()
    assert launcher.spawned == spawned


def test_the_worker_that_is_a_copy_forgets_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = early_start.launcher()
    monkeypatch.setattr(launcher, "spawn_early", lambda copy, edited: True)
    assert early_start.begin(lambda: 0)
    assert early_start.launcher() is not launcher


def test_there_is_one_launcher() -> None:
    assert early_start.launcher() is early_start.launcher()
