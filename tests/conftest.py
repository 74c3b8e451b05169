"""Fixtures of the live tests."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests import live


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of ``testproject`` to edit."""
    return live.copy_testproject(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def _signals() -> None:
    """Who starts the tests in the background may ignore signals, which the servers would inherit."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
