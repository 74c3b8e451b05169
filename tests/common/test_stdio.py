"""Standard streams that are closed, and names in a locale that knows ASCII alone."""

from __future__ import annotations

import codecs
import os
import subprocess
import sys

import pytest

from devrunserver.common import stdio
from tests.live import REPOSITORY

CLOSED = """
import os, sys
from devrunserver.common import stdio
stdio.prepare()
first = os.open(os.devnull, os.O_RDONLY)
assert first > 2, first
for one in (0, 1, 2):
    assert os.get_inheritable(one), one
print("printed", file=sys.stdout, flush=True)
print("printed", file=sys.stderr, flush=True)
assert sys.stdin.read() == ""
sys.exit(7)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell closes descriptors")
@pytest.mark.parametrize("closing", ["", ">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_lead_nowhere(closing: str) -> None:
    command = f'"$0" -c "$1" {closing}'
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    argv = ["sh", "-c", command, sys.executable, CLOSED]
    done = subprocess.run(argv, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 7, done.stderr
    assert done.stdout == ("" if ">&-" in closing.split() else "printed\n")
    assert done.stderr == ("" if "2>&-" in closing else "printed\n")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("shop/views.py", b"shop/views.py"),
        (b"gr\xc3\xb6\xc3\x9fe.py".decode("ascii", "surrogateescape"), "größe.py".encode()),
        ("größe", rb"gr\xf6\xdfe"),
        ("\ud800", rb"\ud800"),
        ("日" + b"\xe6\x97\xa5".decode("ascii", "surrogateescape"), rb"\u65e5" + "日".encode()),
    ],
)
def test_names_are_written_as_the_bytes_that_they_are(text: str, written: bytes) -> None:
    codecs.register_error(stdio.READABLE, stdio.readable)
    assert text.encode("ascii", stdio.READABLE) == written


def test_a_terminal_in_the_locale_c() -> None:
    name = "größe.py".encode()
    code = b"import os,sys; from devrunserver.common import stdio; stdio.prepare(); print(sys.argv[1], file=sys.stderr)"
    environ = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONPATH": str(REPOSITORY)}
    environ.pop("PYTHONIOENCODING", None)
    done = subprocess.run([os.fsencode(sys.executable), b"-c", code, name], env=environ, capture_output=True)
    assert done.stderr.strip() == name
