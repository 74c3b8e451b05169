"""A start that tells what it has come to, in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from textwrap import dedent

import pytest

from devrunserver.common import process_exit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")


@pytest.mark.parametrize(
    ("statement", "status"),
    [("pass", process_exit.SUCCESS), ("server = socket.create_server(('127.0.0.1', 0))", process_exit.FAILURE)],
)
def test_one_that_has_come_to_listen_leaves(statement: str, status: int) -> None:
    """The port is the next worker's."""
    code = """
        import socket, sys
        from devrunserver.background.dry_run import DryRunTeller
        from devrunserver.common.link import Link
        from devrunserver.common.role import Role

        to_supervisor = Link(socket.socket(fileno=int(sys.argv[1])), Role.DRY_RUN, Role.SUPERVISOR)
        teller = DryRunTeller(to_supervisor, lambda file: True, is_urgent=True)
        exec(sys.argv[2])
        teller.finish(lambda: None)
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        args = [sys.executable, "-c", dedent(code), str(theirs.fileno()), statement]
        done = subprocess.Popen(args, pass_fds=[theirs.fileno()])
        theirs.close()
        ours.shutdown(socket.SHUT_WR)  # no questions
        assert bool(ours.recv(1000)) is (status == process_exit.SUCCESS)
        assert done.wait(60) == status
