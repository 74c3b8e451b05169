"""Faults of our own in a worker that runs: the port answers, the next save shows, nothing is left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.live import Server

# The optional parts of a worker, by what of ours is to fail; and the words that tell of it
PARTS = {
    "devrunserver.worker.warmup:steps": "warming up",
    "devrunserver.checkpoints.policy:CheckpointPolicy.is_due": "leaving checkpoints behind",
    "devrunserver.checkpoints.read_recorder:ReadRecorder.module": "the record of what the start reads",
    "devrunserver.worker.state_reporting:_report": "",  # in a process that says nothing
    "devrunserver.background.fingerprint:Fingerprint.__init__": "",
    "devrunserver.background.import_graph:EdgeRecorder._note": "the record of who imports whom",
}

# An app below ours is imported when the worker has joined, before its start goes on
INJECTION = """
import importlib

def fail(*args, **kwargs):
    raise RuntimeError("injected")

for place in {places!r}:
    module, _, names = place.partition(":")
    owner = importlib.import_module(module)
    *path, name = names.split(".")
    for one in path:
        owner = getattr(owner, one)
    setattr(owner, name, fail)
"""


def tell_the_story(project: Path, places: list[str]) -> None:
    """Serves and saves with faults in some places; the first of them that has a voice is told."""
    apps = project / "shop/apps.py"
    apps.write_text(INJECTION.format(places=places) + apps.read_text())
    with Server(project) as server:
        server.wait_for_body("mark-0")
        for old, new in (("mark-0", "mark-1"), ("mark-1", "mark-2")):
            server.edit("shop/marks.py", old, new)
            assert new in server.get().body
        if words := next((PARTS[place] for place in places if PARTS[place]), ""):
            server.wait_for_log(f"devrunserver: {words} has failed .RuntimeError..injected")


@pytest.mark.skipif(sys.platform != "linux", reason="there are checkpoints on Linux alone")
def test_all_optional_parts_fail_at_once(project: Path) -> None:
    tell_the_story(project, [*PARTS])


@pytest.mark.deep
@pytest.mark.skipif(sys.platform != "linux", reason="there are checkpoints on Linux alone")
@pytest.mark.parametrize("place", PARTS)
def test_an_optional_part_fails(project: Path, place: str) -> None:
    tell_the_story(project, [place])
