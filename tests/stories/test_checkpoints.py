"""Stories of reloads that resume a paused copy of the worker: how it is started, imported, killed, sealed and told."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from devrunserver.conf import Conf
from tests.live import (
    BANNER,
    REPOSITORY,
    Server,
    descriptors,
    free_port,
    get,
    is_alive,
    replace,
    wait_for,
)  # fmt: skip
from tests.marks import plainly
from tests.stories.test_processes import QUICK, STATUS, asking, typist

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each reload is a fresh start")

MARKS = "shop/marks.py"
RELOADED = r"reloaded in \d+\.\d\d s \("
RESUMED = RELOADED + "resumed at "
AFRESH = RELOADED + r"started afresh\)"
IN_WORKER = 'if os.environ.get("RUN_MAIN") == "true":'
MEMORY_NOISE = 5 * 1024  # kilobytes
MOST_THREADS = 5  # of a worker that one client asks: main, link, and those that answer
ZIP_PATIENCE = 15.0  # seconds
VAIN_PATIENCE = 3.0  # seconds for what is not to happen
HEALING_PATIENCE = 30.0  # seconds


@pytest.fixture
def project(project: Path) -> Path:
    """Where each reload is exact: what is prepared has tests of its own."""
    with (project / "bookshop/settings.py").open("a") as settings:
        settings.write('\nDEVRUNSERVER = {"PREPARE": False}\n')
    return project


def serve(project: Path, *arguments: str, settings: str = "bookshop.settings", path: str = "") -> Server:
    """Starts a server without ``manage.py``, which would migrate the database first."""
    environ = {"DJANGO_SETTINGS_MODULE": settings, "PYTHONPATH": f"{REPOSITORY}:{path}"}
    return Server(project, *arguments, command=(sys.executable, "-m", "django", "runserver"), environ=environ)


def save_mark(server: Server, number: int) -> None:
    """Saves the module behind ``/version/`` and waits until it is served and told."""
    told = len(re.findall(RELOADED, server.log))
    replace(server.project / MARKS, f'MARK = "mark-{number}"\n')
    server.wait_for_body(f"mark-{number} ")
    server.wait_for_log(RELOADED, told + 1)


def last_reload(server: Server) -> str:
    """What the last reload was told to be: where it resumed, or that it did not."""
    how: str = re.findall(RELOADED + r"(.*)\)", server.log)[-1]
    return how


def append(file: Path, text: str) -> None:
    replace(file, file.read_text() + textwrap.dedent(text))


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text))


# Ways to start


@pytest.mark.deep
@pytest.mark.parametrize(
    "command",
    [
        (sys.executable, "-O", "manage.py", "runserver"),
        (sys.executable, "-X", "dev", "-m", "django", "runserver"),
        (str(Path(sys.executable).with_name("django-admin")), "runserver"),
        (sys.executable, "-m", "devrunserver", "manage.py", "runserver"),
    ],
    ids=["manage.py", "module", "django-admin", "devrunserver"],
)
def test_every_way_to_start_resumes(project: Path, command: tuple[str, ...]) -> None:
    environ = {"DJANGO_SETTINGS_MODULE": "bookshop.settings", "PYTHONPATH": f"{REPOSITORY}:{project}"}
    with Server(project, command=command, environ=environ) as server:
        server.wait_for_body("mark-0")
        save_mark(server, 1)
        server.wait_until_still()
        save_mark(server, 2)
        server.wait_for_log(RESUMED, 2)
        assert last_reload(server) == "resumed at shop.marks", "right before the file that is being edited"
        assert f"{REPOSITORY}/devrunserver" not in server.log, "no warning and no traceback of ours"


# Ways to be imported

# Each module says that it was executed, and has a value to edit.
MODULE = """
from gallery import executed
executed.NAMES.append(__name__)
VALUE = "{name}-0"
"""

GALLERY_VIEWS = """
from django.http import JsonResponse
from gallery import circular_one, executed
import hooked, linked, pathed, spaced.member, zipped
executed.NAMES.append(__name__)

def show(request):
    from gallery import lazy
    modules = [circular_one, circular_one.circular_two, hooked, linked, pathed, spaced.member, zipped, lazy]
    return JsonResponse({"names": executed.NAMES, "values": [module.VALUE for module in modules]})
