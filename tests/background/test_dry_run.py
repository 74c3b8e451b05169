"""A start that tells what it has come to, in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from textwrap import dedent

import pytest

from devrunserver.common import process_exit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")


def test_a_port_on_which_it_has_come_to_listen_is_released() -> None:
    """It is the next worker's."""
    code = """
        import socket, sys
        from devrunserver.background.dry_run import DryRunTeller
        from devrunserver.common.link import Link
        from devrunserver.common.role import Role

        to_supervisor = Link(socket.socket(fileno=int(sys.argv[1])), Role.DRY_RUN, Role.SUPERVISOR)
        port = sys.stdin.readline()
        teller = DryRunTeller(to_supervisor, lambda file: True, None, True, lambda: None)
        server = socket.create_server(("127.0.0.1", int(port)))
        teller.finish(lambda: None)
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with socket.create_server(("127.0.0.1", 0)) as worker:
            address = worker.getsockname()
        args = [sys.executable, "-c", dedent(code), str(theirs.fileno())]
        with subprocess.Popen(args, pass_fds=[theirs.fileno()], stdin=subprocess.PIPE) as done:
            theirs.close()
            assert done.stdin is not None
            done.stdin.write(f"{address[1]}\n".encode())
            done.stdin.flush()
            assert ours.recv(1000), "it tells"
            socket.create_server(address).close()
            ours.shutdown(socket.SHUT_WR)  # no questions
            assert done.wait(60) == process_exit.SUCCESS
