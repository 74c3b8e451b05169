"""The import contract: imports go down only, and few files touch processes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "devrunserver"
FILES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
UPPER_SERVER = {f"server/{name}.py" for name in ("__init__", "handler", "http", "static", "staticfiles")}
WITHOUT_DJANGO = [name for name in FILES if name.startswith(("reloader/", "server/")) and name not in UPPER_SERVER]
PURE_SERVER = ("parser", "chunked", "validators")

# Who must not import what: the beginning of a file's path, and the beginnings of modules
FORBIDDEN = [
    *((name, ["django"]) for name in WITHOUT_DJANGO),
    *(
        ("reloader/", [f"devrunserver.{upper}"])
        for upper in (
            "server",
            "worker",
            "browser",
            "management",
            "conf",
            "project",
            "sender",
            "apps",
            "checks",
            "keeper",
            "lobby",
            "warmup",
        )
    ),
    *(
        (name, ["devrunserver.server.handler", "devrunserver.server.http", "devrunserver.server.static"])
        for name in WITHOUT_DJANGO
    ),
    # what reads bytes has no socket
    *((f"server/{name}.py", ["socket", "devrunserver.server.connection"]) for name in PURE_SERVER),
    ("server/", ["devrunserver.worker", "devrunserver.browser", "devrunserver.management", "devrunserver.conf"]),
    ("browser/", ["devrunserver.worker", "devrunserver.management", "devrunserver.reloader"]),
    ("worker.py", ["devrunserver.management", "devrunserver.headstart"]),
    ("sender.py", ["devrunserver.worker", "devrunserver.management"]),
]


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text(), name)


def imported(name: str) -> Iterator[str]:
    """The modules that a file imports, wherever in it: also names taken from a package, which may be modules."""
    package = ".".join(["devrunserver", *Path(name).parent.parts])
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def called(name: str) -> Iterator[str]:
    """What a file calls, as it is written there."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize(("files", "modules"), FORBIDDEN)
def test_imports_go_down(files: str, modules: list[str]) -> None:
    matching = [name for name in FILES if name.startswith(files)]
    assert matching
    for name in matching:
        up = [one for one in imported(name) for module in modules if one == module or one.startswith(module + ".")]
        assert not up, f"{name} imports {up}"


def test_the_contract_sees_imports() -> None:
    assert "django.conf.settings" in set(imported("project.py"))
    assert "devrunserver.reloader.process" in set(imported("apps.py"))
    assert "devrunserver.browser.error_page" in set(imported("worker.py"))  # inside a function


STARTERS = {"Popen", "run", "call", "check_call", "check_output", "getoutput", "getstatusoutput"}  # of subprocess
OS_STARTERS = {"fork", "forkpty", "system", "popen", "posix_spawn", "posix_spawnp", "startfile"}
OS_STARTERS |= {
    f"{kind}{how}" for kind in ("spawn", "exec") for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")
}


@pytest.mark.parametrize("name", FILES)
def test_only_one_file_starts_processes(name: str) -> None:
    starts = {f"subprocess.{starter}" for starter in STARTERS} | {"Popen"}
    if name == "reloader/process.py":
        assert set(called(name)) & starts == {"subprocess.Popen"}
    else:
        assert not set(called(name)) & starts
    assert "multiprocessing" not in set(imported(name))


@pytest.mark.parametrize("name", FILES)
def test_only_checkpoints_fork(name: str) -> None:
    starters = {"os.fork"} if name == "reloader/checkpoints.py" else set()
    assert set(called(name)) & {f"os.{starter}" for starter in OS_STARTERS} == starters
    assert not set(imported(name)) & {f"os.{starter}" for starter in OS_STARTERS}


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith("__init__.py")])
def test_every_file_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(tree(name))
