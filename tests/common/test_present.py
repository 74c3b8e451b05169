"""Facts held against the disk as it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from devrunserver.common import file_state
from devrunserver.common.facts import Answered, Fact, Linked, Listed, Named, Opened, Queried, Read
from devrunserver.common.present import Present, first_broken


@pytest.fixture
def facts(tmp_path: Path) -> dict[str, Fact]:
    """One of each kind, all of which hold."""
    (tmp_path / "a.py").write_text("a = 1")
    (tmp_path / "urls.py").write_text("import shop\nfrom shop.forms import Form\n")
    (tmp_path / "listed").mkdir()
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        database.execute("CREATE TABLE one (number)")
    (tmp_path / "link").symlink_to("listed")
    here, listed, database_path = str(tmp_path), str(tmp_path / "listed"), str(tmp_path / "db.sqlite3")
    with closing(Present()) as present:
        answer = present.answer_to(database_path, "SELECT * FROM one")
    assert answer is not None
    return {
        "read": Read(str(tmp_path / "a.py"), file_state.state_of(str(tmp_path / "a.py"))),
        "missing": Read(str(tmp_path / "local.py"), None),
        "answered": Answered(here, file_state.UNKNOWN, "a", ("a.py",)),
        "listed": Listed(listed, file_state.directory_state(listed), file_state.digest_of(listed)),
        "linked": Linked(str(tmp_path / "link"), listed),
        "queried": Queried(database_path, "SELECT * FROM one", answer),
        "named": Named(str(tmp_path / "urls.py"), "shop.forms"),
        "opened": Opened(database_path, file_state.identity_of(database_path)),
    }


def break_it(name: str, path: Path) -> None:
    match name:
        case "read":
            (path / "a.py").write_text("a = 2")
        case "missing":
            (path / "local.py").touch()
        case "answered":
            (path / "a").mkdir()
        case "listed":
            (path / "listed" / "new").touch()
        case "linked":
            (path / "link").unlink()
        case "queried":
            with closing(sqlite3.connect(path / "db.sqlite3")) as database, database:
                database.execute("INSERT INTO one VALUES (1)")
        case "named":
            (path / "urls.py").write_text("import shop\n")
        case "opened":
            (path / "db.sqlite3").rename(path / "moved")
            (path / "moved").with_name("db.sqlite3").write_bytes((path / "moved").read_bytes())


NAMES = ["read", "missing", "answered", "listed", "linked", "queried", "named", "opened"]


@pytest.mark.parametrize("name", NAMES)
def test_the_first_that_holds_no_more(facts: dict[str, Fact], name: str, tmp_path: Path) -> None:
    assert list(facts) == NAMES
    assert first_broken(facts.values()) is None
    break_it(name, tmp_path)
    assert first_broken(facts.values()) == facts[name]


def test_what_holds_is_looked_at_once(facts: dict[str, Fact], tmp_path: Path) -> None:
    with closing(Present()) as present:
        assert present.first_broken([facts["read"], facts["listed"]]) is None
        for name in NAMES:
            break_it(name, tmp_path)
        assert present.first_broken([facts["read"], facts["listed"]]) is None
        assert present.first_broken([facts["read"], facts["missing"]]) == facts["missing"]
        assert present.first_broken([facts["missing"]]) == facts["missing"], "what does not hold is found again"
