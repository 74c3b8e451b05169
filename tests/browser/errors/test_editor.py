"""Links to editors: which editor, which address, which path."""

from __future__ import annotations

import pytest

from devrunserver.browser.errors.editor import SCHEMES, EditorLinks, cause, choose, scheme_of


@pytest.mark.parametrize(
    ("setting", "environ", "name"),
    [
        ("", {}, ""),
        ("vscode", {}, "vscode"),
        ("", {"EDITOR": "code --wait"}, "vscode"),
        ("", {"EDITOR": "/usr/bin/nvim"}, "neovim"),
        ("", {"EDITOR": "vim"}, "vim"),
        ("", {"EDITOR": "nano"}, ""),
        ("", {"EDITOR": "emacsclient -t"}, "emacs"),
        ("", {"EDITOR": "C:\\Tools\\subl.exe"}, "sublime"),
        ("", {"VISUAL": "zed --wait", "EDITOR": "vim"}, "zed"),
        ("", {"VISUAL": "nano", "EDITOR": "vim"}, "vim"),
        ("", {"TERM_PROGRAM": "vscode", "EDITOR": "vim"}, "vscode"),
        ("", {"TERM_PROGRAM": "vscode", "CURSOR_TRACE_ID": "1"}, "cursor"),
        ("", {"TERM_PROGRAM": "iTerm.app", "EDITOR": "vim"}, "vim"),
        ("", {"TERMINAL_EMULATOR": "JetBrains-JediTerm"}, "pycharm"),
        ("", {"DJANGO_EDITOR": "pycharm", "TERM_PROGRAM": "vscode"}, "pycharm"),
        ("sublime", {"DJANGO_EDITOR": "pycharm"}, "sublime"),
        ("", {"EDITOR": "charm"}, "pycharm"),
        ("", {"EDITOR": "pycharm64.exe"}, "pycharm"),
    ],
)
def test_which_editor(setting: str, environ: dict[str, str], name: str) -> None:
    assert choose(setting, environ) == SCHEMES.get(name, "")


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("vscode", "vscode://file/srv/a%20b/gr%C3%B6%C3%9Fe.py:3:7"),
        ("cursor", "cursor://file/srv/a%20b/gr%C3%B6%C3%9Fe.py:3:7"),
        ("zed", "zed://file/srv/a%20b/gr%C3%B6%C3%9Fe.py:3:7"),
        ("pycharm", "pycharm://open?file=/srv/a%20b/gr%C3%B6%C3%9Fe.py&line=3&column=7"),
        ("sublime", "subl://open?url=file:///srv/a%20b/gr%C3%B6%C3%9Fe.py&line=3&column=7"),
        ("emacs", "emacs://open?url=file:///srv/a%20b/gr%C3%B6%C3%9Fe.py&line=3&column=7"),
        ("vim", "mvim://open?url=file:///srv/a%20b/gr%C3%B6%C3%9Fe.py&line=3&column=7"),
        (
            "http://localhost:63342/api/file{path}:{line}",
            "http://localhost:63342/api/file/srv/a%20b/gr%C3%B6%C3%9Fe.py:3",
        ),
    ],
)
def test_addresses(name: str, link: str) -> None:
    assert EditorLinks(scheme_of(name), {}).link("/srv/a b/größe.py", 3, 7) == link


@pytest.mark.parametrize(
    ("paths", "file", "mapped"),
    [
        ({"/app": "/home/me/shop"}, "/app/views.py", "/home/me/shop/views.py"),
        ({"/app/": "/home/me/shop/"}, "/app/views.py", "/home/me/shop/views.py"),
        ({"/app": "/home/me/shop"}, "/application/views.py", "/application/views.py"),
        ({"/app": "/a", "/app/lib": "/b"}, "/app/lib/x.py", "/b/x.py"),
        ({"/app": "C:\\shop"}, "/app/views.py", "/C:/shop/views.py"),
        ({}, "/a/{line}.py", "/a/%7Bline%7D.py"),
        ({}, '/a/"><script>.py', "/a/%22%3E%3Cscript%3E.py"),
    ],
)
def test_paths(paths: dict[str, str], file: str, mapped: str) -> None:
    assert EditorLinks(SCHEMES["vscode"], paths).link(file, 1, 0) == f"vscode://file{mapped}:1:1"


@pytest.mark.parametrize("file", ["<string>", "relative.py", ""])
def test_what_is_no_file_has_no_link(file: str) -> None:
    assert EditorLinks(SCHEMES["vscode"], {}).link(file, 1) == ""


@pytest.mark.parametrize("editor", ["nano", "javascript:alert('{path}')", "vscode://file:{line}", "://{path}"])
def test_what_is_wrong(editor: str) -> None:
    assert "neither one of vscode" in cause(editor)


@pytest.mark.parametrize("editor", ["", "vscode", "code --wait", "x://{path}"])
def test_what_is_right(editor: str) -> None:
    assert cause(editor) == ""
