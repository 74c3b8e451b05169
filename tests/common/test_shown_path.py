"""How the user is told of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from devrunserver.common.shown_path import shown_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", ""),
        ("<string>", "<string>"),
        ("{project}/shop/views.py", "shop/views.py"),
        ("{project}", "."),
        ("{above}/views.py", "{above}/views.py"),
        ("{above}/project-two/views.py", "{above}/project-two/views.py"),  # the name goes on
        ("/usr/lib/x.py", "/usr/lib/x.py"),
    ],
)
def test_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, expected: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    places = {"project": project, "above": project.parent}
    assert shown_path(path.format(**places)) == expected.format(**places)


def test_from_the_root_paths_keep_their_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert shown_path("/srv/shop/views.py") == "/srv/shop/views.py"


def test_where_the_directory_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert shown_path(str(gone / "views.py")) == str(gone / "views.py")
