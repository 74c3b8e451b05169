"""Which changes make a worker stale: a table of what it has seen and what changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pytest

from devrunserver.common import module_files
from devrunserver.worker.staleness import Answer, Staleness

NOTHING, STALE, UNLESS_HANDLED = Answer.NOTHING, Answer.STALE, Answer.STALE_UNLESS_HANDLED


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
    monkeypatch.setattr(module_files, "loaded_files", lambda: LOADED)
    staleness = Staleness(seen, seen)
    assert staleness.of(path) is answer
    assert staleness.of(path) is answer, "asking changes nothing"


def test_a_directory_that_is_still_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module_files, "loaded_files", lambda: {str(tmp_path / "b.py")})
    assert Staleness(Seen(), Seen()).of(str(tmp_path)) is NOTHING


def test_loaded_files_are_looked_at_when_modules_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    states, files = [(1, "a"), (1, "a"), (2, "b")], [{"/a.py"}, {"/a.py", "/b.so"}]
    monkeypatch.setattr(module_files, "state", lambda: states.pop(0))
    monkeypatch.setattr(module_files, "loaded_files", lambda: files.pop(0))
    staleness = Staleness(Seen(), Seen())
    assert [staleness.loaded_files() for _ in range(2)] == [{"/a.py"}] * 2
    assert staleness.other_files() == ["/b.so"]
