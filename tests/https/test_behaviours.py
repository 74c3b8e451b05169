"""The table of behaviours of the HTTP server, over TLS: what goes in comes out as it does without."""

from __future__ import annotations

import pytest

from devrunserver.server.django import static_setup
from tests.https.conftest import Secured
from tests.server.exchange import play
from tests.server.table import ROWS, Row

pytestmark = pytest.mark.deep


@pytest.mark.usefixtures("static_files")
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_table(secured: Secured, row: Row) -> None:
    secured.server.set_app(static_setup.wrap(secured.application, True, False))
    with secured.wire() as wire:
        play(wire, row, row.outcome)
    assert "/hidden" not in [environ["PATH_INFO"] for environ in secured.application.calls]
