"""Which trees are the project's."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from devrunserver import project

if TYPE_CHECKING:
    from pytest_django import Settings

REPOSITORY = Path(__file__).parents[1]
DIRECTORIES = [
    "home/me/shop/app", "home/me/shop-two", "home/me/shop/venv/lib/python3/site-packages/django",
    "home/me/shop/venv/bin", "usr/lib/python3/json", "usr/lib/python3-extra", "srv/app",
]  # fmt: skip
INSTALLED = ["usr/lib/python3", "home/me/shop/venv/lib/python3/site-packages", "home/me/shop/venv/bin/"]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("disk")
    for directory in DIRECTORIES:
        (root / directory).mkdir(parents=True, exist_ok=True)
    (root / "srv/archive.zip").touch()
    (root / "srv/link").symlink_to(root / "srv/app")
    (root / "home/me/here").symlink_to(root / "home/me")
    return root


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([], []),
        (["home/me/shop"], ["home/me/shop"]),
        (["home/me/shop", "home/me/shop/"], ["home/me/shop"]),
        (["srv/app", "home/me/shop"], ["home/me/shop", "srv/app"]),
        (["home/me/shop/app", "home/me/shop-two"], ["home/me/shop-two", "home/me/shop/app"]),
        (["srv/link", "srv/app"], ["srv/app"]),
        (["srv/archive.zip", "srv/nowhere"], []),
        (["usr/lib/python3", "usr/lib/python3/json"], []),
        (["usr/lib/python3-extra"], ["usr/lib/python3-extra"]),  # the name goes on
        (["home/me/shop/venv/lib/python3/site-packages/django", "home/me/shop/venv/bin"], []),
        (["home/me"], []),  # a whole home is no project
        (["home/me/here"], []),
        (["home"], []),
    ],
)
def test_own(disk: Path, candidates: list[str], expected: list[str]) -> None:
    found = project.own(
        [f"{disk}/{one}" for one in candidates], [str(disk / one) for one in INSTALLED], str(disk / "home/me")
    )
    assert found == sorted(str(disk / one) for one in expected)


def test_the_whole_file_system_is_no_project() -> None:
    assert project.own(["/"], [], "/home/me") == []


def test_what_is_installed() -> None:
    installed = project.installed_directories()
    assert os.path.realpath(os.path.dirname(os.__file__)) in installed
    assert project.own([os.path.dirname(pytest.__file__), os.path.dirname(os.__file__)], installed, "/home/me") == []


def test_what_the_user_has_installed_is_no_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    packages = tmp_path / "lib/python"  # as on macOS: not named site-packages
    packages.mkdir(parents=True)
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(packages))
    assert project.own([str(packages)], project.installed_directories(), "/home/me") == []


def test_roots() -> None:
    roots = project.roots()
    assert str(REPOSITORY) in roots
    assert not any("site-packages" in root for root in roots)


def test_base_dir_is_a_root(settings: Settings, tmp_path: Path) -> None:
    for base in (tmp_path, str(tmp_path)):
        settings.BASE_DIR = base
        assert str(tmp_path) in project.roots()
    settings.BASE_DIR = 5
    assert str(tmp_path) not in project.roots()


def test_setting(settings: Settings) -> None:
    assert project.setting("DEBUG") is settings.DEBUG
    assert project.setting("NO_SUCH_SETTING") is None


def test_directories_of_packages_that_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outer_one/inner").mkdir(parents=True)
    (tmp_path / "outer_one/__init__.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    names = ["outer_one.inner.apps.Config", "outer_one", "json", "no_such_package.at_all", ""]
    assert list(project.directories_of(names)) == [os.path.dirname(json.__file__), str(tmp_path / "outer_one")]


@pytest.mark.parametrize(
    ("media", "static", "expected"),
    [("/srv/media", Path("/srv/static"), ["/srv/media", "/srv/static"]), ("", None, [""]), (None, 5, [])],
)
def test_upload_directories(settings: Settings, media: object, static: object, expected: list[str]) -> None:
    settings.MEDIA_ROOT, settings.STATIC_ROOT = media, static
    assert project.upload_directories() == expected


PACKAGES = os.path.dirname(os.path.dirname(pytest.__file__))
OURS = REPOSITORY / "devrunserver"


@pytest.mark.parametrize(
    ("file", "own"),
    [
        ("/srv/shop/views.py", True),
        ("/srv/shop/data.json", True),
        ("/srv/site-packages-of-mine/views.py", True),
        (str(REPOSITORY / "tests/urls.py"), True),
        (str(REPOSITORY / "devrunserver_too/x.py"), True),  # the name goes on
        (str(OURS / "worker.py"), False),
        (str(OURS / "checkpoints/read_recorder.py"), False),
        (os.__file__, False),
        (json.__file__, False),
        (pytest.__file__, False),
        (f"{PACKAGES}/six.py", False),
        (f"{sys.prefix}/bin/django-admin", False),
        ("/home/me/venv/lib/python3/site-packages/django/apps/config.py", False),  # another interpreter's
        ("/usr/lib/python3/dist-packages/six.py", False),
    ],
)
def test_whose_a_file_is(file: str, own: bool) -> None:
    files = project.Files()
    for _ in range(2):  # also from memory
        assert files.is_own(file) is own
        assert files.is_installed(os.path.dirname(file)) is not own


def test_the_projects_loaded_modules() -> None:
    loaded = {module.__name__ for module in project.Files().loaded_modules()}
    assert {__name__, "tests.settings"} <= loaded
    assert not {"pytest", "json", "django", "sys", "devrunserver", "devrunserver.project"} & loaded


def test_odd_objects_among_the_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    class Touchy:
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(name)

    monkeypatch.setitem(sys.modules, "touchy", Touchy())
    monkeypatch.setitem(sys.modules, "none", None)
    assert project.Files().loaded_modules()


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("x = 1", []),
        ("open('config.toml')", ["config.toml"]),
        ("BASE_DIR / 'conf' / 'local-1.env.json'", ["local-1.env.json"]),
        ("read('.env'), read('conf/.env.local')", [".env", ".env.local"]),
        ("'deploy/secrets.json' 'x' \"a_b.yml\"", ["a_b.yml", "secrets.json"]),
        ("os.environ.get('X')", ["os.environ.get"]),  # too many do no harm
        ("'größe.txt'", ["größe.txt"]),
        ("'The end.'", []),
    ],
)
def test_names_in_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, names: list[str]) -> None:
    file = tmp_path / "some_settings.py"
    file.write_text(source)
    module = ModuleType("some_settings")
    module.__file__ = str(file)
    files = project.Files()
    monkeypatch.setattr(files, "loaded_modules", lambda: [module])
    assert files.names_in_settings() == names
    file.unlink()
    assert files.names_in_settings() == []


BROKEN = [
    "raise ValueError",
    "import no_such_module",
    "x = (",
    "raise SystemExit(3)",
    "from os import environ as e; e['NO']",
]
ROOTS = """
from devrunserver import conf, project
from django.conf import settings
try:
    settings.DEBUG
