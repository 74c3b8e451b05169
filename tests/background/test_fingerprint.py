"""Whether the fingerprint shows in which order two modules were imported: where that matters, and nowhere else.

Both orders are tried in forks of one process, as prepared checkpoints are.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="fingerprints are of forks")

PROGRAM = """
import importlib, json, os, sys
sys.path[:0] = [{repository!r}, {directory!r}]
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes"])
django.setup()
for number in range({count}):
    importlib.import_module("common" + str(number))
from devrunserver.background.fingerprint import Fingerprint

def told(order):
    receiving, sending = os.pipe()
    if os.fork() == 0:
        for number in range({count}):
            for name in order:
                importlib.import_module(name + str(number))
        fingerprint = Fingerprint(lambda name: name.startswith(("devrunserver", "coverage")), lambda module: {asks})
        result = {{name: fingerprint.attributes(name) for name in fingerprint.modules()}}
        outlines = [fingerprint.outline("common" + str(number), "registry") for number in range({count})]
        os.write(sending, b"")
        with open(sending, "w") as out:
            json.dump([fingerprint.modules(), result, outlines], out)
        os._exit(0)
    os.close(sending)
    with open(receiving) as source:
        return json.load(source)

(modules, one, outlines), (others, other, _) = told("ab"), told("ba")
differing = [[m, a] for m in {{**one, **other}} for a in {{**one.get(m, {{}}), **other.get(m, {{}})}}
    if one.get(m, {{}}).get(a) != other.get(m, {{}}).get(a)]
assert {{m for m, _ in differing}} == {{m for m in {{**modules, **others}} if modules.get(m) != others.get(m)}}
print(json.dumps([sorted(differing), outlines]))
"""


class Found(NamedTuple):
    """What differs if ``a`` is imported before ``b`` or after it, by module and name; what is in common.registry."""

    differing: list[list[str]]
    outline: list[list[str]]


def differences(directory: Path, *cases: tuple[str, str], asks: bool = False) -> tuple[list[Found], list[list[str]]]:
    """What differs in each case, and what does in other modules. All cases are tried in one process.

    Args:
        cases: of each, the source of a module ``common`` that both others import, and that was imported before; and
            the source of these two, where X is the module's name. Each has a number behind its name in the process.
        asks: whether the order of subclasses counts.
    """
    for number, (common, module) in enumerate(cases):
        (directory / f"common{number}.py").write_text(dedent(common).replace("common", f"common{number}"))
        for name in "ab":
            source = dedent(module).replace("X", name).replace("common", f"common{number}")
            (directory / f"{name}{number}.py").write_text(source)
    program = PROGRAM.format(repository=str(REPOSITORY), directory=str(directory), asks=asks, count=len(cases))
    differing, outlines = json.loads(subprocess.check_output([sys.executable, "-c", program], env={**os.environ}))
    found = [
        Found([], [[_unnumbered(one) for one in entry] for containers in outline for entry in containers])
        for outline in outlines
    ]
    elsewhere = []
    for module, name in differing:
        if match := re.fullmatch(r"(?:common|a|b)(\d+)", module):
            found[int(match[1])].differing.append([_unnumbered(module), name])
        else:
            elsewhere.append([module, name])
    return found, elsewhere


def _unnumbered(module: str) -> str:
    return module.rstrip("0123456789")


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


# What differs nowhere, or is to be seen in other modules than ``common``
SUBCLASSES = ("class Base: pass", "import common\nclass Plug(common.Base): pass")
LEFT = ("registry = []", "import common\nseen = len(common.registry)\ncommon.registry.append('X')")
LAZY = """
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


def test_an_order_that_matters_shows(tmp_path: Path) -> None:
    sources = [(common, module) for common, module, _ in TRAPS.values()]
    lazy = LAZY, "import common\ncommon.proxy = common.Proxy()"
    found, _ = differences(tmp_path, *sources, LEFT, SUBCLASSES, lazy)
    traps = dict(zip(TRAPS, found, strict=False))
    hidden = {name for name, (*_, attribute) in TRAPS.items() if ["common", attribute] not in traps[name].differing}
    assert not hidden
    left, subclasses, lazy_objects = found[len(TRAPS) :]
    # what another has left when it is read, without an import that would tell of it
    assert {("a", "seen"), ("b", "seen"), ("common", "registry")} <= set(map(tuple, left.differing))
    assert subclasses.differing == []  # nobody asks
    assert lazy_objects.differing == []
    assert traps["list of plug-ins"].outline == [["plug", "a"], ["plug", "b"]]
    receivers = [one for one in traps["signal receivers"].outline if one[-1] in "ab"]
    assert receivers[:2] == [["on", "a"], ["on", "b"]]


