"""Random edits of a project: pure, given a seeded source of randomness."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.oracle.tree import INIT, Block, Module, Tier, Tree, module_name

MOST_AT_ONCE = 4  # edits that are saved together
MANY = 12  # models, receivers or other lines in one module; from then on they become fewer

# Of the standard library, what neither Django nor we import
RARE = ("colorsys", "filecmp", "fileinput", "graphlib", "netrc", "plistlib", "sched", "stringprep", "tabnanny", "wave")

IMPORTS = {
    "import": "import sys\nimport {name}\n\nSEEN_{n} = getattr(sys.modules['{name}'], 'MARK', None)\n",
    "from": "from {parent} import {child} as seen_{n}\n",
    "by name": "from importlib import import_module\n\nseen_{n} = import_module('{name}')\n",
    "in a function": "def now_{n}():\n    import sys\n    import {name}\n\n"
    "    return getattr(sys.modules['{name}'], 'MARK', None)\n\n\n"
    "SEEN_{n} = now_{n}()\n",
    "on request": "def lazy_{n}():\n    import {name}\n",
}
CAUGHT = (
    "try:\n    import {name}\nexcept Exception as error:\n    SEEN_{n} = type(error).__name__\nelse:\n"
    "    import sys\n\n    SEEN_{n} = getattr(sys.modules['{name}'], 'MARK', None)\n"
)
FAULTS = (
    "raise ValueError('fragile')\n",
    "raise ImportError('fragile')\n",
    "import events.missing\n",
    "import missing_{n}\n",
    "from events import missing_{n}\n",
    "def (\n",
)

READS = {
    "open": "with open('{path}') as file:\n        DATA_{n} = file.read()",
    "pathlib": "from pathlib import Path\n\n    DATA_{n} = Path('{path}').read_bytes()",
    "os.open": "import os\n\n    DATA_{n} = os.read(os.open('{path}', os.O_RDONLY), 99)",
    "os.listdir": "import os\n\n    DATA_{n} = sorted(os.listdir('{directory}'))",
    "glob": "import glob\n\n    DATA_{n} = sorted(glob.glob('{directory}/*.txt'))",
    "iterdir": "from pathlib import Path\n\n    DATA_{n} = sorted(Path('{directory}').iterdir())",
    "walk": "import os\n\n    DATA_{n} = [sorted(files) for _, _, files in os.walk('{directory}')]",
}
READ_WHOLE = re.compile(r"(?:open|Path)\('([^']+)'\)(?: as file|\.read_bytes)")  # by Python's ``open``
READ = "try:\n    {read}\nexcept OSError as error:\n    DATA_{n} = type(error).__name__\n"

WAGTAIL_MODEL = "class Model{n}(models.Model):\n    name = models.CharField(max_length=9)\n"
MODEL = WAGTAIL_MODEL + "    base = models.ForeignKey('Base', models.CASCADE)\n"
RECEIVER = "@receiver({signal}, sender={sender}{uid})\ndef on_{n}(sender, **kwargs):\n    return {n}\n"
ADMIN = "@admin.register(models.{model})\nclass Admin{n}(admin.ModelAdmin):\n    list_display = ['name']\n"
CHECK = "@register('tag_{n}')\ndef check_{n}(app_configs, **kwargs):\n    return []\n"


class Step(NamedTuple):
    """Edits that are saved together."""

    what: str
    witness: str  # the path of a module that was edited, and is there in every start; empty where none was


def edit(tree: Tree, rng: random.Random) -> Step:
    """Changes the tree."""
    before = {path: module.mark for path, module in tree.modules.items()}
    if tree.broken:
        what = _mend(tree)
    elif rng.random() < BREAKING:
        what = break_one(tree, rng)
    else:
        count = rng.choice((1, 1, 1, 2, MOST_AT_ONCE))
        what = "; ".join(_one(tree, rng) for _ in range(count))
    touched = [path for path, module in tree.modules.items() if before.get(path) != module.mark]
    candidates = [path for path in touched if tree.modules[path].lasting]
    if tree.broken:
        return Step(what, tree.broken)
    if candidates and rng.random() < OWN_WITNESS:
        return Step(what, rng.choice(candidates))
    lasting = tree.lasting()
    witness = rng.choices(lasting, [tree.modules[path].tier ** 2 + 1 for path in lasting])[0]
    tree.touch(witness)
    return Step(f"{what}; save {witness}", witness)


BREAKING = 0.04  # how often the project is broken
OWN_WITNESS = 0.7  # how often nothing but the edit is saved


def _one(tree: Tree, rng: random.Random) -> str:
    while True:
        what = rng.choices(list(EDITS), list(EDITS.values()))[0](tree, rng)
        if what:
            return what


def break_one(tree: Tree, rng: random.Random) -> str:
    path = rng.choice([path for path in tree.lasting() if tree.modules[path].tier > Tier.SETTINGS])
    tree.broken = path
    tree.touch(path)
    module = tree.modules[path]
    module.fault = f"raise RuntimeError('broken-{module.mark:06}')\n"
    return f"break {path}"


def _mend(tree: Tree) -> str:
    path, tree.broken = tree.broken, ""
    tree.modules[path].fault = ""
    tree.touch(path)
    return f"mend {path}"


TRACES = (
    "import events\n\nevents.ORDER.append('trace {n}')\n",
    "import events\n\nevents.PATCHED = {n}\n",
    "import events\n\nSEEN_{n} = len(events.ORDER)\n",
    "import events\nfrom django.dispatch import receiver\n\n\n"
    "@receiver(events.changed)\ndef trace_{n}(sender, **kwargs):\n    return {n}\n",
)
LEAVING = 0.2  # of the modules, how many leave traces
IN_TURN = 0.3  # how often another module is edited again
TRACING = 0.25  # how often an edit leaves one, or takes one away


def leave_traces(tree: Tree, rng: random.Random) -> None:
    """Has some modules leave traces of when they are executed."""
    for path, module in tree.modules.items():
        if module.tier > Tier.SETTINGS and rng.random() < LEAVING:
            tree.add_block(path, _trace(tree, rng), 0)


def _trace(tree: Tree, rng: random.Random) -> Block:
    return Block(rng.choice(TRACES).format(n=tree.number()))


def edit_again(tree: Tree, rng: random.Random, path: str, in_turn: float = IN_TURN) -> Step:
    """Works on some modules in turn, most often on that of ``path``: models, what ``ready()`` imports, or views."""
    paths = worked_on(tree)
    if path not in paths or rng.random() < in_turn:
        path = rng.choice(paths)
    tree.touch(path)
    what = f"change {path}"
    traces = [block for block in tree.modules[path].blocks if "events." in block.text]
    if rng.random() < TRACING:
        block = rng.choice(traces) if traces else _trace(tree, rng)
        what = f"{'take from' if traces else 'add to'} {path}: {block.text!r}"
        if traces:
            tree.modules[path].blocks.remove(block)
        else:
            tree.add_block(path, block, 0)
    return Step(what, path)


def worked_on(tree: Tree) -> list[str]:
    """The modules that somebody saves again and again."""
    return [path for path in tree.lasting() if tree.modules[path].tier in (Tier.MODELS, Tier.READY, Tier.VIEWS)]


IN_A_ROW = 9  # saves until somebody goes on with other modules
FILES_IN_TURN = 3
MANY_FILES = 12  # edits that a checkout of another branch makes


@dataclass
class Hurry:
    """Somebody who saves some modules in turn, data that was read meanwhile, and now and then checks out a branch."""

    _files: list[str] = field(default_factory=list)
    _count: int = 0

    def __call__(self, tree: Tree, rng: random.Random) -> Step:
        if tree.broken:
            return edit(tree, rng)
        how = rng.choices((self._in_turn, change_read_data, checkout, edit), (10, 3, 1, 6))[0]
        return how(tree, rng)

    def _in_turn(self, tree: Tree, rng: random.Random) -> Step:
        if self._count % IN_A_ROW == 0:
            self._files = rng.sample(worked_on(tree), FILES_IN_TURN)
        self._count += 1
        return edit_again(tree, rng, self._files[self._count % FILES_IN_TURN], 0.0)


def change_read_data(tree: Tree, rng: random.Random) -> Step:
    """Changes a file that a start reads, and nothing else: that reloads, too."""
    texts = [
        block.text for path in tree.lasting() for block in tree.modules[path].blocks if READ_WHOLE.search(block.text)
    ]
    paths = sorted({path for text in texts for path in READ_WHOLE.findall(text) if path in tree.data})
    if not paths:
        return edit(tree, rng)
    path = rng.choice(paths)
    tree.data[path] = str(tree.number())
    return Step(f"write {path} alone", "")


def checkout(tree: Tree, rng: random.Random) -> Step:
    """Many files at once, which are written, created and deleted."""
    what = "; ".join(_one(tree, rng) for _ in range(MANY_FILES))
    witness = rng.choice(tree.lasting())
    tree.touch(witness)
    return Step(f"check out: {what}; save {witness}", witness)


# Any module


def change_body(tree: Tree, rng: random.Random) -> str:
    path = rng.choice(list(tree.modules))
    tree.touch(path)
    return f"change {path}"


def reorder(tree: Tree, rng: random.Random) -> str:
    paths = [path for path, module in tree.modules.items() if len(module.blocks) > 1]
    if not paths:
        return ""
    path = rng.choice(paths)
    rng.shuffle(tree.modules[path].blocks)
    tree.touch(path)
    return f"reorder {path}"


def remove_block(tree: Tree, rng: random.Random) -> str:
    paths = [path for path, module in tree.modules.items() if module.blocks]
    if not paths:
        return ""
    path = rng.choice(paths)
    block = rng.choice(tree.modules[path].blocks)
    if "class Model" in block.text:
        return ""
    tree.modules[path].blocks.remove(block)
    tree.touch(path)
    return f"remove from {path}: {block.text!r}"


def _insert(tree: Tree, path: str, block: Block, rng: random.Random) -> str:
    tree.add_block(path, block, rng.randint(0, len(tree.modules[path].blocks)))
    return f"add to {path}: {block.text!r}"


# Imports


def add_import(tree: Tree, rng: random.Random) -> str:
    path = rng.choice([path for path, module in tree.modules.items() if module.tier > Tier.SETTINGS])
    tier, name = tree.modules[path].tier, module_name(path)
    targets = [one for one, module in tree.modules.items() if Tier.SETTINGS < module.tier <= tier]
    target = module_name(rng.choice(targets))
    if target == name or target.startswith(("company", "mysite")):
        return ""
    certain = not any(one in target for one in UNCERTAIN)
    return _insert(tree, path, importing(tree, target, rng.choice(list(IMPORTS)) if certain else ""), rng)


UNCERTAIN = ("fragile", "shared", "linked")  # may fail to be imported


def importing(tree: Tree, name: str, form: str = "") -> Block:
    """Lines that import a module: by default such that it may fail."""
    parent, _, child = name.rpartition(".")
    text = IMPORTS["import" if form == "from" and not parent else form] if form else CAUGHT
    return Block(text.format(name=name, parent=parent, child=child, n=tree.number()), name if form else "")


def add_standard_import(tree: Tree, rng: random.Random) -> str:
    path = rng.choice(list(tree.modules))
    return _insert(tree, path, Block(f"import {rng.choice(RARE)}\n"), rng)


def add_caught_import(tree: Tree, rng: random.Random) -> str:
    """Of a module that is not certain to be there, or not yet."""
    path = rng.choice([path for path, module in tree.modules.items() if module.tier > Tier.SETTINGS])
    names = ["linked", "shared", "shared.one", "shared.three", "fragile_1", "fragile_2", "fragile_3", "first.fragile_4"]
    return _insert(tree, path, importing(tree, rng.choice(names)), rng)


# Modules that come and go


def add_module(tree: Tree, rng: random.Random) -> str:
    package = rng.choice(tree.packages)
    path = f"{package}/" * bool(package) + f"extra_{tree.number()}.py"
    importer = rng.choice([one for one, module in tree.modules.items() if module.tier > Tier.SETTINGS])
    tree.add(path, Module(Tier.PURE))
    form = rng.choice(list(IMPORTS))
    return f"create {path}; " + _insert(tree, importer, importing(tree, module_name(path), form), rng)


def _extras(tree: Tree) -> list[str]:
    return [path for path in tree.modules if "extra_" in path]


def delete_module(tree: Tree, rng: random.Random) -> str:
    """With what imports it, unless another one takes its place."""
    if not (paths := _extras(tree)):
        return ""
    path = rng.choice(paths)
    del tree.modules[path]
    if module_name(path) not in tree.names():
        tree.drop_needing(module_name(path))
    return f"delete {path}"


def turn_into_package(tree: Tree, rng: random.Random) -> str:
    """Or back."""
    if not (paths := _extras(tree)):
        return ""
    path = rng.choice(paths)
    other = f"{path.removesuffix(f'/{INIT}')}.py" if path.endswith(INIT) else f"{path.removesuffix('.py')}/{INIT}"
    if other in tree.modules:
        return ""
    tree.add(other, tree.modules.pop(path))
    return f"rename {path} to {other}"


def shadow(tree: Tree, rng: random.Random) -> str:
    """A package beside a module, or a module in an earlier or later directory of ``sys.path``."""
    beside = [path for path in tree.modules if path.endswith("helpers.py") or ("extra_" in path and INIT not in path)]
    roots = [path for path in tree.modules if "/" not in path and "extra_" in path]
    places = [f"{path.removesuffix('.py')}/{INIT}" for path in beside]
    places += [f"{entry}/{path}" for path in roots for entry in ("early", "late")]
    places += [f"{entry}{name}.py" for name in RARE[:2] for entry in ("", "early/")]
    place = rng.choice(places)
    if place in tree.modules:
        del tree.modules[place]
        if module_name(place) not in tree.names():
            tree.drop_needing(module_name(place))
        return f"delete the shadow {place}"
    tree.add(place, Module(Tier.PURE))
    return f"create the shadow {place}"


def change_namespace(tree: Tree, rng: random.Random) -> str:
    """A package without ``__init__.py`` gets one, or a module, or a part elsewhere."""
    path = rng.choice((f"shared/{INIT}", "shared/three.py", "late/shared/three.py", "early/shared/one.py"))
    if path in tree.modules:
        del tree.modules[path]
        return f"delete {path}"
    tree.add(path, Module(Tier.PURE))
    return f"create {path}"


def retarget_link(tree: Tree, rng: random.Random) -> str:
    if not tree.links:
        return ""
    tree.links["linked"] = "linked_two" if tree.links["linked"] == "linked_one" else "linked_one"
    return "retarget the link"


def change_fragile(tree: Tree, rng: random.Random) -> str:
    """A module that others import only if they can: it appears, fails, is mended, disappears."""
    path = rng.choice(("fragile_1.py", "fragile_2.py", "fragile_3.py", "first/fragile_4.py"))
    if path not in tree.modules:
        tree.add(path, Module(Tier.PURE))
    elif rng.random() < 0.2:
        del tree.modules[path]
        return f"delete {path}"
    module = tree.modules[path]
    module.fault = "" if module.fault and rng.random() < 0.7 else rng.choice(FAULTS).format(n=tree.number())
    tree.touch(path)
    return f"{path} fails by {module.fault!r}" if module.fault else f"mend {path}"


def toggle_admin(tree: Tree, rng: random.Random) -> str:
    """A module that is only looked for."""
    path = f"{rng.choice([one for one in tree.packages if one])}/admin.py"
    if path in tree.modules and (len(tree.modules[path].blocks) > 1 or rng.random() < 0.5):
        return ""
    if tree.modules.pop(path, None) is not None:
        tree.drop_needing(module_name(path))
        return f"delete {path}"
    tree.add(path, Module(Tier.READY, "from django.contrib import admin\n\nfrom . import models\n"))
    return f"create {path}"


# Django


def _of(tree: Tree, name: str, rng: random.Random) -> str:
    """The path of a module of this name in one of the apps; empty if there is none."""
    return rng.choice([path for path in tree.modules if path.endswith(f"/{name}.py") and "early" not in path] or [""])


def add_model(tree: Tree, rng: random.Random) -> str:
    path = _of(tree, "models", rng)
    if len(tree.modules[path].blocks) >= MANY:
        return ""
    text = MODEL if "class Base" in tree.modules[path].head else WAGTAIL_MODEL
    return _insert(tree, path, Block(text.format(n=tree.number())), rng)


def _models(tree: Tree, app: str) -> dict[str, Block]:
    """The models that came and may go."""
    blocks = tree.modules[f"{app}/models.py"].blocks
    return {
        block.text.removeprefix("class ").partition("(")[0]: block for block in blocks if "class Model" in block.text
    }


def remove_model(tree: Tree, rng: random.Random) -> str:
    """With what refers to it."""
    path = _of(tree, "models", rng)
    app = path.partition("/")[0]
    if not (models := _models(tree, app)):
        return ""
    model = rng.choice(list(models))
    tree.modules[path].blocks.remove(models[model])
    tree.touch(path)
    tree.drop_needing(f"{app}.{model}")
    return f"remove {app}.{model}"


def register_admin(tree: Tree, rng: random.Random) -> str:
    path = _of(tree, "admin", rng)
    app = path.partition("/")[0]
    if not path:
        return ""
    registered = {block.needs for block in tree.modules[path].blocks}
    free = [model for model in _models(tree, app) if f"{app}.{model}" not in registered]
    if not free:
        return ""
    model = rng.choice(free)
    return _insert(tree, path, Block(ADMIN.format(model=model, n=tree.number()), f"{app}.{model}"), rng)


def add_receiver(tree: Tree, rng: random.Random) -> str:
    path = _of(tree, "receivers", rng)
    app = path.partition("/")[0]
    if len(tree.modules[path].blocks) >= MANY:
        return ""
    n = tree.number()
    model = rng.choice([*_models(tree, app), ""])
    signal = rng.choice(("post_save", "post_delete", "pre_save", "events.changed"))
    uid = rng.choice(("", f", dispatch_uid='uid-{n}'"))
    text = RECEIVER.format(signal=signal, sender=f"models.{model}" if model else None, uid=uid, n=n)
    return _insert(tree, path, Block(text, f"{app}.{model}" if model else ""), rng)


def add_check(tree: Tree, rng: random.Random) -> str:
    path = _of(tree, "checks", rng)
    return _insert(tree, path, Block(CHECK.format(n=tree.number())), rng) if path else ""


# Data and settings


def add_read(tree: Tree, rng: random.Random) -> str:
    """Data that is read at import, there or not."""
    path = rng.choice([path for path, module in tree.modules.items() if module.tier > Tier.SETTINGS])
    n = tree.number()
    directory = f"{rng.choice([one for one in tree.packages if one])}/data"
    how = rng.choice(list(READS))
    read = READS[how].format(path=f"{directory}/{rng.choice(DATA)}", directory=directory, n=n)
    return _insert(tree, path, Block(READ.format(read=read, n=n)), rng)


DATA = ("first.txt", "second.txt", "third")


def change_data(tree: Tree, rng: random.Random) -> str:
    path = f"{rng.choice([one for one in tree.packages if one])}/data/{rng.choice(DATA)}"
    if path in tree.data and rng.random() < 0.4:
        del tree.data[path]
        return f"delete {path}"
    tree.data[path] = str(tree.number())
    return f"write {path}"


def change_settings(tree: Tree, rng: random.Random) -> str:
    path = rng.choice([path for path, module in tree.modules.items() if "/settings" in path and module.lasting])
    tree.modules[path].blocks = [Block(f"VALUE = {tree.number()}\n")]
    tree.touch(path)
    return f"change {path}"


def change_local_settings(tree: Tree, rng: random.Random) -> str:
    package = "mysite/settings/local.py" if "mysite/urls.py" in tree.modules else "company/local_settings.py"
    if package in tree.modules and rng.random() < 0.5:
        del tree.modules[package]
        return f"delete {package}"
    tree.add(package, Module(Tier.SETTINGS, blocks=[Block(f"LOCAL = {tree.number()}\n")]))
    return f"write {package}"


def change_settings_data(tree: Tree, rng: random.Random) -> str:
    if "company/urls.py" not in tree.modules:
        return ""
    if tree.data.pop("company/values.txt", ""):
        return "delete company/values.txt"
    tree.data["company/values.txt"] = str(tree.number())
    return "write company/values.txt"


EDITS: dict[Callable[[Tree, random.Random], str], float] = {  # and how often each
    change_body: 6,
    reorder: 3,
    remove_block: 4,
    add_import: 6,
    add_standard_import: 1,
    add_caught_import: 3,
    add_module: 3,
    delete_module: 2,
    turn_into_package: 2,
    shadow: 3,
    change_namespace: 2,
    retarget_link: 1,
    change_fragile: 4,
    toggle_admin: 1,
    add_model: 3,
    remove_model: 1.5,
    register_admin: 3,
    add_receiver: 4,
    add_check: 1.5,
    add_read: 3,
    change_data: 5,
    change_settings: 0.3,
    change_local_settings: 0.5,
    change_settings_data: 0.3,
}
