"""Fixtures of the live tests."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import live

STORIES = Path(__file__).with_name("stories")
TESTS_PER_CORE = 2  # at a time: most of them wait for processes for half of the time


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What ``-n auto`` means."""
    return TESTS_PER_CORE * (os.cpu_count() or 1)


# The machine may be busy, and no test depends on how long something takes; nor on luck: the examples are the same each
# time, unless other ones are wanted (``--hypothesis-profile=searching``).
UNHURRIED = hypothesis.settings(deadline=None, suppress_health_check=list(hypothesis.HealthCheck), database=None)
hypothesis.settings.register_profile("searching", UNHURRIED, max_examples=1000)
hypothesis.settings.register_profile("repeatable", UNHURRIED, derandomize=True)
hypothesis.settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks stories as ``live``."""
    for item in items:
        if STORIES in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Saves what coverage has counted: a process of pytest-xdist is ended before it may do so itself."""
    if (coverage := sys.modules.get("coverage")) is not None and (current := coverage.Coverage.current()) is not None:
        current.save()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of ``testproject`` to edit."""
    return live.copy_testproject(tmp_path)


@pytest.fixture
def runtime_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime directory of the test's own; its path is short, as that of a socket has a limit."""
    with tempfile.TemporaryDirectory(prefix="run") as directory:
        monkeypatch.setenv("XDG_RUNTIME_DIR", directory)
        yield Path(directory)


@pytest.fixture(scope="session", autouse=True)
def _runtime_directory() -> Iterator[None]:
    """The servers of tests are not among the user's."""
    with tempfile.TemporaryDirectory(prefix="run") as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", directory)
        yield


@pytest.fixture(scope="session", autouse=True)
def _signals() -> None:
    """Who starts the tests in the background may ignore signals, which the servers would inherit."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
