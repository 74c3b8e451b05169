"""Kinds of error that projects have: for each the files of a small project, and what is done with it.

The line that the user should be shown first is marked HERE.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.apps.registry import Apps
from django.core.management.base import BaseCommand
from django.db.migrations.loader import MigrationLoader
from django.db.utils import ConnectionHandler
from django.test import Client, override_settings

MARK = "HERE"
URLS = "from django.urls import path\nfrom shelf import views\nurlpatterns = [path('', views.view, name='home')]\n"
CLEAN = {"shelf/__init__.py": "", "shelf/urls.py": URLS}
Files = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Kind:
    """One kind of error.

    Attributes:
        run: what makes it, given the project's directory.
        says: a part of what is shown besides the place: the message, a hint.
        marked: the file that has the mark, and its line, where the file itself cannot hold it.
        is_request: whether the error is that of a request, for which our page is the answer.
    """

    files: Files
    run: Callable[[Path], object]
    says: str
    marked: tuple[str, int] | None = None
    is_request: bool = False


def load(name: str = "shelf.views") -> Callable[[Path], object]:
    return lambda root: importlib.import_module(name)


def view(text: str, says: str, **files: str) -> Kind:
    """An error of a view: its module, and templates by name."""
    also = {f"templates/{name.replace('_', '.')}": content for name, content in files.items()}
    return Kind({**CLEAN, "shelf/views.py": text, **also}, ask, says, is_request=True)


def module(text: str | bytes, says: str, **also: str | bytes) -> Kind:
    """An error of a module that is imported."""
    return Kind(
        {**CLEAN, "shelf/views.py": text, **{f"shelf/{name}.py": one for name, one in also.items()}}, load(), says
    )


def ask(root: Path, **more: Any) -> object:
    templates = {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [root / "templates"],
        "OPTIONS": {"libraries": {"shelf_tags": "shelf.tags"} if (root / "shelf/tags.py").exists() else {}},
    }
    values = {"ROOT_URLCONF": "shelf.urls", "TEMPLATES": [templates], "DEBUG": True, **more}
    with override_settings(**values):
        return Client(raise_request_exception=False).get("/")


def with_middleware(root: Path) -> object:
    return ask(root, MIDDLEWARE=["shelf.middleware.Middleware"])


def settings_module(root: Path) -> object:
    return importlib.import_module("shelf.settings")


def unknown_app(root: Path) -> object:
    return Apps(settings_module(root).INSTALLED_APPS)  # type: ignore[attr-defined]


def unknown_engine(root: Path) -> object:
    return ConnectionHandler(settings_module(root).DATABASES)["default"].cursor()  # type: ignore[attr-defined]


def unknown_middleware(root: Path) -> object:
    return ask(root, MIDDLEWARE=settings_module(root).MIDDLEWARE)  # type: ignore[attr-defined]


def ready(root: Path) -> object:
    return Apps(["shelf.apps.ShelfConfig"])


def checks(root: Path) -> object:
    models = importlib.import_module("shelf.models")
    config = AppConfig("shelf", models)
    config.apps, config.models = apps, apps.all_models["shelf"]
    try:
        check: Any = BaseCommand().check
        return check(app_configs=[config], tags=["models"])
    finally:
        apps.all_models.pop("shelf", None)
        apps.clear_cache()


def migrations(root: Path) -> object:
    with override_settings(MIGRATION_MODULES={"contenttypes": "shelf.migrations"}):
        return MigrationLoader(None)


MODEL = "from django.db import models\nclass Book(models.Model):\n"
LABEL = "    class Meta:\n        app_label = 'shelf'\n"
RENDER = "from django.shortcuts import render\ndef view(request):\n    return render(request, 'page.html', {})"

KINDS: dict[str, Kind] = {
    # what Python does not read
    "syntax error": module("x = 1\ndef broken(:  # HERE\n", "SyntaxError"),
    "parenthesis that is not closed": module("x = (1,  # HERE\n\ny = 2\n", "was never closed"),
    "string that is not ended": module("x = 1\ny = 'abc  # HERE\n", "unterminated string"),
    "missing colon": module("x = 1\nif x  # HERE\n    y = 2\n", "SyntaxError"),
    "block that is not indented": module("def f():\nx = 1  # HERE\n", "IndentationError"),
    "indentation that fits nothing": module("def f():\n        x = 1\n    y = 2  # HERE\n", "IndentationError"),
    "tabs and spaces": module("def f():\n        x = 1\n\ty = 2  # HERE\n", "Tabs and spaces are mixed"),
    "merge conflict": Kind(
        {**CLEAN, "shelf/views.py": "x = 1\n<<<<<<< HEAD\ny = 2\n"},
        load(),
        "mark of a merge conflict",
        ("shelf/views.py", 2),
    ),
    "not UTF-8": Kind(
        {**CLEAN, "shelf/views.py": b"x = 1\ny = 'gr\xf6\xdfe'\n"},
        load(),
        "Save the file as UTF-8",
        ("shelf/views.py", 2),
    ),
    "await outside of a function": module("x = 1\nawait x  # HERE\n", "SyntaxError"),
    "return outside of a function": module("x = 1\nreturn x  # HERE\n", "SyntaxError"),
    "syntax error in another module": module("import shelf.other\n", "SyntaxError", other="x = \\\n1 +  # HERE\n"),
    "syntax error in what is compiled": module("import ast\nast.literal_eval('(')  # HERE\n", "SyntaxError"),
    # what is not to be imported
    "missing module": module("x = 1\nimport nowhere_at_all  # HERE\n", "nowhere_at_all"),
    "missing module, misspelt": module("import jsonn  # HERE\n", "Did you mean json?"),
    "missing module of a package, misspelt": module(
        "import shelf.modells  # HERE\n", "Did you mean shelf.models?", models=""
    ),
    "missing module that is not installed": module("import corsheaders  # HERE\n", "pip install django-cors-headers"),
    "missing name": module("from json import lods  # HERE\n", "Did you mean loads?"),
    "package that is a module": module("import shelf.one.two  # HERE\n", "is a module, not a package", one=""),
    "circular import": module(
        "import shelf.one\n",
        "circular import",
        one="from shelf.two import b\na = 1\n",
        two="from shelf.one import a  # HERE\n",
    ),
    "C extension": Kind(
        {
            **CLEAN,
            "shelf/views.py": "x = 1\nimport shelf.fast  # HERE\n",
            f"shelf/fast{EXTENSION_SUFFIXES[0]}": b"no extension",
        },
        load(),
        "ImportError",
    ),
    "library of the system": module(
        "raise ImportError('libgdal.so.1: cannot open shared object file')  # HERE\n",
        "library of the system is missing",
    ),
    # what fails while it is imported
    "misspelt name": module("length = 1\nx = lenght  # HERE\n", "Did you mean length?"),
    "module that is not imported": module("x = json.loads('1')  # HERE\n", "forget to import json"),
    "misspelt attribute": module("x = 'a'.uper()  # HERE\n", "Did you mean upper?"),
    "exception in a module": module("x = 1\ny = x / 0  # HERE\n", "ZeroDivisionError"),
    "exception in a class body": module("class A:\n    x = {}['a']  # HERE\n", "KeyError"),
    "decorator": module("def deco(f):\n    raise ValueError('no')  # HERE\n@deco\ndef f(): pass\n", "ValueError"),
    "exec": module("code = '1 / 0'\nexec(code)  # HERE\n", "ZeroDivisionError"),
    "notes": module("error = ValueError('no')\nerror.add_note('a note')\nraise error  # HERE\n", "a note"),
    "exit": module("import sys\nsys.exit('no key')  # HERE\n", "no key"),
    # Django's parts
    "model: field without on_delete": Kind(
        {"shelf/__init__.py": "", "shelf/models.py": MODEL + "    other = models.ForeignKey('Book')  # HERE\n" + LABEL},
        load("shelf.models"),
        "on_delete",
    ),
    "model: no app": Kind(
        {"shelf/__init__.py": "", "shelf/models.py": MODEL.replace("):", "):  # HERE") + "    pass\n"},
        load("shelf.models"),
        "app_label",
    ),
    "model: unknown option": Kind(
        {
            "shelf/__init__.py": "",
            "shelf/models.py": MODEL.replace("):", "):  # HERE") + LABEL + "        orderin = []\n",
        },
        load("shelf.models"),
        "orderin",
    ),
    "urls: view that is none": Kind(
        {
            **CLEAN,
            "shelf/views.py": "",
            "shelf/urls.py": "from django.urls import path\nurlpatterns = [path('', 1)]  # HERE\n",
        },
        load("shelf.urls"),
        "view must be",
    ),
    "urls: include of what is missing": Kind(
        {
            **CLEAN,
            "shelf/urls.py": "from django.urls import include, path\nurlpatterns = [path('', include('nowhere'))]  # HERE\n",
        },
        load("shelf.urls"),
        "nowhere",
    ),
    "urls: missing view": Kind(
        {
            **CLEAN,
            "shelf/views.py": "def viev(request): pass\n",
            "shelf/urls.py": URLS.replace("'home')]", "'home')]  # HERE"),
        },
        load("shelf.urls"),
        "Did you mean viev?",
    ),
    "settings: unknown app": Kind(
        {"shelf/__init__.py": "", "shelf/settings.py": "X = 1\nINSTALLED_APPS = [\n    'nowhere',  # HERE\n]\n"},
        unknown_app,
        "nowhere",
    ),
    "settings: unknown middleware": Kind(
        {
            **CLEAN,
            "shelf/views.py": "view = None\n",
            "shelf/settings.py": "MIDDLEWARE = ['shelf.nowhere.Middleware']  # HERE\n",
        },
        unknown_middleware,
        "nowhere",
    ),
    "settings: unknown engine": Kind(
        {
            "shelf/__init__.py": "",
            "shelf/settings.py": "DATABASES = {'default': {\n    'ENGINE': 'django.db.backends.postgres',  # HERE\n}}\n",
        },
        unknown_engine,
        "postgres",
    ),
    "settings: variable that is not set": Kind(
        {"shelf/__init__.py": "", "shelf/settings.py": "import os\nKEY = os.environ['SHELF_SECRET_KEY']  # HERE\n"},
        settings_module,
        "SHELF_SECRET_KEY is not set",
    ),
    "app: exception in ready": Kind(
        {
            "shelf/__init__.py": "",
            "shelf/apps.py": "from django.apps import AppConfig\nclass ShelfConfig(AppConfig):\n    name = 'shelf'\n"
            "    def ready(self):\n        1 / 0  # HERE\n",
        },
        ready,
        "ZeroDivisionError",
    ),
    "app: wrong name": Kind(
        {
            "shelf/__init__.py": "",
            "shelf/apps.py": "from django.apps import AppConfig\nclass ShelfConfig(AppConfig):\n    name = 'shelv'  # HERE\n",
        },
        ready,
        "Cannot import 'shelv'",
    ),
    "app: models too early": module(
        "from django.apps import apps\nfrom django.core.exceptions import AppRegistryNotReady\n"
        "raise AppRegistryNotReady('not yet')  # HERE\n",
        "ready() method of the AppConfig",
    ),
    "admin: registered twice": module(
        "from django.contrib import admin\nfrom django.contrib.auth.models import User\nsite = admin.AdminSite()\n"
        "site.register(User)\nsite.register(User)  # HERE\n",
        "already registered",
    ),
    "migrations: exception": Kind(
        {
            "shelf/__init__.py": "",
            "shelf/migrations/__init__.py": "",
            "shelf/migrations/0001_initial.py": "x = 1\ny = undefined_name  # HERE\n",
        },
        migrations,
        "undefined_name",
    ),
    "migrations: unknown dependency": Kind(
        {
            "shelf/__init__.py": "",
            "shelf/migrations/__init__.py": "",
            "shelf/migrations/0002_more.py": "from django.db import migrations\nclass Migration(migrations.Migration):\n"
            "    dependencies = [('contenttypes', '0001_initial')]  # HERE\n",
        },
        migrations,
        "nonexistent parent node",
    ),
    "checks: a field": Kind(
        {
            "shelf/__init__.py": "",
            "shelf/models.py": MODEL + "    x = models.IntegerField()\n"
            "    name = models.CharField(max_length=-1)  # HERE\n" + LABEL,
        },
        checks,
        "fields.E121",
    ),
    "checks: a model": Kind(
        {
            "shelf/__init__.py": "",
            "shelf/models.py": MODEL.replace("):", "):  # HERE")
            + "    x = models.IntegerField()\n"
            + LABEL
            + "        ordering = ['nowhere']\n",
        },
        checks,
        "models.E015",
    ),
    # requests
    "view: exception": view("def view(request):\n    return 1 / 0  # HERE\n", "ZeroDivisionError"),
    "view: exception in what it calls": view(
        "def inner(x):\n    return x['a']  # HERE\ndef view(request):\n    return inner({})\n", "KeyError"
    ),
    "view: no answer": view("x = 1\ndef view(request):  # HERE\n    pass\n", "returned None"),
    "view: arguments": view("def view():  # HERE\n    pass\n", "TypeError"),
    "view: asynchronous": view("async def view(request):\n    raise ValueError('later')  # HERE\n", "later"),
    "view: coroutine that was not awaited": view(
        "async def inner():\n    raise OSError('inner')  # HERE\nasync def view(request):\n    await inner()\n", "inner"
    ),
    "view: task group": view(
        "import asyncio\nasync def bad(n):\n    raise ValueError(n)  # HERE\nasync def view(request):\n"
        "    async with asyncio.TaskGroup() as group:\n        group.create_task(bad(1))\n        group.create_task(bad(2))\n",
        "ExceptionGroup",
    ),
    "view: generator": view(
        "def rows():\n    yield 1\n    raise LookupError('row 2')  # HERE\ndef view(request):\n    return list(rows())\n",
        "row 2",
    ),
    "view: comprehension and lambda": view(
        "double = lambda x: x / 0  # HERE\ndef view(request):\n    return [double(x) for x in range(3)]\n",
        "ZeroDivisionError",
    ),
    "view: recursion": view(
        "def down(x):\n    return down(x + 1)  # HERE\ndef view(request):\n    return down(0)\n",
        "calls itself without end",
    ),
    "view: recursion of two": view(
        "def a(x):\n    return b(x)\ndef b(x):\n    x = [x]\n    return a(x)\ndef view(request):\n    return a(0)\n",
        "RecursionError",
    ),
    "view: cause": view(
        "def view(request):\n    try:\n        1 / 0\n    except ZeroDivisionError as error:\n"
        "        raise ValueError('outer') from error  # HERE\n",
        "Which was caused by",
    ),
    "view: context": view(
        "def view(request):\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        raise ValueError('outer')  # HERE\n",
        "Which happened while handling",
    ),
    "view: exception group": view(
        "def view(request):\n    raise ExceptionGroup('two', [ValueError('one'), TypeError('other')])  # HERE\n",
        "One of the group",
    ),
    "view: repr() that fails": view(
        "class Bad:\n    def __repr__(self):\n        raise ValueError('inner')\ndef view(request):\n"
        "    bad = Bad()\n    raise KeyError('outer')  # HERE\n",
        "its repr() raises ValueError",
    ),
    "view: str() that fails": view(
        "class Bad(Exception):\n    def __str__(self):\n        raise ValueError('inner')\ndef view(request):\n"
        "    raise Bad  # HERE\n",
        "its str() raises ValueError",
    ),
    "view: huge variables": view(
        "def view(request):\n    table = {n: [n] * 100 for n in range(20000)}\n    text = 'x' * 10**7\n    return table['a']  # HERE\n",
        "table",
    ),
    "view: encoding": view(
        "def view(request):\n    return b'gr\\xf6\\xdfe'.decode()  # HERE\n", "The bytes around it are"
    ),
    "view: suspicious": view(
        "from django.core.exceptions import SuspiciousOperation\ndef view(request):\n    raise SuspiciousOperation('odd')  # HERE\n",
        "odd",
    ),
    "view: another service": view(
        "def view(request):\n    raise ConnectionRefusedError(111, 'Connection refused')  # HERE\n",
        "Another service does not answer",
    ),
    "view: database server": view(
        "from django.db import OperationalError\ndef view(request):\n"
        "    raise OperationalError('connection failed: Connection refused')  # HERE\n",
        "Is it running",
    ),
    "view: missing table": view(
        "from django.db import OperationalError\ndef view(request):\n    raise OperationalError('no such table: shelf_book')  # HERE\n",
        "python manage.py migrate",
    ),
    "view: missing column": view(
        "from django.db import ProgrammingError\ndef view(request):\n"
        "    raise ProgrammingError('column shelf_book.title does not exist')  # HERE\n",
        "python manage.py migrate",
    ),
    "view: field that is misspelt": view(
        "from django.contrib.auth.models import User\ndef view(request):\n    return User.objects.filter(usrname='a')  # HERE\n",
        "Did you mean username?",
    ),
    "view: name of a URL that is misspelt": view(
        "from django.urls import reverse\ndef view(request):\n    return reverse('hom')  # HERE\n",
        "Did you mean &#x27;home&#x27;?",
    ),
    "form: without a model": view(
        "from django import forms\nclass Form(forms.ModelForm):\n    class Meta:\n        fields = ()\n"
        "def view(request):\n    return Form()  # HERE\n",
        "no model class",
    ),
    "form: exception in clean": view(
        "from django import forms\nclass Form(forms.Form):\n    def clean(self):\n        return self.cleaned_data['a']  # HERE\n"
        "def view(request):\n    return Form({}).is_valid()\n",
        "KeyError",
    ),
    "middleware: exception": Kind(
        {
            **CLEAN,
            "shelf/views.py": "view = None\n",
            "shelf/middleware.py": "def Middleware(get_response):\n    def middleware(request):\n        return request.nothing  # HERE\n"
            "    return middleware\n",
        },
        with_middleware,
        "nothing",
        is_request=True,
    ),
    # templates
    "template: unknown tag": view(RENDER, "load static", page_html="<p>\n{% static 'a' %}  {# HERE #}\n</p>"),
    "template: misspelt tag": view(RENDER, "Did you mean", page_html="<p>\n{% inclde 'a' %}  {# HERE #}\n</p>"),
    "template: unknown filter": view(RENDER, "Did you mean lower?", page_html="<p>\n{{ x|lowr }}  {# HERE #}\n</p>"),
    "template: block that is not closed": view(RENDER, "Unclosed tag", page_html="<p>\n{% if x %}  {# HERE #}\n</p>"),
    "template: missing": view(RENDER.replace("{})", "{})  # HERE"), "Source does not exist"),
    "template: missing, misspelt": view(
        RENDER.replace("{})", "{})  # HERE"), "templates/pages.html", pages_html="a page"
    ),
    "template: missing base": view(RENDER, "nowhere.html", page_html="{% extends 'nowhere.html' %} {# HERE #}"),
    "template: missing part": view(RENDER, "nowhere.html", page_html="<p>\n{% include 'nowhere.html' %} {# HERE #}"),
    "template: missing in a class": view(
        "from django.views.generic import TemplateView\nclass Home(TemplateView):  # HERE\n    template_name = 'no.html'\n"
        "view = Home.as_view()\n",
        "no.html",
    ),
    "template: unknown URL": view(RENDER, "home", page_html="<p>\n{% url 'hme' %} {# HERE #}\n</p>"),
    "template: exception in a property": view(
        "from django.shortcuts import render\nclass Book:\n    @property\n    def title(self):\n        return 1 / 0  # HERE\n"
        "def view(request):\n    return render(request, 'page.html', {'book': Book()})",
        "ZeroDivisionError",
        page_html="<p>\n{{ book.title }}\n</p>",
    ),
    "template: exception in a tag of one's own": Kind(
        {
            **CLEAN,
            "shelf/views.py": RENDER,
            "shelf/tags.py": "from django import template\nregister = template.Library()\n@register.simple_tag\n"
            "def price():\n    return 1 / 0  # HERE\n",
            "templates/page.html": "{% load shelf_tags %}\n{% price %}\n",
        },
        ask,
        "ZeroDivisionError",
        is_request=True,
    ),
    "template: arguments of a tag": Kind(
        {
            **CLEAN,
            "shelf/views.py": RENDER,
            "shelf/tags.py": "from django import template\nregister = template.Library()\n@register.simple_tag\n"
            "def price():\n    return 1\n",
            "templates/page.html": "{% load shelf_tags %}\n{% price 1 2 %} {# HERE #}\n",
        },
        ask,
        "too many positional arguments",
        is_request=True,
    ),
}
