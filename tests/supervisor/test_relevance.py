"""Which paths matter to whom."""

from __future__ import annotations

import os

import pytest

from devrunserver.supervisor import relevance

TEMPLATES = [(os.path.join(os.sep, "p", "templates"), "**/*")]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/p/shop/views.py", True),
        ("/p/shop/new", True),  # perhaps a package
        ("/p/templates/a.html", True),
        ("/p/templates/deep/a.html", True),
        ("/p/shop/loaded.so", True),
        ("/p/shop/other.so", False),
        ("/p/db.sqlite3", False),
        ("/p/db.sqlite3-journal", False),
        ("/p/debug.log", False),
        ("/p/shop/.views.py.swp", False),
        ("/p/shop/4913~.txt", False),
        ("/p/.env", False),  # the worker that serves has not asked for it
        ("/p/config.yaml", False),
    ],
)
def test_what_concerns_a_worker_that_serves(path: str, expected: bool) -> None:
    assert relevance.concerns_worker(path, relevance.Concerns({"/p/shop/loaded.so"}, TEMPLATES)) is expected


@pytest.mark.parametrize(
    ("path", "is_directory", "expected"),
    [
        ("/p/shop/views.py", False, True),
        ("/p/shop", True, True),
        ("/p/shop.d", True, True),
        ("/p/LICENSE", False, False),
        ("/p/.env", False, True),
        ("/p/.env.local", False, True),
        ("/p/config.yaml", False, True),
        ("/p/setup.cfg", False, True),
        ("/p/templates/a.html", False, False),
        ("/p/db.sqlite3", False, False),
    ],
)
def test_what_may_mend_a_broken_start(path: str, is_directory: bool, expected: bool) -> None:
    assert relevance.concerns_next_worker(path, is_directory) is expected
