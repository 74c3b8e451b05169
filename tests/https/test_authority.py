"""Our own authority: what it may sign, and that clients hold it to that."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from devrunserver.https import authority, certificate, data_directory
from devrunserver.https.authority import Bounds
from devrunserver.https.error import HttpsError

NOW = certificate.clock()


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("mybox-1", ["mybox-1", "mybox-1.local"]),
        ("MyBox7.", ["mybox7", "mybox7.local"]),
        ("mybox.example.com", ["mybox.example.com", "mybox.local"]),
        ("dev", ["dev.local"]),  # a top-level domain
        ("mybox", ["mybox.local"]),  # perhaps one some day
        ("xn--p1ai", ["xn--p1ai.local"]),
        ("localhost", []),
        ("my_box", []),
        ("", None),
    ],
)
def test_names_of_this_machine(host: str, names: list[str] | None) -> None:
    if names is not None:
        assert authority.host_names(host) == names


@pytest.mark.parametrize(
    ("name", "is_permitted"),
    [
        ("localhost", True), ("shop.localhost", True), ("*.localhost", True), ("box-1.local", True),
        ("127.0.0.1", True), ("::1", True), ("192.168.1.5", True), ("172.31.0.1", True), ("10.9.8.7", True),
        ("fd00::5", True), ("fe80::1", True),
        ("example.com", False), ("notlocalhost", False), ("localhost.example.com", False), ("local", False),
        ("other.local", False), ("8.8.8.8", False), ("172.32.0.1", False), ("2001:db8::1", False), ("", False),
    ],
)  # fmt: skip
def test_what_it_may_sign_for(name: str, is_permitted: bool) -> None:
    assert Bounds(("localhost", "box-1.local"), authority.NETWORKS).permit(name) is is_permitted


def test_it_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    own = authority.own(data)
    authority.ensure(own, data, NOW)
    made = own.fingerprint()
    authority.ensure(own, data, NOW)
    assert own.fingerprint() == made
    files = {one.name: stat.S_IMODE(one.stat().st_mode) for one in own.root.parent.iterdir()}
    assert files == dict.fromkeys(["root.pem", "authority.pem", "authority.key", "bounds.json"], 0o600)
    assert stat.S_IMODE(data.stat().st_mode) == stat.S_IMODE(own.root.parent.stat().st_mode) == 0o700
    assert [one.name for one in data.iterdir()] == ["authority"], "no draft is left"


def test_of_two_that_make_it_at_once_one_is_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, make = authority.own(tmp_path), authority._make

    def make_late(now: datetime) -> dict[str, bytes]:
        monkeypatch.setattr(authority, "_make", make)
        authority.ensure(own, tmp_path, now)  # the other one
        return make(now)

    monkeypatch.setattr(authority, "_make", make_late)
    authority.ensure(own, tmp_path, NOW)
    _, blocks = certificate.sign(own, ["localhost"], NOW)
    assert verify(tmp_path, own.root, blocks, "localhost") == "OK"


@pytest.mark.parametrize("call", ["write", "make"])
def test_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(28, os.strerror(28))

    own = authority.own(tmp_path)
    if call == "write":
        monkeypatch.setattr(data_directory, "write", fail)
    else:
        monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(HttpsError, match=r"cannot be written: No space left on device\. .* XDG_DATA_HOME"):
        authority.ensure(own, tmp_path, NOW)
    assert list(tmp_path.iterdir()) == []


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cryptography", None)
    with pytest.raises(HttpsError, match=r"needs the package cryptography .*: python -m pip install"):
        authority.ensure(authority.own(tmp_path), tmp_path, NOW)


def verify(folder: Path, root: Path, blocks: bytes, name: str) -> str:
    """What OpenSSL says of a certificate: OK, or the cause."""
    file = folder / "chain.pem"
    file.write_bytes(blocks)
    how = "-verify_ip" if name[0].isdigit() else "-verify_hostname"
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", root, "-untrusted", file, "-purpose", "sslserver", how, name, file],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return "OK" if done.returncode == 0 else done.stderr


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("localhost", "OK"), ("shop.localhost", "OK"), ("127.0.0.1", "OK"), ("192.168.7.7", "OK"),
        ("example.com", "permitted subtree violation"), ("8.8.8.8", "permitted subtree violation"),
    ],
)  # fmt: skip
def test_clients_hold_it_to_that(tmp_path: Path, data: Path, name: str, verdict: str) -> None:
    """Although whoever has its key may sign anything."""
    own = authority.own(data)
    _, blocks = certificate.sign(own, [name], certificate.clock())
    assert verdict in verify(tmp_path, own.root, blocks, name)


def test_mkcerts_is_used_where_it_is(tmp_path: Path, data: Path) -> None:
    environ = {"CAROOT": str(tmp_path)}
    assert authority.find(data, environ).is_own
    place = authority.own(data).root.parent
    (tmp_path / "rootCA.pem").write_bytes((place / "authority.pem").read_bytes())
    (tmp_path / "rootCA-key.pem").write_bytes((place / "authority.key").read_bytes())
    found = authority.find(data, environ)
    assert not found.is_own
    assert found.permits("anything.example.com")
    certificate.OwnCertificates(data / "other", ["shop.test"], pytest.fail, environ=environ)
    contents = certificate.read(data / "other" / certificate.FILE)
    assert contents is not None
    assert "shop.test" in contents.names
    assert contents.issuer == found.fingerprint()


def test_an_authority_that_is_broken(tmp_path: Path, data: Path) -> None:
    own = authority.own(data)
    (tmp_path / "key").write_text("nonsense")
    with pytest.raises(HttpsError, match=r"cannot be read: .* Remove that directory; the next start makes a new one"):
        certificate.sign(replace(own, key=tmp_path / "key"), ["localhost"], NOW)
