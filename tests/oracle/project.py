"""The projects that the oracle test edits, generated or as ``wagtail start`` makes them, and how edits are saved."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from tests.live import REPOSITORY, replace
from tests.oracle import edits
from tests.oracle.tree import INIT, Module, Tier, Tree
from tests.stories.test_reload import EDITS as STYLES

APPS = ("first", "second", "third")
EARLIER_EDITS = 60
LEAVES_DIRECTORY = 0.3  # how often a directory that was emptied stays

MANAGE = """\
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "early"))
sys.path.append(os.path.join(HERE, "late"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "company.settings")
{patch}
from django.core.management import execute_from_command_line

execute_from_command_line(sys.argv)
"""

FRESH = "ORACLE_FRESH"  # environment variable of the server that is compared with
SEEDED = {"PYTHONHASHSEED": "0"}  # so that two servers iterate over sets alike

# In the environment of a server that starts ahead, and forks nothing
SPARES = {"ORACLE_SPARES": "exact"}
PREPARED_SPARES = {"ORACLE_SPARES": "prepared"}
EXACT = {"ORACLE_EXACT": "1"}  # nothing is imported ahead, so modules come in the order of a fresh start
WITHOUT_CHECKS = ("--skip-checks",)  # what they import is in the worker, sooner or later, where nothing is forked

# Prepares spares where there is hardly anything to gain, too
PREPARING = f"""\
from devrunserver.supervisor.preparation import spare_steps

if "{FRESH}" not in os.environ:
    spare_steps.WORTH = 0.0
"""

# Makes a checkpoint before nearly every module of the project
DENSE = f"""\
from devrunserver.checkpoints import policy

if "{FRESH}" not in os.environ:
    policy.INTERVAL, policy.FORK_SHARE = 0.004, float("inf")
"""

SETTINGS = """\
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "oracle"
DEBUG = True
ALLOWED_HOSTS = ["*"]
DEVRUNSERVER = {"CHECKPOINTS": 40, "CHECKPOINT_MEMORY": 4000, "WARM_UP": False}
if "ORACLE_EXACT" in os.environ:
    DEVRUNSERVER["PREPARE"] = False
if "ORACLE_SPARES" in os.environ:
    DEVRUNSERVER |= {"SPARES": True, "CHECKPOINTS": 0, "PREPARE": os.environ["ORACLE_SPARES"] == "prepared"}
INSTALLED_APPS = [
    "devrunserver",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "first",
    "second.apps.Second",
    "third",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "first.middleware.Nothing",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "company.urls"
WSGI_APPLICATION = "company.wsgi.application"
STATIC_URL = "static/"
USE_TZ = True
try:
    with open(BASE_DIR / "company" / "values.txt") as file:
        VALUES = file.read()
except FileNotFoundError:
    VALUES = ""
try:
    from .local_settings import *
except ImportError:
    pass
"""

COMPANY = {
    "events.py": (Tier.SETTINGS, "from django.dispatch import Signal\n\nORDER = []\nPATCHED = 0\nchanged = Signal()\n"),
    "company/settings.py": (Tier.SETTINGS, SETTINGS),
    "company/wsgi.py": (
        Tier.VIEWS,
        "from django.core.wsgi import get_wsgi_application\n\napplication = get_wsgi_application()\n",
    ),
    "company/urls.py": (
        Tier.URLS,
        "import oracle_state\nfrom django.contrib import admin\nfrom django.urls import include, path\n\n"
        'urlpatterns = [path("state/", oracle_state.state), path("lazy/", oracle_state.lazy)]\n'
        'urlpatterns += [path(f"{app}/", include(f"{app}.urls")) for app in ("first", "second", "third")]\n'
        'urlpatterns += [path("admin/", admin.site.urls)]\n',
    ),
}

APP = {
    INIT: (Tier.PURE, ""),
    "apps.py": (
        Tier.PURE,
        "from django.apps import AppConfig\n\n\nclass NAME(AppConfig):\n"
        '    name = "APP"\n\n    def ready(self):\n        from . import receivers, checks\n',
    ),
    "left.py": (Tier.PURE, "import APP.right\n"),
    "right.py": (Tier.PURE, "import APP.left\n"),
    "models.py": (
        Tier.MODELS,
        "from django.db import models\n\nfrom . import helpers, left\n\nHELPED = helpers.MARK\n\n\n"
        "class Base(models.Model):\n    name = models.CharField(max_length=9)\n",
    ),
    "admin.py": (Tier.READY, "from django.contrib import admin\n\nfrom . import models\n"),
    "receivers.py": (
        Tier.READY,
        "import events\nfrom django.db.models.signals import post_delete, post_save, pre_save\n"
        "from django.dispatch import receiver\n\nfrom . import models\n",
    ),
    "checks.py": (Tier.READY, "from django.core.checks import register\n"),
    "middleware.py": (Tier.VIEWS, "def Nothing(get_response):\n    return get_response\n"),
    "views.py": (
        Tier.VIEWS,
        "from django.http import HttpResponse\n\nfrom . import middleware, models\n\n\n"
        'def index(request):\n    return HttpResponse("index")\n',
    ),
    "urls.py": (
        Tier.URLS,
        'from django.urls import path\n\nfrom . import views\n\nurlpatterns = [path("", views.index)]\n',
    ),
    "helpers.py": (Tier.PURE, ""),
}


def generate(directory: Path, patch: str = DENSE, seed: int | None = None, traced: bool = True) -> Tree:
    """A project of three apps, in a directory that is made.

    Args:
        patch: lines of ``manage.py``.
        seed: of the edits that it has had before; None: it has had none.
        traced: each module leaves a trace of when it is executed; else only some do.
    """
    tree = _generated_tree(patch, traced)
    rng = random.Random(seed)
    if not traced:
        edits.leave_traces(tree, rng)
    for _ in range(EARLIER_EDITS if seed is not None else 0):
        edits.edit(tree, rng)
    if tree.broken:
        edits.edit(tree, rng)
    directory.mkdir()
    save(directory, Tree(), tree, random.Random(0))
    return tree


def _generated_tree(patch: str, traced: bool) -> Tree:
    tree = Tree()
    tree.traced = traced
    tree.packages = [*APPS, ""]
    for path, (tier, head) in COMPANY.items():
        tree.add(path, Module(tier, head, lasting=True))
    for app in APPS:
        for name, (tier, head) in APP.items():
            head = head.replace("APP", app).replace("NAME", app.title())
            # what may be shadowed, or not be imported, is not there for certain
            tree.add(f"{app}/{name}", Module(tier, head, lasting=name not in ("helpers.py", "admin.py")))
        tree.data[f"{app}/data/first.txt"] = "0"
    tree.data["company/__init__.py"] = ""
    for part in ("one", "two"):
        tree.add(f"shared/{part}.py", Module(Tier.PURE))
        tree.add(f"linked_{part}/{INIT}", Module(Tier.PURE))
    tree.links["linked"] = "linked_one"
    tree.data["manage.py"] = MANAGE.format(patch=patch)
    tree.data["oracle_state.py"] = Path(__file__).with_name("state.py").read_text()
    return tree


def wagtail(folder: Path) -> tuple[Path, Tree]:
    """What ``wagtail start`` makes, with our app on top and its database migrated: its directory and its source."""
    start = "from wagtail.bin.wagtail import main; main()"
    subprocess.run([sys.executable, "-c", start, "start", "mysite"], cwd=folder, check=True, capture_output=True)
    directory = folder / "mysite"
    base = directory / "mysite/settings/base.py"
    replace(base, base.read_text().replace("INSTALLED_APPS = [", 'INSTALLED_APPS = [\n    "devrunserver",', 1))
    environ = {key: value for key, value in os.environ.items() if not key.startswith("DJANGO")}
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    subprocess.run(
        migrate, cwd=directory, env={**environ, "PYTHONPATH": str(REPOSITORY)}, check=True, capture_output=True
    )
    tree = _wagtail_tree(directory)
    save(directory, Tree(), tree, random.Random(0))
    return directory, tree


def _wagtail_tree(directory: Path) -> Tree:
    """The modules of that project that are edited."""
    tree = Tree()
    tree.packages = ["home", ""]
    urls = "import home.receivers\nimport oracle_state\n\n"
    urls += 'urlpatterns[:0] = [path("state/", oracle_state.state), path("lazy/", oracle_state.lazy)]\n'
    known = {
        "mysite/settings/base.py": (Tier.SETTINGS, ""),
        "mysite/settings/dev.py": (Tier.SETTINGS, ""),
        "home/models.py": (Tier.MODELS, ""),
        "search/views.py": (Tier.VIEWS, ""),
        "mysite/urls.py": (Tier.URLS, urls),
        "mysite/wsgi.py": (Tier.VIEWS, ""),
    }
    for path, (tier, more) in known.items():
        tree.add(path, Module(tier, (directory / path).read_text() + "\n" + more, lasting=True))
    new = {
        "events.py": COMPANY["events.py"],
        "home/admin.py": APP["admin.py"],
        "home/receivers.py": APP["receivers.py"],
        "home/helpers.py": APP["helpers.py"],
    }
    for path, (tier, head) in new.items():
        tree.add(path, Module(tier, head, lasting=path in ("events.py", "home/receivers.py")))
    tree.data["oracle_state.py"] = Path(__file__).with_name("state.py").read_text()
    return tree


def save(directory: Path, before: Tree, after: Tree, rng: random.Random, last: str = "") -> None:
    """Writes what differs, file by file: data first, as it does not reload by itself.

    Args:
        last: the path of the module that is saved last.
    """
    old, new = before.render(), after.render()
    for path, target in after.links.items():
        if before.links.get(path) != target:
            _link(directory / path, target)
    paths = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    rng.shuffle(paths)
    for path in sorted(paths, key=lambda path: (path == last, path in after.modules or path in before.modules)):
        if path in new:
            _write(directory / path, new[path], rng)
        else:
            _delete(directory / path, rng)


def _link(path: Path, target: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.symlink_to(target)
    draft.replace(path)


def _write(file: Path, text: str, rng: random.Random) -> None:
    """As one of many editors does."""
    if file.exists():
        rng.choice(STYLES)(file, text)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def _delete(file: Path, rng: random.Random) -> None:
    file.unlink()
    left = {one.name for one in file.parent.iterdir()}
    if left <= {"__pycache__"} and rng.random() >= LEAVES_DIRECTORY:
        while file.parent.exists():  # a start in the background may be writing bytecode there
            shutil.rmtree(file.parent, ignore_errors=True)
