"""Which file systems send no file events: there, files are polled."""

from __future__ import annotations

import functools
import os
from pathlib import Path

# Of /proc/self/mountinfo. Network and host-shared file systems do not tell of what happens on the other side.
SILENT_TYPES = frozenset(
    {"9p", "drvfs", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph",
     "ncpfs", "davfs", "fuse"}
)  # fmt: skip
SILENT_PREFIX = "fuse."  # such as fuse.sshfs, fuse.osxfs, fuse.grpcfuse
MOUNTINFO = Path("/proc/self/mountinfo")


def read_mountinfo() -> str:
    """The system's mounts; empty outside Linux."""
    try:
        return MOUNTINFO.read_text()
    except OSError:
        return ""


def file_system_type(path: str, mountinfo: str) -> str:
    """The type of the file system that holds an absolute path; empty where it is not known.

    Source: proc(5), /proc/pid/mountinfo. Of two mounts on one point the later hides the earlier.
    """
    found, length = "", -1
    for point, below, file_system in _mounts(mountinfo):
        if len(point) >= length and (path == point or path.startswith(below)):
            found, length = file_system, len(point)
    return found


def is_silent(file_system: str) -> bool:
    """Whether changes on this type of file system may come without an event."""
    return file_system in SILENT_TYPES or file_system.startswith(SILENT_PREFIX)


@functools.lru_cache(maxsize=1)
def _mounts(mountinfo: str) -> list[tuple[str, str, str]]:
    """Of each mount its point, how paths below it begin, and its type."""
    found = []
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        point = _unescape(fields.split(" ")[4])
        found.append((point, point.rstrip("/") + "/", rest.split(" ")[0]))
    return found


def _unescape(point: str) -> str:
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(escape, character)
    return os.path.normpath(point)
