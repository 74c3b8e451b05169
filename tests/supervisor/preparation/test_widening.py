"""What is left out in passing, with lists."""

from __future__ import annotations

import pytest

from devrunserver.common.import_plan import Base, make
from devrunserver.common.import_record import ImportRecord
from devrunserver.supervisor.preparation.widening import widened

RECORD = ImportRecord(
    order=["apps", "models", "lib", "a", "a.views", "a.forms", "b", "b.views", "b.tool", "urls"],
    phases=[0, 1, 3, 3, 3, 3, 3, 3, 3, 3],
    seconds=[1.0, 1.0, 1.0, 0.125, 0.5, 0.25, 0.125, 1.0, 0.5, 0.125],
    edges={
        "urls": {"a.views", "b.views"},
        "a.views": {"a.forms", "lib", "models"},
        "a.forms": {"lib"},
        "b.views": {"b.tool", "lib", "models"},
        "b.tool": {"lib"},
    },
    files={
        f"/{name.replace('.', '/')}.py": name
        for name in ("models", "a", "a.views", "a.forms", "b", "b.views", "b.tool", "urls")
    },
)
AT_URLS = Base(2, ["the URLconf"], 3)


@pytest.mark.parametrize(
    ("edited", "budget", "left_out"),
    [
        ([], 0.0, []),
        ([], 0.125, ["urls"]),  # which nothing imports
        ([], 0.5, ["urls"]),  # no view fits any more
        ([], 0.625, ["a.views", "urls"]),
        ([], 1.0, ["a", "a.forms", "a.views", "urls"]),  # and, where all in it is left out, the package
        ([], 3.0, ["a", "a.forms", "a.views", "b", "b.tool", "b.views", "urls"]),  # not what is installed
        (["/a/views.py"], 0.375, ["a", "a.forms", "a.views", "urls"]),
        (["/models.py"], 0.25, ["a.forms", "a.views", "b.views", "urls"]),
    ],
)
def test_the_quickest_that_nothing_else_needs(edited: list[str], budget: float, left_out: list[str]) -> None:
    plan = make(RECORD, AT_URLS, edited)
    found = widened(plan, RECORD, AT_URLS.imported, budget)
    after = RECORD.order[AT_URLS.imported :]
    assert sorted(set(after) - set(found.modules)) == left_out
    assert set(left_out) <= found.excluded
    assert found.edited == plan.edited
    assert plan.saves - budget <= found.saves <= plan.saves
    assert found.saves + found.remains == plan.saves + plan.remains


def test_what_comes_before_the_urlconf_stays() -> None:
    start = Base(1, ["models"], 1)
    assert "models" in widened(make(RECORD, start, []), RECORD, 0, 100.0).excluded  # as it is being imported
    assert "lib" in widened(make(RECORD, start, []), RECORD, 0, 100.0).modules


def test_modules_in_a_circle_stay() -> None:
    record = ImportRecord(["a", "b"], [3, 3], [0.1, 0.1], {"a": {"b"}, "b": {"a"}}, {"/a.py": "a", "/b.py": "b"})
    plan = make(record, Base(0, [], 3), [])
    assert widened(plan, record, 0, 1.0).modules == ["a", "b"]
