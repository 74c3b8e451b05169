"""What the buffers of open files hold is written out at the end, whoever has hidden them from the garbage collector."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

REPOSITORY = Path(__file__).parents[2]
LOOKED = """
import gc
from devrunserver.common import open_files

looked = []
get_objects = gc.get_objects
gc.get_objects = lambda: looked.append(len(get_objects())) or get_objects()
"""


def run(code: str, directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LOOKED + dedent(code)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


FREEZES = {"nobody": "pass", "we": "open_files.freeze()", "the project": "gc.freeze()"}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize("first", FREEZES)
@pytest.mark.parametrize("second", FREEZES)
def test_files_are_flushed_whoever_has_frozen_them(tmp_path: Path, first: str, second: str) -> None:
    run(
        f"""
        import os, tempfile

        files = [open("first.txt", "w")]
        files[-1].write("buffered")
        {FREEZES[first]}
        files.append(open("second.txt", "wb"))
        files[-1].write(b"buffered")
        temporary = tempfile.NamedTemporaryFile(prefix="temporary", dir=".")
        {FREEZES[second]}
        files.append(open("third.txt", "w"))
        files[-1].write("buffered")
        if os.fork() == 0:
            open_files.flush()
            os._exit(0)
        os.wait()
        print([open(file.name).read() for file in files], len(os.listdir()), flush=True)
        os._exit(0)
        """,
        tmp_path,
    )
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == dict.fromkeys(
        ["first.txt", "second.txt", "third.txt"], "buffered"
    )


def test_what_was_frozen_is_not_looked_through_again(tmp_path: Path) -> None:
    told = run(
        """
        file = open("file.txt", "w")
        many = [[] for _ in range(100_000)]
        open_files.freeze()
        open_files.flush()
        print([count > 100_000 for count in looked])
        """,
        tmp_path,
    )
    assert told == "[True, False]\n"


@pytest.mark.skipif(sys.platform == "win32", reason="nobody tells how a file was opened")
def test_where_no_file_is_written_nothing_is_looked_through(tmp_path: Path) -> None:
    (tmp_path / "read.txt").touch()
    told = run(
        """
        import socket, tempfile

        read, pair, unnamed = open("read.txt"), socket.socketpair(), tempfile.TemporaryFile()
        open_files.freeze()
        open_files.flush()
        print(looked)
        """,
        tmp_path,
    )
    assert told == "[]\n"
