"""Signals wake the loop, and their handlers are put back."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

import pytest

from devrunserver.supervisor.signals import END_SIGNALS, signals_as_bytes

PATIENCE = 30.0  # seconds; only a failing test waits so long


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there")
@pytest.mark.parametrize("number", END_SIGNALS)
def test_each_arrives_as_its_number(number: int) -> None:
    before = signal.getsignal(number)
    with signals_as_bytes() as signals:
        os.kill(os.getpid(), number)
        assert select.select([signals], [], [], PATIENCE)[0]
        assert number in signals.recv(256)
    assert signal.getsignal(number) == before


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_as_bytes():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no death by a signal")
def test_die_of() -> None:
    program = "from devrunserver.supervisor.signals import die_of; die_of(1)"
    assert subprocess.run([sys.executable, "-c", program], timeout=PATIENCE).returncode == -signal.SIGHUP