"""

FINDER = """
import importlib.util, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "hooked":
            return importlib.util.spec_from_file_location(name, {file!r})

sys.meta_path.append(Finder)
"""


def write_zip(archive: Path, text: str) -> None:
    """Replaces an archive of one module by atomic rename."""
    draft = archive.with_suffix(".draft")
    with zipfile.ZipFile(draft, "w") as file:
        file.writestr("zipped.py", text)
    draft.replace(archive)


def make_gallery(project: Path) -> dict[str, Path]:
    """Adds modules of many kinds to a project, and a view that shows them; returns their files by name."""
    outside = project.parent / "outside"
    files = {
        "gallery.circular_one": project / "gallery/circular_one.py",
        "gallery.circular_two": project / "gallery/circular_two.py",
        "gallery.lazy": project / "gallery/lazy.py",
        "hooked": outside / "hook/hooked.py",
        "linked": outside / "linked_app/__init__.py",
        "pathed": outside / "path/pathed/__init__.py",
        "spaced.member": project / "spaced/member.py",
    }
    for name, file in files.items():
        write(file, MODULE.format(name=name))
    append(files["gallery.circular_one"], "from gallery import circular_two\n")
    append(files["gallery.circular_two"], "from gallery import circular_one\nPARTIAL = circular_one.VALUE\n")
    write_zip(project / "library.zip", MODULE.format(name="zipped"))
    write(project / "gallery/__init__.py", "")
    write(project / "gallery/executed.py", "NAMES = []\n")
    write(project / "gallery/views.py", GALLERY_VIEWS)
    (project / "linked").symlink_to(outside / "linked_app", target_is_directory=True)
    # an editable installation: a path in a .pth file, and a finder that one installs
    site = outside / "site"
    write(site / "editable.pth", f"{outside / 'path'}\nimport editable_finder\n")
    write(site / "editable_finder.py", FINDER.format(file=str(files["hooked"])))
    write(site / "sitecustomize.py", f"import site\nsite.addsitedir({str(site)!r})\n")
    append(
        project / "bookshop/settings.py",
        """
        import sys
        sys.path.append(str(BASE_DIR / "library.zip"))
        INSTALLED_APPS.append("linked")
        """,
    )
    append(
        project / "bookshop/urls.py",
        """
        from gallery import views
        urlpatterns.append(path("gallery/", views.show))
        """,
    )
    return files


def test_every_kind_of_module_is_fresh_and_executed_once(project: Path) -> None:
    """Namespace package, editable installations, symbolic link, circular and late imports."""
    files = make_gallery(project)
    with serve(project, path=str(project.parent / "outside/site")) as server:
        before = json.loads(server.wait_for_body("names", "/gallery/").body)
        assert len(before["names"]) == len(set(before["names"])) == 9
        values = before["values"]
        for number in (1, 2):
            for name, file in files.items():
                value = f"{name}-{number}"
                replace(file, file.read_text().replace(f"{name}-{number - 1}", value))
                answer = server.wait_for_body(value, "/gallery/")
                values = [value if one == f"{name}-{number - 1}" else one for one in values]
                assert json.loads(answer.body) == {"names": before["names"], "values": values}
        edits = 2 * len(files)
        server.wait_for_log(RESUMED, edits)
        assert server.reloads == edits


def test_replaced_archive_is_a_change(project: Path) -> None:
    """As it is with Django's own command."""
    make_gallery(project)
    with serve(project, path=str(project.parent / "outside/site")) as server:
        before = server.wait_for_body("zipped-0", "/gallery/")
        write_zip(project / "library.zip", MODULE.format(name="zipped").replace("zipped-0", "zipped-1"))
        after = before.body.replace("zipped-0", "zipped-1")
        wait_for(lambda: server.get("/gallery/").body == after, "the answer", ZIP_PATIENCE)


# Killed processes


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # a dropped checkpoint may just have ended
        os.kill(pid, signal.SIGKILL)


