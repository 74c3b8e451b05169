"""How much the user wants to know: ``--verbosity``, read from the command line before anybody has parsed it.

A worker shares its command line with its supervisor, so all processes agree.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Sequence
from itertools import pairwise

DEFAULT = 1
VERBOSE = 2  # from here on reasons are told
TRACED = 3  # messages are traced

JOINED = re.compile(r"(?:-v|--v[a-z]*=)([0-3])")  # what argparse takes for it, in one word
PROFILING = ("--explain-", "--start-")  # beginnings of options
OPTION = re.compile(r"-v|--v[a-z]*")  # the same, where the number follows


def of(argv: Sequence[str]) -> int:
    """The verbosity that a command line asks for."""
    joined = [found[1] for word in argv if (found := JOINED.fullmatch(word))]
    separate = [value for option, value in pairwise(argv) if OPTION.fullmatch(option) and re.fullmatch("[0-3]", value)]
    return max(map(int, [*joined, *separate]), default=DEFAULT)


def wants_profile(argv: Sequence[str]) -> bool:
    """Whether a command line asks what took the time of a start."""
    return any(word.startswith(PROFILING) for word in argv)


@functools.cache
def current() -> int:
    """That of this process."""
    return of(sys.argv)
