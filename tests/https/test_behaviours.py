"""The table of behaviours of the HTTP server, over TLS: what goes in comes out as it does without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.staticfiles import finders
from django.test import override_settings

from devrunserver.server.django import static_setup
from tests.https.conftest import Secured
from tests.server.application import FILES
from tests.server.exchange import play
from tests.server.table import TABLE, Row

pytestmark = pytest.mark.deep

ROWS = {f"{group} {number}": row for group, rows in TABLE.items() for number, row in enumerate(rows)}


@pytest.fixture
def _static_files() -> Iterator[None]:
    with override_settings(DEBUG=True, ALLOWED_HOSTS=["localhost"], STATICFILES_DIRS=[str(FILES)]):
        finders.get_finder.cache_clear()
        yield
    finders.get_finder.cache_clear()


@pytest.mark.usefixtures("_static_files")
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_table(secured: Secured, row: Row) -> None:
    secured.server.set_app(static_setup.wrap(secured.application, True, False))
    with secured.wire() as wire:
        play(wire, row, row.outcome)
    assert "/hidden" not in [environ["PATH_INFO"] for environ in secured.application.calls]
