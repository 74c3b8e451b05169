"""What a child does on the side, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")


def test_a_child_does_it_and_its_status_is_known_even_where_children_are_ignored() -> None:
    code = """
        import os, signal
        from contextlib import nullcontext
        from devrunserver.checkpoints.forking import Forks

        def fail():
            raise ValueError

        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        reading, writing = os.pipe()
        forks = Forks(nullcontext)
        print(forks.on_the_side(lambda: os.write(writing, str(os.getpid()).encode())))
        print(int(os.read(reading, 20)) != os.getpid())
        print(forks.on_the_side(fail))
        print(signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN)
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "True", "False", "True"], done.stderr


def test_what_is_released_is_free_for_others_and_its_number_is_not_taken_again() -> None:
    code = """
        import fcntl, os, socket, sys
        from devrunserver.checkpoints.forking import release

        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        lock = open(sys.executable)
        fcntl.flock(lock, fcntl.LOCK_SH)
        numbers = {listener.fileno(), lock.fileno()}
        release(numbers)
        socket.create_server(address).close()
        print({os.readlink(f"/proc/self/fd/{number}") for number in numbers})
        print(open(os.devnull).fileno() not in numbers)
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["{'/dev/null'}", "True"], done.stderr


def test_coverage_is_started_once_in_each_process_of_a_chain(tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    settings.write_text(f"[run]\nparallel = true\npatch = fork\ndata_file = {tmp_path / 'data'}\n")
    code = """
        import os
        from contextlib import nullcontext

        import coverage
        from devrunserver.checkpoints.forking import Forks

        started = []
        os.register_at_fork(before=started.clear)
        start = coverage.Coverage.start
        coverage.Coverage.start = lambda one: (started.append(one), start(one))
        coverage.Coverage(config_file=os.environ["SETTINGS"]).start()
        forks = Forks(nullcontext)

        def go_on(generations):
            print(len(started), flush=True)
            if generations:
                forks.on_the_side(lambda: go_on(generations - 1))

        go_on(4)
    """
    # where these tests are measured themselves, that process is not
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", dedent(code)],
        env={**environ, "SETTINGS": str(settings)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["1"] * 5, done.stderr
