"""What our app does where Django creates it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from django.conf import settings

from devrunserver.apps import copying, leave_out_others, needs_setup
from devrunserver.checkpoints import first_worker, forking
from devrunserver.common import process
from devrunserver.supervisor import lasting_code


@pytest.mark.parametrize(
    ("installed", "position", "left", "left_out"),
    [
        (["devrunserver", "a", "b.apps.B"], 0, ["devrunserver"], ["a", "b.apps.B"]),
        (["a", "devrunserver.apps.DevrunserverConfig", "b"], 1, ["a", "devrunserver.apps.DevrunserverConfig"], ["b"]),
        (["a", "devrunserver"], 1, ["a", "devrunserver"], []),
        (["a", "b", "devrunserver"], 1, ["a", "b", "devrunserver"], []),  # not where we seem to be: better none
        (("devrunserver", "a"), 0, ("devrunserver", "a"), []),  # which cannot be shortened while Django goes through it
    ],
)
def test_apps_that_are_left_out(installed: object, position: int, left: object, left_out: list[str]) -> None:
    assert leave_out_others(installed, position) == left_out
    assert installed == left


@pytest.mark.parametrize(
    ("chosen", "above", "found", "needed"),
    [
        (None, [], "", False),
        (None, [], "jobs.py", True),
        (None, ["/accounts"], "", True),  # it may need those below us
        (True, [], "", True),
        (False, [], "jobs.py", False),
        (False, ["/accounts"], "", False),
    ],
)
def test_whether_the_supervisor_sets_up_all_apps(
    monkeypatch: pytest.MonkeyPatch, chosen: bool | None, above: list[str], found: str, needed: bool
) -> None:
    monkeypatch.setattr(settings, "DEVRUNSERVER", {"SUPERVISOR_SETUP": chosen}, raising=False)
    monkeypatch.setattr(lasting_code, "find", lambda own, installed: found)
    assert needs_setup(above) == needed


@pytest.mark.parametrize(
    ("checkpoints", "obstacle", "found", "doubt", "is_copy", "source"),
    [
        (6, "", "", "", True, ""),
        (6, "a thread runs", "", "", False, None),
        (6, "", "jobs.py", "", False, "jobs.py"),
        (6, "", "", "settings.py", False, ""),
        (0, "", "", "", False, None),
    ],
)
def test_whether_the_first_worker_is_a_copy(
    monkeypatch: pytest.MonkeyPatch,
    checkpoints: int,
    obstacle: str,
    found: str,
    doubt: str,
    is_copy: bool,
    source: str | None,
) -> None:
    monkeypatch.setattr(settings, "DEVRUNSERVER", {"CHECKPOINTS": checkpoints}, raising=False)
    monkeypatch.setattr(process, "adopt_orphans", lambda: True)
    monkeypatch.setattr(first_worker, "obstacle", lambda began: obstacle)
    monkeypatch.setattr(lasting_code, "find", lambda own, installed: found)
    monkeypatch.setattr(first_worker, "doubt", lambda began: doubt)
    assert copying() == (forking.copy if is_copy else None, source)


def test_what_was_found_is_not_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(lasting_code, "find")
    assert not needs_setup([], "")
    assert needs_setup([], "jobs.py")


def test_a_look_that_fails_is_a_reason_to_start_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "adopt_orphans", lambda: True)
    monkeypatch.delattr(first_worker, "obstacle")
    assert copying() == (None, None)


def test_a_search_that_fails_is_a_reason_to_set_them_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(lasting_code, "find")
    assert needs_setup([])


def test_what_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[set[str]] = []

    def find(*trees: Iterable[str]) -> str:
        searched.extend(map(set, trees))
        return ""

    monkeypatch.setattr(lasting_code, "find", find)
    assert not needs_setup([])
    own, installed = searched
    assert str(Path(__file__).parents[1]) in own
    assert not any(Path(one).name == "django" for one in own | installed)
