"""The resume point, looked for while the last worker leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Precomputed(Generic[T]):
    """Something that is true until the next event: worked out ahead, used once.

    Args:
        compute: what works it out.
    """

    def __init__(self, compute: Callable[[], T]) -> None:
        self._compute = compute
        self._ahead: list[T] = []  # none or one

    def precompute(self) -> None:
        """Works it out now; counts unless something happens meanwhile."""
        self._ahead = [self._compute()]

    def invalidate(self) -> None:
        """Something has happened."""
        self._ahead.clear()

    def take(self) -> T:
        """What is true now. What comes after may change it."""
        ahead, self._ahead = self._ahead, []
        return ahead[0] if ahead else self._compute()
