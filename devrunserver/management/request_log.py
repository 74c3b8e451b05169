"""Which requests are logged and how, by settings and options."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser
from django.core.management.color import Style

from devrunserver import conf, project
from devrunserver.server.access_log import AccessLog
from devrunserver.server.django import static_setup


def add_to(parser: CommandParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--print-sql",
        action="store_true",
        help="Prints each database query of a request below its line, with how long it took.",
    )
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="How requests are logged: as Django does, or as one JSON object a line.",
    )


def of(options: Mapping[str, Any], style: Style) -> AccessLog:
    """What the user wants to see.

    Args:
        options: of the command line.
        style: colours, if there are any.
    """
    settled = conf.load()
    prints_sql = bool(options.get("print_sql"))
    quiet = () if settled.LOG_FILES else static_setup.url_paths()
    as_json = options.get("log_format") == "json"
    log = AccessLog(settled.LOG_DURATION, settled.LOG_IGNORE, quiet, slow=settled.SLOW_REQUEST, as_json=as_json)
    if as_json:
        from devrunserver.server.django import request_lines

        request_lines.leave_json_alone()
    if not (settled.LOG_QUERIES or prints_sql):
        return log
    from devrunserver.server.django import queries  # here, as nothing of it costs those who do not want it

    recording = queries.QueryLog(project.Files().is_own, settled.SLOW_QUERY, prints_sql)
    recording.install()
    if not prints_sql:
        return dataclasses.replace(log, queries=recording)
    from devrunserver.server.django import sql_text

    paint = style.SQL_KEYWORD if style.SQL_KEYWORD("") else None
    return dataclasses.replace(log, queries=recording, show=functools.partial(sql_text.formatted, paint=paint))