def test_whoever_is_killed_the_next_save_is_served(project: Path) -> None:
    with serve(project) as server:
        server.wait_for_body("mark-0")
        save_mark(server, 1)
        number, worker = 2, server.worker_pid()
        for place in (0, 1, -1):
            save_mark(server, number)
            checkpoints = server.checkpoints()
            assert len(checkpoints) >= 3, "before the apps, before the URLconf, before the edited module"
            worker = server.worker_pid()
            kill(checkpoints[place])
            wait_for(lambda gone=checkpoints[place]: gone not in server.family(), "it is gone")  # type: ignore[misc]
            assert server.worker_pid() == worker, "a killed checkpoint is no concern of the worker"
            save_mark(server, number + 1)
            number += 2
        assert "ended by" not in server.log
        kill(server.worker_pid())
        server.wait_for_log(r"The server process ended by signal 9 \(SIGKILL\); starting it again\.")
        server.wait_for_body(f"mark-{number - 1} ")
        save_mark(server, number)
        server.wait_until_still()
        save_mark(server, number + 1)
        assert last_reload(server) == "resumed at shop.marks"
        for pid in [*server.checkpoints(), server.worker_pid()]:  # all at once
            kill(pid)
        replace(project / MARKS, f'MARK = "mark-{number + 2}"\n')
        server.wait_for_body(f"mark-{number + 2} ")
        port, everyone = server.port, server.family()
        kill(server.pid)
        wait_for(lambda: not any(map(is_alive, everyone)), "nobody is left", QUICK)
        wait_for(lambda: get(port).error == "refused", "the port is free", QUICK)


@pytest.mark.parametrize("number", plainly([signal.SIGTERM, signal.SIGINT, signal.SIGHUP], 1))
def test_signal_to_all_at_once_ends_all(project: Path, number: signal.Signals) -> None:
    """As a terminal sends it: to supervisor, worker and checkpoints."""
    with serve(project) as server:
        server.wait_for_body("mark-0")
        save_mark(server, 1)
        everyone = server.family()
        assert len(server.checkpoints()) >= 3
        os.killpg(server.pid, number)
        assert server.wait_for_end(QUICK) == STATUS[number]
        # those that work in the background were killed, which takes a moment
        wait_for(lambda: not any(map(is_alive, everyone)), "nobody is left", QUICK)
        assert "Traceback" not in server.log
        assert "ended by" not in server.log


@pytest.mark.parametrize("condition", [IN_WORKER, "if 'runserver' in sys.argv:"], ids=["worker", "both"])
def test_interrupt_while_starting_ends_all(project: Path, condition: str) -> None:
    """The worker that was started early is still at it; so may be the supervisor."""
    append(
        project / "shop/apps.py",
        f"""
        import os, sys, time
        {condition}
            open("begun-" + os.environ.get("RUN_MAIN", "false"), "w").close()
            time.sleep(60)
        """,
    )
    with serve(project) as server:
        wait_for((project / "begun-true").exists, "the worker is in the middle of its start")
        if condition is IN_WORKER:
            server.wait_for_log("Watching for file changes")
        else:
            wait_for((project / "begun-false").exists, "so is the supervisor")
        everyone = server.family()
        os.killpg(server.pid, signal.SIGINT)
        status = server.wait_for_end(QUICK)
        # Django's own ends by the signal where it is interrupted before its command runs
        assert status == (0 if condition is IN_WORKER else -signal.SIGINT)
        wait_for(lambda: not any(map(is_alive, everyone)), "nobody is left", QUICK)


def test_interrupt_while_starting_lets_exit_handlers_finish_and_prints_nothing(project: Path) -> None:
    """The terminal tells the worker too, and the supervisor tells it again."""
    append(
        project / "shop/apps.py",
        f"""
        import atexit, os, time

        def at_exit():
            time.sleep(0.2)
            print("atexit ran", flush=True)

        {IN_WORKER}
            atexit.register(at_exit)
            open("begun", "w").close()
            time.sleep(60)
        """,
    )
    log = interrupted(project, "begun", os.killpg)
    assert "Traceback" not in log
    assert log.count("atexit ran") == 1


def interrupted(project: Path, begun: str, kill: Callable[[int, int], None]) -> str:
    """Ends a server in the middle of its worker's start, of which a file tells; returns what it has printed."""
    with serve(project) as server:
        server.wait_for_log("Watching for file changes")
        wait_for((project / begun).exists, "the worker is in the middle of its start")
        kill(server.pid, signal.SIGINT)
        assert server.wait_for_end(QUICK) == 0
        return server.log


