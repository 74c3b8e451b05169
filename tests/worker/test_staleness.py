"""Which changes make a worker stale: a table of what it has seen and what changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pytest

from devrunserver.common.module_files import LoadedFiles
from devrunserver.worker.staleness import Answer, Staleness

NOTHING, STALE, UNLESS_HANDLED = Answer.NOTHING, Answer.STALE, Answer.STALE_UNLESS_HANDLED


class Loaded(LoadedFiles):
    """What a worker has loaded."""

    def __init__(self, files: set[str]) -> None:
        super().__init__()
        self.files = files

    def now(self) -> set[str]:
        return self.files


@dataclass
class Seen:
    """What a worker has read, and what its receivers watch."""

    read: Collection[str] = ()
    outdated: Collection[str] = ()
    looked: Collection[str] = ()
    watched: Collection[str] = ()
    templates: str = "/templates"

    def has_read(self, path: str) -> bool:
        return path in self.read

    def is_outdated(self, path: str) -> bool:
        return path in self.outdated

    def looked_for(self, path: str) -> bool:
        return path in self.looked

    def files(self) -> Collection[str]:
        return self.watched

    def spelled(self, path: str) -> Path | None:
        return Path(path) if path.startswith(self.templates) or path in self.watched else None


LOADED = {"/p/a.py", "/p/package/b.py", "/p/c.so", "/p/d.zip"}


@pytest.mark.parametrize(
    ("path", "seen", "answer"),
    [
        ("/p/a.py", Seen(), STALE),
        ("/p/a.py", Seen(read=["/p/a.py"]), NOTHING),  # it has read the file as it is now
        ("/p/a.py", Seen(read=["/p/a.py"], outdated=["/p/a.py"]), STALE),
        ("/p/other.py", Seen(), NOTHING),
        ("/p/other.py", Seen(looked=["/p/other.py"]), STALE),
        ("/p/other.py", Seen(watched=["/p/other.py"]), STALE),
        ("/p/c.so", Seen(), STALE),
        ("/p/d.zip", Seen(read=["/p/d.zip"]), NOTHING),
        ("/templates/x.html", Seen(), UNLESS_HANDLED),
        ("/templates/x", Seen(), UNLESS_HANDLED),
        ("/p/x.html", Seen(), NOTHING),
        ("/p/config.toml", Seen(watched=["/p/config.toml"]), UNLESS_HANDLED),
        ("/p/package", Seen(), STALE),  # a package that is gone
        ("/p/pack", Seen(), NOTHING),  # the beginning of a name is no directory
        ("/p/newpackage", Seen(looked=["/p/newpackage"]), STALE),
        ("/p/README", Seen(), NOTHING),
    ],
)
def test_of(monkeypatch: pytest.MonkeyPatch, path: str, seen: Seen, answer: Answer) -> None:
    staleness = Staleness(seen, seen, Loaded(LOADED))
    assert staleness.of(path) is answer
    assert staleness.of(path) is answer, "asking changes nothing"


@pytest.mark.parametrize(
    ("watched", "outdated", "answer"),
    [
        ([], [], NOTHING),
        ([], ["/p/mark.txt"], STALE),
        (["/p/mark.txt"], [], NOTHING),  # it was saved right before the start, and not since
        (["/p/mark.txt"], ["/p/mark.txt"], STALE),
    ],
)
def test_data_file_that_the_start_has_read(watched: list[str], outdated: list[str], answer: Answer) -> None:
    seen = Seen(read=["/p/mark.txt"], outdated=outdated, watched=watched)
    staleness = Staleness(seen, seen, Loaded(LOADED))
    staleness.data_files = ["/p/mark.txt"]
    assert staleness.of("/p/mark.txt") is answer


def test_a_directory_that_is_still_there(tmp_path: Path) -> None:
    staleness = Staleness(Seen(), Seen(), Loaded({str(tmp_path / "b.py")}))
    assert staleness.of(str(tmp_path)) is NOTHING


def test_other_files_are_those_that_are_no_source() -> None:
    assert Staleness(Seen(), Seen(), Loaded({"/a.py", "/b.so"})).other_files() == ["/b.so"]
