"""What has browsers trust us, step by step, on machines of all kinds."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from devrunserver.https import authority, certificate, data_directory, trust
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


def test_firefox_has_a_store_in_each_profile(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / ".mozilla/firefox" / name).mkdir(parents=True)
        (tmp_path / ".mozilla/firefox" / name / "cert9.db").touch()
    where = Machine("darwin", tmp_path, False)
    assert where.nss_databases() == [tmp_path / ".mozilla/firefox/a", tmp_path / ".mozilla/firefox/b"]


def test_windows_takes_back_by_the_digest(data: Path) -> None:
    root = authority.own(data).root
    (add,) = trust.steps(machine("win32", "", []), root, False)
    (undo,) = trust.steps(machine("win32", "", []), root, True)
    assert add.commands == (("certutil", "-user", "-addstore", "Root", str(root)),)
    assert undo.may_fail and undo.commands[0][:4] == ("certutil", "-user", "-delstore", "Root")
    assert len(undo.commands[0][4]) == 40


def test_windows_around_linux_is_told_its_own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[tuple[str, ...]] = []

    def run_tool(command: tuple[str, ...], patience: float) -> tuple[int, str]:
        run.append(command)
        return 0, "C:\\root.pem" if command[0] == "wslpath" else ""

    monkeypatch.setattr(trust, "run_tool", run_tool)
    said: list[str] = []
    assert trust.run(list(trust.steps(WSL, ROOT, False)), said.append, is_root=False, root=ROOT)
    assert run == [("wslpath", "-w", str(ROOT)), ("certutil.exe", "-user", "-addstore", "Root", "C:\\root.pem")]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a user on a machine without stores, and without mkcert."""
    monkeypatch.setattr(data_directory, "locate", lambda: tmp_path)
    monkeypatch.setattr(authority, "find", lambda directory: authority.own(directory))
    monkeypatch.setattr(trust, "this_machine", lambda: machine("linux", "", []))
    return tmp_path


def test_trust_is_given_and_taken_back(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mark = authority.own(own).root.parent / certificate.TRUSTED
    assert trust.main(["--undo"]) == 0
    assert capsys.readouterr().out == "There is nothing to undo.\n"
    assert trust.main([]) == 0
    assert mark.read_text() == authority.own(own).fingerprint()
    told = capsys.readouterr().out
    assert "they need the program certutil" in told and told.endswith("Restart the browser to have it see that.\n")
    assert trust.main(["--undo"]) == 0
    assert not mark.exists()


def test_trust_that_has_failed_is_not_noted(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "run", lambda *args: False)
    assert trust.main([]) == 1
    assert not (authority.own(own).root.parent / certificate.TRUSTED).exists()


def test_a_directory_that_cannot_be_written_is_told(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    trust.main([])
    capsys.readouterr()
    monkeypatch.setattr(data_directory, "write", refuse)
    assert trust.main([]) == 1
    assert "No space left on device" in capsys.readouterr().err


def test_the_authority_of_mkcert_is_mkcerts_to_have_trusted(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = dataclasses.replace(authority.own(own), is_own=False)
    monkeypatch.setattr(authority, "find", lambda directory: foreign)
    assert trust.main([]) == trust.main(["--undo"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "mkcert's authority signs. To have it trusted: mkcert -install",
        "mkcert's authority signs. To have it trusted: mkcert -uninstall",
    ]
