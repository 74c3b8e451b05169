"""Large bodies: what goes through the server does not stay in it. In a process of its own, to know its memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import REPOSITORY
from tests.server.wire import Wire

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="by /proc")

MEGABYTES = 50
MOST = 30.0  # megabytes of additional memory
BLOCK = b"x" * 65_536

PROGRAM = """
import os, sys, threading
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from tests.server.application import Application
from devrunserver.server import ThreadedWSGIServer, WSGIRequestHandler

class WithFile(Application):
    def answer_file(self, environ, start_response, argument):
        start_response("200 OK", [("Content-Type", "video/mp4")])
        return environ["wsgi.file_wrapper"](open(sys.argv[1], "rb"))

server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
server.set_app(WithFile())
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
"""


class Process:
    """A server that ends with its standard input."""

    def __init__(self, file: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(file)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def peak(self) -> float:
        """The most memory that it ever had, in megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    file = tmp_path / "video.mp4"
    with file.open("wb") as video:
        for _ in range(MEGABYTES * 16):
            video.write(BLOCK)
    process = Process(file)
    yield process
    process.process.communicate(timeout=60)


@pytest.mark.parametrize("transfer", ["upload", "chunked upload", "unread upload", "download", "chunked download"])
def test_fifty_megabytes(process: Process, transfer: str) -> None:
    with Wire(process.port) as wire:
        wire.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        assert wire.answer().body == b"hello"
    before = process.peak()
    with Wire(process.port) as wire:
        if transfer.endswith("upload"):
            assert upload(wire, transfer) == (b"hello" if transfer == "unread upload" else b"%d" % (MEGABYTES << 20))
        else:
            path = "/file" if transfer == "download" else f"/megabytes/{MEGABYTES}"
            wire.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            received = sum(map(len, iter(lambda: wire.socket.recv(65_536), b"")))
            assert received >= MEGABYTES << 20
    assert process.peak() - before < MOST


def upload(wire: Wire, transfer: str) -> bytes:
    path = "/ignore" if transfer == "unread upload" else "/count"
    is_chunked = transfer == "chunked upload"
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {MEGABYTES << 20}"
    wire.send(f"POST {path} HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n")
    for _ in range(MEGABYTES * 16):
        wire.send(b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK) if is_chunked else BLOCK)
    if is_chunked:
        wire.send("0\r\n\r\n")
    return wire.answer().body
