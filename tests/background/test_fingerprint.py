"""Whether the fingerprint shows in which order two modules were imported: where that matters, and nowhere else.

Both orders are tried in forks of one process, as prepared checkpoints are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.marks import plainly

REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="fingerprints are of forks")

PROGRAM = """
import importlib, json, os, sys
sys.path[:0] = [{repository!r}, {directory!r}]
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes"])
django.setup()
import common
from devrunserver.background.fingerprint import Fingerprint

def told(order):
    receiving, sending = os.pipe()
    if os.fork() == 0:
        for name in order:
            importlib.import_module(name)
        fingerprint = Fingerprint(lambda name: name.startswith(("devrunserver", "coverage")), lambda file: True, {asks})
        result = {{name: fingerprint.attributes(name) for name in fingerprint.modules()}}
        outline = fingerprint.outline("common", "registry")
        os.write(sending, b"")
        with open(sending, "w") as out:
            json.dump([fingerprint.modules(), result, outline], out)
        os._exit(0)
    os.close(sending)
    with open(receiving) as source:
        return json.load(source)

(modules, one, outline), (others, other, _) = told("ab"), told("ba")
differing = [[m, a] for m in {{**one, **other}} for a in {{**one.get(m, {{}}), **other.get(m, {{}})}}
    if one.get(m, {{}}).get(a) != other.get(m, {{}}).get(a)]
