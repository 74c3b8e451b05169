"""What tools cost the supervisor: ``python -m tests.benchmarks.tools`` (Linux).

While some processes send it questions, garbage and half lines as quickly as they can, another asks again and again
what needs no worker, as the loop answers by itself: how long that takes is how long the loop lets others wait. Before
and after it is counted what the supervisor has open, and what memory it has of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from pathlib import Path

from devrunserver.common.state_file import Running, running_servers
from devrunserver.control.client import ask
from tests.benchmarks.__main__ import machine
from tests.benchmarks.processes import cpu_percent, end_in_order, footprint
from tests.live import Server, copy_testproject, wait_for

MILLISECONDS = 1000
MICROSECONDS = 1_000_000
CALM_PERCENT = 1.0  # of a core: what follows a start is over
PATIENCE = 30.0  # seconds for an answer
CLIENTS = 2  # processes that send
SENT = (
    b'{"command": "status"}\n',
    b'{"command": "requests"}\n',
    b"GET / HTTP/1.1\r\n\r\n",
    b'{"command": "wait"}\n',
    b'{"comm',  # and goes
    b"\xff\x00\n",
    b"[" * 10_000,
    b"x" * 20_000 + b"\n",
)


def send(path: str, count: int) -> None:
    """Sends so much to the socket, each on a connection of its own, and reads what comes back."""
    for number in range(count):
        data = SENT[number % len(SENT)]
        # who sends too much is cut off
        with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sock.settimeout(PATIENCE)
            sock.connect(path)
            sock.sendall(data)
            while data.endswith(b"\n") and sock.recv(65_536):
                pass


def latencies(running: Running, sending: list[multiprocessing.Process]) -> list[float]:
    """Milliseconds of each question while the others send, or of 200 where nobody does."""
    found: list[float] = []
    while any(one.is_alive() for one in sending) or (not sending and len(found) < 200):
        began = time.perf_counter()
        assert ask(running, "wait", patience=PATIENCE, timeout=PATIENCE)["ok"]
        found.append((time.perf_counter() - began) * MILLISECONDS)
        time.sleep(0.002)  # as others' questions come, too
    return sorted(found)


def main() -> None:
    end_in_order()
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.tools", description=__doc__)
    parser.add_argument("--questions", type=int, default=10_000, help="and the like, in all; default: 10000")
    options = parser.parse_args()
    print(machine(), flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="devrunserver-benchmark-") as folder,
        Server(copy_testproject(Path(folder))) as server,
    ):
        server.wait_for_body("mark-0")
        (running,) = (one for one in running_servers() if one.pid == server.pid)
        wait_for(lambda: cpu_percent(server.family, 1) < CALM_PERCENT, "calm", 2 * PATIENCE)
        before = resources(server.pid)
        tell("nobody else asks", latencies(running, []))
        count = options.questions // CLIENTS
        sending = [multiprocessing.Process(target=send, args=(running.socket, count)) for _ in range(CLIENTS)]
        began, used = time.perf_counter(), time.clock_gettime(process_clock(server.pid))
        for one in sending:
            one.start()
        found = latencies(running, sending)
        used = time.clock_gettime(process_clock(server.pid)) - used
        tell(f"{options.questions / (time.perf_counter() - began):.0f} a second sent by others", found)
        print(f"{used / (options.questions + len(found)) * MICROSECONDS:.0f} µs of processor time for each")
        after = resources(server.pid)
        print(f"descriptors {before[0]} -> {after[0]}, memory {before[1]:.1f} -> {after[1]:.1f} MB")
        assert server.get().status == 200


def resources(pid: int) -> tuple[int, float]:
    """Open descriptors of a process, and its memory in MB."""
    return len(os.listdir(f"/proc/{pid}/fd")), footprint({pid}).pss


def process_clock(pid: int) -> int:
    """The kernel's clock of the processor time of a process: CPUCLOCK_SCHED."""
    return (~pid << 3) | 2


def tell(what: str, found: list[float]) -> None:
    late = found[int(len(found) * 0.99)]
    print(f"{what}: {len(found)} answers, median {statistics.median(found):.2f} ms, 99 % within {late:.2f} ms")


if __name__ == "__main__":
    main()
