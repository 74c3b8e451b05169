"""What has browsers trust us, step by step, on machines of all kinds."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from devrunserver.https import authority, trust
from devrunserver.https.trust import Machine

ROOT = Path("/data/root.pem")
HOME = Path("/home/me")
NSSDB = f"sql:{HOME}/.pki/nssdb"
CRT = "/usr/local/share/ca-certificates/devrunserver.crt"


def machine(platform: str, programs: str, directories: list[str], is_wsl: bool = False) -> Machine:
    return Machine(
        platform, HOME, is_wsl, lambda name: name if name in programs.split() else None,
        lambda path: str(path) in directories,
    )  # fmt: skip


DEBIAN = machine("linux", "update-ca-certificates certutil", ["/usr/local/share/ca-certificates", f"{HOME}/.pki/nssdb"])
FEDORA = machine("linux", "update-ca-trust", ["/etc/pki/ca-trust/source/anchors"])
NEW = machine("linux", "certutil", [])
WSL = machine("linux", "certutil.exe", [], is_wsl=True)
MACOS = machine("darwin", "", [])


@pytest.mark.parametrize(
    ("where", "undo", "commands"),
    [
        (DEBIAN, False, [
            f"install -m 0644 /data/root.pem {CRT}", "update-ca-certificates",
            f"certutil -A -d {NSSDB} -n {trust.NICKNAME} -t C,, -i /data/root.pem",
        ]),
        (DEBIAN, True, [f"rm -f {CRT}", "update-ca-certificates", f"certutil -D -d {NSSDB} -n {trust.NICKNAME}"]),
        (FEDORA, False, [
            "install -m 0644 /data/root.pem /etc/pki/ca-trust/source/anchors/devrunserver.crt",
            "update-ca-trust extract",
        ]),
        (NEW, False, [
            f"mkdir -p -m 0700 {HOME}/.pki/nssdb", f"certutil -N -d {NSSDB} --empty-password",
            f"certutil -A -d {NSSDB} -n {trust.NICKNAME} -t C,, -i /data/root.pem",
        ]),
        (NEW, True, []),
        (WSL, False, ["certutil.exe -user -addstore Root $(wslpath -w)"]),
        (MACOS, True, ["security remove-trusted-cert /data/root.pem"]),
    ],
)  # fmt: skip
def test_the_steps(where: Machine, undo: bool, commands: list[str]) -> None:
    steps = list(trust.steps(where, ROOT, undo))
    assert [" ".join(command) for step in steps for command in step.commands] == commands


def test_what_only_root_may_do_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "run_tool", lambda *_: pytest.fail("nothing is to be run"))
    said: list[str] = []
    steps = [step for step in trust.steps(DEBIAN, ROOT, False) if step.needs_root]
    assert trust.run(steps, said.append, is_root=False, root=ROOT)
    assert said[1:] == [f"    sudo install -m 0644 /data/root.pem {CRT}", "    sudo update-ca-certificates"]


def test_what_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "run_tool", lambda *_: (1, "some\nreason"))
    said: list[str] = []
    assert not trust.run(list(trust.steps(NEW, ROOT, False)), said.append, is_root=False, root=ROOT)
    assert said[-1] == "    failed: reason"


@pytest.mark.skipif(not shutil.which("certutil"), reason="needs certutil (libnss3-tools)")
def test_a_store_of_chromium(tmp_path: Path, data: Path) -> None:
    root = authority.own(data).root
    where = Machine("linux", tmp_path, False)
    said: list[str] = []

    def listed() -> str:
        command = ["certutil", "-L", "-d", f"sql:{tmp_path}/.pki/nssdb"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    for undo in (False, True):
        steps = [step for step in trust.steps(where, root, undo) if not step.needs_root]
        assert trust.run(steps, said.append, is_root=False, root=root), said
        assert (trust.NICKNAME in listed()) is not undo
