"""Which file system holds a path, by the text of ``/proc/self/mountinfo``."""

from __future__ import annotations

import sys

import pytest

from devrunserver.supervisor.watching.mounts import file_system_type, is_silent, read_mountinfo

MOUNTINFO = r"""
22 27 0:20 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
24 22 0:22 / /mnt/c rw,noatime master:1 propagate_from:2 - 9p drvfs rw,dirsync
25 22 0:23 / /srv/app rw - virtiofs share rw
26 25 0:24 / /srv/app/data rw - tmpfs tmpfs rw
27 22 0:25 / /mnt/two\040words rw - nfs4 host:/x rw
28 22 0:26 / /mnt/tab\011and\134back rw - cifs //host/x rw
29 22 0:27 / /over rw - nfs host:/x rw
30 29 0:28 / /over rw - xfs /dev/sdb1 rw
31 22 0:29 / /mnt/dash\040-\040dash rw - fuse.sshfs host: rw
32 22 0:30 /sub /bind rw - btrfs /dev/sdc1 rw
""".strip()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "ext4"),
        ("/home/me/project", "ext4"),
        ("/proc/1", "proc"),
        ("/mnt/c", "9p"),
        ("/mnt/c/Users/me", "9p"),
        ("/mnt/cd", "ext4"),  # the name goes on
        ("/srv/app", "virtiofs"),
        ("/srv/app/shop", "virtiofs"),
        ("/srv/app/data", "tmpfs"),  # nested
        ("/srv/app/data/x", "tmpfs"),
        ("/srv/app/database", "virtiofs"),
        ("/mnt/two words/x", "nfs4"),
        ("/mnt/two", "ext4"),
        ("/mnt/tab\tand\\back/x", "cifs"),
        ("/mnt/dash - dash/x", "fuse.sshfs"),
        ("/over/x", "xfs"),  # the later mount hides the earlier
        ("/bind/x", "btrfs"),
    ],
)
def test_file_system_type(path: str, expected: str) -> None:
    assert file_system_type(path, MOUNTINFO) == expected


def test_nothing_is_known_without_mounts() -> None:
    assert file_system_type("/srv/app", "") == ""


@pytest.mark.parametrize(
    ("file_system", "silent"),
    [
        *((name, True) for name in ["9p", "drvfs", "virtiofs", "vboxsf", "nfs", "nfs4", "cifs", "smb3", "fuse"]),
        *((name, True) for name in ["fuse.sshfs", "fuse.osxfs", "fuse.grpcfuse"]),
        *((name, False) for name in ["ext4", "xfs", "btrfs", "overlay", "tmpfs", "zfs", "fuseblk", "nfsd", ""]),
    ],
)
def test_is_silent(file_system: str, silent: bool) -> None:
    assert is_silent(file_system) is silent


@pytest.mark.skipif(sys.platform != "linux", reason="there is no mountinfo")
def test_this_system() -> None:
    assert file_system_type("/proc/self", read_mountinfo()) == "proc"
