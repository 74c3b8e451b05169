"""A page on which one process says where it is, and another reads it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devrunserver.common import progress_page
from devrunserver.common.progress_page import RECORD, RECORD_AT, Phase, Place, ProgressPage

pytestmark = pytest.mark.skipif(os.name != "posix", reason="memory is not shared there")


@pytest.fixture
def page() -> Iterator[ProgressPage]:
    made = progress_page.make()
    assert made is not None
    yield made
    made.close()


@pytest.fixture
def worker(page: ProgressPage) -> Iterator[ProgressPage]:
    """The same page, as a worker has it."""
    found = progress_page.inherited(os.dup(page.descriptor))
    assert found is not None
    yield found
    found.close()


def test_what_is_told_is_read(page: ProgressPage, worker: ProgressPage) -> None:
    assert page.read() == Place()
    worker.tell(Phase.URLCONF, "shop.views", "django.forms")
    assert page.read() == Place(Phase.URLCONF, "shop.views", "django.forms")
    worker.tell(Phase.CHECKS, "", "")
    assert not worker.is_watched
    page.begin()
    assert page.read() == Place(Phase.CHECKS), "of the first worker, which began before"
    assert worker.is_watched
    page.begin()
    assert page.read() == Place()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place(), "settings"),
        (Place(Phase.MODELS, "", "re"), "models, re"),
        (Place(Phase.MODELS, "shop.models", "shop.models"), "models, shop.models"),
        (Place(Phase.URLCONF, "shop.views", "django.forms"), "URLconf, shop.views (django.forms)"),
    ],
)
def test_words(place: Place, words: str) -> None:
    assert place.words() == words


def test_names_of_any_length_are_told_as_far_as_there_is_room(page: ProgressPage, worker: ProgressPage) -> None:
    worker.tell(Phase.APPS, "shop.größe", "x" * 1000)
    place = page.read()
    assert place.own == "shop.größe" and set(place.module) == {"x"}


def test_a_record_that_is_being_written_does_not_count(page: ProgressPage, worker: ProgressPage) -> None:
    worker.tell(Phase.APPS, "", "a")
    assert page.read().module == "a"
    RECORD.pack_into(worker._page, RECORD_AT, 8, Phase.APPS, b"\nhalf", 7)
    assert page.read().module == "a"


def test_flags(page: ProgressPage, worker: ProgressPage) -> None:
    worker.is_hidden = worker.is_line_open = worker.is_shown = True
    assert page.is_hidden and page.is_line_open and page.is_shown
    page.begin()
    assert page.is_hidden and page.is_line_open, "the first worker's, which began before"
    page.begin()
    assert not worker.is_hidden and not worker.is_line_open
    assert worker.is_shown, "nobody has taken the line away"


def test_the_terminal_is_one_process_at_a_time(page: ProgressPage) -> None:
    with page.turn(waits=True):
        code = f"from devrunserver.common.progress_page import ProgressPage as P\n\
with P({page.descriptor}).turn(waits=False) as is_ours: print(is_ours)"
        argv = [sys.executable, "-c", code]
        done = subprocess.run(argv, pass_fds=[page.descriptor], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr
    with page.turn(waits=False) as is_ours:
        assert is_ours


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    """The variable is left over, and its number is another file's by now."""
    file = tmp_path / "data"
    file.write_bytes(b"x" * 10_000)
    descriptor = os.open(file, os.O_RDWR)
    assert progress_page.inherited(descriptor) is None
    os.close(descriptor)
    assert progress_page.inherited(descriptor) is None
    assert progress_page.inherited(-1) is None
    assert file.read_bytes() == b"x" * 10_000
