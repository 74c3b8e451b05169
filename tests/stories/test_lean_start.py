"""What the two processes have imported when the first answer is there: each module more is a wait for the user.

Modules are counted, as seconds tell more of the machine than of us. What Django itself has imported by then is not
ours to save, so the standard library is looked at for what Django leaves alone.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import devrunserver
from tests.live import Server, wait_for

TELLING = """

import os
import signal
import sys
from pathlib import Path


def tell_modules(*_):
    draft = Path(__file__).parents[2] / f"draft-{os.getpid()}"
    draft.write_text("\\n".join(sys.modules))
    draft.rename(draft.with_name(f"modules-{os.getpid()}"))


signal.signal(signal.SIGUSR1, tell_modules)
"""

# What neither process needs before it serves, with all below it; with a dot at its end: what is below it alone
NEITHER = {
    "devrunserver.background.dry_run",
    "devrunserver.background.fingerprint",
    "devrunserver.browser.error_page",
    "devrunserver.browser.errors.",
    "devrunserver.browser.frame_console",
    "devrunserver.control",
    "devrunserver.https.",
    "devrunserver.server.asgi.",
    "devrunserver.server.django.queries",
    *("bdb", "cmd", "code", "cProfile", "cryptography", "curses", "doctest", "ftplib", "importlib.resources", "pdb"),
    *("profile", "pstats", "pydoc", "segno", "unittest", "webbrowser", "websockets", "werkzeug", "xml.", "xmlrpc"),
}
# What the other one needs
NO_WORKER = {*NEITHER, "devrunserver.management.supervision", "devrunserver.supervisor.", "watchdog"}
NO_SUPERVISOR = {
    *NEITHER,
    "devrunserver.background",
    "devrunserver.browser.live_reload",
    "devrunserver.checkpoints",
    "devrunserver.server.connection",
    "devrunserver.server.django.handler",
    "devrunserver.server.django.server",
    "devrunserver.server.protocol",
    "devrunserver.worker.",
    *(["watchdog"] if sys.platform == "linux" else []),
}
# What is needed of that: small modules that import no others
NEEDED = {
    "devrunserver.browser.errors.technical_500",
    "devrunserver.https.error",
    "devrunserver.https.options",
    "devrunserver.server.asgi.choice",
    "devrunserver.supervisor.watching",
    "devrunserver.supervisor.watching.mode",
    "devrunserver.worker.banner",
    "devrunserver.worker.joining",
    "devrunserver.worker.post_mortem",
}
# The first worker is a copy of the supervisor, so both have what makes it
COPYING = {
    *("devrunserver.supervisor.early_start", "devrunserver.supervisor.launcher", "devrunserver.supervisor.lifecycle"),
    *("devrunserver.supervisor.lasting_code", "devrunserver.supervisor.watching.exclusions"),
    *("devrunserver.checkpoints", "devrunserver.checkpoints.audit", "devrunserver.checkpoints.connections"),
    *("devrunserver.checkpoints.database_reads", "devrunserver.checkpoints.first_worker"),
    *("devrunserver.checkpoints.fork_safety", "devrunserver.checkpoints.forking"),
    *("devrunserver.checkpoints.native_threads", "devrunserver.checkpoints.temporary_files"),
}
MOST = 140  # modules of ours, in either process; up to 128 are, a dozen of them as one is a copy of the other


def test_neither_process_has_imported_what_the_first_answer_does_not_need(project: Path) -> None:
    with (project / "bookshop/settings.py").open("a") as settings:
        settings.write(TELLING)
    # what PYTHONPATH names counts as the project's own: let it be nothing else than our package
    ours = project.parent / "ours"
    ours.mkdir()
    (ours / "devrunserver").symlink_to(Path(devrunserver.__file__).parent, target_is_directory=True)
    with Server(project, environ={"PYTHONPATH": str(ours)}) as server:
        server.wait_for_body("mark-0")
        for pid, unwanted in ((server.worker_pid(), NO_WORKER), (server.pid, NO_SUPERVISOR)):
            modules = modules_of(project, pid)
            assert too_much(modules, unwanted) == []
            assert sum(name.startswith("devrunserver") for name in modules) <= MOST
            # nothing in the project has a use for a supervisor with apps
            assert any(name.partition(".")[0] in ("shop", "chat") for name in modules) == (pid != server.pid)


def modules_of(project: Path, pid: int) -> list[str]:
    """What a process has imported, in order."""
    told = project.parent / f"modules-{pid}"

    def has_told() -> bool:
        if not told.exists():
            os.kill(pid, signal.SIGUSR1)  # again, as one that comes just before the process waits is not heard
        return told.exists()

    wait_for(has_told, "it tells what it has imported")
    return told.read_text().splitlines()


def too_much(modules: list[str], unwanted: set[str]) -> list[str]:
    below = tuple(f"{one.rstrip('.')}." for one in unwanted)
    return [name for name in modules if name not in NEEDED | COPYING and (name in unwanted or name.startswith(below))]


def test_what_is_too_much_is_seen() -> None:
    modules = ["codecs", "pdb", "devrunserver.https", "devrunserver.https.options", "devrunserver.https.front"]
    assert too_much(modules, NO_WORKER) == ["pdb", "devrunserver.https.front"]
