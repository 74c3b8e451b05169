"""The supervisor's states: every pair of state and happening, and how a dead worker is followed."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devrunserver.supervisor.lifecycle import (
    SETTLED,
    Attempt,
    Happening,
    Lifecycle,
    State,
    death_notice,
    next_attempt,
    next_state,
)

# What follows, in the order of HAPPENINGS; "-": nothing changes.
HAPPENINGS = ["SERVES", "BREAKS", "CHANGE", "EXITS", "GIVES_UP", "QUIT"]
TABLE = """
    STARTING  SERVING  BROKEN  STOPPING  -         DOWN  ENDING
    SERVING   -        BROKEN  STOPPING  STARTING  DOWN  ENDING
    BROKEN    -        -       STOPPING  STARTING  DOWN  ENDING
    STOPPING  -        -       -         STARTING  -     ENDING
    DOWN      -        -       STARTING  -         -     ENDED
    ENDING    -        -       -         ENDED     -     -
    ENDED     -        -       -         -         -     -
"""
EXPECTED = {
    (State[state], Happening[happening]): State[state if follows == "-" else follows]
    for state, *row in map(str.split, TABLE.strip().splitlines())
    for happening, follows in zip(HAPPENINGS, row, strict=True)
}


def test_the_table_of_this_test_is_complete() -> None:
    assert set(EXPECTED) == set(product(State, Happening))


@pytest.mark.parametrize(("state", "happening"), EXPECTED, ids=lambda one: one.name)
def test_next_state(state: State, happening: Happening) -> None:
    assert next_state(state, happening) is EXPECTED[state, happening]


@given(st.lists(st.sampled_from([happening for happening in Happening if happening is not Happening.QUIT])))
def test_only_the_user_ends_it(happenings: list[Happening]) -> None:
    state = State.STARTING
    for happening in happenings:
        state = next_state(state, happening)
    assert state not in (State.ENDING, State.ENDED)
    if state is not State.DOWN:
        state = next_state(state, Happening.QUIT)
        assert state is State.ENDING
        assert next_state(state, Happening.EXITS) is State.ENDED
    else:
        assert next_state(state, Happening.QUIT) is State.ENDED


N, G, R = Attempt.NORMAL, Attempt.GUARDED, Attempt.REPORT


@pytest.mark.parametrize(
    ("last", "status", "deaths", "follows"),
    [
        (N, 1, 1, G),  # it raised: run it again to catch the error
        (N, 2, 1, G),
        (N, 1, 2, R),
        (N, 0, 1, N),  # it left of its own accord: once more
        (N, 0, 2, R),
        (N, 3, 1, N),  # Django's "restart me"
        (N, 3, 2, R),
        (N, -11, 1, N),  # killed by a signal
        (N, -9, 2, R),
        (G, 0, 2, N),  # there was no error to catch this time
        (G, 0, 9, N),
        (G, 1, 2, R),
        (G, -11, 2, R),
        (R, 0, 3, None),
        (R, 1, 1, None),
        (R, -9, 1, None),
    ],
)
def test_next_attempt(last: Attempt, status: int, deaths: int, follows: Attempt | None) -> None:
    assert next_attempt(last, status, deaths) is follows


@given(st.lists(st.integers(-64, 255), min_size=5, max_size=5))
def test_dying_at_once_again_and_again_comes_to_rest(statuses: list[int]) -> None:
    attempt: Attempt | None = Attempt.NORMAL
    for deaths, status in enumerate(statuses, 1):
        attempt = attempt and next_attempt(attempt, status, deaths)
    assert attempt is None


@pytest.mark.parametrize(
    ("served", "deaths_before", "deaths", "attempt"),
    [
        (0.0, 0, 1, G),
        (0.0, 1, 2, R),
        (SETTLED, 1, 2, R),
        (SETTLED + 0.1, 1, 1, G),  # it did not die at once
        (SETTLED + 0.1, 9, 1, G),
    ],
)
def test_deaths_in_a_row_count(served: float, deaths_before: int, deaths: int, attempt: Attempt) -> None:
    lifecycle = Lifecycle(deaths=deaths_before)
    assert lifecycle.on_death(N, 1, served) is attempt
    assert (lifecycle.deaths, lifecycle.attempt) == (deaths, attempt)
    lifecycle.start_over()
    assert (lifecycle.deaths, lifecycle.attempt) == (0, N)


@pytest.mark.parametrize(
    ("last", "status", "attempt", "words"),
    [
        (N, 1, G, None),  # the process that has the error tells it
        (N, 3, N, None),  # Django's "restart me"
        (G, 1, R, None),
        (N, 0, N, "The server process ended by exit status 0; starting it again."),
        (N, 0, R, "The server process ended by exit status 0, again right after it was started. It starts again at"),
        (R, 1, None, "The server process ended by exit status 1, again right after it was started. It starts again at"),
    ],
)
def test_what_is_told_of_a_death(last: Attempt, status: int, attempt: Attempt | None, words: str | None) -> None:
    notice = death_notice(last, status, attempt)
    assert (notice is None) if words is None else (notice is not None and notice.startswith(words))


@pytest.mark.parametrize(
    ("state", "is_answered", "is_leaving"),
    [
        (State.STARTING, False, False),
        (State.SERVING, True, False),
        (State.BROKEN, True, False),
        (State.STOPPING, False, True),
        (State.DOWN, False, False),
        (State.ENDING, False, True),
        (State.ENDED, False, True),
    ],
)
def test_what_a_state_means(state: State, is_answered: bool, is_leaving: bool) -> None:
    lifecycle = Lifecycle(state)
    assert (lifecycle.is_answered, lifecycle.is_leaving) == (is_answered, is_leaving)
