"""Globs told by the path alone, compared with what ``pathlib`` finds on a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from devrunserver.common.globs import is_recursive, matches, matches_any, split

FILES = [
    "top.py", "top.txt", ".env", ".env.local", "README", "a[1].py", "conf.d/app.toml", "conf.d/.hidden.toml",
    "pkg/__init__.py", "pkg/mod.py", "pkg/mod.pyi", "pkg/Mod.PY", "pkg/sub/deep.py", "pkg/sub/sub/deep.py",
    "locale/de/LC_MESSAGES/django.mo", "locale/de_AT/LC_MESSAGES/django.mo", "locale/de/LC_MESSAGES/django.po",
    "pkg2/mod.py", "sub/pkg/mod.py", "ümlaut/größe.py", "with blank/a b.py",
]  # fmt: skip
PATTERNS = [
    "*", "*.py", "*.*", "top.*", "t?p.py", "[st]op.py", "[!t]*.py", "a[[]1].py", ".env", ".env*", "README",
    "**/*", "**/*.py", "**/mod.py", "**/.*", "**/**/*.py", "pkg/**/*.py", "pkg/*.py", "pkg/*/*.py", "pkg/**/sub/*.py",
    "*/mod.py", "*/*/mod.py", "pkg*/mod.py", "**/pkg/*.py", "**/sub/**/deep.py", "conf.d/*.toml", "conf.d/**/*.toml",
    "locale/**/*.mo", "locale/de*/LC_MESSAGES/*.mo", "**/LC_MESSAGES/*.[mp]o", "ümlaut/*", "with blank/*", "**/* *",
    "./*.py", "./pkg/./mod.py", "nothing/*.py", "*.nothing", "pkg/mod.py", "pkg/mod", "top.py/*",
]  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize("pattern", PATTERNS)
def test_matches_what_pathlib_finds(tree: Path, pattern: str) -> None:
    found = {str(path) for path in tree.glob(pattern) if path.is_file()}
    assert {str(tree / name) for name in FILES if matches(str(tree / name), str(tree), pattern)} == found


def test_the_patterns_find_something(tree: Path) -> None:
    assert sum(any(path.is_file() for path in tree.glob(pattern)) for pattern in PATTERNS) >= len(PATTERNS) - 4


@pytest.mark.parametrize(
    ("path", "directory", "expected"),
    [
        ("/srv/app/a.py", "/srv/app", True),
        ("/srv/app/a.py", "/srv/app/", True),
        ("/srv/app2/a.py", "/srv/app", False),  # the name goes on
        ("/srv/app", "/srv/app", False),  # the directory itself
        ("/srv/a.py", "/srv/app", False),
        ("/a.py", "/", True),
    ],
)
def test_the_directory_is_taken_by_its_whole_name(path: str, directory: str, expected: bool) -> None:
    assert matches(path, directory, "**/*.py") is expected
    assert matches_any(path, [("/elsewhere", "*"), (directory, "**/*.py")]) is expected


def test_no_glob_matches_nothing() -> None:
    assert not matches_any("/srv/app/a.py", [])


@pytest.mark.parametrize(
    ("pattern", "recursive"), [("*.py", False), ("a.toml", False), ("**/*.py", True), ("a/*.py", True), ("**", False)]
)
def test_is_recursive(pattern: str, recursive: bool) -> None:
    assert is_recursive(pattern) is recursive


@pytest.mark.parametrize(
    ("path", "directory", "pattern"),
    [
        ("/srv/conf/**/*.toml", "/srv/conf", "**/*.toml"),
        ("/srv/conf/*.toml", "/srv/conf", "*.toml"),
        ("/srv/c?nf/a.toml", "/srv", "c?nf/a.toml"),
        ("/srv/conf[12]/x/a.toml", "/srv", "conf[12]/x/a.toml"),
        ("/*.toml", "/", "*.toml"),
        ("/srv/conf/a.toml", "/srv/conf", "a.toml"),
        ("/a.toml", "/", "a.toml"),
    ],
)
def test_split(path: str, directory: str, pattern: str) -> None:
    assert split(path) == (directory, pattern)
    if not any(wildcard in path for wildcard in "*?["):
        assert matches(path, directory, pattern)