def test_interrupt_while_a_change_waits_is_no_reload(project: Path) -> None:
    append(
        project / "shop/apps.py",
        f"""
        import os, time
        {IN_WORKER}
            open("begun.py", "w").close()
            time.sleep(60)
        """,
    )
    assert "reloading" not in interrupted(project, "begun.py", os.kill)


SLOW_CHECK = """
import os
from django.apps import AppConfig
from django.core import checks

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        if os.environ.get("RUN_MAIN") == "true":
            checks.register(slow)

def slow(app_configs, **kwargs):
    import pathlib, time
    if pathlib.Path("slow").exists():
        pathlib.Path("begun").touch()
        time.sleep(60)
    return []
"""


def test_interrupt_while_checks_run_ends_all(project: Path) -> None:
    """They run beside the worker, of which they are a copy; a save does not wait for them either."""
    write(project / "shop/apps.py", SLOW_CHECK)
    begun = project / "begun"
    with serve(project) as server:
        server.wait_for_body("mark-0")
        (project / "slow").touch()
        for number in (1, 2):
            save_mark(server, number)
            wait_for(begun.exists, "checks run")
            begun.unlink()
        everyone = server.family()
        os.killpg(server.pid, signal.SIGINT)
        assert server.wait_for_end(QUICK) == 0
        wait_for(lambda: not any(map(is_alive, everyone)), "nobody is left", QUICK)
        assert "Traceback" not in server.log


# Port and terminal


def listening_sockets(port: int) -> set[str]:
    """The sockets that listen on a port, as descriptors name them. Source: proc(5)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"}


def test_checkpoints_hold_no_port_and_the_prompt_is_the_users(project: Path) -> None:
    """In a terminal that all of them share."""
    with typist(project) as user:
        port = user.port
        for number in (1, 2):
            replace(project / MARKS, f'MARK = "mark-{number}"\n')
            wait_for(lambda expected=number: f"mark-{expected} " in get(port).body, "the answer")  # type: ignore[misc]
            user.wait_for("(resumed at ", number)
            family = [user.pid, *children_of(user.pid)]
            assert len(family) >= 5, "supervisor, worker, checkpoints"
            listening = listening_sockets(port)
            worker = int(get(port).body.split()[1])
            holders = {pid for pid in family if listening.intersection(descriptors(pid))}
            assert holders == {user.pid, worker}
            with asking(port, "/breakpoint/"):
                user.wait_for("(Pdb) ", 5 * number - 4)
                for line in range(4):
                    user.type(f"print({number} * 1000 + {line})\n")
                    user.wait_for(f"{number}00{line}")
                    user.wait_for("(Pdb) ", 5 * number - 3 + line)
                user.type("continue\n")
        user.type("\x03")
        wait_for(lambda: get(port).error == "refused", "Ctrl-C ends it", QUICK)


def test_save_waits_while_a_prompt_is_open_in_a_start(project: Path) -> None:
    with typist(project) as user:
        port = user.port
        replace(project / MARKS, 'MARK = "mark-1"\nbreakpoint()\n')
        user.wait_for("(Pdb) ")
        replace(project / MARKS, 'MARK = "mark-2"\n')
        waits = "The reload waits until you leave the debugger prompt."
        wait_for(lambda: waits in user.screen or user.screen.count("changed, reloading.") > 1, "it does something")
        assert waits in user.screen
        user.type("continue\n")
        wait_for(lambda: "mark-2 " in get(port).body, "the reload follows")
        user.type("\x03")
        wait_for(lambda: get(port).error == "refused", "Ctrl-C ends it", QUICK)


BREAKPOINT = """
import sys
if "runserver" in sys.argv:
    breakpoint()
