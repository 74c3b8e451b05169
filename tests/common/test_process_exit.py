"""What is promised at exit is done by a process that ends without the rest of Python's own end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from devrunserver.common import process_exit

REPOSITORY = Path(__file__).parents[2]
MAIN = """
import atexit, sys, tempfile, threading
from devrunserver.common import process_exit

class Finalized:
    def __del__(self):
        print("finalized")

class Lazy:
    @property
    def __class__(self):
        print("made")
        raise LookupError

lazy, finalized = Lazy(), Finalized()
plain = open("plain.txt", "w")
plain.write("buffered")
binary = open("binary.txt", "wb")
binary.write(b"buffered")
removed = tempfile.NamedTemporaryFile(prefix="removed")
kept = tempfile.NamedTemporaryFile("w", prefix="kept", delete=False)
kept.write("buffered")
directory = tempfile.TemporaryDirectory(prefix="directory")
atexit.register(print, "at exit")
"""
ENDS = {
    "in the middle": "process_exit.leave_in_order()",
    "at the end": "process_exit.end_without_finalization()\nthreading.Timer(0.1, print, ['thread']).start()",
}


@pytest.mark.skipif(sys.platform != "linux", reason="that files are open for writing is known on Linux")
@pytest.mark.parametrize("name", ENDS)
def test_what_is_promised_at_exit(tmp_path: Path, name: str) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", MAIN + ENDS[name]], cwd=tmp_path, env=environ, text=True, stdout=subprocess.PIPE
    )
    assert done.returncode == process_exit.SUCCESS
    assert done.stdout.split("\n") == [*(["thread"] if "thread" in ENDS[name] else []), "at exit", ""]
    files = {one.name: one.read_text() for one in tmp_path.iterdir()}
    kept = {name for name in files if name.startswith("kept")}
    assert len(kept) == 1
    assert files == dict.fromkeys(["plain.txt", "binary.txt", *kept], "buffered")


def test_it_ends_also_where_who_has_replaced_the_call_fails() -> None:
    code = """
        import os
        from devrunserver.common import process_exit

        def save_first(status):
            raise RecursionError

        os._exit = save_first
        print("ends", flush=True)
        process_exit.leave(process_exit.SUCCESS)
        print("goes on", flush=True)
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("ends\n", "")
    assert abs(done.returncode) == process_exit.KILL
