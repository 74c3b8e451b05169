"""What is told of a request's queries below its line: by the logger below Django's for requests, so that the project's
LOGGING for that applies, or may say otherwise."""

from __future__ import annotations

import logging
import time

from devrunserver.server.access_log import AccessLog, Recorder

MILLISECONDS = 1000
logger = logging.getLogger("django.server.queries")


def tell(recorder: Recorder, log: AccessLog) -> None:
    """Tells of the queries that are worth a look, and of all of them where all are wanted."""
    if log.queries is None:
        return
    lines = list(recorder.lines(log.queries.slow))
    if log.show is not None:
        for sql, seconds in recorder.printed:
            first, *rest = log.show(sql).splitlines() or [""]
            lines.append(f"  {seconds * MILLISECONDS:.1f} ms {first}")
            lines += [f"    {one}" for one in rest]
    if lines:
        now = time.strftime("%d/%b/%Y %H:%M:%S")  # as Django's formatter for requests has it
        logger.info("%s", "\n".join(lines), extra={"server_time": now})
