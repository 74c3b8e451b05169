"""Kinds of projects, each small, for what real ones do at import.

A kind is data. Its files come on top of ``SKELETON``; each edited module has a ``MARK``. ``slow.py`` takes a while, and
nothing that is edited has to do with it: it is what there is to prepare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

MARK = 'MARK = "0"\n'
MANAGE = """
import os, sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "company.settings")
from django.core.management import execute_from_command_line

execute_from_command_line(sys.argv)
"""
SETTINGS = """
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "kinds"
DEBUG = True
ALLOWED_HOSTS = ["*"]
DEVRUNSERVER = {"WARM_UP": False}
if "ORACLE_SPARES" in os.environ:
    DEVRUNSERVER |= {"SPARES": True, "CHECKPOINTS": 0}
INSTALLED_APPS = ["devrunserver", "django.contrib.contenttypes", "django.contrib.auth", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "company.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
USE_TZ = True
"""
URLS = """
import oracle_state
from django.urls import include, path

urlpatterns = [path("state/", oracle_state.state), path("shop/", include("shop.urls"))]
"""
VIEWS = """
from django.http import HttpResponse
from shop import models

def index(request):
    return HttpResponse("index")
"""
SKELETON = {
    "manage.py": MANAGE,
    "company/__init__.py": "",
    "company/settings.py": SETTINGS,
    "company/urls.py": URLS,
    "slow.py": "import time\n\ntime.sleep(0.3)\n",
    "shop/__init__.py": "",
    "shop/models.py": "from django.db import models\n\nclass Book(models.Model):\n    name = models.TextField()\n",
    "shop/views.py": VIEWS + MARK,
    "shop/urls.py": "from django.urls import path\nfrom shop import views\nimport slow\n\n"
    'urlpatterns = [path("", views.index)]\n',
}


@dataclass(frozen=True)
class Kind:
    """A project.

    Attributes:
        files: by path, on top of the skeleton.
        edited: the modules that are saved; sooner or later that is prepared.
        settings: lines that follow the others.
        sealed: a pattern of the line that tells why there are no checkpoints; empty where there are.
        varying: modules in which something is another one in each process.
        why_not: a pattern of why its reloads are not prepared; empty where they are.
    """

    files: Mapping[str, str]
    edited: Sequence[str]
    settings: str = ""
    sealed: str = ""
    varying: tuple[str, ...] = field(default=())
    why_not: str = ""


def write(directory: Path, kind: Kind) -> None:
    """Makes a project, in a directory that is made."""
    for path, text in {**SKELETON, **kind.files}.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        text = dedent(text) + (dedent(kind.settings) if path == "company/settings.py" else "")
        if path in kind.edited and MARK not in text:
            text += "\n" + MARK
        file.write_text(text)


APP = """
from django.apps import AppConfig

class Shop(AppConfig):
    name = "shop"

    def ready(self):
        {ready}
"""


def many(count: int, text: str, name: str = "shop/plugins/plugin_{n:03}.py") -> dict[str, str]:
    """Modules that are alike."""
    return {name.format(n=n): text.replace("NUMBER", str(n)) for n in range(count)}


TASKS = """
from company.queue import shared_task
from APP import models

@shared_task
def add():
    pass
"""
CONNECT = """
from django.db.models.signals import post_save

def saved(**kwargs):
    pass

post_save.connect(saved, sender=models.Book)
"""
# Which Django refuses before all models are there
ASKING = """
from django.apps import apps
from django.core.signals import setting_changed

Permission = apps.get_model("auth", "Permission")
NAMES = [field.name for field in Permission._meta.get_fields()]

def changed(**kwargs):
    pass

setting_changed.connect(changed)
"""
# Which relations there are Django finds out when it is asked first, and keeps until there is another model; but in
# ``ready()``, where it goes on keeping them
REPORTS = "import time\nfrom shop.models import Book\n\ntime.sleep(0.2)\nassert Book._meta.get_fields()\n"
LATE_MODEL = """
from django.db import models

class Note(models.Model):
    book = models.ForeignKey("shop.Book", models.CASCADE)

    class Meta:
        app_label = "shop"
"""
PLUGIN = """
from shop import registry, util

@registry.PLUGINS.append
@util.helped
def plugin():
    return NUMBER
"""
FIND_PLUGINS = """
import importlib, pkgutil
import shop.plugins

for one in sorted(info.name for info in pkgutil.iter_modules(shop.plugins.__path__)):
    importlib.import_module(f"shop.plugins.{one}")
"""

KINDS: dict[str, Kind] = {
    "the skeleton": Kind({}, ["shop/views.py", "shop/models.py"]),
    "plug-ins in a list": Kind(
        {
            "shop/apps.py": APP.format(ready="import shop.find_plugins; import slow"),
            "shop/find_plugins.py": FIND_PLUGINS,
            "shop/registry.py": "PLUGINS = []\n",
            "shop/util.py": "def helped(value):\n    return value\n",
            "shop/plugins/__init__.py": "",
            **many(20, PLUGIN),
        },
        ["shop/plugins/plugin_010.py", "shop/util.py", "shop/registry.py"],
    ),
    "views from ready()": Kind(
        {
            "shop/apps.py": APP.format(ready="from shop import views; import slow"),
            "other/__init__.py": "",
            **many(
                60,
                "import dataclasses\n\n@dataclasses.dataclass\nclass RecordNUMBER:\n    name: str\n",
                "other/one_{n}.py",
            ),
            "shop/models.py": SKELETON["shop/models.py"] + "import shop.early\n",
            "shop/early.py": "from shop import late\n",
            "shop/late.py": "".join(f"from other import one_{n}\n" for n in range(60)),
        },
        ["shop/views.py", "shop/early.py", "shop/models.py"],
    ),
    "what asks for models at import": Kind(
        {
            "shop/apps.py": APP.format(ready="from shop.api import main, receivers; from shop import handlers"),
            "shop/handlers.py": "import slow\nfrom shop import models\n" + ASKING,
            "shop/api/__init__.py": "",
            "shop/api/main.py": "from django.http import HttpResponse\nfrom shop.api import constants\n",
            "shop/api/constants.py": "import slow\nNAMES = []\n",
            "shop/api/receivers.py": ASKING,
        },
        ["shop/models.py", "shop/handlers.py"],
    ),
    "models that views define": Kind(
        {
            "shop/apps.py": APP.format(ready="from shop import handlers; import slow"),
            "shop/handlers.py": "",
            "shop/views.py": VIEWS + "from shop import reports\n",
            "shop/reports.py": REPORTS + "from shop import late\n",
            "shop/late.py": LATE_MODEL,
        },
        ["shop/handlers.py"],
    ),
    "models that ready() defines": Kind(
        {
            "shop/apps.py": APP.format(ready="from shop import reports, late; import slow"),
            "shop/handlers.py": "",
            "shop/reports.py": "from shop import handlers\n" + REPORTS,
            "shop/late.py": LATE_MODEL,
        },
        ["shop/handlers.py"],
    ),
    "packages that import all": Kind(
        {
            "shop/parts/__init__.py": "from .first import *\nfrom .middle import *\nfrom .last import *\n",
            "shop/parts/first.py": "__all__ = ['one']\none = 1\n",
            "shop/parts/middle.py": "from .first import *\n\ndef two():\n    return one\n",
            "shop/parts/last.py": "from shop.parts import *\nfrom .middle import two\n\nthree = two()\n",
            "shop/views.py": VIEWS + "from shop.parts import *\n",
        },
        ["shop/parts/middle.py", "shop/parts/__init__.py"],
    ),
    "a cycle of imports": Kind(
        {
            "shop/left.py": "import shop.right\n\ndef left():\n    return shop.right.right\n",
            "shop/right.py": "import shop.left\n\ndef right():\n    return shop.left.left\n",
            "shop/models.py": "import shop.left\n" + SKELETON["shop/models.py"],
        },
        ["shop/left.py", "shop/right.py"],
    ),
    "signals connected by views": Kind(
        {
            "shop/views.py": VIEWS + CONNECT,
            "shop/other.py": VIEWS + CONNECT,
            "shop/urls.py": SKELETON["shop/urls.py"].replace("import slow", "import slow\nfrom shop import other"),
        },
        ["shop/views.py", "shop/other.py"],
    ),
    "admin sites": Kind(
        {
            f"{app}/{name}.py": text
            for app in ("shop", "stock", "staff")
            for name, text in {
                "__init__": "",
                "models": SKELETON["shop/models.py"],
                "admin": f"from django.contrib import admin\nfrom {app} import models\n\n"
                "@admin.register(models.Book)\nclass BookAdmin(admin.ModelAdmin):\n    list_display = ['name']\n",
            }.items()
        }
        | {
            "company/urls.py": URLS
            + "from django.contrib import admin\nurlpatterns += [path('admin/', admin.site.urls)]\n"
        },
        ["shop/admin.py", "stock/admin.py", "stock/models.py"],
        settings="""
        INSTALLED_APPS += [f"django.contrib.{name}" for name in ("admin", "messages", "sessions")] + ["stock", "staff"]
        MIDDLEWARE = [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ]
        TEMPLATES[0]["OPTIONS"] = {"context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]}
        """,
    ),
    "class registries": Kind(
        {
            "shop/base.py": """
            import dataclasses, enum
            from typing import Generic, TypeVar

            Item = TypeVar("Item")
            KINDS = {}

            class Meta(type):
                made = []
                def __new__(mcs, name, bases, namespace):
                    made = super().__new__(mcs, name, bases, namespace)
                    Meta.made.append(made)
                    return made

            class Base(Generic[Item]):
                def __init_subclass__(cls, **kwargs):
                    super().__init_subclass__(**kwargs)
                    KINDS[cls.__name__] = cls

            class Colour(enum.Enum):
                RED = enum.auto()
                BLUE = enum.auto()

            @dataclasses.dataclass(order=True, slots=True)
            class Price:
                amount: int = 0
                tags: list[str] = dataclasses.field(default_factory=list)
            """,
            **{
                f"shop/kind_{name}.py": f"""
                from shop.base import Base, Colour, Meta, Price

                class Kind_{name}(Base[Price]):
                    colour = Colour.RED
                    prices: dict[Colour, Price] = {{Colour.RED: Price(1)}}

                class Made_{name}(metaclass=Meta):
                    pass
                """
                for name in "abc"
            },
            "shop/views.py": VIEWS + "from shop import kind_a, kind_b, kind_c\n",
        },
        ["shop/kind_b.py", "shop/base.py", "shop/kind_a.py"],
    ),
    "views by name": Kind(
        {
            "shop/lazily.py": """
            from django.utils.module_loading import import_string
            from django.utils.functional import SimpleLazyObject

            def view(name):
                def call(request):
                    return import_string(name)(request)
                call.name = name
                return call

            service = SimpleLazyObject(lambda: import_string("shop.service.Service")())
            """,
            "shop/service.py": "class Service:\n    pass\n",
            "shop/urls.py": """
            import slow
            from django.urls import include, path
            from shop.lazily import view

            urlpatterns = [path("", view("shop.views.index")), path("more/", include("shop.more.urls"))]
            """,
            "shop/more/__init__.py": "",
            "shop/more/urls.py": """
            from django.urls import path
            from . import views

            urlpatterns = [path("", views.index)]
            """,
            "shop/more/views.py": VIEWS,
        },
        ["shop/more/views.py", "shop/lazily.py"],
    ),
    "a router": Kind(
        {
            "shop/router.py": """
            from django.urls import path

            class Router:
                def __init__(self):
                    self.registry = []
                def register(self, prefix, view_set):
                    self.registry.append((prefix, view_set, view_set.__name__.lower()))
                @property
                def urls(self):
                    return [path(prefix, view_set.as_view(), name=name) for prefix, view_set, name in self.registry]

            router = Router()
            """,
            **{
                f"shop/api_{name}.py": f"""
                from django.views import View
                from shop.router import router

                class View_{name}(View):
                    pass

                router.register("{name}/", View_{name})
                """
                for name in "abc"
            },
            "shop/urls.py": """
            from shop import api_a, api_b, api_c
            from shop.router import router
            import slow

            urlpatterns = router.urls
            """,
        },
        ["shop/api_b.py", "shop/router.py"],
    ),
    "tasks": Kind(
        {
            "company/queue.py": """
            from importlib import import_module
            from importlib.util import find_spec
            import functools

            class Queue:
                def __init__(self):
                    self.tasks, self.pending = {}, []
                def task(self, function):
                    self.tasks[f"{function.__module__}.{function.__name__}"] = function
                    return functools.wraps(function)(lambda *args: function(*args))
                def autodiscover(self, names):
                    for name in names:
                        if find_spec(f"{name}.tasks") is not None:
                            import_module(f"{name}.tasks")

            queue = Queue()
            shared_task = queue.task
            """,
            "shop/apps.py": APP.format(ready="from company.queue import queue; queue.autodiscover(['shop', 'stock'])"),
            **{f"{app}/tasks.py": TASKS.replace("APP", app) for app in ("shop", "stock")},
            "stock/__init__.py": "",
            "stock/models.py": SKELETON["shop/models.py"],
        },
        ["shop/tasks.py", "company/queue.py", "stock/models.py"],
        settings="INSTALLED_APPS += ['stock']\n",
    ),
    "translations at import": Kind(
        {
            "shop/texts.py": """
            from django.utils.translation import gettext, gettext_lazy as _, ngettext_lazy, override

            NAME = _("Name")
            MANY = ngettext_lazy("%d book", "%d books")
            with override("de"):
                YES = gettext("Yes")
            CHOICES = [("a", _("Monday")), ("b", _("Tuesday"))]
            """,
            "shop/views.py": VIEWS + "from shop import texts\n",
        },
        ["shop/texts.py", "shop/views.py"],
        settings="LANGUAGE_CODE = 'fr'\nUSE_I18N = True\n",
    ),
    "logging to a file": Kind(
        {"shop/views.py": VIEWS + "import logging\n\nlogging.getLogger('shop').info('imported')\n"},
        ["shop/views.py", "shop/models.py"],
        settings="""
        LOGGING = {
            "version": 1, "disable_existing_loggers": False,
            "formatters": {"plain": {"format": "%(asctime)s %(message)s"}},
            "handlers": {
                "file": {"class": "logging.FileHandler", "filename": BASE_DIR / "debug.log", "formatter": "plain"},
                "turn": {"class": "logging.handlers.RotatingFileHandler", "filename": BASE_DIR / "turn.log"},
            },
            "loggers": {"shop": {"handlers": ["file", "turn"], "level": "DEBUG"}},
        }
        """,
    ),
    "a thread that stays": Kind(
        {
            "shop/apps.py": APP.format(ready="import shop.poller"),
            "shop/poller.py": "import threading\n\nended = threading.Event()\n"
            "thread = threading.Thread(target=ended.wait, daemon=True, name='poller')\nthread.start()\n",
        },
        ["shop/views.py"],
        sealed=r"No checkpoints from .* on: a thread runs \((shop\.)?poller\)",  # which, is known from Python 3.12 on
    ),
    "a connection that is open": Kind(
        {
            "shop/apps.py": APP.format(ready="import shop.client"),
            "shop/client.py": """
            import socket

            server = socket.create_server(("127.0.0.1", 0))
            client = socket.create_connection(server.getsockname())
            """,
        },
        ["shop/views.py"],
        sealed=r"No checkpoints from .* on: it connected to a server \(shop\.client\)",
    ),
    "a database that is read": Kind(
        {
            "shop/apps.py": APP.format(ready="import shop.cached"),
            "shop/cached.py": """
            import sqlite3
            from contextlib import closing
            from django.conf import settings

            with closing(sqlite3.connect(settings.BASE_DIR / "data.sqlite3")) as database:
                VERSION = database.execute("select 1").fetchone()
            """,
        },
        ["shop/views.py"],
    ),
    "values of time": Kind(
        {
            "shop/stamps.py": """
            import datetime, itertools, os, random, time, uuid

            STARTED, CLOCK, TOKEN = time.time(), time.monotonic(), uuid.uuid4()
            SECONDS, MINUTES = time.strftime("%Y%m%d%H%M%S"), datetime.datetime.now().isoformat()
            DAY, NOW = datetime.date.today(), datetime.datetime.now(datetime.timezone.utc)
            HTTP_DATE = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
            HEX, NUMBER, SHUFFLED = uuid.uuid1().hex, random.random(), random.sample(range(99), 9)
            ADDRESS, REPRESENTED = id(object()), f"{object()!r} {id(object())}"
            IN_HASH_ORDER = list({"one", "two", "three", "four"})
            PID = {"pid": os.getpid(), "name": f"worker-{os.getpid()}"}
            STAMP = int(time.time()); MILLIS = int(time.time() * 1000); NANOS = time.time_ns()
            VERSION = f"?v={int(time.time())}"
            TODAY = f"{datetime.datetime.now():%H:%M}"
            SALT = os.urandom(8)
            """,
            "shop/urls.py": SKELETON["shop/urls.py"].replace("import slow", "import slow\nfrom shop import stamps"),
        },
        ["shop/views.py", "shop/stamps.py"],
        varying=("shop.stamps",),
    ),
    "classes in a set": Kind(
        {
            "shop/sets.py": """
            class One: pass
            class Two: pass
            class Three: pass
            class Four: pass
            class Five: pass

            CLASSES = list({One, Two, Three, Four, Five})
            BY_FUNCTION = {one: one.__name__ for one in {len, One.__init__, lambda: 1, sorted, print}}
            """,
            "shop/urls.py": SKELETON["shop/urls.py"].replace("import slow", "import slow\nfrom shop import sets"),
        },
        ["shop/views.py"],
        varying=("shop.sets",),
    ),
    "a counter": Kind(
        {
            "shop/counter.py": "import itertools\n\nNUMBERS = itertools.count()\n",
            **{
                f"shop/counted_{name}.py": "from shop import counter\n\nNUMBER = next(counter.NUMBERS)\n"
                for name in "abc"
            },
            "shop/urls.py": SKELETON["shop/urls.py"].replace(
                "import slow", "from shop import counted_a, counted_b, counted_c\nimport slow"
            ),
        },
        ["shop/counted_b.py", "shop/counted_a.py", "shop/views.py"],
    ),
}