"""


@pytest.mark.deep
def test_prompts_of_the_first_start_come_one_after_the_other(project: Path) -> None:
    """As with Django's command, which sets up the project once in each process."""
    append(project / "shop/apps.py", BREAKPOINT)
    append(project / "bookshop/settings.py", 'DEVRUNSERVER["SUPERVISOR_SETUP"] = True\n')
    with typist(project) as user:
        for process in (0, 1):
            user.wait_for("(Pdb) ", process + 1)
            with contextlib.suppress(AssertionError):
                wait_for(lambda count=process + 2: user.screen.count("(Pdb) ") >= count, "two", VAIN_PATIENCE)  # type: ignore[misc]
            assert user.screen.count("(Pdb) ") == process + 1
            user.type("continue\n")
        port = user.port
        user.type("\x03")
        wait_for(lambda: get(port).error == "refused", "Ctrl-C ends it", QUICK)


def children_of(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


# Seals

THREAD = """
import os, threading

def wait():
    threading.Event().wait()

if os.environ.get("RUN_MAIN") == "true":
    threading.Thread(target=wait, name="beside", daemon=True).start()
"""

APP_WITH_THREAD = """
import os, threading
from django.apps import AppConfig

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        if os.environ.get("RUN_MAIN") == "true":
            threading.Thread(target=wait, name="beside", daemon=True).start()

def wait():
    threading.Event().wait()
"""

APP_THAT_WRITES = """
import os
from django.apps import AppConfig
from django.db import connection

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        if os.environ.get("RUN_MAIN") == "true":
            with connection.cursor() as cursor:
                cursor.execute("CREATE TABLE IF NOT EXISTS made (x)")
"""

APP_THAT_READS = """
from django.apps import AppConfig
from django.db import connection

class ShopConfig(AppConfig):
    name = "shop"
    note = "none"

    def ready(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT text FROM note WHERE id = %s", [1])
            ShopConfig.note = cursor.fetchone()[0]
"""
NOTE_MARK = """
from shop.apps import ShopConfig
MARK = f"mark-{number} {{ShopConfig.note}}"
"""


def test_what_a_start_has_read_in_a_database_is_read_again_where_it_has_changed(project: Path) -> None:
    append(project / "shop/apps.py", APP_THAT_READS)
    database = project / "db.sqlite3"
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE note (id INTEGER, text TEXT)")
        connection.execute("INSERT INTO note VALUES (1, 'first'), (2, 'other')")
        with serve(project) as server:
            server.wait_for_body("mark-0")
            for number, text in enumerate(("first", "first", "second", "second"), 1):
                connection.execute("UPDATE note SET text = ? WHERE id = 1", [text])
                connection.execute("UPDATE note SET text = ? WHERE id = 2", [str(number)])
                replace(project / MARKS, NOTE_MARK.format(number=number))
                server.wait_for_body(f"mark-{number} {text}")
                server.wait_for_log(RELOADED, number)
                server.wait_until_still()
            assert last_reload(server) == "resumed at shop.marks"
            assert "No checkpoints" not in server.log


APP_THAT_CONNECTS = """
import socket
from django.apps import AppConfig

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        socket.create_connection(("127.0.0.1", {port})).close()
"""


def test_a_start_that_has_failed_for_a_server_that_was_down_asks_it_again(project: Path) -> None:
    port = free_port()
    append(project / "shop/apps.py", APP_THAT_CONNECTS.format(port=port))
    served = free_port()
    with serve(project, str(served)) as server:
        server.wait_for_body("ConnectionRefusedError", port=served)
        server.wait_until_still()
        with socket.create_server(("127.0.0.1", port)):
            replace(project / MARKS, 'MARK = "mark-1"\n')
            server.wait_for_body("mark-1 ", port=served)


SEALED_MARK = """
import threading
count = [one.name for one in threading.enumerate()].count("beside")
MARK = "mark-{number} " + ("complete" if count == {count} else str(count))
"""


@pytest.mark.parametrize(
    ("file", "text", "line", "how"),
    [
        (
            "bookshop/settings.py",
            THREAD,
            r"No checkpoints from the first app on: a thread runs \(bookshop\.settings\)\.",
            "started afresh",
        ),
        pytest.param(
            "shop/apps.py",
            APP_WITH_THREAD,
            r"No checkpoints from .* on: a thread runs \(shop\.apps\)\.",
            "resumed at",
            marks=pytest.mark.deep,
        ),
        pytest.param(
            "shop/apps.py",
            APP_THAT_WRITES,
            r"No checkpoints from .* on: it wrote to a database \(.*shop\.apps.*\)\.",
            "resumed at",
        ),
    ],
    ids=["thread in settings", "thread in ready", "write in ready"],
)
def test_seal_is_told_and_by_whom(project: Path, file: str, text: str, line: str, how: str) -> None:
    append(project / file, text)
    with serve(project) as server:
        server.wait_for_body("mark-0")
        for number in (1, 2, 3):
            replace(project / MARKS, SEALED_MARK.format(number=number, count=text.count("Thread(")))
            server.wait_for_body(f"mark-{number} complete ")
            server.wait_for_log(RELOADED, number)
            assert last_reload(server).startswith(how)
        assert re.search(line, server.log)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("bookshop/settings.py", THREAD),
        pytest.param("shop/apps.py", APP_WITH_THREAD, marks=pytest.mark.deep),
    ],
    ids=["settings", "ready"],
)
def test_seal_is_told_once(project: Path, file: str, text: str) -> None:
    """Also where a module that is imported after the seal is edited."""
    append(project / file, text)
    with serve(project) as server:
        server.wait_for_body("mark-0")
        for number in (1, 2):
            server.edit("shop/admin.py", "admin.site.register(Author)", "admin.site.register(Author)  # edited")
            server.wait_for_log(RELOADED, number)
        assert server.log.count("No checkpoints from") == 1


