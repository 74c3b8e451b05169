"""Where the authority is kept: a directory that only its user can read. Nothing in it is ever half written."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from devrunserver.https.error import HttpsError

NAME = "devrunserver"
PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600


def locate(environ: Mapping[str, str] = os.environ, platform: str = sys.platform, application: str = NAME) -> Path:
    """The directory for an application's data of this user. It may not be there yet."""
    home = Path(environ.get("USERPROFILE" if platform == "win32" else "HOME") or Path.home())
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / application
    if platform == "darwin":
        return home / "Library" / "Application Support" / application
    base = environ.get("XDG_DATA_HOME", "")
    return (Path(base) if os.path.isabs(base) else home / ".local" / "share") / application


def make(directory: Path) -> None:
    """Makes a directory that only we can enter, where there is none.

    Raises:
        HttpsError: it cannot be made.
    """
    try:
        directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        if os.name == "posix" and directory.stat().st_mode & 0o077:
            directory.chmod(PRIVATE_DIRECTORY)
    except OSError as error:
        raise cannot_write(directory, error) from error


def write(file: Path, content: bytes) -> None:
    """Writes a file that only we can read, in place of any other: all of it, or nothing.

    Raises:
        OSError: it cannot be written.
    """
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()  # of a process of this number that was killed
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        with open(descriptor, "wb") as output:
            output.write(content)
        draft.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def cannot_write(path: Path, error: OSError) -> HttpsError:
    """The sentence for a file or directory that cannot be written."""
    return HttpsError(
        f"{path} cannot be written: {error.strerror or error}. The certificate is kept there; "
        "XDG_DATA_HOME names another place, --cert-file and --key-file a certificate of your own."
    )
