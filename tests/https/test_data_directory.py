"""Where the authority is kept."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from devrunserver.https import data_directory
from devrunserver.https.error import HttpsError


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"HOME": "/home/me"}, "/home/me/.local/share/devrunserver"),
        ("linux", {"HOME": "/home/me", "XDG_DATA_HOME": "/data"}, "/data/devrunserver"),
        ("linux", {"HOME": "/home/me", "XDG_DATA_HOME": "data"}, "/home/me/.local/share/devrunserver"),
        ("darwin", {"HOME": "/Users/me"}, "/Users/me/Library/Application Support/devrunserver"),
        ("win32", {"USERPROFILE": "/Users/me", "LOCALAPPDATA": "/local"}, "/local/devrunserver"),
        ("win32", {"USERPROFILE": "/Users/me"}, "/Users/me/AppData/Local/devrunserver"),
    ],
)
def test_where_it_is(platform: str, environ: dict[str, str], expected: str) -> None:
    assert data_directory.locate(environ, platform) == Path(expected)


def test_what_others_can_enter_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    data_directory.make(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_file_where_the_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HttpsError, match="cannot be written: "):
        data_directory.make(tmp_path / "file" / "data")


def test_nothing_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    data_directory.write(file, b"old")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        data_directory.write(file, b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert file.read_bytes() == b"old"
