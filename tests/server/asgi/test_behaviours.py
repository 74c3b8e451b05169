"""The table of behaviours, answered by ASGI."""

from __future__ import annotations

import pytest

from devrunserver.server.django import static_setup
from devrunserver.server.django.asgi_host import not_found
from tests.server.asgi.bridge import Bridged
from tests.server.asgi.conftest import RunAsgi
from tests.server.exchange import play
from tests.server.table import ROWS, Row

# What cannot be said by ASGI (a method in lower case, a status that is no number, two answers), or is the server's to
# choose (a chunked body that the application does not read ends its connection).
OTHERS = (
    "get /told/",
    "!#$%&'*+-.^_`|~09aZ",
    "GET /bad-status/",
    "GET /fail/twice",
    "POST /ignore HTTP/1.1\r\nHost: a\r\nTransfer",
)
SAYABLE = {name: row for name, row in ROWS.items() if not str(row.sent).startswith(OTHERS)}


@pytest.mark.deep
@pytest.mark.usefixtures("static_files")
@pytest.mark.parametrize("row", SAYABLE.values(), ids=SAYABLE)
def test_the_table(run_asgi: RunAsgi, row: Row) -> None:
    others = static_setup.wrap(not_found, True, False)
    running = run_asgi(Bridged(), others, static_setup.url_paths())
    with running.wire() as wire:
        play(wire, row, row.outcome)
