"""What was in the way of plans, from one start of a server to the next."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from devrunserver.common.remembered_file import RememberedFile
from devrunserver.supervisor.preparation.known import REMEMBERED, Known


@pytest.fixture
def file(tmp_path: Path) -> RememberedFile:
    return RememberedFile(tmp_path / "key.in-the-way")


def test_what_was_in_the_way_is_known_the_next_time(file: RememberedFile) -> None:
    known = Known(file=file, volatile={("m", "drawn"): False}, unfit={"forms": 2})
    known.left_out["the URLconf"] |= {"b", "a"}
    known.left_out["models"] |= {"never came to a good end"}
    known.remember("the URLconf")
    another = Known.recall(file)
    assert another.left_out == {"the URLconf": {"a", "b"}}
    assert (another.unfit, another.needs_twin, another.volatile) == ({"forms": 2}, True, {})


def test_other_places_are_not_forgotten(file: RememberedFile) -> None:
    first, second = Known(file=file), Known(file=file)
    first.left_out["the URLconf"] |= {"a"}
    first.remember("the URLconf")
    second.left_out["models"] |= {"b"}
    second.remember("models")
    assert Known.recall(file).left_out == {"the URLconf": {"a"}, "models": {"b"}}
    Known(file=file).remember("models")
    assert Known.recall(file).left_out == {"the URLconf": {"a"}}


def test_for_a_day(file: RememberedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since the first of it, or one that was in the way by mistake would be left out for ever."""
    clock = [1_000_000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    for at in ("the URLconf", "models"):
        known = Known.recall(file)
        known.left_out[at] |= {"a"}
        known.remember(at)
        clock[0] += 0.6 * REMEMBERED
        assert bool(Known.recall(file).left_out) is (at == "the URLconf")
    Known(file=file).remember("ready()")
    assert Known.recall(file).since == clock[0]


def test_where_everything_starts_anew(file: RememberedFile) -> None:
    """What is volatile stays so in this server; what did not come to a good end is tried again."""
    known = Known(file=file, volatile={("m", "drawn"): False})
    known.left_out["models"] |= {"b"}
    known.hopeless.add(("models", ("/b.py",)))
    following = known.of_next()
    assert (following.volatile, following.left_out, following.hopeless) == (known.volatile, {}, set())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "junk",
        "[]",
        "{}",
        '{"since": 9e9, "left_out": 1, "unfit": {}, "needs_twin": false}',
        '{"left_out": {"a": 1}}',
    ],
)
def test_what_cannot_be_read_is_not_known(file: RememberedFile, text: str) -> None:
    file.write(text)
    assert Known.recall(file) == Known(file=file)


def test_there_may_be_no_file() -> None:
    known = Known()
    known.left_out["models"] |= {"b"}
    known.remember("models")
    assert not Known.recall(known.file).left_out
