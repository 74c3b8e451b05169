"""Links that open a file at its line in the user's editor, by the URL scheme that the editor has registered.

There is no address of ours that starts a program: the browser asks the user, and only for links that are clicked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote

VARIABLES = ("DJANGO_EDITOR", "VISUAL", "EDITOR")

# {path} begins with a slash on every system; a column is from 1 on.
SCHEMES = {
    "vscode": "vscode://file{path}:{line}:{column}",
    "vscode-insiders": "vscode-insiders://file{path}:{line}:{column}",
    "vscodium": "vscodium://file{path}:{line}:{column}",
    "cursor": "cursor://file{path}:{line}:{column}",
    "windsurf": "windsurf://file{path}:{line}:{column}",
    "zed": "zed://file{path}:{line}:{column}",
    "pycharm": "pycharm://open?file={path}&line={line}&column={column}",
    "idea": "idea://open?file={path}&line={line}&column={column}",
    "sublime": "subl://open?url=file://{path}&line={line}&column={column}",
    "textmate": "txmt://open?url=file://{path}&line={line}&column={column}",
    "emacs": "emacs://open?url=file://{path}&line={line}&column={column}",
    "vim": "mvim://open?url=file://{path}&line={line}&column={column}",
    "neovim": "nvim://open?url=file://{path}&line={line}&column={column}",
}
# Programs, as they are called in EDITOR and its like, and other names of the same
PROGRAMS = {
    "code": "vscode",
    "code-insiders": "vscode-insiders",
    "codium": "vscodium",
    "surf": "windsurf",
    "zeditor": "zed",
    "charm": "pycharm",
    "subl": "sublime",
    "sublime_text": "sublime",
    "mate": "textmate",
    "emacsclient": "emacs",
    "mvim": "vim",
    "gvim": "vim",
    "macvim": "vim",
    "nvim": "neovim",
}
# What terminals inside an editor have in their environment
TERMINALS = (
    ("CURSOR_TRACE_ID", "", "cursor"),
    ("TERM_PROGRAM", "vscode", "vscode"),
    ("TERM_PROGRAM", "zed", "zed"),
    ("ZED_TERM", "", "zed"),
    ("TERMINAL_EMULATOR", "JetBrains-JediTerm", "pycharm"),
    ("INSIDE_EMACS", "", "emacs"),
    ("NVIM", "", "neovim"),
)
TEMPLATE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*\{path\}.*", re.S)


def cause(editor: str) -> str:
    """What is wrong with the name of an editor, or a template of links; empty if nothing is."""
    if not editor or scheme_of(editor):
        return ""
    return f'neither one of {", ".join(SCHEMES)} nor an address with "://" and "{{path}}" in it'


def scheme_of(editor: str) -> str:
    """The template of links for an editor by its name, program or command line; empty if it is not known."""
    if TEMPLATE.fullmatch(editor):
        return editor
    program = os.path.basename(editor.strip().split(" ")[0].replace("\\", "/")).lower()
    program = re.sub(r"(\.exe|\.cmd|\.sh|64|-bin)+$", "", program)
    return SCHEMES.get(PROGRAMS.get(program, program), "")


def choose(setting: str, environ: Mapping[str, str]) -> str:
    """The template of links: by the setting, then by our variable, the terminal, then by the usual variables."""
    candidates = [setting, environ.get(VARIABLES[0], "")]
    candidates += [name for key, value, name in TERMINALS if key in environ and value in ("", environ[key])]
    candidates += [environ.get(name, "") for name in VARIABLES[1:]]
    return next((found for one in candidates if one and (found := scheme_of(one))), "")


class EditorLinks:
    """Makes links to places.

    Args:
        template: of a link, as ``choose`` gives it; empty: there are none.
        paths: beginnings of paths as this process has them, and what they are where the editor runs.
    """

    def __init__(self, template: str, paths: Mapping[str, str]) -> None:
        self._template = template
        self._paths = sorted(paths.items(), key=lambda item: -len(item[0]))

    def link(self, file: str, line: int, column: int = 1) -> str:
        """The address that opens a file; empty if there is none."""
        if not self._template or not os.path.isabs(file):
            return ""
        path = self._mapped(file).replace("\\", "/")
        path = quote(path if path.startswith("/") else f"/{path}", safe="/:")
        values = {"{path}": path, "{line}": str(line), "{column}": str(max(column, 1))}
        return re.sub(r"\{(?:path|line|column)\}", lambda match: values[match[0]], self._template)

    def _mapped(self, file: str) -> str:
        for here, there in self._paths:
            here = here.rstrip("/\\")
            if file == here or file.startswith((f"{here}/", f"{here}\\")):
                return there.rstrip("/\\") + file[len(here) :]
        return file
