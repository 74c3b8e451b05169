"""What is imported ahead of its turn, with lists."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devrunserver.common.facts import Named
from devrunserver.common.import_plan import (
    Base,
    Plan,
    cost_without,
    dependents,
    displaced,
    independent,
    is_kept,
    make,
    named,
    nearest,
)
from devrunserver.common.import_record import ImportRecord, Trace, from_json, importers, to_json, with_packages

EDGES = {"urls": {"a.views", "b.views"}, "a.views": {"a.forms"}, "b.views": {"b"}, "c": {"a"}, "d": {"d.part"}}


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        ([], set()),
        (["unknown"], {"unknown"}),
        (["a.views"], {"a.views", "urls"}),
        (["a.forms"], {"a.forms", "a.views", "urls"}),
        (["b"], {"b", "b.views", "urls"}),  # a.b would be imported by way of a
        (["a"], {"a", "a.views", "urls", "c"}),
        (["d.part"], {"d.part", "d"}),
    ],
)
def test_dependents(edited: list[str], expected: set[str]) -> None:
    assert dependents(edited, importers(EDGES)) == expected


def test_dependents_in_a_circle() -> None:
    assert dependents(["a"], importers({"a": {"b"}, "b": {"a"}})) == {"a", "b"}


@pytest.mark.parametrize(
    ("order", "excluded", "expected"),
    [
        (["a", "b"], set(), ["a", "b"]),
        (["a", "b", "c"], {"b"}, ["a", "c"]),
        (["a", "a.b", "ab"], {"a"}, ["ab"]),  # what is in a package that is left out
        (["a", "b", "a"], set(), ["a", "b"]),
    ],
)
def test_independent(order: list[str], excluded: set[str], expected: list[str]) -> None:
    assert independent(order, excluded) == expected


def test_with_packages() -> None:
    assert with_packages("a.b.c") == ["a", "a.b", "a.b.c"]


RECORD = ImportRecord(
    order=["apps", "lib", "models", "forms", "signals", "views", "urls", "other", "pure", "paper"],
    phases=[0, 0, 1, 1, 2, 3, 3, 3, 3, 3],
    seconds=[1.0] * 10,
    edges={
        "models": {"django.db", "lib"},
        "forms": {"django.forms", "lib"},
        "signals": {"django.dispatch"},
        "views": {"forms", "models"},
        "urls": {"views", "other", "pure"},
        "other": {"django.urls"},
        "pure": {"paper"},
    },
    files={f"/{name}.py": name for name in ("models", "forms", "views", "urls", "other")},
)


@pytest.mark.parametrize(
    ("base", "edited", "left_out", "modules", "excluded", "remains"),
    [
        # before the URLconf
        (Base(5, ["urls"], 3), ["/views.py"], [], ["other", "pure", "paper"], {"views", "urls"}, 2.0),
        (Base(5, ["urls"], 3), ["/views.py"], ["paper"], ["other"], {"views", "urls", "paper", "pure"}, 4.0),
        (Base(5, ["urls"], 3), ["/views.py", "/other.py"], [], ["pure", "paper"], {"views", "urls", "other"}, 3.0),
        # while models are imported: of what comes later, what does not import Django
        (Base(2, ["models"], 1), ["/models.py"], [], ["forms", "pure", "paper"], {"models", "views", "urls"}, 5.0),
        (
            Base(3, ["models", "forms"], 1),
            ["/forms.py"],
            [],
            ["pure", "paper"],
            {"models", "forms", "views", "urls"},
            5,
        ),
        # while apps are made
        (Base(1, ["lib"], 0), ["/models.py"], [], ["pure", "paper"], {"lib", "models", "forms", "views", "urls"}, 7.0),
        # a file that no module came from
        (Base(7, ["other"], 3), ["/new.py"], [], ["pure", "paper"], {"other", "urls"}, 1.0),
    ],
)
def test_make(
    base: Base, edited: list[str], left_out: list[str], modules: list[str], excluded: set[str], remains: float
) -> None:
    plan = make(RECORD, base, edited, left_out, is_strict=True)
    assert plan == Plan(modules, excluded, tuple(edited), float(len(modules)), remains)


@pytest.mark.parametrize(
    ("base", "modules"),
    [
        (Base(2, ["models"], 1), ["forms", "signals", "other", "pure", "paper"]),
        (Base(1, ["lib"], 0), ["pure", "paper"]),  # while apps are made
    ],
)
def test_what_later_parts_of_the_set_up_import_is_tried(base: Base, modules: list[str]) -> None:
    assert make(RECORD, base, ["/models.py"]).modules == modules


@pytest.mark.parametrize("is_strict", [True, False])
@pytest.mark.parametrize(("modules", "cost"), [({"forms"}, 1.0), ({"paper"}, 2.0), ({"views"}, 0.0), (set(), 0.0)])
def test_what_it_costs_to_leave_out_more(modules: set[str], cost: float, is_strict: bool) -> None:
    """However the plan was made."""
    base = Base(2, ["models"], 1)
    plan = make(RECORD, base, ["/models.py"], is_strict=is_strict)
    assert cost_without(RECORD, base, plan, modules) == cost


def test_what_is_in_a_package_that_is_not_tried_is_not_imported_either() -> None:
    """It imports the package first."""
    record = ImportRecord(
        order=["models", "api", "api.main", "api.constants", "pure"],
        phases=[1, 2, 2, 2, 2],
        seconds=[1.0] * 5,
        edges={"models": {"django.db"}, "api": {"api.main", "api.constants"}, "api.main": {"django.http"}},
        files={"/models.py": "models"},
    )
    assert make(record, Base(0, ["models"], 1), ["/models.py"], is_strict=True).modules == ["pure"]


def test_what_has_come_before_in_its_turn_is_in_nobodys_way() -> None:
    before = make(RECORD, Base(2, ["models"], 1), ["/models.py"], ["lib"])
    assert before == make(RECORD, Base(2, ["models"], 1), ["/models.py"])
    assert before.modules


def remaining(seconds: float) -> Plan:
    return Plan(remains=seconds)


@pytest.mark.parametrize(
    ("plan", "without", "in_turn", "expected"),
    [
        (0.2, 0.2, False, True),
        (0.35, 0.2, False, True),
        (0.5, 0.2, False, False),
        (3.0, 0.2, False, False),  # models, which somebody has edited before
        (3.0, 0.2, True, True),
        (9.0, 0.2, True, False),
    ],
)
def test_is_kept(plan: float, without: float, in_turn: bool, expected: bool) -> None:
    assert is_kept(remaining(plan), remaining(without), 10.0, in_turn) is expected


def test_a_record_survives_its_way() -> None:
    record = replace(RECORD, traces=(Trace(["lib", "pure"], ["models", "paper"]),))
    assert from_json(json.loads(json.dumps(to_json(record)))) == record


SOME = ImportRecord(
    order=["library", "library.permissions", "rules", "edited", "reports", "exports", "paper", "log", "log.http"],
    phases=[1] * 9,
    seconds=[1.0] * 9,
    edges={
        "library": {"library.permissions"},
        "rules": {"library"},
        "reports": {"library", "rules"},
        "exports": {"library"},
        "edited": {"library", "rules"},
    },
    files={"/edited.py": "edited", "/reports.py": "reports", "/exports.py": "exports"},
)


@pytest.mark.parametrize(
    ("holders", "parts", "found"),
    [
        ({"reports"}, set(), {"reports"}),
        ({"log.http.handlers"}, set(), {"log", "log.http"}),  # the packages have made it
        ({"rules"}, set(), {"reports"}),  # it imports what holds it
        ({"library.permissions"}, set(), {"reports", "exports"}),  # it is at hand in the package
        ({"library.permissions"}, {"rules", "library.predicates"}, {"reports"}),  # one of these has what was changed
        ({"library.permissions"}, {"paper"}, {"reports", "exports"}),  # nobody has
        ({"builtins"}, set(), {"reports", "exports"}),  # all of the project
    ],
)
def test_who_is_nearest(holders: set[str], parts: set[str], found: set[str]) -> None:
    plan = make(SOME, Base(3, ["edited"], 1), ["/edited.py"])
    assert plan.modules == ["reports", "exports", "paper", "log", "log.http"]
    assert nearest(SOME, plan, holders, parts) == found


@pytest.mark.parametrize(
    ("holder", "part", "found"),
    [
        ("edited", "library.permissions", {"reports", "exports"}),  # by another module of the library
        ("edited", "rules", {"reports"}),
        ("reports", "library.permissions", {"reports"}),  # the holder itself was imported ahead
        ("exports", "rules", {"exports"}),  # what has the rules at hand came before
        ("edited", "log", {"reports", "exports"}),  # nothing of the project's has that at hand
    ],
)
def test_who_is_nearest_where_one_start_has_what_the_other_has_not(holder: str, part: str, found: set[str]) -> None:
    """As a decorator of classes makes something of what another module has decorated, if that came before."""
    plan = make(SOME, Base(3, ["edited"], 1), ["/edited.py"])
    assert nearest(SOME, plan, {holder}, parts_of_new={part}) == found


def test_what_is_there_because_of_one_edited_file_alone() -> None:
    record = ImportRecord(
        order=["views", "forms", "pdf", "pdf.pages", "pdf.fonts", "csv", "both", "reports"],
        phases=[3] * 8,
        seconds=[1.0] * 8,
        edges={
            "views": {"pdf", "pdf.pages", "both"},
            "forms": {"csv", "both"},
            "pdf": {"pdf.fonts"},
            "pdf.pages": {"pdf.fonts"},
            "reports": {"pdf.pages"},
        },
        files={"/views.py": "views", "/forms.py": "forms"},
    )
    of_views, of_both = (make(record, Base(0, [], 3), edited) for edited in (["/views.py"], ["/views.py", "/forms.py"]))
    assert named(record, of_views) == []
    assert named(record, of_both) == [Named("/forms.py", "csv")]
    record = replace(record, edges={**record.edges, "reports": set()})
    assert named(record, of_views) == [Named("/views.py", "pdf"), Named("/views.py", "pdf.pages")]


# A registry; of what registers there "early" came before the base, and "edited" is edited.
REGISTERED = ImportRecord(
    order=["registry", "early", "edited", "one", "other", "used", "last"],
    phases=[1] * 7,
    seconds=[1.0] * 7,
    edges={name: {"registry"} for name in ("early", "edited", "one", "other")} | {"last": {"edited"}},
    files={"/edited.py": "edited"},
)


@pytest.mark.parametrize(
    ("holders", "left_by", "importing", "found"),
    [
        (["registry"], ["early", "edited", "one", "other"], [], {"one", "other"}),
        (["registry"], ["early", "one", "edited", "other"], [], {"other"}),
        (["registry"], ["one", "other", "edited"], [], set()),
        # in another order than they were imported: somebody else has put them there
        (["registry"], ["early", "edited", "last", "other"], [], {"other"}),
        (["registry"], ["early", "last", "other"], [], set()),
        # it is not complete at the base, and registers in its turn
        (["registry"], ["one", "early", "other"], ["early"], {"other"}),
        (["registry"], ["one", "early", "other"], [], set()),
        # what another has registered for it, as it does not know of the registry
        (["registry"], ["edited", "used", "one"], [], {"one"}),
        # who has it at hand without an import of the module that it is in
        (["registry", "used"], ["edited", "used"], [], {"used"}),
        # written down in the module itself, which imports what is in it
        (["last"], ["edited", "used"], [], set()),
        (["early"], ["edited", "registry"], [], set()),
        ([], ["edited", "one"], [], set()),
    ],
)
def test_what_would_leave_something_before_others(
    holders: list[str], left_by: list[str], importing: list[str], found: set[str]
) -> None:
    record = replace(REGISTERED, traces=[Trace(holders, left_by)])
    base = Base(2, ["edited", *importing], 1)
    assert displaced(record, make(record, base, ["/edited.py"])) == found


names = st.sampled_from(["a", "b", "b.c", "b.d", "e", "e.f"])


@given(st.lists(names), st.dictionaries(names, st.sets(names)), st.sets(names, min_size=1))
def test_nothing_in_a_plan_needs_what_is_edited(order: list[str], edges: dict[str, set[str]], edited: set[str]) -> None:
    planned = independent(order, dependents(edited, importers(edges)))
    assert set(planned) <= set(order)
    for name in planned:
        imported = {part for one in edges.get(name, ()) for part in with_packages(one)}
        assert not edited & {*imported, *with_packages(name)}


def test_what_is_lost_in_the_end_is_not_imported_ahead_but_what_imports_it_is() -> None:
    edges = {"optional": {"broken"}}
    record = ImportRecord(
        ["optional", "broken", "edited"], [3, 3, 3], [1.0] * 3, edges, {"/e.py": "edited"}, ["broken"]
    )
    assert make(record, Base(0, (), 3), ["/e.py"]).modules == ["optional"]
