"""Whether a computer runs on battery, by what Linux tells of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devrunserver.common import power

MAINS = {"type": "Mains", "online": "1"}


@pytest.mark.parametrize(
    ("supplies", "expected"),
    [
        ([], False),
        ([MAINS], False),
        ([MAINS, {"type": "Battery", "status": "Charging"}], False),
        ([{"type": "Battery", "status": "Discharging"}], True),
        ([MAINS, {"type": "Battery", "status": "Full"}, {"type": "Battery", "status": "Discharging"}], True),
        ([{"type": "Battery", "status": "Discharging", "scope": "Device"}], False),  # a mouse's
        ([{"type": "Battery", "status": "Discharging", "scope": "System"}], True),
        ([{"type": "Battery"}], False),
        ([{}], False),
    ],
)
def test_on_battery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, supplies: list[dict[str, str]], expected: bool
) -> None:
    for number, supply in enumerate(supplies):
        (tmp_path / str(number)).mkdir()
        for name, value in supply.items():
            (tmp_path / str(number) / name).write_text(f"{value}\n")
    monkeypatch.setattr(power, "SUPPLIES", f"{tmp_path}/*")
    assert power.is_on_battery() is expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="of Linux")
def test_a_process_that_may_use_one_core() -> None:
    cores = os.sched_getaffinity(0)
    assert power.has_cores() is (len(cores) > 1)
    os.sched_setaffinity(0, set(list(cores)[:1]))
    try:
        assert not power.has_cores()
    finally:
        os.sched_setaffinity(0, cores)


@pytest.mark.parametrize(("count", "expected"), [(None, False), (1, False), (2, True)])
def test_where_that_is_not_said(monkeypatch: pytest.MonkeyPatch, count: int | None, expected: bool) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert power.has_cores() is expected
