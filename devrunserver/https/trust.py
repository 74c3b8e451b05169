"""``python -m devrunserver trust``: has the browsers of this machine trust our authority. ``--undo`` takes it back.

It says what it does, command by command. It asks for no rights: what only root may do it prints, to be run by who
wants it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import shutil
import ssl
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from devrunserver.common.process import run_tool
from devrunserver.https import authority, certificate, data_directory
from devrunserver.https.authority import Authority
from devrunserver.https.error import HttpsError

DESCRIPTION = "Has the browsers of this machine trust the certificates of runserver --https, and says what it does."
PATIENCE = 120.0  # seconds for a command, which may ask the user
NICKNAME = "devrunserver development authority"
FILE_NAME = "devrunserver.crt"
NSS_PACKAGE = "libnss3-tools (Debian, Ubuntu), nss-tools (Fedora), nss (Arch, Homebrew)"

# Where Linux distributions want the authorities of the machine, and what makes them known
SYSTEM_STORES = (
    ("/usr/local/share/ca-certificates", ("update-ca-certificates",)),  # Debian, Ubuntu, Alpine
    ("/etc/pki/ca-trust/source/anchors", ("update-ca-trust", "extract")),  # Fedora, RHEL
    ("/etc/ca-certificates/trust-source/anchors", ("trust", "extract-compat")),  # Arch
    ("/usr/share/pki/trust/anchors", ("update-ca-certificates",)),  # openSUSE
)
# Below the home directory: where Firefox keeps its profiles
FIREFOX = (".mozilla/firefox", "snap/firefox/common/.mozilla/firefox", "Library/Application Support/Firefox/Profiles")
CHROMIUM = (".pki/nssdb", "snap/chromium/current/.pki/nssdb")


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        store: which store it changes.
        commands: what to run.
        needs_root: whether only root may.
        may_fail: whether it is no failure if it does not work, as there may be nothing to undo.
    """

    store: str
    commands: tuple[tuple[str, ...], ...]
    needs_root: bool = False
    may_fail: bool = False


@dataclass(frozen=True)
class Machine:
    """What the steps depend on.

    Attributes:
        platform: as ``sys.platform``.
        home: the user's directory.
        is_wsl: whether Windows is around us.
        find: where a program is; None where there is none.
        exists: whether there is a directory.
    """

    platform: str
    home: Path
    is_wsl: bool
    find: Callable[[str], str | None] = shutil.which
    exists: Callable[[Path], bool] = Path.is_dir

    def nss_databases(self) -> list[Path]:
        """The certificate stores of Chromium and Firefox. That of Chromium is made where there is none."""
        found = [self.home / one for one in CHROMIUM if self.exists(self.home / one)]
        if not found and self.platform == "linux":
            found = [self.home / CHROMIUM[0]]
        for place in FIREFOX:
            if self.exists(self.home / place):
                found += sorted(one.parent for one in (self.home / place).glob("*/cert9.db"))
        return found


def this_machine() -> Machine:
    try:
        is_wsl = "microsoft" in Path("/proc/version").read_text().lower()
    except OSError:
        is_wsl = False
    return Machine(sys.platform, Path.home(), is_wsl)


def steps(machine: Machine, root: Path, undo: bool) -> Iterator[Step]:
    """What makes a root known to the stores of a machine, or unknown again."""
    if machine.platform == "win32":
        yield _windows("certutil", str(root), root, undo)
        return
    if machine.platform == "darwin":
        yield _macos(root, undo)
    else:
        yield from _system(machine, root, undo)
    yield from _nss(machine, root, undo)
    if machine.is_wsl and machine.find("certutil.exe"):
        yield _windows("certutil.exe", "$(wslpath -w)", root, undo)


def _system(machine: Machine, root: Path, undo: bool) -> Iterator[Step]:
    for directory, update in SYSTEM_STORES:
        if machine.exists(Path(directory)) and machine.find(update[0]):
            file = f"{directory}/{FILE_NAME}"
            change = ("rm", "-f", file) if undo else ("install", "-m", "0644", str(root), file)
            yield Step("the system (curl, Python, ...)", (change, update), needs_root=True)
            return


