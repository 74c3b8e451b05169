"""What took the time of a start: of a played clock, and of real imports."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from devrunserver.common.progress_page import Phase
from devrunserver.common.verbosity import wants_profile
from devrunserver.worker.speedscope import speedscope
from devrunserver.worker.start_profile import MOST_ROWS, Event, StartProfile, rows, self_times

# a, which imports b, which imports c twice over; then d, which is not done
EVENTS = [
    Event(10.0, "a"),
    Event(11.0, "b"),
    Event(12.0, "c"),
    Event(14.0, None),
    Event(14.5, None),
    Event(15.0, None),
    Event(20.0, "d"),
]
MARKS = [(9.0, Phase.SETTINGS), (9.5, Phase.APPS), (13.0, Phase.MODELS), (16.0, Phase.READY), (22.0, Phase.URLCONF)]


def test_self_times() -> None:
    assert self_times(EVENTS, 21.0) == {"a": 1.5, "b": 1.5, "c": 2.0, "d": 1.0}
    assert self_times([], 21.0) == {}


def test_rows() -> None:
    taken = {"django.db": 2.0, "shop.views": 1.0, "django.forms": 0.5}
    assert rows(taken, lambda name: name.removeprefix("django.") if "shop" in name else name.partition(".")[0]) == [
        ("django", 2, 2.5),
        ("shop.views", 1, 1.0),
    ]
    many = rows({f"module{number}": float(number) for number in range(MOST_ROWS + 3)}, str)
    assert len(many) == MOST_ROWS + 1 and many[0] == (f"module{MOST_ROWS + 2}", 1, MOST_ROWS + 2.0)
    assert many[-1] == ("all others", 3, 0.0 + 1.0 + 2.0)


def test_the_file_is_what_speedscope_reads() -> None:
    data = json.loads(speedscope(EVENTS, MARKS, 23.0, "start"))
    (profile,) = data["profiles"]
    names = [one["name"] for one in data["shared"]["frames"]]
    assert (profile["type"], profile["unit"], profile["startValue"], profile["endValue"]) == (
        "evented",
        "seconds",
        0,
        14.0,
    )
    stack: list[str] = []
    last, seen = 0.0, set()
    for event in profile["events"]:
        assert event["at"] >= last
        last = event["at"]
        if event["type"] == "O":
            stack.append(names[event["frame"]])
            seen.add(tuple(stack))
        else:
            assert stack.pop() == names[event["frame"]]
    assert not stack and last == 14.0
    assert seen == {
        ("settings",),
        ("apps",),
        *[("apps", "a"), ("apps", "a", "b"), ("apps", "a", "b", "c")],
        *[("models",), ("models", "a"), ("models", "a", "b"), ("models", "a", "b", "c")],
        *[("ready()",), ("ready()", "d"), ("URLconf",), ("URLconf", "d")],
    }


def test_a_start_without_imports_is_written_too() -> None:
    (profile,) = json.loads(speedscope([], MARKS[:1], 10.0, "start"))["profiles"]
    assert [event["type"] for event in profile["events"]] == ["O", "C"]


class Play:
    """A start in which the test's own modules are imported."""

    def __init__(self, directory: Path) -> None:
        self.phase = 0
        self.profile = StartProfile(1.0, lambda: self.phase, lambda file: file.startswith(str(directory)))

    def names(self) -> list[str | None]:
        return [name for _, name in self.profile.events]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    (tmp_path / "fx_outer.py").write_text("import fx_inner\ntry: import fx_missing\nexcept ImportError: pass\n")
    (tmp_path / "fx_inner.py").write_text("import fx_hook; fx_hook.run()")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "fx_hook", SimpleNamespace(run=lambda: None))
    made = Play(tmp_path)
    made.profile.begin()
    yield made
    made.profile.end()
    for name in ("fx_outer", "fx_inner"):
        sys.modules.pop(name, None)


def test_imports_are_recorded_as_they_are_nested(play: Play) -> None:
    importlib.import_module("fx_outer")
    importlib.import_module("fx_outer")
    assert play.names() == ["fx_outer", "fx_inner", None, "fx_missing", None, None]
    assert {name for name, _, _ in play.profile.rows(play.profile.events[-1].moment)} == {
        *("fx_outer", "fx_inner", "fx_missing")
    }


def test_after_the_end_nothing_is_recorded(play: Play) -> None:
    play.profile.end()
    play.profile.end()
    importlib.import_module("fx_outer")
    assert play.names() == []


def test_who_is_resumed_begins_anew(play: Play) -> None:
    play.phase = 3
    vars(sys.modules["fx_hook"])["run"] = play.profile.on_resume
    importlib.import_module("fx_outer")
    assert play.names() == ["fx_outer", "fx_inner", None, "fx_missing", None, None]
    assert [phase for _, phase in play.profile.marks] == [Phase.URLCONF]
    moments = [moment for moment, _ in play.profile.events]
    assert moments[0] == moments[1] == play.profile.marks[0][0]


def test_each_apps_ready_counts_and_stays_what_it_is(play: Play) -> None:
    class Config:
        label = "shop"

        def ready(self) -> None:
            importlib.import_module("fx_inner")

    config = Config()
    play.phase = 2
    play.profile.around_ready([config])
    config.ready()
    assert play.names() == ["ready() of shop", "fx_inner", None, None]
    assert vars(config) == {}
    config.ready()
    assert len(play.names()) == 4
    assert [phase for _, phase in play.profile.marks] == [Phase.SETTINGS, Phase.APPS, Phase.READY]
    end = play.profile.events[-1].moment
    phases = dict(play.profile.phases(end))
    assert phases["settings"] == pytest.approx(1.0) and sum(phases.values()) == end - play.profile.marks[0][0]


def test_a_file_that_cannot_be_written_is_said(play: Play, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play.profile.write(str(tmp_path / "no/such.json"), 0.0, "")
    assert "--start-profile: " in capsys.readouterr().err
    play.profile.write(str(tmp_path / "a.json"), play.profile.marks[-1][0] + 1.0, "shop.views")
    assert json.loads((tmp_path / "a.json").read_text())["name"] == "reload, resumed at shop.views"


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (["manage.py", "runserver"], False),
        (["manage.py", "runserver", "--explain-reload"], True),
        (["manage.py", "runserver", "8000", "--start-profile", "a.json"], True),
        (["manage.py", "runserver", "--start-profile=a.json"], True),
        (["manage.py", "runserver", "--explain-s"], True),
    ],
)
def test_who_wants_it(argv: list[str], wanted: bool) -> None:
    assert wants_profile(argv) is wanted