# Checks


def test_failing_check_is_told_once_and_heals(project: Path) -> None:
    """At the first start, where the banner waits for checks, and in an edit."""
    admin = project / "shop/admin.py"
    healthy = admin.read_text()
    broken = healthy.replace('("title", "author", "year", "price")', '("nonsense",)')
    write(admin, broken)
    port = free_port()
    with serve(project, str(port)) as server:
        server.wait_for_body("admin.E108", port=port)
        assert server.log.count("Performing system checks...") == 1
        assert server.log.count("SystemCheckError") == 1
        assert not BANNER.search(server.log)
        replace(admin, healthy)
        server.wait_for_body("mark-0", port=port)
        server.wait_for_log("Listening on")  # a save before that would lead to another first start
        for number in (1, 2):
            replace(admin, broken)
            server.wait_for_body("admin.E108")
            assert server.log.count("SystemCheckError") == 1 + number
            replace(admin, healthy)
            server.wait_for_body("mark-0")
        save_mark(server, 3)
        assert len(BANNER.findall(server.log)) == 1
        assert "Traceback" not in server.log


# What is said once, though two processes set up the project


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence", "status"),
    [
        (("{port}",), "talking", "Error: That port is already in use.", 1),
        (("--no-such-option",), "talking", "unrecognized arguments: --no-such-option", 2),
        (("--help",), "talking", "usage: ", 0),
        (("0",), "refusing", "CommandError: You must set settings.ALLOWED_HOSTS if DEBUG is False.", 1),
        (("0",), "missing", "During handling of the above exception", 1),
    ],
    ids=["port", "option", "help", "hosts", "settings"],
)
def test_refusal_is_told_once(
    project: Path, arguments: tuple[str, ...], settings: str, sentence: str, status: int
) -> None:
    write(project / "talking.py", "from bookshop.settings import *\n")
    write(project / "refusing.py", "from bookshop.settings import *\nDEBUG = False\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serve(project, *(one.format(port=port) for one in arguments), settings=settings) as server:
            assert server.wait_for_end() == status
            assert server.log.count(sentence) == 1
            assert not server.family()


def test_what_settings_print_is_seen_once(project: Path) -> None:
    """The first worker is a copy of the supervisor, and a resumed one does not read them again either.

    Where they ask in which process they are each reads them, as with Django's command.
    """
    write(project / "talking.py", 'from bookshop.settings import *\nprint("settings speak", flush=True)\n')
    write(
        project / "asking.py", 'from talking import *\nimport os\nprint("in", os.environ.get("RUN_MAIN"), flush=True)\n'
    )
    with serve(project, settings="asking") as server:
        server.wait_for_log("Quit the server")
        assert (server.log.count("settings speak"), server.log.count("in None"), server.log.count("in true")) == (
            2,
            1,
            1,
        )
    (project / "asking.py").unlink()
    with serve(project, settings="talking") as server:
        server.wait_for_body("mark-0")
        save_mark(server, 1)
        save_mark(server, 2)
        assert server.log.count("settings speak") == 1


# Saves during a start


def test_save_during_a_start_is_served(project: Path) -> None:
    """Of the module that is just being executed, and of one that was before; at the first start and on a reload."""
    slow = f"""
        import os, pathlib, time
        from shop import before
        MARK = "stale-" + before.VALUE
        {IN_WORKER}
            pathlib.Path("begun").touch()
            while not pathlib.Path("go-on").exists():
                time.sleep(0.01)
        """
    begun, go_on = project / "begun", project / "go-on"
    write(project / MARKS, slow)
    write(project / "shop/before.py", 'VALUE = "before-0"\n')
    with serve(project) as server:
        for number in (1, 2):
            wait_for(begun.exists, "the worker is in the middle of its start")
            replace(project / "shop/before.py", f'VALUE = "before-{number}"\n')
            replace(project / MARKS, f'from shop.before import VALUE\nMARK = "mark-{number} " + VALUE\n')
            go_on.touch()
            server.wait_for_body(f"mark-{number} before-{number} ")
            if number == 1:
                begun.unlink()
                go_on.unlink()
                replace(project / MARKS, textwrap.dedent(slow))


@pytest.mark.deep
def test_endless_loop_at_import_heals(project: Path) -> None:
    with serve(project) as server:
        server.wait_for_body("mark-0")
        port = server.port
        replace(project / MARKS, 'open("begun", "w").close()\nwhile True:\n    pass\n')
        wait_for((project / "begun").exists, "the loop runs")
        replace(project / MARKS, 'MARK = "mark-1"\n')
        wait_for(lambda: "mark-1 " in get(port).body, "healed", HEALING_PATIENCE)
        server.wait_for_log(RELOADED)


@pytest.mark.deep
def test_generated_module_does_not_reload_for_ever(project: Path) -> None:
    """One that is written anew at each start, with other content each time, and then imported."""
    write(
        project / "shop/__init__.py",
        f"""
        import os, pathlib, time
        {IN_WORKER}
            pathlib.Path(__file__).with_name("generated.py").write_text(f"STAMP = {{time.time_ns()}}\\n")
        """,
    )
    write(project / "shop/generated.py", "STAMP = 0\n")
    append(project / "shop/forms.py", "from shop.generated import STAMP\n")
    with serve(project) as server:
        server.wait_for_body("mark-0")
        for number in (1, 2, 3):
            save_mark(server, number)
            assert server.reloads == number
        for number in (1, 2, 3):
            server.edit("shop/__init__.py", "STAMP =", f"NUMBER = {number}; STAMP =")
            server.wait_for_log(RELOADED, 3 + number)
            assert server.reloads == 3 + number


# What is told


@pytest.mark.measured
def test_reloads_are_explained(project: Path) -> None:
    with Server(project, "--explain-reload") as server:
        server.wait_for_body("mark-0")
        save_mark(server, 1)
        server.wait_until_still()
        save_mark(server, 2)
        server.wait_for_log(r"  \d+ modules were imported in \d+\.\d\d s", 2)
        assert f"{MARKS} changed: reloaded in " in server.log
        assert last_reload(server) == "resumed at shop.marks"
        assert "not resumed later" not in server.log.rpartition(f"{MARKS} changed: ")[2]
        # a template needs no reload after one either
        worker = server.worker_pid()
        server.edit("shop/templates/shop/book_list.html", "<h1>", "<h1>Templates: ")
        server.wait_for_body("Templates: ", "/")
        assert (server.worker_pid(), server.reloads) == (worker, 2)
        server.edit("shop/models.py", "MOST_COPIES = 20", "MOST_COPIES = 21")
        server.wait_for_log(r"  \d+ modules were imported in \d+\.\d\d s", 3)
        told = server.log.rpartition("shop/models.py changed: reloaded")[2]
        assert "(resumed at " in told
        assert "  not resumed later: shop/models.py changed" in told
        server.edit("bookshop/settings.py", "DEBUG = True", "DEBUG = 1")
        server.wait_for_log("  not resumed: bookshop/settings.py changed")


@pytest.mark.deep
def test_what_a_module_does_after_its_imports_is_its_own_time(project: Path) -> None:
    append(project / "shop/urls.py", "import colorsys, time\ntime.sleep(0.4)\n")
    with Server(project, "--explain-reload") as server:
        server.wait_for_body("mark-0")
        save_mark(server, 1)
        server.wait_for_log(r" s  shop.urls\n")
        told = server.log.rpartition(f"{MARKS} changed: ")[2]
        assert re.search(r" 0\.[4-9]\d s  shop.urls", told)
        assert "went into installed packages" not in told


@pytest.mark.deep
def test_verbosity_2_tells_reasons_alone(project: Path) -> None:
    with serve(project, "--verbosity=2") as server:
        server.wait_for_body("mark-0")
        save_mark(server, 1)
        server.edit("shop/models.py", "MOST_COPIES = 20", "MOST_COPIES = 21")
        server.wait_for_log("  not resumed later: shop/models.py changed")
        server.wait_until_still()  # each checkpoint has told what it relies on
        (project / "shop/admin").mkdir()
        (project / "shop/admin/__init__.py").write_text((project / "shop/admin.py").read_text().replace(".m", "..m"))
        server.wait_for_log(r"  not resumed later: what is found as admin in shop changed")
        assert "modules were imported" not in server.log


# Many reloads


@pytest.mark.deep
def test_many_reloads_leave_nothing_behind(project: Path) -> None:
    with serve(project) as server:
        server.wait_for_body("mark-0")
        for number in (1, 2, 3, 4):
            edit_all_over(server, number)
        wait_for(lambda: is_settled(server), "the checks have ended")
        before, memory = own_descriptors(server), private_memory(server.pid)
        for number in range(5, 45):
            edit_all_over(server, number)
        wait_for(lambda: is_settled(server), "the checks have ended")
        assert own_descriptors(server) == before
        assert private_memory(server.pid) < memory + MEMORY_NOISE
        assert server.reloads == 44
        assert len(re.findall(RESUMED, server.log)) == 44


def edit_all_over(server: Server, number: int) -> None:
    """Every fourth edit is of a model, the others of a view."""
    if number % 4 == 0:
        file = server.project / "shop/models.py"
        replace(file, re.sub(r"MOST_COPIES = \d+", f"MOST_COPIES = {number}", file.read_text()))
        server.wait_for_log(RELOADED, number)
    else:
        save_mark(server, number)


def is_settled(server: Server) -> bool:
    """Whether nobody is left but supervisor, worker and checkpoints, of which only the worker has threads.

    Its threads are one that listens to the supervisor and those that answer, which stay while we ask.
    """
    checkpoints, family, worker = server.checkpoints(), server.family(), server.worker_pid()
    others = family - {worker}
    return (
        3 <= len(checkpoints) <= Conf.CHECKPOINTS
        and len(family) == len(checkpoints) + 2
        and len(others) == sum(map(threads, others))
        and threads(worker) <= MOST_THREADS
    )


def own_descriptors(server: Server) -> tuple[int, set[int]]:
    """Of the supervisor, besides one for each checkpoint, and of each checkpoint."""
    checkpoints = server.checkpoints()
    return len(descriptors(server.pid)) - len(checkpoints), {len(descriptors(pid)) for pid in checkpoints}


def threads(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0


def private_memory(pid: int) -> int:
    """Kilobytes that a process shares with no other. Source: proc(5)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


# Without checkpoints


def test_without_checkpoints_each_reload_is_a_fresh_start(project: Path) -> None:
    append(project / "bookshop/settings.py", 'DEVRUNSERVER = {"CHECKPOINTS": 0}\n')
    with Server(project) as server:
        server.wait_for_body("mark-0")
        wait_for(lambda: server.family() == {server.pid, server.worker_pid()}, "the supervisor and the worker alone")
        for number in (1, 2):
            save_mark(server, number)
        server.wait_for_log(AFRESH, 2)
        assert server.checkpoints() == []
        worker = server.worker_pid()
        server.edit("shop/templates/shop/book_list.html", "<h1>", "<h1>Templates: ")
        server.wait_for_body("Templates: ", "/")
        assert (server.worker_pid(), server.reloads) == (worker, 2)
