"""Requests as JSON, and the lines below a request's."""

from __future__ import annotations

import json
import logging

import pytest
from django.utils.log import ServerFormatter

from devrunserver.server.access_log import AccessLog
from devrunserver.server.django import request_lines
from devrunserver.server.django.queries import Query, QueryLog, Recorder


class Lines(logging.Handler):
    """Keeps what is logged, as it would be written."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.records: list[logging.LogRecord] = []
        self.written: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.written.append(self.format(record))


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> tuple[Lines, Lines]:
    """One with Django's formatter, and one of the project's."""
    django = Lines(ServerFormatter("[{server_time}] {message}", style="{"))
    own = Lines(logging.Formatter("own %(message)s"))
    monkeypatch.setattr(request_lines.requests, "handlers", [django, own])
    monkeypatch.setattr(request_lines.requests, "level", logging.INFO)
    return django, own


@pytest.mark.parametrize(
    ("status", "level"),
    [(200, logging.INFO), (304, logging.INFO), (404, logging.WARNING), (500, logging.ERROR), (503, logging.ERROR)],
)
def test_a_request_is_one_object(handlers: tuple[Lines, Lines], status: int, level: int) -> None:
    django, own = handlers
    request_lines.leave_json_alone()
    record = {"method": "GET", "path": '/"ö\n', "status": status}
    request_lines.tell_json(record, None)
    assert json.loads(django.written[0]) == record and "\n" not in django.written[0]
    assert own.written[0] == f"own {django.written[0]}"  # the project's formatter stays
    assert django.records[0].levelno == level and django.records[0].status_code == status  # type: ignore[attr-defined]


def recorder() -> Recorder:
    query = Query("select 1", count=3, seconds=0.006, place="shop/views.py:3")
    return Recorder(3, 0.006, {"select 1": query}, [("select 1", 0.002)] * 3)


def test_queries_are_told_below(handlers: tuple[Lines, Lines]) -> None:
    django, _ = handlers
    log = QueryLog(lambda file: True, slow=1.0)
    request_lines.tell_queries(recorder(), AccessLog(queries=log))
    (written,) = django.written
    assert written.endswith("]   N+1: 3 times 6 ms at shop/views.py:3: select 1") and written.startswith("[")
    request_lines.tell_queries(recorder(), AccessLog(queries=log, as_json=True))
    request_lines.tell_queries(Recorder(), AccessLog(queries=log))
    request_lines.tell_queries(recorder(), AccessLog())
    assert len(django.written) == 1
    request_lines.tell_queries(recorder(), AccessLog(queries=log, as_json=True, show=lambda sql: "SELECT\n1"))
    assert django.written[1].count("  2.0 ms SELECT\n    1") == 3
