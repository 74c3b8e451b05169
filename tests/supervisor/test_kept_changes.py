"""What is kept for the next worker, and until when."""

from __future__ import annotations

import pytest

from devrunserver.supervisor import kept_changes
from devrunserver.supervisor.kept_changes import KeptChanges


def test_changes_that_come_with_a_reload_are_kept_for_the_new_worker() -> None:
    kept = KeptChanges()
    kept.keep_unanswered(["/p/a.css", "/p/views.py", "/p/package", "/p/b.html"])
    kept.on_start()
    assert kept.take_unanswered() == {"/p/a.css": True, "/p/b.html": True}
    assert kept.take_unanswered() == {}


def test_what_changes_again_is_news_again() -> None:
    kept = KeptChanges()
    for keep, take in (
        (kept.keep_unheard, kept.take_unheard),
        (lambda path: kept.keep_unanswered([path]), kept.take_unanswered),
    ):
        keep("/p/a.css")
        kept.on_start()
        keep("/p/b.css")
        keep("/p/a.css")
        assert take() == {"/p/a.css": False, "/p/b.css": False}
        assert take() == {}


def test_the_two_are_apart() -> None:
    kept = KeptChanges()
    kept.keep_unheard("/p/views.py")
    kept.keep_unanswered(["/p/a.css"])
    assert kept.take_unheard() == {"/p/views.py": False}
    assert kept.take_unanswered() == {"/p/a.css": False}


def test_of_very_many_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_changes, "MOST", 2)
    kept = KeptChanges()
    for number in range(4):
        kept.keep_unheard(f"/p/{number}.css")
    assert [*kept.take_unheard()] == ["/p/2.css", "/p/3.css"]
