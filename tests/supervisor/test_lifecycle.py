"""The supervisor's states: every pair of state and happening, and how a dead worker is followed."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from devrunserver.supervisor.lifecycle import Attempt, Happening, State, next_attempt, next_state

unhurried = hypothesis_settings(deadline=None)  # the machine may be busy

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


@unhurried
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


@unhurried
@given(st.lists(st.integers(-64, 255), min_size=5, max_size=5))
def test_dying_at_once_again_and_again_comes_to_rest(statuses: list[int]) -> None:
    attempt: Attempt | None = Attempt.NORMAL
    for deaths, status in enumerate(statuses, 1):
        attempt = attempt and next_attempt(attempt, status, deaths)
    assert attempt is None
