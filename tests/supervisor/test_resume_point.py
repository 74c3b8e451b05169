"""What is worked out ahead counts once, and only as long as nothing happens."""

from __future__ import annotations

import itertools

from devrunserver.supervisor.resume_point import Precomputed


def test_precomputed() -> None:
    numbers = itertools.count()
    point = Precomputed(lambda: next(numbers))
    assert point.take() == 0
    point.precompute()
    assert point.take() == 1, "worked out ahead"
    assert point.take() == 2, "it counts once"
    point.precompute()
    point.invalidate()
    assert point.take() == 4
    point.precompute()
    point.precompute()
    assert point.take() == 6
