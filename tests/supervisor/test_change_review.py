"""The waiting changes: which events count, and when they are acted on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devrunserver.supervisor.change_review import DELETION_PATIENCE, VERDICT_PATIENCE, ChangeReview, Changes
from devrunserver.supervisor.watching.polling import Token

OLD, NEW = (1, 10, 7), (2, 10, 7)
GIT = 10.0
ROUNDING = 1e-9  # seconds
Step = tuple[float, str, Token | None]  # when, which path, its state


def changes_after(*steps: Step) -> Changes:
    changes = Changes()
    for now, path, token in steps:
        changes.add(path, token, now)
    return changes


@pytest.mark.parametrize(
    ("steps", "now", "git_patience", "wait"),
    [
        ([], 5.0, 0.0, None),
        ([], 5.0, GIT, None),
        ([(5.0, "a.py", NEW)], 5.0, 0.0, 0.0),  # the first event acts at once
        ([(5.0, "a.py", NEW)], 9.0, 0.0, 0.0),  # and is not lost for being late
        ([(5.0, "a.py", None)], 5.0, 0.0, DELETION_PATIENCE),
        ([(5.0, "a.py", None)], 5.1, 0.0, DELETION_PATIENCE - 0.1),
        ([(5.0, "a.py", None)], 6.0, 0.0, 0.0),  # it did not come back
        ([(5.0, "a.py", None), (5.1, "a.py", NEW)], 5.1, 0.0, 0.0),  # it did
        ([(5.0, "a.py", None), (5.1, "b.py", NEW)], 5.1, 0.0, 0.0),  # another file needs no patience
        ([(5.0, "a.py", None), (5.1, "b.py", None)], 5.1, 0.0, DELETION_PATIENCE - 0.1),  # counted from the first
        ([(5.0, "a.py", NEW)], 5.0, GIT, GIT),
        ([(5.0, "a.py", NEW)], 7.0, GIT, GIT - 2),
        ([(5.0, "a.py", NEW), (8.0, "b.py", NEW)], 9.0, GIT, GIT - 4),  # bounded from the first change on
        ([(5.0, "a.py", NEW)], 15.0, GIT, 0.0),  # a lock left behind
        ([(5.0, "tmpx", None)], 5.0, 0.0, 0.0),  # a program's own file, renamed at once
        ([(5.0, "tmpx", None)], 5.0, GIT, 0.0),
        ([(5.0, "a.html", None)], 5.0, GIT, 0.0),  # handled without a reload
        ([(5.0, "a", None), (5.0, "a/b.py", None)], 5.0, 0.0, DELETION_PATIENCE),  # a package
        ([(5.0, "tmpx", None), (5.0, "a.py", NEW)], 5.0, GIT, GIT),
    ],
)
def test_wait(steps: list[Step], now: float, git_patience: float, wait: float | None) -> None:
    assert changes_after(*steps).wait(now, git_patience) == (None if wait is None else pytest.approx(wait))


@pytest.mark.parametrize(
    ("steps", "paths"),
    [
        ([], []),
        ([(1, "b.py", NEW), (2, "a.py", NEW)], ["b.py", "a.py"]),  # in the order of their events
        ([(1, "b.py", OLD), (2, "a.py", NEW), (3, "b.py", NEW)], ["b.py", "a.py"]),
        ([(1, "a.py", NEW), (1, "a.py", NEW)], ["a.py"]),  # one save, several events
        ([(1, "a.py", None), (1, "a.py", None)], ["a.py"]),
        ([(1, "a.py", None), (2, "a.py", NEW)], ["a.py"]),
        ([(1, "a.py", None)], ["a.py"]),
    ],
)
def test_take(steps: list[Step], paths: list[str]) -> None:
    changes = changes_after(*steps)
    assert changes.take() == paths
    assert changes.take() == []
    assert changes.wait(9.0, GIT) is None


@pytest.mark.parametrize(
    ("token", "counts"),
    [
        (OLD, False),  # late events of the save that we acted on
        (NEW, True),
        ((0, 10, 7), True),  # back-dated
        ((1, 10, 8), True),  # replaced by a file of the same time and size
        ((1, 11, 7), True),
        (None, True),
    ],
)
def test_what_counts_after_a_path_was_acted_on(token: Token | None, counts: bool) -> None:
    changes = changes_after((1.0, "a.py", OLD))
    changes.take()
    changes.add("a.py", token, 2.0)
    assert changes.take() == (["a.py"] if counts else [])


def test_git_patience_counts_anew_after_a_take() -> None:
    changes = changes_after((1.0, "a.py", OLD))
    changes.take()
    changes.add("a.py", NEW, 50.0)
    assert changes.wait(50.0, GIT) == GIT


tokens = st.none() | st.tuples(st.integers(0, 2), st.just(1), st.just(1))
gaps = st.floats(0, 1)
steps = st.lists(st.tuples(gaps, st.sampled_from("abc"), tokens) | st.just("take"))


@given(steps)
def test_no_new_state_is_ever_lost(steps: list[tuple[float, str, Token | None] | str]) -> None:
    changes, seen, waiting, now = Changes(), dict[str, Token | None](), dict[str, None](), 0.0
    for step in steps:
        if isinstance(step, str):
            assert changes.take() == list(waiting)
            waiting.clear()
            continue
        gap, path, token = step
        now += gap
        changes.add(path, token, now)
        if path not in seen or seen[path] != token:
            seen[path], waiting[path] = token, None
    assert changes.take() == list(waiting)


@given(st.lists(st.tuples(gaps, st.sampled_from("abc"), tokens), min_size=1), gaps, st.sampled_from([0.0, 1.0, GIT]))
def test_the_wait_is_bounded(steps: list[Step], later: float, git_patience: float) -> None:
    changes, now = Changes(), 100.0
    first = now + steps[0][0]
    for gap, path, token in steps:
        now += gap
        changes.add(path, token, now)
    wait = changes.wait(now + later, git_patience)
    assert wait is not None
    assert 0 <= wait <= max(DELETION_PATIENCE, git_patience) + ROUNDING
    # without anything new it is over after its longest exception
    assert changes.wait(now + DELETION_PATIENCE, 0.0) == pytest.approx(0)
    assert changes.wait(max(now + DELETION_PATIENCE, first + git_patience), git_patience) == pytest.approx(0)


def test_same_state_right_after_a_save() -> None:
    """Another save may have given the same state, where the clock of the file system has not moved."""
    changes = changes_after((1.0, "a.py", NEW))
    changes.take()
    changes.add("a.py", NEW, 1.001)
    assert not changes.paths
    changes.add("a.py", NEW, 1.001, is_telling=False)
    assert changes.paths == ["a.py"]


# The question to the worker


def asked(*paths: str) -> ChangeReview:
    """A review with an open question, asked at 100 s."""
    review = ChangeReview()
    review.ask(list(paths), 100.0)
    return review


@pytest.mark.parametrize(
    ("number", "stale", "at_prompt", "reload", "is_busy"),
    [
        (1, None, False, None, False),  # fresh
        (1, "a.py", False, "a.py", False),
        (1, "a.py", True, None, True),  # it waits for the user
        (1, None, True, None, False),
        (0, "a.py", False, None, True),  # an answer to another question
        (2, "a.py", False, None, True),
    ],
)
def test_a_verdict(number: int, stale: str | None, at_prompt: bool, reload: str | None, is_busy: bool) -> None:
    review = asked("a.py", "b.py")
    assert review.on_verdict(number, stale, at_prompt) == reload
    assert review.is_busy is review.is_open is is_busy


def test_a_verdict_counts_once() -> None:
    review = asked("a.py")
    assert review.on_verdict(1, "a.py", False) == "a.py"
    assert review.on_verdict(1, "a.py", False) is None


@pytest.mark.parametrize(
    ("now", "reload"), [(100.0, None), (100.0 + VERDICT_PATIENCE - 0.001, None), (100.0 + VERDICT_PATIENCE, "a.py")]
)
def test_silence_is_an_answer_in_the_end(now: float, reload: str | None) -> None:
    review = asked("a.py", "b.py")
    assert review.due == 100.0 + VERDICT_PATIENCE
    assert review.give_up_waiting(now) == reload
    assert review.is_busy is (reload is None)
    if reload is not None:
        assert review.give_up_waiting(now) is None and review.due is None
        assert review.on_verdict(1, "a.py", False) is None, "its answer is late"


def test_what_changed_before_the_worker_started_makes_no_reload() -> None:
    review = ChangeReview()
    review.changes.recall("a.css", NEW, 3.0, is_before=True)
    review.changes.recall("b.css", NEW, 3.0, is_before=True)
    review.changes.add("b.css", OLD, 4.0)
    review.changes.recall("b.css", OLD, 5.0, is_before=True)
    assert review.changes.before == {"a.css"}, "the other one has changed again"
    review.changes.recall("a.css", NEW, 5.0, is_before=True)
    assert review.changes.before == {"a.css"}
    before = review.changes.before
    assert review.take() == ["a.css", "b.css"]
    assert review.changes.before == set()
    review.ask(["a.css"], 100.0, before)
    assert review.give_up_waiting(200.0) is None and review.question is None
    review.ask(["a.css", "b.css"], 200.0, before)
    assert review.give_up_waiting(300.0) == "b.css"


def test_the_prompt_is_left_once() -> None:
    review = asked("a.py")
    assert review.on_prompt_left() is None
    review.on_verdict(1, "a.py", True)
    assert review.on_prompt_left() == "a.py"
    assert review.on_prompt_left() is None
    assert not review.is_open


def test_an_overflow_is_taken_once_and_counts_from_its_first() -> None:
    review = ChangeReview()
    assert not review.take_overflow()
    review.on_overflow(5.0)
    review.on_overflow(7.0)
    assert review.is_open and not review.is_busy
    assert review.take_overflow()
    assert review.began == 5.0
    assert not review.take_overflow() and not review.is_open


def test_what_is_taken_began_with_its_first() -> None:
    review = ChangeReview()
    review.changes.add("a.py", NEW, 3.0)
    review.changes.add("b.py", NEW, 4.0)
    assert review.is_open
    assert review.take() == ["a.py", "b.py"]
    assert review.began == 3.0
    assert not review.is_open


def test_a_new_worker_reads_everything_anew() -> None:
    review = asked("a.py")
    review.changes.add("b.py", NEW, 3.0)
    review.on_overflow(5.0)
    review.start_over()
    assert not review.is_open
    assert review.on_verdict(1, "a.py", False) is None
    assert review.ask(["c.py"], 0.0).number == 2, "no two questions are the same"