except BaseException:
    pass
assert (project.setting("DEBUG"), project.upload_directories(), list(conf.mistakes())) == (None, [], [])
print(*project.roots(), sep="\\n")
"""


@pytest.mark.parametrize("code", BROKEN)
def test_broken_settings_have_roots(tmp_path: Path, code: str) -> None:
    (tmp_path / "broken_settings.py").write_text(code)
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "broken_settings", "PYTHONPATH": str(REPOSITORY)}
    output = subprocess.check_output([sys.executable, "-c", ROOTS], cwd=tmp_path, env=environ, text=True)
    assert set(output.split()) == {str(REPOSITORY), str(tmp_path)}


def test_data_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(os.path.realpath(tmp_path))
    for name in (".env", "shop.toml", "other.toml", "notes.txt", "db.sqlite3"):
        (home / name).touch()
    monkeypatch.chdir(home)
    files = project.Files()
    names = {"shop.toml", "db.sqlite3", "gone.toml"}
    found = [path for path in files.data_of_settings(names) if path.startswith(str(home))]
    assert found == [str(home / ".env"), str(home / "shop.toml")]


def test_data_of_settings_where_the_working_directory_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "gone"
    home.mkdir()
    monkeypatch.chdir(home)
    home.rmdir()
    assert isinstance(project.Files().data_of_settings(set()), list)


ENGINES = """
import sys
import django
from django.conf import settings
from devrunserver import project

settings.configure(
    INSTALLED_APPS=["tagged"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
)
django.setup()
project.load_template_engines()
print("tagged.templatetags.tags" in sys.modules)
"""


@pytest.mark.parametrize(
    ("source", "is_imported"),
    [
        ("from django.template import Library\nregister = Library()", True),
        ("1 / 0", False),  # the error is told where Django asks for it
    ],
)
def test_modules_of_tags_are_imported(tmp_path: Path, source: str, is_imported: bool) -> None:
    (tmp_path / "tagged/templatetags").mkdir(parents=True)
    (tmp_path / "tagged/__init__.py").touch()
    (tmp_path / "tagged/templatetags/__init__.py").touch()
    (tmp_path / "tagged/templatetags/tags.py").write_text(source)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(tmp_path)])}
    output = subprocess.check_output([sys.executable, "-c", ENGINES], cwd=tmp_path, env=environ, text=True, timeout=60)
    assert output.strip() == str(is_imported)
