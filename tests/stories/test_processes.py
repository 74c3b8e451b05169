"""Stories of ends: Ctrl-C, signals, killed and hanging processes, debuggers, terminals."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live import Server, free_port, get, is_alive, replace, wait_for
from tests.marks import plainly

QUICK = 30.0  # seconds for the end of everything: one is promised, on a machine that has not much else to do
STATUS = {signal.SIGINT: 0, signal.SIGTERM: 0, signal.SIGHUP: -signal.SIGHUP}  # which a signal to end leads to


@pytest.mark.parametrize("number", plainly([signal.SIGINT, signal.SIGHUP, signal.SIGTERM], 2))
def test_signal_ends_everything(project: Path, number: signal.Signals) -> None:
    with Server(project) as server:
        server.wait_for_body("mark-0")
        port, everyone = server.port, server.family()
        assert len(everyone) >= 2
        os.kill(server.pid, number)
        assert server.wait_for_end(QUICK) == STATUS[number]
        wait_for(lambda: not any(map(is_alive, everyone)), "nobody is left", QUICK)
        assert get(port).error == "refused"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_end_with_open_stream_and_slow_view(project: Path, number: signal.Signals) -> None:
    with Server(project) as server:
        port = server.port
        clients = [
            threading.Thread(target=get, args=(port, path)) for path in ("/stream/?lines=1000", "/slow/?seconds=20")
        ]
        for client in clients:
            client.start()
        server.wait_for_body("mark-0")
        os.killpg(server.pid, number)  # as the terminal does: to supervisor and worker
        assert server.wait_for_end(QUICK) == 0
        for client in clients:
            client.join()


def test_killed_supervisor_takes_all_with_it(project: Path) -> None:
    with Server(project) as server:
        server.wait_for_body("mark-0")
        port, everyone = server.port, server.family()
        os.kill(server.pid, signal.SIGKILL)
        wait_for(lambda: not any(map(is_alive, everyone)), "nobody is left", QUICK)
        wait_for(lambda: get(port).error == "refused", "the port is free", QUICK)  # the last thread is gone too
        server.wait_for_end()


@pytest.mark.measured
def test_killed_worker_is_reported_and_started_again(project: Path) -> None:
    with Server(project) as server:
        first = server.worker_pid()
        os.kill(first, signal.SIGKILL)
        server.wait_for_body("mark-0")
        assert server.worker_pid() != first
        assert "The server process ended by signal 9 (SIGKILL); starting it again." in server.log


@pytest.mark.deep
def test_worker_that_dies_at_each_start_is_told_in_the_browser_and_healed(project: Path) -> None:
    with Server(project) as server:
        server.wait_for_body("mark-0")
        marks = project / "shop/marks.py"
        healthy = marks.read_text()
        replace(marks, healthy + "\nimport os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
        assert server.wait_for_body("SIGSEGV").status == 500
        assert server.log.count("ended by signal 11 (SIGSEGV)") == 2
        replace(marks, healthy)
        server.wait_for_body("mark-0")


@pytest.mark.deep
def test_second_interrupt_kills_what_hangs_at_exit(project: Path) -> None:
    hang(project)
    with Server(project) as server:
        server.wait_for_body("mark-0")
        os.kill(server.pid, signal.SIGINT)
        os.kill(server.pid, signal.SIGINT)
        assert server.wait_for_end(QUICK) == 0


@pytest.mark.deep
def test_interrupt_does_not_wait_for_what_hangs_at_exit(project: Path) -> None:
    hang(project)
    with Server(project) as server:
        server.wait_for_body("mark-0")
        os.kill(server.pid, signal.SIGINT)
        assert server.wait_for_end(QUICK) == 0


@pytest.mark.deep
def test_reload_does_not_wait_for_ever_for_what_hangs_at_exit(project: Path) -> None:
    hang(project)
    with Server(project) as server:
        server.wait_for_body("mark-0")
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")
        server.wait_for_log("The reload waits for the thread 'poller'")


def hang(project: Path) -> None:
    """A thread that nobody ends and that the interpreter waits for."""
    replace(
        project / "shop/marks.py",
        "import os, threading, time\n"
        'MARK = "mark-0"\n'
        'if os.environ.get("RUN_MAIN") == "true":\n'
        "    threading.Thread(target=time.sleep, args=(60,), name='poller').start()\n",
    )


def test_exclusive_resources_are_free_for_the_next_worker_and_atexit_runs(project: Path) -> None:
    """A port that ``ready()`` binds, a handler that only the main thread may set, and something to do at exit."""
    port = free_port()
    (project / "shop/apps.py").write_text(
        f"""
