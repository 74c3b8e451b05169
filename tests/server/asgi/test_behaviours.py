"""The table of behaviours, answered by ASGI."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.staticfiles import finders
from django.test import override_settings

from devrunserver.server.django import static_setup
from devrunserver.server.django.asgi_host import not_found
from tests.server.application import FILES
from tests.server.asgi.bridge import Bridged
from tests.server.asgi.conftest import RunAsgi
from tests.server.exchange import play
from tests.server.table import TABLE, Row

# What cannot be said by ASGI (a method in lower case, a status that is no number, two answers), or is the server's to
# choose (a chunked body that the application does not read ends its connection).
OTHERS = (
    "get /told/",
    "!#$%&'*+-.^_`|~09aZ",
    "GET /bad-status/",
    "GET /fail/twice",
    "POST /ignore HTTP/1.1\r\nHost: a\r\nTransfer",
)
ROWS = {
    f"{group} {number}": row
    for group, rows in TABLE.items()
    for number, row in enumerate(rows)
    if not str(row.sent).startswith(OTHERS)
}


@pytest.fixture
def _static_files() -> Iterator[None]:
    with override_settings(DEBUG=True, ALLOWED_HOSTS=["localhost"], STATICFILES_DIRS=[str(FILES)]):
        finders.get_finder.cache_clear()
        yield
    finders.get_finder.cache_clear()


@pytest.mark.deep
@pytest.mark.usefixtures("_static_files")
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_table(run_asgi: RunAsgi, row: Row) -> None:
    others = static_setup.wrap(not_found, True, False)
    running = run_asgi(Bridged(), others, static_setup.url_paths())
    with running.wire() as wire:
        play(wire, row, row.outcome)
