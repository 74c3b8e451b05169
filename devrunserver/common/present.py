"""The disk as it is now, which facts are held against."""

from __future__ import annotations

import functools
import os

from devrunserver.common import file_state
from devrunserver.common.database_answers import answer_to


class Present:
    """The disk now; each directory is looked at once."""

    def __init__(self) -> None:
        self.directory_state = functools.cache(file_state.directory_state)
        self.names_in = functools.cache(file_state.names_in)
        self.answer_to = functools.cache(answer_to)

    is_still = staticmethod(file_state.is_still)
    identity_of = staticmethod(file_state.identity_of)
    digest_of = staticmethod(file_state.digest_of)

    @staticmethod
    def target_of(directory: str) -> str:
        return os.path.realpath(directory)
