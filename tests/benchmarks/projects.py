"""The projects that are measured, each made in a folder to be thrown away."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import devrunserver
from tests.live import Server, copy_testproject, replace

MARK_PATH = "/benchmark/"
APPS = 40  # of the generated project
RECORDS_MODULES = 5  # in each app, beside models, forms, admin, urls and views
APP_MODULES = RECORDS_MODULES + 6  # with the package itself

SETTINGS = """\
from {settings} import *

INSTALLED_APPS = [{first}*(app for app in INSTALLED_APPS if app != "devrunserver")]
ROOT_URLCONF = "benchmark_urls"
"""

URLS = """\
import {view}
import {model}
from {urls} import urlpatterns as project_urlpatterns
from django.http import HttpResponse
from django.urls import path


def benchmark(request):
    return HttpResponse(f"{{{view}.MARK}} {{{model}.MARK}}")


urlpatterns = [path("benchmark/", benchmark), *project_urlpatterns]
"""


class Module:
    """A module that is edited: each edit gives it a mark that it never had, always of the same length."""

    _marks = itertools.count(100_001)

    def __init__(self, file: Path) -> None:
        self.file = file
        self._text = file.read_text()
        self.save(replace)

    def save(self, write: Callable[[Path, str], object]) -> str:
        """Saves the module with a new mark; returns the mark."""
        mark = f"mark-{next(self._marks)}"
        write(self.file, f'{self._text}\nMARK = "{mark}"\n')
        return mark


class Project:
    """A project that answers with the marks of two of its modules, under Django's command and under ours.

    Args:
        directory: the directory that holds ``manage.py``, in a folder of its own.
        settings: the module of settings; the package that it is in holds ``urls``, too.
        view: a module that only URLs lead to.
        model: a module of models.
    """

    def __init__(self, directory: Path, settings: str, view: str, model: str) -> None:
        self.directory = directory
        self.view, self.model = (Module(directory / f"{name.replace('.', '/')}.py") for name in (view, model))
        urls = f"{settings.partition('.')[0]}.urls"
        (directory / "benchmark_urls.py").write_text(URLS.format(view=view, model=model, urls=urls))
        for name, first in (("stock", ""), ("ours", '"devrunserver", ')):
            text = SETTINGS.format(settings=settings, first=first)
            (directory / f"benchmark_{name}.py").write_text(text)
        self.environ = {"PYTHONPATH": str(_install(directory.parent))}
        # also imports all there is, so that the first start of the first server finds the bytecode written
        migrate = (sys.executable, "manage.py", "migrate", "-v0", "--settings=benchmark_ours")
        server = Server(directory, command=migrate, environ=self.environ)
        assert server.wait_for_end(120) == 0, server.log


def _install(folder: Path) -> Path:
    """Puts a copy of our package where packages are installed: the sources of a checkout count as the project's own.

    Returns:
        What ``PYTHONPATH`` has to name.
    """
    packages = folder / "site-packages"
    ours = Path(devrunserver.__file__).parent
    shutil.copytree(ours, packages / ours.name, ignore=shutil.ignore_patterns("__pycache__"))
    return packages


def testproject(folder: Path) -> Project:
    return Project(copy_testproject(folder), "bookshop.settings", "shop.views", "shop.models")


def wagtail(folder: Path) -> Project:
    """What ``wagtail start`` makes."""
    directory = folder / "site"
    directory.mkdir()
    start = "from wagtail.bin.wagtail import main; main()"
    _run(sys.executable, "-c", start, "start", "website", str(directory))
    return Project(directory, "website.settings.dev", "search.views", "home.models")


def generated(folder: Path, apps: int = APPS) -> Project:
    """Many apps, made of what real ones spend their import time on: models, forms, admins and data classes."""
    directory = folder / "generated"
    directory.mkdir()
    _run(sys.executable, "-m", "django", "startproject", "company", str(directory))
    names = [f"app_{number:02}" for number in range(apps)]
    for name in names:
        _write_app(directory / name)
    with (directory / "company/settings.py").open("a") as settings:
        settings.write(f"\nINSTALLED_APPS += {names}\n")
    with (directory / "company/urls.py").open("a") as urls:
        urls.write(f"\nfrom django.urls import include\n\nfor name in {names}:\n")
        urls.write('    urlpatterns.append(path(f"{name}/", include(f"{name}.urls")))\n')
    middle = names[len(names) // 2]
    return Project(directory, "company.settings", f"{middle}.views", f"{middle}.models")


def available() -> dict[str, Callable[[Path], Project]]:
    """How to make each project that can be had here, by name."""
    makers: list[Callable[[Path], Project]] = [testproject, generated]
    if importlib.util.find_spec("wagtail") is not None:
        makers.insert(1, wagtail)
    return {maker.__name__: maker for maker in makers}


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _write_app(app: Path) -> None:
    app.mkdir()
    records = [f"records_{number}" for number in range(RECORDS_MODULES)]
    modules = {
        "__init__": "",
        "models": "from django.db import models\n" + _repeat(MODEL, 4),
        "forms": "from django import forms\nfrom . import models\n" + _repeat(FORM, 4),
        "admin": "from django.contrib import admin\nfrom . import forms, models\n" + _repeat(ADMIN, 4),
        "views": f"from django.http import HttpResponse\nfrom . import forms, models, {', '.join(records)}\n"
        + _repeat(VIEW, 8),
        "urls": "from django.urls import path\nfrom . import views\n\nurlpatterns = []\n" + _repeat(URL, 8),
        **{name: "import dataclasses\nimport re\nfrom . import models\n" + _repeat(RECORD, 10) for name in records},
    }
    for name, text in modules.items():
        (app / f"{name}.py").write_text(text)


def _repeat(text: str, times: int) -> str:
    return "".join(text.replace("NUMBER", str(number)) for number in range(times))


MODEL = """

class ModelNUMBER(models.Model):
    name = models.CharField(max_length=100, unique=True)
    text = models.TextField(blank=True)
    amount = models.DecimalField(max_digits=8, decimal_places=2)
    created = models.DateTimeField(auto_now_add=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True)
"""

FORM = """

class FormNUMBER(forms.ModelForm):
    again = forms.EmailField()

    class Meta:
        model = models.ModelNUMBER
        fields = ["name", "text", "amount", "parent"]
"""

ADMIN = """

@admin.register(models.ModelNUMBER)
class AdminNUMBER(admin.ModelAdmin):
    form = forms.FormNUMBER
    list_display = ["name", "amount", "created"]
"""

VIEW = """

def view_NUMBER(request):
    return HttpResponse("NUMBER")
"""

URL = """
urlpatterns.append(path("view/NUMBER/", views.view_NUMBER))
"""

RECORD = """

@dataclasses.dataclass(order=True)
class RecordNUMBER:
    name: str
    amount: int = 0
    text: str = ""
    tags: list[str] = dataclasses.field(default_factory=list)


PATTERN_NUMBER = re.compile(__name__ + r"-NUMBER-(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})(?:/|$)")
"""
