"""Stories of what is watched: templates, translations, other people's receivers, file systems, large trees."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.live import Server, replace, wait_for

TEMPLATE = "shop/templates/shop/book_list.html"
GERMAN = "Accept-Language: de\r\n"


@pytest.mark.measured
def test_template_edit_shows_without_a_reload(project: Path) -> None:
    with Server(project) as server:
        worker = server.worker_pid()
        server.wait_for_body("<html", "/")
        for number in range(3):
            replace(
                project / TEMPLATE,
                (project / TEMPLATE).read_text() + f"{{% comment %}}{{% endcomment %}}<!-- {number} -->",
            )
            template = project / TEMPLATE
            template.write_text(template.read_text().replace("{% endblock %}", f"edit-{number} {{% endblock %}}", 1))
            server.wait_for_body(f"edit-{number}", "/")
        assert server.worker_pid() == worker
        assert server.reloads == 0


def test_new_template_directory_is_noticed(project: Path) -> None:
    with Server(project) as server:
        server.wait_for_body("mark-0")
        folder = project / "shop/templates/later"
        folder.mkdir()
        (folder / "page.html").write_text("first")
        server.edit(
            "shop/views.py",
            "def version(",
            "def later(request):\n    from django.shortcuts import render\n\n"
            '    return render(request, "later/page.html")\n\n\ndef version(',
        )
        server.edit("shop/urls.py", "urlpatterns = [", 'urlpatterns = [\n    path("later/", views.later),')
        server.wait_for_body("first", "/later/")
        (folder / "page.html").write_text("second")
        server.wait_for_body("second", "/later/")


def test_translation_edit_shows_without_a_reload(project: Path) -> None:
    catalogue = project / "shop/locale/de/LC_MESSAGES/django.mo"
    with Server(project) as server:
        worker = server.worker_pid()
        before = server.wait_for_body("<html", "/", GERMAN).body
        data = catalogue.read_bytes()
        word = "Bücher".encode()
        assert word in data
        catalogue.write_bytes(data.replace(word, "BÜCHER".encode()))
        assert "BÜCHER" not in before
        server.wait_for_body("BÜCHER", "/", GERMAN)
        assert server.worker_pid() == worker


def test_project_behind_a_link(project: Path) -> None:
    link = project.parent / "link"
    link.symlink_to(project, target_is_directory=True)
    with Server(link) as server:
        server.wait_for_body("mark-0")
        for place in (project, link):
            replace(place / "shop/marks.py", f'MARK = "by-{place.name}"\n')
            server.wait_for_body(f"by-{place.name}")
            template = place / TEMPLATE
            template.write_text(template.read_text().replace("{% endblock %}", f"at-{place.name} {{% endblock %}}", 1))
            server.wait_for_body(f"at-{place.name}", "/")
        assert server.reloads == 2


def test_watched_glob_reloads(project: Path) -> None:
    replace(project / "shop/marks.py", "from pathlib import Path\nMARK = Path('mark.txt').read_text()\n")
    (project / "mark.txt").write_text("text-1")
    with Server(project, "--watch", "*.txt") as server:
        server.wait_for_body("text-1")
        replace(project / "mark.txt", "text-2")
        server.wait_for_body("text-2")
        assert server.reloads == 1


def test_excluded_directory_is_not_watched(project: Path) -> None:
    with Server(project, "--exclude", "lab") as server:
        server.wait_for_body("mark-0")
        server.edit("lab/views.py", "import", "import")
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")
        assert server.reloads == 1


def test_unrelated_files_do_not_reload(project: Path) -> None:
    (project / "shop/tests.py").write_text("")
    with Server(project) as server:
        server.wait_for_body("mark-0")
        (project / "shop/tests.py").write_text("assert True\n")
        (project / "notes.txt").write_text("nothing")
        (project / "shop/views.py").chmod(0o600)
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")
        assert server.reloads == 1
        assert "views.py" not in server.log


@pytest.mark.parametrize("watcher", ["events", "polling"])
def test_each_watcher_sees_edits(project: Path, watcher: str) -> None:
    settings = project / "bookshop/settings.py"
    settings.write_text(settings.read_text() + '\nDEVRUNSERVER = {"POLL_INTERVAL": 0.1}\n')
    with Server(project, "--watcher", watcher) as server:
        server.wait_for_body("mark-0")
        for number in range(1, 4):
            server.edit("shop/marks.py", f"mark-{number - 1}", f"mark-{number}")
            server.wait_for_body(f"mark-{number}")
        (project / "shop/marks.py").unlink()
        server.wait_for_body("shop.marks")
        (project / "shop/marks.py").write_text('MARK = "mark-9"\n')
        server.wait_for_body("mark-9")


@pytest.mark.deep
def test_limit_of_watches_falls_back_to_polling_and_says_so(project: Path) -> None:
    """A sitecustomize that lets the system's call fail as it does at the limit."""
    folder = project.parent / "limited"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import ctypes, errno\n"
        "def refuse(*args):\n    ctypes.set_errno(errno.ENOSPC)\n    return -1\n"
        "class Limited(ctypes.CDLL):\n"
        "    def __init__(self, *args, **kwargs):\n"
        "        super().__init__(*args, **kwargs)\n"
        "        self.inotify_add_watch = refuse\n"
        "ctypes.CDLL = Limited\n"
    )
    settings = project / "bookshop/settings.py"
    settings.write_text(settings.read_text() + '\nDEVRUNSERVER = {"POLL_INTERVAL": 0.1}\n')
    path = f"{folder}:{Path(__file__).parents[2]}"
    with Server(project, environ={"PYTHONPATH": path}) as server:
        server.wait_for_body("mark-0")
        assert "the limit of watches is reached" in server.log
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")