def _macos(root: Path, undo: bool) -> Step:
    if undo:
        return Step("your keychain", (("security", "remove-trusted-cert", str(root)),), may_fail=True)
    keychain = str(Path.home() / "Library/Keychains/login.keychain-db")
    return Step("your keychain", (("security", "add-trusted-cert", "-r", "trustRoot", "-k", keychain, str(root)),))


def _nss(machine: Machine, root: Path, undo: bool) -> Iterator[Step]:
    if not machine.find("certutil"):
        return
    for directory in machine.nss_databases():
        database = f"sql:{directory}"
        is_new = not machine.exists(directory)
        if undo:
            if not is_new:
                yield Step(str(directory), (("certutil", "-D", "-d", database, "-n", NICKNAME),), may_fail=True)
            continue
        add = ("certutil", "-A", "-d", database, "-n", NICKNAME, "-t", "C,,", "-i", str(root))
        make = (("mkdir", "-p", "-m", "0700", str(directory)), ("certutil", "-N", "-d", database, "--empty-password"))
        yield Step(str(directory), (*(make if is_new else ()), add))


def _windows(program: str, path: str, root: Path, undo: bool) -> Step:
    """The store of the Windows user, who is asked whether they want it."""
    if undo:
        serial = hashlib.sha1(ssl.PEM_cert_to_DER_cert(root.read_text()), usedforsecurity=False).hexdigest()
        return Step("Windows", ((program, "-user", "-delstore", "Root", serial),), may_fail=True)
    return Step("Windows", ((program, "-user", "-addstore", "Root", path),))


def run(todo: Sequence[Step], say: Callable[[str], None], is_root: bool, root: Path) -> bool:
    """Does the steps; whether all that we may do has worked."""
    worked = True
    for step in todo:
        if step.needs_root and not is_root:
            say(f"{step.store}: only root may change that. If you want it:")
            for command in step.commands:
                say(f"    sudo {shlex.join(command)}")
            continue
        say(f"{step.store}:")
        worked = all(_run(command, say, step.may_fail, root) for command in step.commands) and worked
    return worked


def _run(command: tuple[str, ...], say: Callable[[str], None], may_fail: bool, root: Path) -> bool:
    if command[-1] == "$(wslpath -w)":
        status, path = run_tool(("wslpath", "-w", str(root)), PATIENCE)
        command = (*command[:-1], path)
    say(f"    {shlex.join(command)}")
    status, output = run_tool(command, PATIENCE)
    if not status or may_fail:
        return True
    say(f"    failed: {output.splitlines()[-1] if output else f'exit status {status}'}")
    return False


def main(arguments: Sequence[str]) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog=certificate.TRUST, description=DESCRIPTION)
    parser.add_argument("--undo", action="store_true", help="takes it back")
    undo = parser.parse_args(arguments).undo
    directory = data_directory.locate()
    signer = authority.find(directory)
    try:
        if not signer.is_own:
            print(f"mkcert's authority signs. To have it trusted: mkcert -{'un' * undo}install")
            return 0
        if undo and not signer.root.exists():
            print("There is nothing to undo.")
            return 0
        authority.ensure(signer, directory, certificate.clock())
        return _change(signer, undo)
    except HttpsError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def _change(signer: Authority, undo: bool) -> int:
    machine = this_machine()
    print(f"{'Takes back trust in' if undo else 'Has trust put in'} {signer.root}, by:")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    worked = run(list(steps(machine, signer.root, undo)), print, is_root, signer.root)
    if machine.platform != "win32" and not machine.find("certutil"):
        print(
            f"Chromium and Firefox: they need the program certutil, of {NSS_PACKAGE}. Install it, and run this again."
        )
    if not worked:
        return 1
    mark = signer.root.parent / certificate.TRUSTED
    try:
        if undo:
            mark.unlink(missing_ok=True)
        else:
            data_directory.write(mark, signer.fingerprint().encode())
    except OSError as error:
        raise data_directory.cannot_write(mark, error) from error
    print("Restart the browser to have it see that.")
    return 0
