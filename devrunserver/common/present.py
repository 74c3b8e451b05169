"""The disk as it is now, which facts are held against."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterable

from devrunserver.common import facts, file_state
from devrunserver.common.database_answers import DatabaseAnswers
from devrunserver.common.facts import Fact, Read


class Present:
    """The disk now; each directory, and each fact that holds, is looked at once. To be closed."""

    def __init__(self) -> None:
        self._held: set[Fact] = set()
        self._databases = DatabaseAnswers()
        self.directory_state = functools.cache(file_state.directory_state)
        self.names_in = functools.cache(file_state.names_in)
        self.words_in = functools.cache(file_state.words_in)
        self.answer_to = self._databases.to

    is_still = staticmethod(file_state.is_still)
    identity_of = staticmethod(file_state.identity_of)
    digest_of = staticmethod(file_state.digest_of)

    @staticmethod
    def target_of(directory: str) -> str:
        return os.path.realpath(directory)

    def first_broken(self, told: Iterable[Fact]) -> Fact | None:
        """The first fact that holds no more. A save waits for it, and there may be thousands: hence the short cuts."""
        held, is_still = self._held, self.is_still
        for fact in told:
            if fact not in held:
                if not (is_still(*fact) if type(fact) is Read else facts.holds(fact, self)):
                    return fact
                held.add(fact)
        return None

    def close(self) -> None:
        """Closes the databases that were asked."""
        self._databases.close()


def first_broken(told: Iterable[Fact]) -> Fact | None:
    """The first fact that holds no more."""
    with contextlib.closing(Present()) as present:
        return present.first_broken(told)
