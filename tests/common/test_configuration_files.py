"""Which files settings may have been read from."""

from __future__ import annotations

import pytest

from devrunserver.common.configuration_files import may_configure


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/p/.env", True),
        ("/p/settings.toml", True),
        ("/p/named.json", True),
        ("/p/other.json", False),  # written by many programs for other reasons
        ("/p/key.pem", False),
        ("/p/named.pem", True),
        ("/p/templates/a.html", False),
        ("/p/debug.log", False),
    ],
)
def test_what_settings_may_have_been_read_from(path: str, expected: bool) -> None:
    assert may_configure(path, {"named.json", "named.pem"}) is expected
