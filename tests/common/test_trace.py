"""The trace: who asks for it, and its lines."""

from __future__ import annotations

import pytest

from devrunserver.common import environment, trace
from devrunserver.common.messages import Changed, Stop
from devrunserver.common.role import Role


@pytest.mark.parametrize(
    ("argv", "environ", "wanted"),
    [
        (["manage.py", "runserver"], {}, False),
        (["manage.py", "runserver", "-v", "3"], {}, True),
        (["manage.py", "runserver", "-v3"], {}, True),
        (["manage.py", "runserver", "--verbosity", "3"], {}, True),
        (["manage.py", "runserver", "--verbosity=3", "8001"], {}, True),
        (["manage.py", "runserver", "--verb=3"], {}, True),
        (["manage.py", "runserver", "-v", "2"], {}, False),
        (["manage.py", "runserver", "3"], {}, False),
        (["manage.py", "runserver", "-v"], {}, False),
        (["manage.py"], {environment.TRACE: "1"}, True),
        (["manage.py"], {environment.TRACE: ""}, False),
        ([], {}, False),
    ],
)
def test_who_asks_for_it(argv: list[str], environ: dict[str, str], wanted: bool) -> None:
    assert trace.is_wanted(argv, environ) is wanted


def test_a_line() -> None:
    line = trace.line(0.25, 7, Role.WORKER, "from", Role.SUPERVISOR, Changed(1, ["/a.py"]))
    clock, told = line.split(" ", 1)
    assert clock.endswith(":00.250000")
    assert told == "7 worker from supervisor: Changed(id=1, paths=['/a.py'], generation=0, before=[])\n"


def test_what_is_long_is_cut() -> None:
    line = trace.line(0.0, 7, Role.SUPERVISOR, "to", Role.WORKER, Changed(1, ["x" * 1000]))
    assert "x... (1004 characters)" in line
    assert len(line) < 2 * trace.LONGEST


def test_it_is_silent_unless_asked_for(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for is_on in (False, True):
        monkeypatch.setattr(trace, "is_on", lambda is_on=is_on: is_on)
        trace.note(Role.SUPERVISOR, "to", Role.WORKER, Stop())
        assert ("supervisor to worker: Stop(" in capfd.readouterr().err) is is_on
