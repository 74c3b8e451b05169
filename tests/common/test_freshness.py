"""Freshness: an event that waits, or a supervisor that has not decided, and nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devrunserver.common.freshness import Look, Notice

if sys.platform != "linux":
    pytest.skip("inotify", allow_module_level=True)

from devrunserver.supervisor.watching.inotify import Inotify


@pytest.fixture
def inotify(tmp_path: Path) -> Iterator[Inotify]:
    inotify = Inotify()
    inotify.add(str(tmp_path))
    yield inotify
    inotify.close()


def look_at(notice: Notice) -> Look:
    """As another process has it: with descriptors of its own."""
    return Look(*(one if one is None else os.dup(one) for one in notice.descriptors))


def test_undecided_until_said_otherwise(inotify: Inotify) -> None:
    notice = Notice(inotify)
    look = look_at(notice)
    assert not look.is_fresh()
    for undecided in (False, True, False):
        notice.undecided = undecided
        assert notice.undecided is undecided
        assert look.is_fresh() is not undecided
    look.close()
    notice.close()


def test_an_event_that_waits(inotify: Inotify, tmp_path: Path) -> None:
    notice = Notice(inotify)
    notice.undecided = False
    look = look_at(notice)
    (tmp_path / "views.py").write_text("")
    assert not look.is_fresh()
    assert not look.is_fresh(), "to look takes nothing away"
    assert inotify.read()
    assert look.is_fresh()
    look.close()
    notice.close()


def test_in_a_forked_process(inotify: Inotify) -> None:
    """What the supervisor says reaches a process that has mapped the page before a fork, too."""
    notice = Notice(inotify)
    look = look_at(notice)
    waiting, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(waiting, 1)
        os._exit(0 if look.is_fresh() else 1)
    notice.undecided = False
    os.write(telling, b"\0")
    assert os.waitpid(pid, 0)[1] == 0
    os.close(waiting)
    os.close(telling)
    look.close()
    notice.close()


def test_without_inotify_the_page_tells() -> None:
    notice = Notice(None)
    assert notice.descriptors[1] is None
    look = look_at(notice)
    assert not look.is_fresh()
    notice.undecided = False
    assert look.is_fresh()
    look.close()
    notice.close()


def test_where_memory_cannot_be_shared_all_is_fresh(inotify: Inotify, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    notice = Notice(inotify)
    assert notice.descriptors == (None, None)
    notice.undecided = True
    assert Look(*notice.descriptors).is_fresh()
    notice.close()


def test_nothing_stays_open(inotify: Inotify) -> None:
    before = os.listdir("/proc/self/fd")
    notice = Notice(inotify)
    look = look_at(notice)
    look.close()
    look.close()
    notice.close()
    notice.close()
    assert os.listdir("/proc/self/fd") == before
