"""What the documents name exists: files, settings, options."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from devrunserver.conf import Conf
from devrunserver.management.commands.runserver import Command

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
PLACES = ("", "devrunserver/", "docs/", "testproject/")  # what paths in the documents are relative to

PATH = re.compile(r"`([\w./-]+/[\w./-]*|[\w-]+\.(?:py|md|js|toml))`|\]\(([^)#:]+?)(?:#[^)]*)?\)")
OPTION = re.compile(r"`(--[a-z][a-z_-]*)")
MODULE = re.compile(r"python -m (tests\.[\w.]+|tests)\b")
OWN = {field.name for field in fields(Conf)}


def found(pattern: re.Pattern[str], document: Path) -> list[str]:
    return ["".join(match) if isinstance(match, tuple) else match for match in pattern.findall(document.read_text())]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(document: Path) -> None:
    def exists(name: str) -> bool:
        if "/" in name:
            return any((REPOSITORY / place / name).exists() for place in PLACES) or (document.parent / name).exists()
        return (
            (document.parent / name).exists()
            or any(REPOSITORY.glob(name))
            or any((REPOSITORY / "devrunserver").rglob(name))
            or name in OTHERS
        )

    names = [name for name in found(PATH, document) if not name.startswith(("/", "text/", "application/"))]
    missing = [name for name in names if not exists(name)]
    assert not missing


OTHERS = {"manage.py", "settings.py"}  # of a project


def test_settings_in_the_table_are_ours_and_all_of_them() -> None:
    table = [line for line in (REPOSITORY / "README.md").read_text().splitlines() if line.startswith("|")]
    named = {name for line in table for name in re.findall(r'`"([A-Z][A-Z_]*)"`', line)}
    assert named == OWN


def test_options_are_ours_and_all_of_them() -> None:
    parser = Command().create_parser("manage.py", "runserver")
    options = {name for action in parser._actions for name in action.option_strings if name.startswith("--")}
    named = set(found(OPTION, REPOSITORY / "README.md"))
    ours = {name for action in parser._actions for name in action.option_strings} - DJANGOS
    assert {name for name in ours if name.startswith("--")} - named == set()
    assert named - options - OF_OTHER_COMMANDS == set()


# Of Django's own commands
DJANGOS = {
    "--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color",
    "--ipv6", "--nothreading", "--noreload", "--skip-checks", "--nostatic", "--insecure",
}  # fmt: skip
OF_OTHER_COMMANDS = {"--json", "--port", "--undo", "--idle", "--timeout"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_are_named_exist(document: Path) -> None:
    modules = found(MODULE, document)
    missing = [
        name
        for name in modules
        if not any((REPOSITORY / f"{name.replace('.', '/')}{end}").exists() for end in (".py", "/__main__.py"))
    ]
    assert not missing


@dataclass(frozen=True)
class Place:
    """Where the architecture says that something is done."""

    file: str
    function: str


WHERE = re.compile(r"^\|[^|]+\| `([\w/]+\.py)` \| `([\w.]+)` \|$", re.MULTILINE)
PLACES_NAMED = [Place(*match) for match in WHERE.findall((REPOSITORY / "docs/architecture.md").read_text())]


def test_the_architecture_names_functions() -> None:
    assert len(PLACES_NAMED) >= 10


@pytest.mark.parametrize("place", PLACES_NAMED, ids=lambda place: place.function)
def test_functions_that_are_named_exist(place: Place) -> None:
    found: list[ast.stmt] = ast.parse((REPOSITORY / "devrunserver" / place.file).read_text()).body
    for name in place.function.split("."):
        (one,) = [
            node
            for node in found
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        ]
        found = one.body


def test_lines_of_the_readme_are_short() -> None:
    lines = (REPOSITORY / "README.md").read_text().splitlines()
    assert [line for line in lines if len(line) > LONGEST] == []


LONGEST = 120  # characters
