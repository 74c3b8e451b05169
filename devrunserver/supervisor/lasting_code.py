"""Whether the project has code that is meant for the process that outlives reloads.

Theory of operation
-------------------
Django's reloader sets up all apps twice: in the process that serves, and in its parent, which serves nothing. The
second costs as much time as the first, on the same cores, and as much memory for as long as the server runs. Hardly any
project has a use for it, and those that have say so in their sources: they ask in which of the two processes they are
(``RUN_MAIN``), or make sure that something runs once only by a lock, a port, or a program that they start.

So the sources are searched for these words, which takes a fraction of setting them up. One that is found, one that
cannot be read, and more of them than can be read soon all mean that the parent is set up as ever.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator

from devrunserver.common.environment import ASKING
from devrunserver.supervisor.watching.exclusions import Exclusions

# In the project's own sources, and where an app is told that all is ready. Not threads: those of the parent would go on
# with code that was edited since, and nobody misses them.
STARTING = (
    *ASKING,
    *(b"fcntl", b"flock", b"msvcrt", b"filelock", b"portalocker", b".bind(("),
    *(b"Popen", b" Process(", b".Process(", b"create_subprocess", b"os.fork", b"os.spawn", b"posix_spawn", b"getppid"),
)
STARTS = frozenset({"__init__.py", "apps.py"})
SCRIPT = "manage.py"  # runs in both processes in any case
TESTS = frozenset({"tests.py", "conftest.py"})  # which no server runs
OURS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
THIS = os.path.relpath(os.path.realpath(__file__), OURS)
# Directories without code that a server runs when it starts
UNUSED = frozenset({"locale", "management", "migrations", "static", "templates", "testing", "tests"})
Words = tuple[bytes, ...]

MOST_ENTRIES = 20_000  # of all directories together
MOST_SOURCES = 4_000
TOO_MANY = "more sources than can be searched"


def find(own: Iterable[str], installed: Iterable[str]) -> str:
    """The first source that seems to be meant for the process that lasts, or why that is not known; empty if none is.

    Args:
        own: the directories of the project's own code.
        installed: those of its installed apps.
    """
    for number, (path, words) in enumerate(_sources(own, installed)):
        if not path or number == MOST_SOURCES:
            return TOO_MANY
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError:
            return path
        if any(word in text for word in words):
            return path
    return ""


def _sources(own: Iterable[str], installed: Iterable[str]) -> Iterator[tuple[str, Words]]:
    """The sources, each with what it is searched for; an empty path where there are too many to go on."""
    entries, seen, exclusions = 0, {OURS}, Exclusions()
    for is_own, trees in ((True, own), (False, installed)):
        for tree in map(os.path.realpath, trees):
            if tree in seen:
                continue
            for directory, subdirectories, names in os.walk(tree):
                entries += len(subdirectories) + len(names)
                if entries > MOST_ENTRIES:
                    yield "", ASKING
                    return
                subdirectories[:] = _followed(directory, subdirectories, seen, exclusions)
                for name in names:
                    if name.endswith(".py") and name != SCRIPT and name not in TESTS:
                        yield os.path.join(directory, name), STARTING if is_own or name in STARTS else ASKING


def _followed(directory: str, subdirectories: Collection[str], seen: set[str], exclusions: Exclusions) -> list[str]:
    """The subdirectories to go on in: those with code, each once."""
    seen.add(directory)
    paths = {name: os.path.join(directory, name) for name in subdirectories if name not in UNUSED}
    return [
        name
        for name, path in paths.items()
        if path not in seen and not exclusions.excludes(path) and not _is_ours(name, path)
    ]


def _is_ours(name: str, path: str) -> bool:
    """Whether this package is in a directory, another copy of it too: a build leaves one in the project's directory."""
    return name == os.path.basename(OURS) and os.path.exists(os.path.join(path, THIS))