def test_git_checkout_is_one_reload(project: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        subprocess.run(["git", *identity, *arguments], cwd=project, check=True, capture_output=True)

    many = [f"shop/many_{number}.py" for number in range(50)]
    for name in many:
        (project / name).write_text("VALUE = 1\n")
    imports = "".join(f"import {name[:-3].replace('/', '.')}\n" for name in many)
    replace(project / "shop/marks.py", imports + 'MARK = "mark-0"\n')
    git("init", "--initial-branch=main")
    git("add", ".")
    git("commit", "-m", "one")
    git("checkout", "-b", "other")
    for name in many:
        (project / name).write_text("VALUE = 2\n")
    replace(project / "shop/marks.py", imports + 'MARK = "mark-1"\n')
    git("commit", "-am", "two")
    with Server(project) as server:
        server.wait_for_body("mark-1")
        git("checkout", "main")
        server.wait_for_body("mark-0")
        git("checkout", "other")
        server.wait_for_body("mark-1")
        assert server.reloads == 2


def test_lock_that_stays_is_waited_for_while_it_is_there(project: Path) -> None:
    (project / ".git").mkdir()
    lock = project / ".git/index.lock"
    with Server(project) as server:
        server.wait_for_body("mark-0")
        lock.touch()
        server.edit("shop/marks.py", "mark-0", "mark-1")
        time.sleep(0.5)
        assert server.reloads == 0
        lock.unlink()
        server.wait_for_body("mark-1")


@pytest.mark.deep
def test_thirty_thousand_directories_of_node_modules_cost_nothing(project: Path) -> None:
    def watches(server: Server) -> int:
        return sum(info.read_text().count("inotify ") for info in Path(f"/proc/{server.pid}/fdinfo").iterdir())

    def start() -> tuple[float, int]:
        began = time.monotonic()
        with Server(project) as server:
            server.wait_for_body("mark-0")
            return time.monotonic() - began, watches(server)

    start()  # compiles
    without, few = start()
    for number in range(300):
        package = project / "node_modules" / f"package-{number}"
        package.mkdir(parents=True)
        for inner in range(100):
            (package / f"part-{inner}").mkdir()
    within, still_few = start()
    assert still_few == few
    print(f"start: {without:.2f} s without, {within:.2f} s with")


def test_browser_reload_works(project: Path) -> None:
    """django-browser-reload: an app with receivers for both of Django's signals, and a stream that is always open."""
    settings = project / "bookshop/settings.py"
    settings.write_text(
        settings.read_text()
        + '\nINSTALLED_APPS += ["django_browser_reload"]\n'
        + 'MIDDLEWARE += ["django_browser_reload.middleware.BrowserReloadMiddleware"]\n'
    )
    urls = project / "bookshop/urls.py"
    urls.write_text(
        urls.read_text() + '\nurlpatterns += [path("__reload__/", include("django_browser_reload.urls"))]\n'
    )
    with Server(project) as server:
        server.wait_for_body("reload-listener", "/")
        command = [sys.executable, "-c", EVENTS, str(server.port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            assert '"type": "ping"' in client.stdout.readline()
            template = project / TEMPLATE
            template.write_text(template.read_text() + "\n")
            assert '"type": "reload"' in client.stdout.readline()
            server.edit("shop/marks.py", "mark-0", "mark-1")
            server.wait_for_body("mark-1")
            assert client.wait(30) == 0, "the stream ends with the worker"


EVENTS = """
import http.client, sys
connection = http.client.HTTPConnection("localhost", int(sys.argv[1]))
connection.request("GET", "/__reload__/events/")
try:
    for line in connection.getresponse():
        if line.strip():
            print(line.decode().strip(), flush=True)
except (http.client.IncompleteRead, ConnectionResetError):
    pass
"""


@pytest.mark.deep
@pytest.mark.parametrize("above", [True, False])
def test_whitenoise_without_static(project: Path, above: bool) -> None:
    settings = project / "bookshop/settings.py"
    apps = (
        '"whitenoise.runserver_nostatic", "devrunserver",'
        if above
        else '"devrunserver", "whitenoise.runserver_nostatic",'
    )
    settings.write_text(settings.read_text().replace('"devrunserver",', apps, 1))
    with Server(project) as server:
        server.wait_for_body("mark-0")
        assert server.get("/static/shop/shop.css").status == (404 if above else 200)
        assert ("devrunserver.W002" in server.log) is not above
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")


def test_wrong_setting_is_told(project: Path) -> None:
    settings = project / "bookshop/settings.py"
    healthy = settings.read_text()
    settings.write_text(healthy + '\nDEVRUNSERVER = {"POLL_INTERVAL": "often", "COLOUR": 1}\n')
    with Server(project) as server:
        wait_for(lambda: "devrunserver.E001" in server.log, "the check")
        assert "DEVRUNSERVER['POLL_INTERVAL'] is 'often', not a number of seconds above 0." in server.log
        assert "DEVRUNSERVER has no key 'COLOUR'." in server.log
        replace(settings, healthy)
        server.wait_for_body("mark-0")


BACKEND = "devrunserver.supervisor.watching." + ("inotify" if sys.platform == "linux" else "watchdog_backend")


@pytest.mark.deep
def test_where_the_system_sends_no_events_files_are_polled(project: Path) -> None:
    folder = project.parent / "without"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.modules[{BACKEND!r}] = None\n")
    settings = project / "bookshop/settings.py"
    settings.write_text(settings.read_text() + '\nDEVRUNSERVER = {"POLL_INTERVAL": 0.1}\n')
    with Server(project, environ={"PYTHONPATH": f"{folder}:{Path(__file__).parents[2]}"}) as server:
        server.wait_for_body("mark-0")
        assert "Watching by polling: native file events are not available" in server.log
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1")
        assert "Traceback" not in server.log
