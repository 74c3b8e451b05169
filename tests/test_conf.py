"""The setting DEVRUNSERVER: its defaults, what it may hold, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devrunserver.browser.errors import editor
from devrunserver.conf import Conf, load, makes_checkpoints, makes_spares, mistakes

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, Conf()),
        ({"WATCHER": "polling"}, Conf(WATCHER="polling")),
        ({"WATCHER": "events"}, Conf(WATCHER="events")),
        ({"WATCHER": "auto"}, Conf(WATCHER="auto")),
        ({"POLL_INTERVAL": 2}, Conf(POLL_INTERVAL=2)),
        ({"POLL_INTERVAL": 0.25}, Conf(POLL_INTERVAL=0.25)),
        ({"WATCH": ["a", "b/*.toml"]}, Conf(WATCH=("a", "b/*.toml"))),
        ({"WATCH": ("a",)}, Conf(WATCH=("a",))),
        ({"WATCH": {"a"}}, Conf(WATCH=("a",))),
        ({"WATCH": [PurePosixPath("a/b"), "c"]}, Conf(WATCH=("a/b", "c"))),
        ({"EXCLUDE": [Path("/srv/x")]}, Conf(EXCLUDE=("/srv/x",))),
        ({"EXCLUDE": []}, Conf()),
        ({"CHECKPOINTS": 0}, Conf(CHECKPOINTS=0)),
        ({"CHECKPOINTS": 40}, Conf(CHECKPOINTS=40)),
        ({"ASGI": True}, Conf(ASGI=True)),
        ({"ASGI": None}, Conf()),
        ({"PREPARE": False}, Conf(PREPARE=False)),
        ({"CHECKPOINT_MEMORY": None}, Conf()),
        ({"CHECKPOINT_MEMORY": 100}, Conf(CHECKPOINT_MEMORY=100)),
        ({"CHECKPOINT_MEMORY": 0.5}, Conf(CHECKPOINT_MEMORY=0.5)),
        ({"CHECKPOINT_MEMORY": float("inf")}, Conf(CHECKPOINT_MEMORY=float("inf"))),
        ({"LOG_DURATION": True, "LOG_FILES": False}, Conf(LOG_DURATION=True, LOG_FILES=False)),
        ({"LOG_IGNORE": ["/health/", "/metrics"]}, Conf(LOG_IGNORE=("/health/", "/metrics"))),
        ({"EDITOR": "code --wait"}, Conf(EDITOR="code --wait")),
        ({"EDITOR": "x-edit://{path}?{line}"}, Conf(EDITOR="x-edit://{path}?{line}")),
        ({"EDITOR_PATHS": {"/app": "/home/me/app"}}, Conf(EDITOR_PATHS={"/app": "/home/me/app"})),
        (
            {"WATCHER": "events", "POLL_INTERVAL": 3, "WATCH": ["a"], "EXCLUDE": ["b"]},
            Conf(WATCHER="events", POLL_INTERVAL=3, WATCH=("a",), EXCLUDE=("b",)),
        ),
    ],
)
def test_what_is_right(value: dict[str, Any], expected: Conf) -> None:
    assert load(value) == expected
    assert list(mistakes(value)) == []


def test_the_defaults() -> None:
    assert load({}) == Conf("auto", 1.0, (), ())


NO_SWITCHES: list[Any] = [None, 0, 1, "yes", []]
NO_PATHS: list[Any] = ["*.toml", None, 1, [1], ["a", None], {"a": "b"}, [b"a"]]


@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        *(
            ("WATCHER", value, "not one of auto, events, polling")
            for value in ["inotify", "", "AUTO", None, 1, ["auto"]]
        ),
        *(
            ("POLL_INTERVAL", value, "not a number of seconds above 0")
            for value in [0, -1, 0.0, "1", None, True, float("nan"), float("inf"), [1]]
        ),
        *(
            (key, value, "neither True nor False")
            for key in ("PREPARE", "WARM_UP", "BROWSER_RELOAD", "FRAME_CONSOLE")
            for value in [0, 1, None, "yes"]
        ),
        *(("CHECKPOINTS", value, "not a number from 0 on") for value in [-1, 1.0, "5", None, True, [1], float("inf")]),
        *(
            ("CHECKPOINT_MEMORY", value, "not a number of megabytes above 0")
            for value in [0, -1, 0.0, "500", True, float("nan"), [1]]
        ),
        *((key, value, "not a list of paths or globs") for key in ("WATCH", "EXCLUDE") for value in NO_PATHS),
        *((key, value, "neither True nor False") for key in ("LOG_DURATION", "LOG_FILES") for value in NO_SWITCHES),
        *(
            ("LOG_IGNORE", value, 'not a list of paths that begin with "/"')
            for value in ["/a", None, True, ["a"], [""], ["/a", 1], [Path("/a")], {"/a": 1}]
        ),
        *(("BROWSER_CONSOLE", value, "neither True, False nor None") for value in [0, 1, "", "auto"]),
        *(("SUPERVISOR_SETUP", value, "neither True, False nor None") for value in [0, 1, "", "auto"]),
        *(("EDITOR", value, "not a text") for value in [None, 1, ["code"]]),
        *(("EDITOR", value, editor.cause("x")) for value in ["nano", "javascript:alert({path})", "x://{file}"]),
        *(("EDITOR_PATHS", value, "not a dictionary of paths") for value in [None, "a", ["a"], {"a": 1}, {1: "a"}]),
    ],
)
def test_what_is_wrong(key: str, value: Any, cause: str) -> None:
    right = {"WATCHER": "polling", "POLL_INTERVAL": 5, "WATCH": ("x",), "EXCLUDE": ("y",)}
    right |= {"CHECKPOINTS": 3, "CHECKPOINT_MEMORY": 50}
    [mistake] = mistakes({**right, key: value})
    assert mistake.key == key
    assert mistake.cause == f"DEVRUNSERVER[{key!r}] is {value!r}, {cause}."
    assert mistake.remedy == f"Its default is {getattr(Conf(), key)!r}."
    assert load({**right, key: value}) == Conf(**{**right, key: getattr(Conf(), key)})  # the others are kept


@pytest.mark.parametrize("key", ["watcher", "WATCHERS", "", "count", 5, None])
def test_an_unknown_key(key: Any) -> None:
    [mistake] = mistakes({key: "x", "WATCHER": "polling"})
    assert mistake.cause == f"DEVRUNSERVER has no key {key!r}."
    assert mistake.remedy == (f"Its keys are {', '.join(sorted(vars(Conf())))}.")
    assert load({key: "x", "WATCHER": "polling"}) == Conf(WATCHER="polling")


@pytest.mark.parametrize("value", ["polling", 5, ["WATCHER"], [("WATCHER", "polling")], True, False, Conf()])
def test_not_a_dictionary(value: object) -> None:
    [mistake] = mistakes(value)
    assert mistake.key == ""
    assert mistake.cause == f"DEVRUNSERVER is {value!r}, not a dictionary."
    assert load(value) == Conf()


def test_every_mistake_is_told() -> None:
    assert [mistake.key for mistake in mistakes({"WATCHER": 1, "NO": 2, "WATCH": 3, "POLL_INTERVAL": 4})] == [
        "WATCHER",
        "NO",
        "WATCH",
    ]


def test_it_is_read_from_the_settings(settings: Settings) -> None:
    assert load() == Conf()
    assert list(mistakes()) == []
    settings.DEVRUNSERVER = {"WATCHER": "polling", "EXCLUDE": 5}
    assert load() == Conf(WATCHER="polling")
    assert [mistake.key for mistake in mistakes()] == ["EXCLUDE"]


anything = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda one: st.lists(one, max_size=3))


@pytest.mark.parametrize(
    ("settings", "are_forked", "are_spare"),
    [
        ({}, True, True),
        ({"CHECKPOINTS": 0}, False, False),
        ({"SPARES": True}, False, True),
        ({"SPARES": True, "CHECKPOINTS": 0}, False, True),
        ({"SPARES": False}, True, False),
        ({"SPARES": False, "CHECKPOINTS": 0}, False, False),
    ],
)
def test_which_starts_wait_paused(settings: dict[str, Any], are_forked: bool, are_spare: bool) -> None:
    """Checkpoints where they can be made, and spares where they cannot be or are not to be."""
    found = load(settings)
    assert (makes_checkpoints(found), makes_spares(found)) == (are_forked, are_spare)


KEYS = ["WATCHER", "POLL_INTERVAL", "WATCH", "EXCLUDE", "CHECKPOINTS", "CHECKPOINT_MEMORY", "PREPARE", "WARM_UP"]
KEYS += ["BROWSER_RELOAD"]
KEYS += ["LOG_DURATION", "LOG_FILES", "LOG_IGNORE"]
keys = st.sampled_from([*KEYS, "NO"])


@given(st.dictionaries(keys, anything))
def test_whatever_it_holds_each_key_is_taken_or_told(value: dict[str, Any]) -> None:
    wrong = {mistake.key for mistake in mistakes(value)}
    conf = load(value)
    for key in set(KEYS) - wrong & set(value):
        assert list(mistakes({key: getattr(conf, key)})) == []
    for key in wrong - {"NO"}:
        assert getattr(conf, key) == getattr(Conf, key)