assert {{m for m, _ in differing}} == {{m for m in {{**modules, **others}} if modules.get(m) != others.get(m)}}
print(json.dumps([sorted(differing), outline]))
"""


def differences(
    directory: Path, common: str, module: str, asks: bool = False
) -> tuple[list[list[str]], list[list[str]]]:
    """What differs if ``a`` is imported before ``b`` or after it, and what is in ``common.registry``.

    Args:
        common: source of a module that both import, and that was imported before.
        module: source of both; X is the module's name.
        asks: whether the order of subclasses counts.
    """
    (directory / "common.py").write_text(dedent(common))
    for name in "ab":
        (directory / f"{name}.py").write_text(dedent(module).replace("X", name))
    program = PROGRAM.format(repository=str(REPOSITORY), directory=str(directory), asks=asks)
    differing, outline = json.loads(subprocess.check_output([sys.executable, "-c", program], env={**os.environ}))
    return differing, outline


TRAPS = {
    "long list of texts": (
        "registry = list('0123456789')",
        "import common\ncommon.registry.append('X')",
        "registry",
    ),
    "long dictionary of numbers": (
        "registry = dict.fromkeys(range(9), 1)",
        "import common\ncommon.registry['X'] = 7",
        "registry",
    ),
    "list of plug-ins": ("registry = []", "import common\ndef plug(): pass\ncommon.registry.append(plug)", "registry"),
    "dictionary": ("registry = {}", "import common\ncommon.registry['X'] = 1", "registry"),
    "list in an object": (
        "class R:\n    def __init__(self): self.all = []\nregistry = R()",
        "import common\nclass P: pass\ncommon.registry.all.append(P())",
        "registry",
    ),
    "equal objects": (
        "class P: pass\nfirst, second = P(), P()\nby_name = dict(a=first, b=second)\nregistry = []",
        "import common\ncommon.registry.append(common.by_name['X'])",
        "registry",
    ),
    "weak references": (
        "import weakref\nregistry = []",
        "import common\ndef f(): pass\ncommon.registry.append(common.weakref.ref(f))",
        "registry",
    ),
    "class attribute": ("class Base:\n    all = []", "import common\ncommon.Base.all.append('X')", "Base.all"),
    "__init_subclass__": (
        "class Base:\n    all = []\n    def __init_subclass__(cls): cls.all.append(cls)",
        "import common\nclass Plug(common.Base): pass",
        "Base.all",
    ),
    "signal receivers": (
        "from django.dispatch import Signal\nregistry = Signal()",
        "import common\ndef on(**kwargs): pass\ncommon.registry.connect(on)",
        "registry",
    ),
    "signal receivers by uid": (
        "from django.dispatch import Signal\nregistry = Signal()\nclass R:\n    def on(self, **kwargs): pass\nr = R()",
        "import common\ncommon.registry.connect(common.r.on, dispatch_uid='X')",
        "registry",
    ),
    "monkey patch": ("def f(): pass", "import common\ndef patched(): pass\ncommon.f = patched", "f"),
    "patch of a class": (
        "class C:\n    def f(self): pass",
        "import common\ndef patched(self): pass\ncommon.C.f = patched",
        "C.f",
    ),
    "number": ("count = ''", "import common\ncommon.count = 'X'", "count"),
    "bound function": (
        "from functools import partial\nregistry = []",
        "import common\ncommon.registry.append(common.partial(print, 'X'))",
        "registry",
    ),
    "method": (
        "registry = []\nclass C:\n    def a(self): pass\n    def b(self): pass\nc = C()",
        "import common\ncommon.registry.append(common.c.X)",
        "registry",
    ),
    "named tuple": (
        "from collections import namedtuple\nT = namedtuple('T', 'x')\nregistry = []",
        "import common\ncommon.registry.append(common.T('X'))",
        "registry",
    ),
    "queue": (
        "from collections import deque\nregistry = deque()",
        "import common\ncommon.registry.append('X')",
        "registry",
    ),
    "ordered dictionary": (
        "from collections import OrderedDict\nregistry = OrderedDict()",
        "import common\ncommon.registry['X'] = 1\ncommon.registry.move_to_end('X', last=False)",
        "registry",
    ),
    "nested": (
        "registry = {'x': [{}]}",
        "import common\ncommon.registry['x'][0]['X'] = ()",
        "registry",
    ),
    "template library": (
        "from django.template import Library\nregister = Library()",
        "import common\n@common.register.simple_tag\ndef tag_X(): pass",
        "register",
    ),
    "URL patterns": (
        "from django.urls import path\nurlpatterns = []",
        "import common\ndef view(request): pass\ncommon.urlpatterns.append(common.path('X/', view))",
        "urlpatterns",
    ),
}


@pytest.mark.parametrize("trap", plainly(TRAPS, len(TRAPS) // 2))
def test_an_order_that_matters_shows(tmp_path: Path, trap: str) -> None:
    common, module, attribute = TRAPS[trap]
    differing, _ = differences(tmp_path, common, module)
    assert ["common", attribute] in differing


def test_models_show(tmp_path: Path) -> None:
    module = """
        from django.db import models
        class Model_X(models.Model):
            class Meta: app_label = "auth"
    """
    assert "django.apps" in {module for module, _ in differences(tmp_path, "", module)[0]}


def test_admin_shows(tmp_path: Path) -> None:
    common = """
        from django.contrib.admin import site
        from django.contrib.auth.models import Group, Permission
        models = dict(a=Group, b=Permission)
        for one in list(site._registry):
            site.unregister(one)
    """
    assert differences(tmp_path, common, "import common\ncommon.site.register(common.models['X'])")[0]


def test_what_another_has_left_when_it_is_read(tmp_path: Path) -> None:
    """Without an import that would tell of it."""
    module = "import common\nseen = len(common.registry)\ncommon.registry.append('X')"
    differing, _ = differences(tmp_path, "registry = []", module)
    assert {("a", "seen"), ("b", "seen"), ("common", "registry")} <= set(map(tuple, differing))


def test_subclasses_show_where_somebody_asks_for_them(tmp_path: Path) -> None:
    source = "class Base: pass", "import common\nclass Plug(common.Base): pass"
    assert differences(tmp_path, *source) == ([], [])
    assert differences(tmp_path, *source, asks=True)[0] == [["common", "Base.__subclasses__"]]


HARMLESS = {
    "nothing in common": ("", "import common\nnames = ['X']\nclass C:\n    all = {}\ndef f(): return [1]\nc = C()"),
    "set": ("registry = set()", "import common\ncommon.registry.add('X')"),
    "set of functions": ("registry = set()", "import common\ndef f(): pass\ncommon.registry.add(f)"),
    "attributes of an object": (
        "class C: pass\nregistry = C()",
        "import common\nsetattr(common.registry, 'X', 1)",
    ),
    "attributes of a module": ("", "import common\nsetattr(common, 'X', 1)"),
    "thread-local": ("import threading\nlocal = threading.local()", "import common\ncommon.local.X = 1"),
    "address": ("registry = None", "import common\nkey = id(object())\ncommon.registry = ()"),
    "addresses in text": (
        "registry = None",
        "import common\nKEPT = [object()]\nA, B = f'{KEPT[0]!r}_{id(KEPT[0])}', hex(id(KEPT[0]))\ncommon.registry = ()",
    ),
    "loggers": ("", "import logging\nlogger = logging.getLogger('X')\nlogging.getLogger('common.X').setLevel(10)"),
    "regular expressions": ("", "import re\nre.compile('[X]+')\nMATCH = re.compile('X|[X]')"),
    "regular expressions from a cache that forgets": (
        "",
        "import re\nif 'X' == 'b': re.purge()\nclass R:\n    route = re.compile('same')\nROUTE = [re.compile('same')]",
    ),
    "cached functions": (
        "from functools import lru_cache\n@lru_cache\ndef f(x): return x",
        "import common\ncommon.f('X')",
    ),
    "containers from a cache": (
        "from functools import lru_cache\n@lru_cache(maxsize=1)\ndef make(x): return {}",
        "import common\nregistry = [common.make('same')]\nif 'X' == 'a': common.make('other')",
    ),
    "type hints": ("", "from typing import Literal, Union\nHINT = Union[int, Literal['X']]"),
    "models of Django": ("", "from django.contrib.auth.models import User\nQUERY = User.objects.filter(username='X')"),
    "translations": ("", "from django.utils.translation import gettext_lazy as _\nNAME = _('X')"),
    "URL patterns of their own": ("", "from django.urls import path\nurlpatterns = [path('X/', print)]"),
    "forms": ("", "from django import forms\nclass F(forms.Form):\n    X = forms.CharField(max_length=3)"),
}


@pytest.mark.deep
@pytest.mark.parametrize("case", HARMLESS)
def test_an_order_that_does_not_matter_does_not_show(tmp_path: Path, case: str) -> None:
    assert differences(tmp_path, *HARMLESS[case])[0] == []


def test_outline(tmp_path: Path) -> None:
    common, module, _ = TRAPS["list of plug-ins"]
    assert differences(tmp_path, common, module)[1] == [["a", "plug"], ["b", "plug"]]
    common, module, _ = TRAPS["signal receivers"]
    assert [one for one in differences(tmp_path, common, module)[1] if one[0] in "ab"] == [["a", "on"], ["b", "on"]]


def test_lazy_objects_stay_lazy(tmp_path: Path) -> None:
    common = """
        from django.utils.functional import SimpleLazyObject, lazy
        evaluated = []
        def make():
            evaluated.append(1)
            return []
        class Proxy:
            @property
            def __dict__(self): make()
            @property
            def __class__(self): make()
            def __getattr__(self, name): make()
            def __iter__(self): make()
            def __eq__(self, other): make()
            __hash__ = None
        registry = [SimpleLazyObject(make), lazy(make, list)(), Proxy()]
        proxy, lazy_object = Proxy(), SimpleLazyObject(make)
    """
    module = "import common\ncommon.proxy = common.Proxy()"
    assert differences(tmp_path, common, module)[0] == []
    program = f"import sys; sys.path[:0] = [{str(REPOSITORY)!r}, {str(tmp_path)!r}]; import common\n"
    program += "from devrunserver.background.fingerprint import Fingerprint\n"
    program += "Fingerprint(lambda name: False, lambda file: True); assert not common.evaluated"
    subprocess.run([sys.executable, "-c", program], check=True)