import atexit, os, signal, socket
from django.apps import AppConfig

class ShopConfig(AppConfig):
    name = "shop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        if os.environ.get("RUN_MAIN") == "true":
            self.socket = socket.create_server(("127.0.0.1", {port}), reuse_port=False)
            signal.signal(signal.SIGUSR1, lambda *args: None)
            atexit.register(print, "atexit ran", flush=True)
"""
    )
    with Server(project) as server:
        server.wait_for_body("mark-0")
        for number in range(1, 4):
            server.edit("shop/marks.py", f"mark-{number - 1}", f"mark-{number}")
            server.wait_for_body(f"mark-{number}")
        assert server.log.count("atexit ran") == 3


@pytest.mark.deep
def test_supervisor_does_not_wait_for_what_hangs_in_itself(project: Path) -> None:
    """Settings are loaded in both processes."""
    settings = project / "bookshop/settings.py"
    replace(
        settings,
        settings.read_text()
        + "import sys, threading, time\n"
        + "if 'runserver' in sys.argv:\n    threading.Thread(target=time.sleep, args=(60,)).start()\n",
    )
    with Server(project) as server:
        server.wait_for_body("mark-0")
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait_for_end(2 * QUICK) == 0


def test_frozen_worker_is_replaced_at_the_next_save(project: Path) -> None:
    with Server(project) as server:
        os.kill(server.worker_pid(), signal.SIGSTOP)
        replace(project / "shop/marks.py", 'MARK = "mark-1"\n')
        server.wait_for_log("changed, reloading")
        server.wait_for_body("mark-1")


@pytest.mark.deep
def test_frozen_worker_does_not_delay_the_end(project: Path) -> None:
    with Server(project) as server:
        os.kill(server.worker_pid(), signal.SIGSTOP)
        replace(project / "shop/marks.py", 'MARK = "mark-1"\n')  # a question that nobody answers
        time.sleep(0.1)
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait_for_end(QUICK) == 0


def test_forked_process_of_the_project_holds_neither_port_nor_worker(project: Path) -> None:
    replace(
        project / "shop/marks.py",
        "import os, time\n"
        'if os.environ.get("RUN_MAIN") == "true" and os.fork() == 0:\n'
        "    os.setsid()\n"
        "    time.sleep(20)\n"
        "    os._exit(0)\n"
        'MARK = "mark-0"\n',
    )
    with Server(project) as server:
        server.wait_for_body("mark-0")
        port = server.port
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait_for_end(QUICK) == 0
    with socket.create_server(("127.0.0.1", port)):
        pass  # the port is free


@pytest.mark.measured
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)], ids=["SIGINT", "SIGTERM"]
)
def test_noreload_is_one_process_that_ends_at_once(project: Path, number: signal.Signals, status: int) -> None:
    with Server(project, "--noreload") as server:
        server.wait_for_body("mark-0")
        assert server.family() == {server.pid}
        os.kill(server.pid, number)
        assert server.wait_for_end(QUICK) == status


def test_sigterm_ends_the_first_process_of_a_container(project: Path) -> None:
    """The kernel ignores signals without a handler for PID 1 of a namespace."""
    if os.geteuid() != 0 or os.system("unshare --pid --fork --mount-proc true 2>/dev/null") != 0:
        pytest.skip("needs the right to make a PID namespace")
    command = ("unshare", "--pid", "--fork", "--mount-proc", sys.executable, "manage.py", "runserver")
    for arguments in ((), ("--noreload",)):
        with Server(project, *arguments, command=command) as server:
            server.wait_for_body("mark-0")
            first = next(pid for pid in server.family() if _is_first_in_namespace(pid))
            os.kill(first, signal.SIGTERM)
            status = server.wait_for_end(QUICK)
            assert status == (143 if arguments else 0)


def _is_first_in_namespace(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return re.search(r"^NSpid:\s+\d+\s+1$", status, re.MULTILINE) is not None


def test_port_in_use_is_told_at_once_and_by_whom(project: Path) -> None:
    with Server(project) as first:
        port = first.port
        log = first.log_path.rename(first.log_path.with_suffix(".first"))
        for arguments in ((), ("--noreload",)):
            with Server(project, str(port), *arguments) as second:
                assert second.wait_for_end() == 1
                assert "Error: That port is already in use." in second.log
                assert f"It is held by process {first.pid} (" in second.log
                assert "Traceback" not in second.log
        first.log_path = log


class Typist:
    """Somebody at a terminal, of which a server is the foreground process."""

    def __init__(self, project: Path) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(project)
            os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
            os.environ.pop("DJANGO_SETTINGS_MODULE", None)
            os.execv(sys.executable, [sys.executable, "manage.py", "runserver", "0"])
        self.modes = termios.tcgetattr(self._terminal)
        self.screen = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def wait_for(self, text: str, count: int = 1) -> None:
        wait_for(lambda: self.screen.count(text) >= count, f"{text!r} on the screen:\n{self.screen}")

    @property
    def port(self) -> int:
        self.wait_for("Quit the server")
        match = re.search(r"server at http://127.0.0.1:(\d+)/", self.screen)
        assert match is not None
        return int(match[1])

    def close(self) -> int:
        """Ends the server if it runs still; its exit status."""
        _, status = os.waitpid(self.pid, 0)
        self._reader.join()
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(status)

    def hang_up(self) -> None:
        os.kill(self.pid, signal.SIGHUP)

    def _read(self) -> None:
        try:
            while data := os.read(self._terminal, 65536):
                self.screen += data.decode(errors="replace")
        except OSError:
            pass  # the last process at the terminal is gone

    def modes_now(self) -> list[object]:
        return termios.tcgetattr(self._terminal)


@contextmanager
def typist(project: Path) -> Iterator[Typist]:
    one = Typist(project)
    try:
        yield one
    except BaseException:
        print(f"--- the screen\n{one.screen}\n---", file=sys.stderr)
        os.kill(one.pid, signal.SIGKILL)
        raise
    finally:
        one.close()


@contextmanager
def asking(port: int, path: str) -> Iterator[None]:
    client = threading.Thread(target=get, args=(port, path), kwargs={"patience": 60})
    client.start()
    yield
    client.join()


def test_save_waits_while_a_debugger_prompt_is_open(project: Path) -> None:
    with typist(project) as user:
        port = user.port
        with asking(port, "/breakpoint/"):
            user.wait_for("(Pdb) ")
            replace(project / "shop/marks.py", 'MARK = "mark-1"\n')
            user.wait_for("The reload waits until you leave the debugger prompt.")
            user.wait_for("(Pdb) ", 2)  # again below the notice
            user.type("print(6 * 7)\n")
            user.wait_for("42")
            user.type("continue\n")
        wait_for(lambda: "mark-1" in get(port).body, "the reload follows")
        user.type("\x03")
        wait_for(lambda: get(port).error == "refused", "Ctrl-C ends it", QUICK)


def test_terminal_is_put_right_after_a_worker_dies_in_a_debugger(project: Path) -> None:
    with typist(project) as user:
        port = user.port
        worker = int(get(port).body.split()[1])
        with asking(port, "/breakpoint/"):
            user.wait_for("(Pdb) ")
            modes = user.modes_now()
            modes[3] &= ~termios.ECHO  # type: ignore[operator]
            termios.tcsetattr(user._terminal, termios.TCSANOW, modes)  # type: ignore[arg-type]
            os.kill(worker, signal.SIGKILL)
        wait_for(lambda: user.modes_now() == user.modes, "the modes of the start")
        wait_for(lambda: "mark-0" in get(port).body, "a new worker")
        user.type("\x03")


def test_lost_terminal_ends_everything(project: Path) -> None:
    with typist(project) as user:
        port = user.port
        user.hang_up()
        wait_for(lambda: get(port).error == "refused", "the end", QUICK)


def test_end_while_the_project_is_being_imported(project: Path) -> None:
    with typist(project) as user:
        port = user.port
        replace(project / "shop/marks.py", 'import time\ntime.sleep(30)\nMARK = "mark-1"\n')
        user.wait_for("changed, reloading")
        time.sleep(0.5)  # anywhere in the start will do
        user.type("\x03")
        wait_for(lambda: get(port, patience=0.2).error == "refused", "the end", QUICK + 0.5)
        assert "Traceback" not in user.screen
