"""What follows a fault: the supervisors are played."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devrunserver.supervisor.safe_mode import AGAIN, FAULT_STATUS, SafeMode


class PlayedLoop:
    """A supervisor that does what it is told: ``None``: goes on, a number: ends so, an exception: raises it."""

    def __init__(self, deeds: Iterator[object]) -> None:
        self.is_ended, self.status = False, 0
        self.end_signal: int | None = None
        self.is_closed = False
        self._deeds = deeds

    def start(self) -> None:
        pass

    def timeout(self) -> float | None:
        return None

    def step(self, timeout: float | None) -> None:
        deed = next(self._deeds)
        if isinstance(deed, Exception):
            raise deed
        if isinstance(deed, int):
            self.is_ended, self.status = True, deed

    def close(self) -> None:
        self.is_closed = True


class Stage:
    def __init__(self, *deeds: object) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        self.loops: list[PlayedLoop] = []
        self.safe = 0
        self._deeds = iter(deeds)
        self.safe_mode = SafeMode(self._make, self._be_safe, self.lines.append, lambda: self.now)

    def _make(self) -> PlayedLoop:
        self.loops.append(PlayedLoop(self._deeds))
        return self.loops[-1]

    def _be_safe(self) -> None:
        self.safe += 1

    def run(self) -> int:
        while self.safe_mode.status is None:
            self.safe_mode.step()
        assert all(loop.is_closed for loop in self.loops)
        return self.safe_mode.status


@pytest.mark.parametrize("status", [0, -1])
def test_without_a_fault(status: int) -> None:
    stage = Stage(None, None, status)
    assert stage.run() == status
    assert not stage.lines and not stage.safe


def test_a_fault_leads_to_safe_mode() -> None:
    stage = Stage(None, KeyError("modules"), None, 0)
    assert stage.run() == 0
    assert (len(stage.loops), stage.safe) == (2, 1)
    traceback, line = stage.lines
    assert traceback.startswith("Traceback") and traceback.endswith("KeyError: 'modules'")
    assert line == (
        "This is a fault of devrunserver's own (KeyError: 'modules'). Please report it with the lines above. "
        "The server goes on in safe mode: each reload starts the project afresh."
    )


def test_a_second_one_soon_is_the_last() -> None:
    stage = Stage(KeyError("a"), KeyError("b"))
    assert stage.run() == FAULT_STATUS
    assert len(stage.loops) == 2
    assert "the second within a minute. The server ends." in stage.lines[-1]


@pytest.mark.parametrize(("seconds", "goes_on"), [(AGAIN - 1, False), (AGAIN, True)])
def test_what_is_soon(seconds: float, goes_on: bool) -> None:
    stage = Stage(KeyError("a"), None, KeyError("b"), 0)
    stage.safe_mode.step()
    stage.safe_mode.step()
    stage.now += seconds
    assert stage.run() == (0 if goes_on else FAULT_STATUS)
    assert len(stage.loops) == (3 if goes_on else 2)


def test_who_was_about_to_end_ends() -> None:
    stage = Stage(None, KeyError("a"))
    stage.safe_mode.step()
    stage.loops[0].end_signal, stage.loops[0].status = 1, -1
    assert stage.run() == -1
    assert len(stage.loops) == 1 and not stage.safe


def test_what_cannot_even_be_made() -> None:
    def make() -> PlayedLoop:
        raise OSError("no descriptors left")

    lines: list[str] = []
    safe_mode = SafeMode(make, lambda: None, lines.append, lambda: 0.0)
    safe_mode.step()
    safe_mode.step()
    assert safe_mode.status == FAULT_STATUS
    safe_mode.close()
