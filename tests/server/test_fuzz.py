"""Mutated requests: whatever comes, the server answers it right or refuses it, and goes on."""

from __future__ import annotations

import contextlib
import random
import threading
from collections import Counter

import pytest

from tests.live import wait_for
from tests.server.conftest import Running, open_descriptors
from tests.server.wire import PATIENCE

SEED = 9112
COUNT = 10_000
STATUSES = {100, 200, 400, 408, 414, 417, 431, 500, 501, 505}
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"

SEEDS = [
    b"GET /echo HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
    b"HEAD /lists/two HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a/environ?b=c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /part/2 HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n" + HIDDEN + b"1234567",
    b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;a=b\r\nabc\r\n0\r\n\r\n",
    b"POST /ignore HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\nCookie: c=d\r\nConnection: x, close\r\n\r\n",
]
SPLICES = [
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"\x7f", b"\xff", b"\x16\x03", b"\r\n\r\n", b"-1",
    b"+5", b"0", b"9" * 20, b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n",
    b"Host: b\r\n", b" folded\r\n", b"HTTP/1.1", b"HTTP/9.9", b"chunked", b"%00", b"..", b"A" * 200,
]  # fmt: skip


def mutate(chance: random.Random, data: bytes) -> bytes:
    """One to three changes: bytes lost, doubled, replaced, or something added that matters to parsers."""
    for _ in range(chance.randint(1, 3)):
        at, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        end = min(end, at + chance.choice([0, 1, 1, 2, 8, 40]))
        replacement = chance.choice([b"", data[at:end] * 2, bytes([chance.randrange(256)]), chance.choice(SPLICES)])
        data = data[:at] + replacement + data[end:]
    return data


@pytest.mark.deep
def test_mutated_requests(running: Running) -> None:
    chance = random.Random(SEED)
    assert running.is_alive()
    threads, descriptors = threading.active_count(), len(open_descriptors())
    statuses: Counter[int] = Counter()
    for number in range(COUNT):
        with running.wire() as wire:
            wire.send(mutate(chance, chance.choice(SEEDS)))
            with contextlib.suppress(OSError):
                wire.end_sending()
            data = wire.rest()
        if data:
            assert data.startswith(b"HTTP/1.1 "), data[:200]
            statuses[int(data[9:12])] += 1
        if number % 500 == 0:
            assert running.is_alive()
    assert running.is_alive()
    assert set(statuses) <= STATUSES
    assert statuses[200] > COUNT / 10 and statuses[400] > COUNT / 10  # neither too wild nor too tame
    wait_for(lambda: not running.server.connections, "no connection is left", PATIENCE)
    assert threading.active_count() <= threads + 10
    assert len(open_descriptors()) <= descriptors
