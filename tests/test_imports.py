"""The import contract: every file imports what its folder may, and few files touch processes."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "devrunserver"
FILES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}

# Which of our own parts each part may import besides itself; the longest beginning of a file's path counts.
ALLOWED: dict[str, set[str]] = {
    "common/": set(),
    "supervisor/": {"common"},
    "supervisor/placeholder_server.py": {"common", "server", "browser", "worker.request_gate"},
    "checkpoints/": {"common"},
    "background/": {"checkpoints", "common"},
    "server/": {"common"},
    "control/": {"common"},
    "browser/": {"common"},
    "browser/errors/": {"common", "conf", "project"},
    "https/": {"common", "server.tunnel", "server.reachable", "server.protocol"},
    "browser/live_reload.py": {"common", "server.injection", "server.content_policy"},
    "worker/": {"checkpoints", "background", "server", "browser", "control", "conf", "project", "common"},
    "conf.py": {"common", "project", "supervisor.watching.mode", "browser.errors"},
    "project.py": {"conf", "common"},
    "": {
        *("common", "supervisor", "checkpoints", "background", "server", "browser", "worker", "control"),
        *("conf", "project", "checks", "management", "https"),
    },
}
# Parts that run without Django
DJANGO_FREE = ("common/", "supervisor/", "checkpoints/", "background/", "server/", "https/", "control/")
WITH_DJANGO = ("server/django/", "server/__init__.py")
# What reads bytes has no socket
PURE = "server/protocol/"


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


def allowed(name: str) -> set[str]:
    """Our own parts that a file may import."""
    return ALLOWED[max((place for place in ALLOWED if name.startswith(place)), key=len)]


def own(name: str) -> set[str]:
    """The files of ours that a file imports, as modules below the package."""
    modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in FILES}
    found = {module.removeprefix("devrunserver.") for module in imported(name) if module.startswith("devrunserver.")}
    return found & modules


@pytest.mark.parametrize("name", FILES)
def test_every_file_imports_what_its_part_may(name: str) -> None:
    part = name.split("/")[0] if "/" in name else name.removesuffix(".py")
    may = allowed(name) | {part}
    wrong = [module for module in own(name) if not any(module == one or module.startswith(f"{one}.") for one in may)]
    assert not wrong, f"{name} imports {wrong}; a file of its part may import {sorted(may)}"


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(DJANGO_FREE)])
def test_what_runs_without_django_imports_none(name: str) -> None:
    if name.startswith(WITH_DJANGO) or name == "supervisor/placeholder_server.py":
        return
    outside = [module for module in imported(name) if module == "django" or module.startswith("django.")]
    upper = [module for module in imported(name) if module.startswith("devrunserver.server.django")]
    assert not outside, f"{name} imports {outside}"
    assert not upper, f"{name} imports {upper}"


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(PURE)])
def test_what_reads_bytes_has_no_socket(name: str) -> None:
    assert not {"socket", "devrunserver.server.connection"} & set(imported(name))


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("common/")])
def test_common_needs_the_standard_library_alone(name: str) -> None:
    roots = {module.split(".")[0] for module in imported(name)} - {"devrunserver"}
    assert roots <= sys.stdlib_module_names


def test_the_contract_sees_imports() -> None:
    assert "django.conf.settings" in set(imported("project.py"))
    assert "devrunserver.common.environment" in set(imported("apps.py"))
    assert "devrunserver.worker.startup_error" in set(imported("worker/worker.py"))  # inside a function


STARTERS = {"Popen", "run", "call", "check_call", "check_output", "getoutput", "getstatusoutput"}  # of subprocess
OS_STARTERS = {"fork", "forkpty", "system", "popen", "posix_spawn", "posix_spawnp", "startfile"}
OS_STARTERS |= {
    f"{kind}{how}" for kind in ("spawn", "exec") for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")
}


@pytest.mark.parametrize("name", FILES)
def test_only_one_file_starts_processes(name: str) -> None:
    starts = {f"subprocess.{starter}" for starter in STARTERS} | {"Popen"}
    if name == "common/process.py":
        assert set(called(name)) & starts == {"subprocess.Popen"}
    else:
        assert not set(called(name)) & starts
    assert "multiprocessing" not in set(imported(name))


@pytest.mark.parametrize("name", FILES)
def test_only_checkpoints_fork(name: str) -> None:
    starters = {"os.fork"} if name == "checkpoints/forking.py" else set()
    assert set(called(name)) & {f"os.{starter}" for starter in OS_STARTERS} == starters
    assert not set(imported(name)) & {f"os.{starter}" for starter in OS_STARTERS}


@pytest.mark.parametrize("name", FILES)
def test_only_one_file_ends_processes(name: str) -> None:
    ends = {ast.unparse(node) for node in ast.walk(tree(name)) if isinstance(node, ast.Attribute)} & {"os._exit"}
    assert ends == ({"os._exit"} if name == "common/process_exit.py" else set())


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith("__init__.py")])
def test_every_file_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(tree(name))
