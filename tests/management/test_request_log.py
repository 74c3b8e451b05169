"""Which requests are logged and how, of settings and options."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management.color import no_style
from django.test import override_settings

from devrunserver.management import request_log
from devrunserver.server.django import queries, request_lines

SETTINGS = [
    ({}, {}, {"duration": False, "queries": False, "as_json": False, "show": False}),
    ({"LOG_DURATION": True}, {}, {"duration": True}),
    ({"LOG_IGNORE": ["/health/"]}, {}, {"ignored": ("/health/",)}),
    ({"LOG_FILES": True}, {}, {"quiet": ()}),
    ({"LOG_FILES": False}, {}, {"quiet": ("/static/",)}),
    ({"LOG_QUERIES": True}, {}, {"queries": True, "show": False}),
    ({"LOG_QUERIES": False}, {"print_sql": True}, {"queries": True, "show": True}),
    ({}, {"log_format": "json"}, {"as_json": True}),
]


@pytest.fixture(autouse=True)
def _untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they would install stays out of this process."""
    monkeypatch.setattr(queries.QueryLog, "install", lambda self: None)
    monkeypatch.setattr(request_lines, "leave_json_alone", lambda: None)


@pytest.mark.parametrize(("settings", "options", "expected"), SETTINGS)
def test_what_is_logged(settings: dict[str, Any], options: dict[str, Any], expected: dict[str, Any]) -> None:
    plain = {"LOG_QUERIES": False, "LOG_FILES": True}
    with override_settings(DEVRUNSERVER=plain | settings, STATIC_URL="/static/", MEDIA_URL=""):
        log = request_log.of(options, no_style())
    found = {name: getattr(log, name) for name in expected}
    for name in {"queries", "show"} & set(found):
        found[name] = found[name] is not None
    assert found == expected


def test_printed_sql_is_text() -> None:
    with override_settings(DEVRUNSERVER={"SLOW_QUERY": 2.5}):
        log = request_log.of({"print_sql": True}, no_style())
    assert log.show is not None and "SELECT 1" in log.show("SELECT 1")
    assert log.queries is not None and log.queries.slow == 2.5
