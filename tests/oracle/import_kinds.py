"""More kinds of projects: what is imported by other means than a statement, and what imports leave behind."""

from __future__ import annotations

from tests.oracle.kinds import APP, SETTINGS, SKELETON, VIEWS, Kind, many

URLCONF = SKELETON["shop/urls.py"]
MODEL = SKELETON["shop/models.py"]


def urls_with(line: str) -> str:
    """The URLconf of the app, which begins with another line."""
    return line + "\n" + URLCONF


KINDS: dict[str, Kind] = {
    "a start that writes what is there already": Kind(
        {
            "shop/apps.py": APP.format(ready="from shop import drivers, plugins"),
            "shop/drivers.py": """
            from django.db import connection

            NAMES = ("one", "two", "three")
            with connection.cursor() as cursor:
                if "driver" not in connection.introspection.table_names(cursor):
                    cursor.execute("CREATE TABLE driver (name, present)")
                    cursor.executemany("INSERT INTO driver VALUES (%s, 1)", [[name] for name in NAMES])
                cursor.execute("UPDATE driver SET present = 0")
                for name in NAMES:
                    cursor.execute("SELECT present FROM driver WHERE name = %s", [name])
                    assert cursor.fetchone() == (0,)
                    cursor.execute("UPDATE driver SET present = 1 WHERE name = %s", [name])
            """,
            "shop/plugins.py": "import slow\nfrom shop import views\n",
        },
        ["shop/plugins.py", "shop/views.py"],
        sealed="it wrote to a database",
    ),
    "an order that comes from addresses": Kind(
        {
            "shop/signals.py": "RECEIVERS = set()\nORDER = []\n",
            **{
                f"shop/receiver_{name}.py": "from shop import signals\n\nclass Receiver:\n"
                f"    name = {name!r}\n\nRECEIVER = Receiver()\nsignals.RECEIVERS.add(RECEIVER)\n"
                for name in "abcdefghij"
            },
            "shop/urls.py": urls_with(
                "from shop import " + ", ".join(f"receiver_{name}" for name in "abcdefghij") + "\n"
                "from shop.signals import ORDER, RECEIVERS\nORDER.extend(one.name for one in RECEIVERS)"
            ),
        },
        ["shop/views.py"],
        varying=("shop.signals", "shop.urls"),
    ),
    "logging that is configured anew": Kind(
        {
            "shop/views.py": "import logging.config\n\n"
            "logging.config.dictConfig({'version': 1, 'disable_existing_loggers': True})\n" + VIEWS,
            "library/__init__.py": "import logging\n\nlogging.getLogger('library').addHandler(logging.NullHandler())\n",
            "library/common.py": "import logging\n\nlog = logging.getLogger('library')\n",
            "library/rest.py": "import logging\n\nlog = logging.getLogger('library.rest')\n",
            "shop/urls.py": "from django.urls import path\nfrom shop import views\nfrom library import common, rest\n"
            "import slow\n\nurlpatterns = [path('', views.index)]\n",
        },
        ["shop/views.py"],
    ),
    "rules that several names stand for": Kind(
        {
            "library/__init__.py": "from library.permissions import add\n",
            "library/permissions.py": "permissions = {}\n\ndef add(name, rule):\n    permissions[name] = rule\n",
            "library/rules.py": "class Rule:\n    def __init__(self, test):\n        self.test = test\n",
            "shop/rules.py": "import library\nfrom library.rules import Rule\n\n"
            "@Rule\ndef is_manager(user):\n    return user == 'manager'\n\n"
            "@Rule\ndef is_reader(user):\n    return user == 'reader'\n\n"
            "library.add('see', is_reader)\nlibrary.add('change', is_manager)\n",
            "shop/views.py": "import library\nfrom shop.rules import is_manager, is_reader\n\n"
            "library.add('list', is_manager)\nlibrary.add('delete', is_reader)\n" + VIEWS,
            "shop/reports.py": "import library\nfrom shop.rules import is_manager\n\n"
            "library.add('report', is_manager)\n",
            "shop/exports.py": "import time\nfrom library import permissions\nfrom shop import reports\n\n"
            "time.sleep(0.1)\n",
            "shop/models.py": "from shop import rules\n",
            "shop/urls.py": "from django.urls import path\nfrom shop import views\nfrom shop import exports, reports\n"
            "import slow\n\nurlpatterns = [path('', views.index)]\n",
        },
        ["shop/views.py"],
    ),
    "stores that a class keeps by name": Kind(
        {
            "shop/stores.py": """
            class Store:
                by_name = {}

                def __init__(self, name):
                    self.by_name[name] = self
            """,
            **{
                f"shop/store_{name}.py": f"from shop.stores import Store\n\nSTORE = Store({name!r})\n" for name in "abc"
            },
            "shop/urls.py": urls_with("from shop import store_a, store_b, store_c"),
        },
        ["shop/store_b.py", "shop/views.py"],
    ),
    "subclasses that are asked for, one of which a call makes": Kind(
        {
            "shop/forms.py": """
            class Form: pass

            def all_forms():
                return Form.__subclasses__()
            """,
            "shop/wizard.py": """
            from shop.forms import Form

            def make():
                class Made(Form): pass
                return Made
            """,
            "shop/late.py": "from shop.forms import Form\n\nclass Late(Form): pass\n",
            "shop/urls.py": URLCONF.replace("import slow", "from shop import forms, wizard\nMADE = wizard.make()")
            + "from shop import late\nNAMES = [one.__name__ for one in forms.all_forms()]\nimport slow\n",
        },
        ["shop/views.py", "shop/late.py"],
    ),
    "views that a middleware imports": Kind(
        {
            "company/middleware.py": """
            from django.conf import settings
            from django.utils.module_loading import import_string

            class Lazily:
                def __init__(self, get_response):
                    self.get_response, self.handler = get_response, None

                def __call__(self, request):
                    self.handler = self.handler or import_string(settings.HANDLER)
                    return self.get_response(request)
            """,
            "shop/late.py": VIEWS,
        },
        ["shop/late.py"],
        settings="MIDDLEWARE = ['company.middleware.Lazily']\nHANDLER = 'shop.late.index'\n",
    ),
    "URLs by a loop over apps": Kind(
        {
            "company/urls.py": """
            from importlib import import_module
            from importlib.util import find_spec

            import oracle_state
            from django.apps import apps
            from django.urls import include, path

            urlpatterns = [path("state/", oracle_state.state)]
            for config in apps.get_app_configs():
                if find_spec(f"{config.name}.urls"):
                    module = import_module(f"{config.name}.urls")
                    urlpatterns.append(path(f"{config.label}/", include((module.urlpatterns, config.label))))
            """,
            **{
                f"{app}/{name}.py": text
                for app in ("stock", "staff")
                for name, text in {
                    "__init__": "",
                    "views": VIEWS.replace("from shop import models", ""),
                    "urls": URLCONF.replace("shop", app),
                }.items()
            },
        },
        ["stock/views.py", "staff/urls.py"],
        settings="INSTALLED_APPS += ['stock', 'staff']\n",
    ),
    "URLs that are included by a property": Kind(
        {
            "company/urls.py": """
            import oracle_state
            from django.urls import include, path
            from django.utils.functional import SimpleLazyObject, cached_property

            class Site:
                @cached_property
                def urls(self):
                    return [path("shop/", include("shop.urls")), path("more/", include("shop.more"))]

            site = Site()
            patterns = SimpleLazyObject(lambda: site.urls)
            urlpatterns = [path("state/", oracle_state.state), path("", include((patterns, "x")))]
            """,
            "shop/more.py": "from django.urls import path\nfrom shop import more_views\n\n"
            'urlpatterns = [path("", more_views.index)]\n',
            "shop/more_views.py": VIEWS,
        },
        ["shop/views.py", "shop/more_views.py"],
    ),
    "models made by type()": Kind(
        {
            "shop/models.py": """
            from django.db import models
            from shop.columns import COLUMNS

            for name, columns in COLUMNS.items():
                fields = {column: models.TextField(default="") for column in columns}
                globals()[name] = type(name, (models.Model,), {**fields, "__module__": __name__})
            """,
            "shop/columns.py": "COLUMNS = {'Book': ['title', 'author'], 'Shelf': ['room'], 'Room': []}\n",
            "shop/views.py": VIEWS + "NAMES = [field.name for field in models.Book._meta.get_fields()]\n",
        },
        ["shop/columns.py", "shop/models.py", "shop/views.py"],
    ),
    "modules that are found by their name": Kind(
        {
            "shop/apps.py": APP.format(
                ready="from django.utils.module_loading import autodiscover_modules; autodiscover_modules('tasks')"
            ),
            **{
                f"{app}/{name}.py": text
                for app in ("shop", "stock", "staff")
                for name, text in {
                    "__init__": "",
                    "models": MODEL,
                    "tasks": f"from company.registry import register\nfrom {app} import models\n\n"
                    "@register\ndef add():\n    return models.Book\n",
                }.items()
            },
            "company/registry.py": """
            TASKS = {}

            def register(task):
                TASKS[task.__module__] = task
                return task
            """,
        },
        ["stock/tasks.py", "staff/models.py"],
        settings="INSTALLED_APPS += ['stock', 'staff']\n",
    ),
    "panels by their names in settings": Kind(
        {
            "shop/toolbar.py": """
            from functools import lru_cache
            from django.conf import settings
            from django.utils.module_loading import import_string

            @lru_cache(maxsize=None)
            def panels():
                return [import_string(name) for name in settings.PANELS]

            class Panel:
                ids = []
                def __init_subclass__(cls):
                    Panel.ids.append(cls.__name__)
            """,
            **{
                f"shop/panel_{name}.py": f"from shop.toolbar import Panel\n\nclass Panel_{name}(Panel):\n    pass\n"
                for name in "abc"
            },
            "shop/urls.py": urls_with("from shop.toolbar import panels\n\nPANELS = panels()"),
        },
        ["shop/panel_b.py", "shop/toolbar.py"],
        settings="PANELS = [f'shop.panel_{name}.Panel_{name}' for name in 'cab']\n",
    ),
    "all modules of a package": Kind(
        {
            "shop/urls.py": """
            import importlib, pkgutil
            from django.urls import path
            import shop.pages
            import slow

            urlpatterns = []
            for info in pkgutil.walk_packages(shop.pages.__path__, "shop.pages."):
                module = importlib.import_module(info.name)
                if hasattr(module, "index"):
                    urlpatterns.append(path(f"{info.name}/", module.index, name=info.name))
            """,
            "shop/pages/__init__.py": "",
            "shop/pages/more/__init__.py": "",
            **many(3, VIEWS, "shop/pages/page_{n}.py"),
            **many(3, VIEWS, "shop/pages/more/page_{n}.py"),
        },
        ["shop/pages/page_1.py", "shop/pages/more/page_0.py"],
    ),
    "receivers whose order shows": Kind(
        {
            "shop/signals.py": "from django.dispatch import Signal\n\nordered = Signal()\nCALLED = []\n",
            **{
                f"shop/receiver_{name}.py": "from django.dispatch import receiver\nfrom shop import signals\n\n"
                "@receiver(signals.ordered)\ndef called(**kwargs):\n    signals.CALLED.append(__name__)\n"
                for name in "abc"
            },
            "shop/urls.py": urls_with("from shop import receiver_a, receiver_b, receiver_c, called"),
            "shop/called.py": "from shop import signals\n\nsignals.ordered.send(None)\n",
        },
        ["shop/receiver_b.py", "shop/called.py"],
    ),
    "objects of a library that listen to a signal": Kind(
        {
            "shop/base.py": "",
            "shop/files.py": "from django.core.files.storage import FileSystemStorage\n\nfiles = FileSystemStorage()\n",
            **{
                f"shop/{name}.py": "from django.core.signals import setting_changed\nfrom shop import base\n\n"
                "def reset(**kwargs): ...\n\nsetting_changed.connect(reset)\n"
                for name in ("first", "last")
            },
            "shop/apps.py": APP.format(ready="from shop import first, files, last"),
        },
        ["shop/base.py"],
    ),
    "a count of imports": Kind(
        {
            "shop/count.py": "COUNT = 0\nNAMES = {}\n\ndef imported(name):\n    global COUNT\n    COUNT += 1\n"
            "    NAMES[name] = COUNT\n",
            **{
                f"shop/counted_{name}.py": "from shop import count\n\ncount.imported(__name__)\nNUMBER = count.COUNT\n"
                for name in "abc"
            },
            "shop/urls.py": urls_with("from shop import counted_a, counted_b, counted_c"),
        },
        ["shop/counted_b.py", "shop/views.py"],
    ),
    "settings of one machine": Kind(
        {
            "company/settings.py": SETTINGS + "\nfrom company.base import *\n\ntry:\n    from company.local import *\n"
            "except ImportError:\n    pass\n",
            "company/base.py": "NAME = 'base'\nPAGE_SIZE = 10\n",
            "company/local.py": "NAME = 'local'\n",
            "shop/views.py": VIEWS + "from django.conf import settings\n\nNAME = settings.NAME, settings.PAGE_SIZE\n",
        },
        ["shop/views.py"],
    ),
    "a namespace package": Kind(
        {
            "one/plugs/first.py": "FIRST = 1\n",
            "two/plugs/second.py": "from plugs import first\n\nSECOND = first.FIRST + 1\n",
            "shop/views.py": VIEWS + "import plugs.second\n",
            "shop/plain/inner.py": "INNER = 1\n",  # without __init__.py
            "shop/urls.py": urls_with("import plugs.first\nimport shop.plain.inner"),
        },
        ["two/plugs/second.py", "shop/plain/inner.py", "one/plugs/first.py"],
        settings="import sys\n\nsys.path += [str(BASE_DIR / 'one'), str(BASE_DIR / 'two')]\n",
    ),
    "modules that are something else": Kind(
        {
            "shop/lazily.py": """
            import importlib

            def __getattr__(name):
                if name in ("first", "second"):
                    return importlib.import_module(f"shop.lazy_{name}")
                raise AttributeError(name)
            """,
            "shop/lazy_first.py": "FIRST = 1\n",
            "shop/lazy_second.py": "import slow\n\nSECOND = 2\n",
            "shop/itself.py": """
            import sys

            class Module:
                value = 1
                __file__ = __file__
                __spec__ = __spec__
                __name__ = __name__

            sys.modules[__name__] = Module()
            """,
            "shop/views.py": VIEWS + "from shop import itself, lazily\n\nVALUE = itself.value, lazily.first.FIRST\n",
            "shop/urls.py": urls_with("from shop import lazily\n\nSECOND = lazily.second.SECOND"),
        },
        ["shop/views.py", "shop/lazy_first.py", "shop/lazily.py"],
    ),
    "generic functions": Kind(
        {
            "shop/shown.py": """
            from functools import singledispatch

            @singledispatch
            def shown(value):
                return ""
            """,
            **{
                f"shop/shown_{kind}.py": "from shop.shown import shown\n\n@shown.register\n"
                f"def of_{kind}(value: {kind}):\n    return '{kind}'\n"
                for kind in ("int", "str", "list")
            },
            "shop/urls.py": urls_with("from shop import shown_int, shown_list, shown_str"),
        },
        ["shop/shown_list.py", "shop/shown.py"],
    ),
    "what a process has one of": Kind(
        {
            f"shop/process_{name}.py": f"""
            import os, sys, warnings

            os.environ["SHOP_LAST"] = __name__
            os.environ.setdefault("SHOP_FIRST", __name__)
            sys.path.append("/nowhere/{name}")
            warnings.filterwarnings("ignore", "{name}")
            """
            for name in "abc"
        }
        | {
            "shop/urls.py": urls_with("from shop import process_a, process_b, process_c"),
        },
        ["shop/process_b.py", "shop/views.py"],
    ),
    "types of files": Kind(
        {
            f"shop/type_{name}.py": f"""
            import mimetypes, time

            time.sleep(0.1)  # or else it is left out with what is edited, as it costs nothing
            mimetypes.add_type("text/{name}", ".shop")
            """
            for name in "abc"
        }
        | {"shop/urls.py": urls_with("from shop import type_a, type_b, type_c")},
        ["shop/type_b.py"],
        why_not="the order of imports shows in mimetypes.types_map",
    ),
    "classes that are patched": Kind(
        {
            "shop/apps.py": APP.format(ready="from shop import patch_a, patch_b, patch_c; import slow"),
            **{
                f"shop/patch_{name}.py": f"""
                import json
                from django.contrib.auth.models import User
                from django.http import HttpResponse

                before = getattr(HttpResponse, "shown", lambda self: "")
                HttpResponse.shown = lambda self: before(self) + "{name}"
                User.shown = HttpResponse.shown
                json.JSONEncoder.shown = "{name}"
                """
                for name in "abc"
            },
        },
        ["shop/patch_b.py", "shop/models.py"],
    ),
    "a source that its start writes": Kind(
        {
            "shop/apps.py": APP.format(ready="from shop import write; import slow; from shop import written"),
            "shop/write.py": """
            import time
            from pathlib import Path

            Path(__file__).with_name("written.py").write_text(f"WRITTEN = {time.time_ns()}\\n")
            """,
        },
        ["shop/models.py"],
        varying=("shop.written",),
        why_not="a start writes .*written.py",  # and then whoever has loaded it would be replaced, for ever
    ),
    "data that its start writes": Kind(
        {
            "shop/apps.py": APP.format(ready="from shop import write; import slow"),
            "shop/write.py": """
            import json, os
            from pathlib import Path

            data = Path(__file__).with_name("written.json")
            Path(__file__).with_name("draft.json").write_text("[1]")
            os.replace(Path(__file__).with_name("draft.json"), data)
            DATA = json.loads(data.read_text())
            """,
        },
        ["shop/models.py"],
    ),
    "a thousand modules": Kind(
        {
            "shop/apps.py": APP.format(ready="from shop import views, all; import slow"),
            "shop/all.py": "".join(f"from parts import part_{n:03}\n" for n in range(1000)),
            "parts/__init__.py": "",
            **many(1000, "import dataclasses\n\nclass PartNUMBER:\n    name = 'NUMBER'\n", "parts/part_{n:03}.py"),
        },
        ["shop/views.py", "shop/models.py", "parts/part_500.py"],
    ),
    "what is over": Kind(
        {
            "shop/apps.py": APP.format(ready="import passing; import slow"),
            "passing.py": """
            import os, socket, subprocess, sys, tempfile, threading

            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                address = free.getsockname()
            try:
                socket.create_connection(address)
            except OSError:
                pass
            del address, free
            with tempfile.TemporaryDirectory() as directory, open(f"{directory}/one", "w"):
                pass
            del directory
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()
            del thread
            subprocess.run([sys.executable, "-c", ""], check=True)
            """,
        },
        ["shop/models.py", "shop/views.py"],
    ),
    "a temporary file that stays": Kind(
        {
            "shop/apps.py": APP.format(ready="import shop.scratch"),
            "shop/scratch.py": "import tempfile\n\nscratch = tempfile.NamedTemporaryFile()\n",
        },
        ["shop/views.py"],
        sealed=r"No checkpoints from .* on: a temporary file exists \(shop\.scratch\)",
        varying=("shop.scratch",),
    ),
}
