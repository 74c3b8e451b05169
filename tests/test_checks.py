"""The system checks: whose ``runserver`` runs, and what is wrong with the setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from devrunserver.checks import check_precedence, check_setting, check_watchdog, precedence

if TYPE_CHECKING:
    from pytest_django import Settings


US, STATIC = "devrunserver", "django.contrib.staticfiles"
WHITENOISE, LIVERELOAD = "whitenoise.runserver_nostatic", "livereload"
ABOVE, BELOW = "devrunserver.W001", "devrunserver.W002"


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([], []),
        ([US], []),
        ([STATIC], []),  # we are not installed
        ([US, STATIC], []),
        ([US, "shop", STATIC], []),
        ([WHITENOISE, US, STATIC], []),
        ([LIVERELOAD, US], [(ABOVE, LIVERELOAD)]),
        ([STATIC, US], [(ABOVE, STATIC)]),
        (["daphne", US], [(ABOVE, "daphne")]),
        ([US, "daphne"], []),
        (["daphne", STATIC, US], [(ABOVE, "daphne"), (ABOVE, STATIC)]),
        ([US, WHITENOISE], [(BELOW, WHITENOISE)]),
        ([US, WHITENOISE, STATIC], [(BELOW, WHITENOISE)]),
        ([US, LIVERELOAD, STATIC], [(BELOW, LIVERELOAD)]),
        ([STATIC, US, "daphne"], [(ABOVE, STATIC)]),
        (["shop", US, "blog"], []),  # they bring no runserver
    ],
)
def test_precedence(order: list[str], expected: list[tuple[str, str]]) -> None:
    messages = precedence(order, {STATIC, "daphne", WHITENOISE, LIVERELOAD}, {WHITENOISE})
    assert [message.id for message in messages] == [id for id, _ in expected]
    for message, (_, name) in zip(messages, expected, strict=True):
        assert name in message.msg
        assert message.hint


@pytest.mark.parametrize(
    ("order", "cause", "hint"),
    [
        (
            [STATIC, US],
            "The runserver of django.contrib.staticfiles replaces devrunserver's.",
            'Move "devrunserver" to the top of INSTALLED_APPS.',
        ),
        (
            ["daphne", US],
            "The runserver of daphne replaces devrunserver's.",
            'Move "devrunserver" to the top of INSTALLED_APPS.',
        ),
        (
            [US, LIVERELOAD],
            "devrunserver's runserver replaces the one of livereload.",
            'Remove "devrunserver" or "livereload" from INSTALLED_APPS.',
        ),
        (
            [US, WHITENOISE],
            "devrunserver's runserver replaces the one of whitenoise.runserver_nostatic: "
            "static files are served by Django instead of WhiteNoise.",
            'Move "whitenoise.runserver_nostatic" above "devrunserver".',
        ),
    ],
)
def test_cause_and_remedy(order: list[str], cause: str, hint: str) -> None:
    [message] = precedence(order, {STATIC, "daphne", WHITENOISE, LIVERELOAD}, {WHITENOISE})
    assert (message.msg, message.hint) == (cause, hint)


def ours() -> list[str]:
    """The ids of our messages, as the check framework finds them."""
    return [str(message.id) for message in run_checks() if str(message.id).startswith("devrunserver.")]


def test_all_is_silent_by_default() -> None:
    assert ours() == []


@pytest.mark.parametrize(
    ("setting", "count"),
    [({}, 0), ({"WATCHER": "auto"}, 0), ({"WATCHER": "inotify"}, 1), ({"A": 1, "B": 2}, 2), ([], 1), (5, 1)],
)
def test_the_setting(setting: object, count: int) -> None:
    with override_settings(DEVRUNSERVER=setting):
        assert ours() == ["devrunserver.E001"] * count


def test_the_setting_names_cause_and_remedy(settings: Settings) -> None:
    settings.DEVRUNSERVER = {"POLL_INTERVAL": "fast"}
    [message] = check_setting(None)
    assert message.is_serious()
    assert message.msg == "DEVRUNSERVER['POLL_INTERVAL'] is 'fast', not a number of seconds above 0."
    assert message.hint == "Its default is 1.0."


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ([US, STATIC], []),
        ([STATIC, US], [ABOVE]),
        ([STATIC], []),
        (["django.contrib.contenttypes", US], []),
    ],
)
def test_the_installed_apps(installed: list[str], expected: list[str]) -> None:
    with override_settings(INSTALLED_APPS=installed):
        assert [message.id for message in check_precedence(None)] == expected


@pytest.mark.parametrize(
    ("platform", "there", "expected"),
    [("linux", False, []), ("darwin", True, []), ("darwin", False, ["devrunserver.W003"])],
)
def test_watchdog_is_missed_where_events_come_by_it(
    monkeypatch: pytest.MonkeyPatch, platform: str, there: bool, expected: list[str]
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr("devrunserver.checks.find_spec", lambda name: object() if there else None)
    assert [message.id for message in check_watchdog(None)] == expected
