"""What our app does where Django creates it."""

from __future__ import annotations

import pytest

from devrunserver.apps import leave_out_others


@pytest.mark.parametrize(
    ("installed", "position", "left", "left_out"),
    [
        (["devrunserver", "a", "b.apps.B"], 0, ["devrunserver"], ["a", "b.apps.B"]),
        (["a", "devrunserver.apps.DevrunserverConfig", "b"], 1, ["a", "devrunserver.apps.DevrunserverConfig"], ["b"]),
        (["a", "devrunserver"], 1, ["a", "devrunserver"], []),
        (["a", "b", "devrunserver"], 1, ["a", "b", "devrunserver"], []),  # not where we seem to be: better none
        (("devrunserver", "a"), 0, ("devrunserver", "a"), []),  # which cannot be shortened while Django goes through it
    ],
)
def test_apps_that_are_left_out(installed: object, position: int, left: object, left_out: list[str]) -> None:
    assert leave_out_others(installed, position) == left_out
    assert installed == left