def test_models_show(tmp_path: Path) -> None:
    module = """
        from django.db import models
        class Model_X(models.Model):
            class Meta: app_label = "auth"
        import mimetypes
        mimetypes.add_type("text/X", ".X")
    """
    found = {module for module, _ in differences(tmp_path, ("", module))[1]}
    assert "django.apps" in found
    assert "mimetypes" not in found, "one does not meet the other"


def test_types_of_files_show(tmp_path: Path) -> None:
    module = "import mimetypes\nmimetypes.add_type('text/X', '.shop')"
    assert ["mimetypes", "types_map"] in differences(tmp_path, ("", module))[1]


def test_what_is_in_a_cache_in_memory_shows(tmp_path: Path) -> None:
    common = "from django.core.cache.backends.locmem import LocMemCache\ncache = LocMemCache('', {})"
    module = "import common\ncommon.cache.add('first', 'X')"
    assert ["django.core.cache.backends.locmem", "_caches"] in differences(tmp_path, (common, module))[1]


def test_admin_shows(tmp_path: Path) -> None:
    common = """
        from django.contrib.admin import site
        from django.contrib.auth.models import Group, Permission
        models = dict(a=Group, b=Permission)
        for one in list(site._registry):
            site.unregister(one)
    """
    (found,), elsewhere = differences(tmp_path, (common, "import common\ncommon.site.register(common.models['X'])"))
    assert found.differing or elsewhere


def test_subclasses_show_where_somebody_asks_for_them(tmp_path: Path) -> None:
    (found,), _ = differences(tmp_path, SUBCLASSES, asks=True)
    assert found.differing == [["common", "Base.__subclasses__"]]


HARMLESS = {
    "nothing in common": ("", "import common\nnames = ['X']\nclass C:\n    all = {}\ndef f(): return [1]\nc = C()"),
    "set": ("registry = set()", "import common\ncommon.registry.add('X')"),
    "set of functions": ("registry = set()", "import common\ndef f(): pass\ncommon.registry.add(f)"),
    "attributes of an object": (
        "class C: pass\nregistry = C()",
        "import common\nsetattr(common.registry, 'X', 1)",
    ),
    "attributes of a module": ("", "import common\nsetattr(common, 'X', 1)"),
    "which fields of a model were asked for first": (
        "from django.contrib.auth.models import User\nregistry = None",
        "import common\ncommon.User._meta.get_fields(include_hidden='X' == 'a')\ncommon.registry = ()",
    ),
    "thread-local": ("import threading\nlocal = threading.local()", "import common\ncommon.local.X = 1"),
    "address": ("registry = None", "import common\nkey = id(object())\ncommon.registry = ()"),
    "addresses in text": (
        "registry = None",
        "import common\nKEPT = [object()]\nA, B = f'{KEPT[0]!r}_{id(KEPT[0])}', hex(id(KEPT[0]))\ncommon.registry = ()",
    ),
    "loggers": ("", "import logging\nlogger = logging.getLogger('X')\nlogging.getLogger('common.X').setLevel(10)"),
    "what a logger knows of levels": (
        "import logging\nlogger = logging.getLogger('common')",
        "import common\ncommon.logger.isEnabledFor(10 if 'X' == 'a' else 20)",
    ),
    "a cache in memory": (
        "",
        "from django.core.cache.backends.locmem import LocMemCache\nLocMemCache('', {}).set('X', 1)",
    ),
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


def test_an_order_that_does_not_matter_does_not_show(tmp_path: Path) -> None:
    found, elsewhere = differences(tmp_path, *HARMLESS.values())
    assert {name: one.differing for name, one in zip(HARMLESS, found, strict=True) if one.differing} == {}
    assert elsewhere == []


def test_lazy_objects_stay_lazy(tmp_path: Path) -> None:
    (tmp_path / "common.py").write_text(dedent(LAZY))
    program = f"import sys; sys.path[:0] = [{str(REPOSITORY)!r}, {str(tmp_path)!r}]; import common\n"
    program += "from devrunserver.background.fingerprint import Fingerprint\n"
    program += "Fingerprint(lambda name: False); assert not common.evaluated"
    subprocess.run([sys.executable, "-c", program], check=True)
