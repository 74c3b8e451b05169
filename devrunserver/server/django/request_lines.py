"""What is told of a request besides, or in place of, the line that Django has for it.

All of it goes through Django's logger for requests, or one below it, so that the project's LOGGING applies.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from django.utils.log import ServerFormatter

from devrunserver.server.access_log import AccessLog, Recorder

MILLISECONDS = 1000
CLIENT_ERROR, SERVER_ERROR = 400, 500  # the first statuses of each
requests = logging.getLogger("django.server")
queries = logging.getLogger("django.server.queries")


def tell_queries(recorder: Recorder, log: AccessLog) -> None:
    """Tells of the queries that are worth a look, and of all of them where all are wanted."""
    if log.queries is None:
        return
    # in JSON they are part of the request's object
    lines = [] if log.as_json else list(recorder.lines(log.queries.slow))
    if log.show is not None:
        for sql, seconds in recorder.printed:
            first, *rest = log.show(sql).splitlines() or [""]
            lines.append(f"  {seconds * MILLISECONDS:.1f} ms {first}")
            lines += [f"    {one}" for one in rest]
    if lines:
        queries.info("%s", "\n".join(lines), extra={"server_time": now()})


def tell_json(record: dict[str, Any], request: object) -> None:
    """Logs a request as one JSON object, at the level that Django would."""
    status = record["status"]
    level = logging.ERROR if status >= SERVER_ERROR else logging.WARNING if status >= CLIENT_ERROR else logging.INFO
    extra = {"request": request, "server_time": now(), "status_code": status}
    requests.log(level, "%s", json.dumps(record), extra=extra)


def leave_json_alone() -> None:
    """Has Django's own formatter, which puts the time before each line, write no more than the object."""
    for handler in requests.handlers:
        if type(handler.formatter) is ServerFormatter:
            handler.setFormatter(logging.Formatter("%(message)s"))


def now() -> str:
    """The time as Django's formatter for requests has it."""
    return time.strftime("%d/%b/%Y %H:%M:%S")
