"""Which cases of a table are left to the deep tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def plainly(cases: Iterable[Any], count: int) -> list[Any]:
    """The cases, of which all but the first so many are deep."""
    return [case if place < count else pytest.param(case, marks=pytest.mark.deep) for place, case in enumerate(cases)]
