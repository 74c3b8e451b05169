"""Stories of code that does not start: the port shows the error, the terminal says it once, the next save heals it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live import Asker, Server, free_port, replace
from tests.marks import plainly

Break = tuple[str, Callable[[str], str], str]  # file, what is done to its text, what the page then says

BREAKS: dict[str, Break] = {
    "syntax error in a view": ("shop/views.py", lambda text: text + "\ndef broken(:\n", "SyntaxError"),
    "exception in a model": ("shop/models.py", lambda text: text + "\n1 / 0\n", "ZeroDivisionError"),
    "missing import in settings": ("bookshop/settings.py", lambda text: text + "\nimport nowhere\n", "nowhere"),
    "name error in urls": ("bookshop/urls.py", lambda text: text + "\nundefined_name\n", "NameError"),
    "syntax error in settings": ("bookshop/settings.py", lambda text: text + "\n(((\n", "SyntaxError"),
    "exception in settings": ("bookshop/settings.py", lambda text: text + "\n1 / 0\n", "ZeroDivisionError"),
    "exit in settings": ("bookshop/settings.py", lambda text: text + "\nraise SystemExit('no key')\n", "no key"),
    "unknown app": (
        "bookshop/settings.py",
        lambda text: text.replace('"lab",', '"lab", "nowhere",', 1),
        "nowhere",
    ),
    "exception in an app": ("shop/apps.py", lambda text: text + "\n1 / 0\n", "ZeroDivisionError"),
    "failing system check": (
        "shop/models.py",
        lambda text: text + "\nclass Wrong(models.Model):\n    name = models.CharField(max_length=-1)\n",
        "fields.E121",
    ),
    "no allowed hosts": (
        "bookshop/settings.py",
        lambda text: text.replace("DEBUG = True", "DEBUG = False"),
        "in the terminal",
    ),
}


@pytest.mark.parametrize("name", plainly(BREAKS, 3))
def test_broken_while_running(project: Path, name: str) -> None:
    file, damage, said = BREAKS[name]
    path = project / file
    healthy = path.read_text()
    with Server(project) as server:
        server.wait_for_body("mark-0")
        with Asker(server.port, "/version/") as asker:
            replace(path, damage(healthy))
            answer = server.wait_for_body(said, headers="Accept: text/html\r\n")
            assert answer.status == 500
            log = server.log
            assert server.get().status == 500
            replace(path, healthy.replace("mark-0", "mark-1"))
            server.wait_for_body("mark-0")
        assert asker.counts["200"] and asker.counts.keys() <= {"200", "500"}, asker.counts
        if said != "in the terminal":
            assert log.count(said) == server.log.count(said) >= 1
        # what breaks the settings is printed by Python itself: they are loaded before any app
        assert log.count("Traceback (most recent call last)") <= ("settings" in file) * (
            1 + log.count("During handling")
        )


@pytest.mark.parametrize(
    "name", plainly([name for name in BREAKS if "settings" not in BREAKS[name][0] or name == "unknown app"], 2)
)
def test_broken_at_first_start(project: Path, name: str) -> None:
    file, damage, said = BREAKS[name]
    path = project / file
    healthy = path.read_text()
    path.write_text(damage(healthy))
    port = free_port()
    with Server(project, "--nostatic", str(port)) as server:
        assert server.wait_for_body(said, port=port).status == 500
        replace(path, healthy)
        server.wait_for_body("mark-0", port=port)


SETTINGS = [name for name in BREAKS if "settings" in BREAKS[name][0] and "allowed" not in name]


@pytest.mark.measured
@pytest.mark.parametrize("name", plainly(SETTINGS, 2))
def test_broken_settings_at_first_start_under_the_module_entry(project: Path, name: str) -> None:
    file, damage, said = BREAKS[name]
    path = project / file
    healthy = path.read_text()
    path.write_text(damage(healthy))
    port = free_port()
    command = (sys.executable, "-m", "devrunserver", "manage.py", "runserver")
    with Server(project, str(port), command=command) as server:
        assert server.wait_for_body(said, port=port).status == 500
        replace(path, healthy)
        server.wait_for_body("mark-0", port=port)
        server.edit("shop/marks.py", "mark-0", "mark-1")
        server.wait_for_body("mark-1", port=port)


def test_deleted_file_heals_when_it_comes_back(project: Path) -> None:
    file = project / "shop/views.py"
    healthy = file.read_text()
    with Server(project) as server:
        server.wait_for_body("mark-0")
        file.unlink()
        assert server.wait_for_body("Error").status == 500
        file.write_text(healthy)
        server.wait_for_body("mark-0")


def test_missing_module_heals_when_it_is_created(project: Path) -> None:
    with Server(project) as server:
        server.wait_for_body("mark-0")
        server.edit("shop/marks.py", 'MARK = "mark-0"', "from shop.later import MARK")
        server.wait_for_body("shop.later")
        (project / "shop/later.py").write_text('MARK = "now-it-is-there"\n')
        server.wait_for_body("now-it-is-there")


def test_optional_module_that_appears_is_a_change(project: Path) -> None:
    with Server(project) as server:
        server.edit(
            "shop/marks.py",
            'MARK = "mark-0"',
            'try:\n    from bookshop.local import MARK\nexcept ImportError:\n    MARK = "nothing-local"',
        )
        server.wait_for_body("nothing-local")
        (project / "bookshop/local.py").write_text('MARK = "something-local"\n')
        server.wait_for_body("something-local")


def test_error_is_told_as_the_client_asks(project: Path) -> None:
    with Server(project) as server:
        server.wait_for_body("mark-0")
        replace(project / "shop/views.py", "1 / 0\n")
        server.wait_for_body("ZeroDivisionError")
        page = server.get(headers="Accept: text/html\r\n")
        assert "<title>ZeroDivisionError" in page.body and "text/html" in page.headers
        plain = server.get(headers="Accept: text/plain\r\n")
        assert plain.body.startswith("ZeroDivisionError: ") and "text/plain" in plain.headers
        data = json.loads(server.get(headers="Accept: application/json\r\n").body)
        assert data["error"] == "ZeroDivisionError"
        assert "views.py" in data["traceback"]
        assert "devrunserver" not in plain.body
