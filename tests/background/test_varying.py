"""What varies from process to process, and what does not."""

from __future__ import annotations

import time

import pytest

from devrunserver.background.varying import ADDRESS, Varying

YEAR = time.strftime("%Y")
NOW = time.time()


@pytest.mark.parametrize(
    ("values", "may_vary"),
    [
        (["a", 1, None, True], False),
        ({"a": 12345678901}, False),
        ([ADDRESS], True),
        ([f"built {YEAR}"], True),
        (["<f at 0x7f>"], True),
        (["1" * 13], True),
    ],
)
def test_many_values(values: object, may_vary: bool) -> None:
    assert Varying().may_be_in(repr(values)) is may_vary


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ADDRESS, ADDRESS + 7),
        (NOW, NOW - 1),
        (NOW, round(NOW - 3 * 24 * 3600.0, 1)),
        (809.731204551, 12.118234071),
        (float("nan"), float("nan")),
    ],
    ids=["addresses", "times", "times of an import long ago", "since the machine began", "no numbers"],
)
def test_numbers_that_vary(one: float, other: float) -> None:
    assert Varying().number(one) == Varying().number(other)


@pytest.mark.parametrize(
    ("one", "other"), [(1, 2), (0.5, 1.5), (841.89, 595.28), (1e6, 1e7), (ADDRESS - 1, ADDRESS - 2)]
)
def test_numbers_that_do_not(one: float, other: float) -> None:
    assert Varying().number(one) != Varying().number(other)
