"""What receivers of Django's signals want to have watched, and what they are told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils.autoreload import autoreload_started, file_changed

from devrunserver.worker.autoreload_signals import AutoreloadSignals


class Receivers:
    """Of both signals, in place of those that Django has."""

    def __init__(self) -> None:
        self.wanted: list[tuple[Path, str]] = []
        self.results: list[Any] = []
        self.shown: list[Path] = []

    def on_start(self, sender: AutoreloadSignals, **kwargs: Any) -> None:
        for directory, pattern in self.wanted:
            sender.watch_dir(directory, pattern)

    def on_change(self, sender: AutoreloadSignals, file_path: Path, **kwargs: Any) -> Any:
        self.shown.append(file_path)
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


@pytest.fixture
def receivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receivers]:
    found = Receivers()
    for signal, receiver in ((autoreload_started, found.on_start), (file_changed, found.on_change)):
        monkeypatch.setattr(signal, "receivers", [])
        signal.connect(receiver)
        signal.sender_receivers_cache.clear()
    yield found
    autoreload_started.disconnect(found.on_start)
    file_changed.disconnect(found.on_change)


def test_what_is_watched(receivers: Receivers, tmp_path: Path) -> None:
    real = (tmp_path / "real").resolve()
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    told: list[bool] = []
    signals = AutoreloadSignals(lambda: told.append(True))
    receivers.wanted = [(tmp_path / "link", "**/*.mo")]
    signals.extra_files.add(tmp_path / "link/data.json")
    signals.patterns = [str(real / "*.yaml")]
    signals.start()
    assert not told  # who has started them asks by itself
    assert sorted(signals.globs()) == [(str(real), "**/*.mo"), (str(real), "*.yaml")]
    assert signals.files() == [str(real / "data.json")]
    signals.watch_dir(real, "*.txt")
    assert told == [True]


def test_a_path_is_spelled_as_it_was_wanted(receivers: Receivers, tmp_path: Path) -> None:
    real = (tmp_path / "real").resolve()
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    signals = AutoreloadSignals(lambda: None)
    receivers.wanted = [(tmp_path / "link", "**/*.mo")]
    signals.extra_files.add(tmp_path / "link/data.json")
    signals.start()
    assert signals.spelled(str(real / "de/django.mo")) == tmp_path / "link/de/django.mo"
    assert signals.spelled(str(real / "data.json")) == tmp_path / "link/data.json"
    assert signals.spelled(str(real / "other.py")) is None


@pytest.mark.parametrize(("result", "handled"), [(True, True), (None, False), (RuntimeError("no"), False)])
def test_who_has_handled_a_change(
    receivers: Receivers, capsys: pytest.CaptureFixture[str], result: Any, handled: bool
) -> None:
    receivers.results = [result]
    path = Path(os.sep) / "srv" / "a.html"
    assert AutoreloadSignals(lambda: None).handle(path) is handled
    assert receivers.shown == [path]
    assert ("a receiver of file_changed, failed" in capsys.readouterr().out) is isinstance(result, Exception)
