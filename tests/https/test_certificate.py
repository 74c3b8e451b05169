"""The certificate: when it is made anew, and what is wrong with the user's own."""

from __future__ import annotations

import stat
from datetime import datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from devrunserver.https import authority, certificate, data_directory
from devrunserver.https.certificate import FILE, Contents, OwnCertificates, load_given
from devrunserver.https.error import HttpsError

NOW = certificate.clock()
DAY = timedelta(days=1)
NO_MKCERT = {"CAROOT": "/nonexistent"}


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.mark.parametrize(
    ("passed", "is_valid"), [(-2, False), (-0.5, True), (0, True), (59, True), (61, False), (99, False)]
)
def test_when_it_is_valid(passed: float, is_valid: bool) -> None:
    contents = Contents("", (), (NOW - DAY).timestamp(), (NOW + 90 * DAY).timestamp())
    assert contents.is_valid(NOW + passed * DAY) is is_valid


def test_it_is_kept_and_renewed(data: Path) -> None:
    time, said = Time(), list[str]()
    own = OwnCertificates(data, [], said.append, time, NO_MKCERT)
    first = certificate.read(data / FILE)
    context = own.context_for("127.0.0.1")
    again = OwnCertificates(data, [], said.append, time, NO_MKCERT)
    assert certificate.read(data / FILE) == first, "as it was"
    assert stat.S_IMODE((data / FILE).stat().st_mode) == 0o600
    time.now += 70 * DAY
    assert own.context_for("127.0.0.1") is not context
    second = certificate.read(data / FILE)
    assert second is not None
    assert second.not_after == (time.now + certificate.LIFETIME).timestamp()
    time.now -= 400 * DAY  # the clock was wrong, or is
    assert again.context_for("127.0.0.1")
    assert again.context_for("127.0.0.1")
    (line,) = said
    assert "is not renewed" in line
    assert "Set the clock if it is wrong" in line
    time.now = NOW
    OwnCertificates(data, [], said.append, time, NO_MKCERT)


@pytest.mark.parametrize("address", ["192.168.77.5", "::ffff:192.168.77.6", "fe80::77%eth0"])
def test_an_address_that_is_new_is_covered(data: Path, address: str) -> None:
    own = OwnCertificates(data, [], pytest.fail, environ=NO_MKCERT)
    context = own.context_for(address)
    contents = certificate.read(data / FILE)
    assert contents is not None
    assert address.removeprefix("::ffff:").partition("%")[0] in contents.names
    assert own.context_for(address) is context


def test_names_that_it_may_not_be_for_are_told(data: Path) -> None:
    said: list[str] = []
    OwnCertificates(data, ["shop.example.com"], said.append, environ=NO_MKCERT)
    (line,) = said
    assert "not for shop.example.com: --cert-file may be for it." in line


@pytest.mark.parametrize("content", [b"", b"nonsense", b"{}\n", b'{"issuer": 1}\n', b"\xff\xfe"])
def test_a_file_that_is_broken_is_made_anew(data: Path, content: bytes) -> None:
    (data / FILE).write_bytes(content)
    assert OwnCertificates(data, [], pytest.fail, environ=NO_MKCERT).context_for("127.0.0.1")


def test_a_renewal_that_fails_costs_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time, said = Time(), list[str]()
    own = OwnCertificates(data, [], said.append, time, NO_MKCERT)
    context = own.context_for("127.0.0.1")

    def fail(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(data_directory, "write", fail)
    time.now += 70 * DAY
    assert own.context_for("127.0.0.1") is context
    assert own.context_for("127.0.0.1") is context
    (line,) = said
    assert line.startswith("HTTPS: the certificate is not renewed: ")


@pytest.mark.parametrize("days", [-10, 3700])
def test_a_clock_that_is_wrong(data: Path, days: int) -> None:
    with pytest.raises(HttpsError, match=r"is valid from .* and the clock says .*\. Set the clock if it is wrong\."):
        certificate.sign(authority.own(data), ["localhost"], NOW + days * DAY)


# The user's own


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A directory with PEM files."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("given")
    key_end = b"-----END PRIVATE KEY-----\n"
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8

    def write(name: str, now: datetime) -> None:
        _, blocks = certificate.sign(authority.own(data), ["localhost"], now)
        key, end, chain = blocks.partition(key_end)
        (folder / f"{name}.pem").write_bytes(blocks)
        (folder / f"{name}.key").write_bytes(key + end)
        (folder / f"{name}.crt").write_bytes(chain)

    write("good", NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificate, "LIFETIME", -timedelta(seconds=10))
        write("expired", NOW)
        patch.setattr(certificate, "LIFETIME", 90 * DAY)
        patch.setattr(authority, "BACKDATED", -DAY)
        write("early", NOW)
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "other.key").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    locked = key.private_bytes(pem, form, serialization.BestAvailableEncryption(b"secret"))
    (folder / "locked.key").write_bytes(locked)
    (folder / "nonsense.pem").write_text("nonsense\n")
    return folder


@pytest.mark.parametrize(("cert", "key"), [("good.pem", None), ("good.crt", "good.key"), ("good.pem", "good.pem")])
def test_what_can_be_used(given: Path, cert: str, key: str | None) -> None:
    assert load_given(str(given / cert), str(given / key) if key else None)


@pytest.mark.parametrize(
    ("cert", "key", "sentence"),
    [
        ("none.pem", None, r"none\.pem cannot be read: No such file or directory\."),
        ("good.crt", "none.key", r"none\.key cannot be read: No such file or directory\."),
        ("good.crt", None, r"There is no key in \S+good\.crt\. Name its file by --key-file\."),
        ("good.crt", "nonsense.pem", r"There is no key in \S+nonsense\.pem\."),
        ("nonsense.pem", "good.key", r"There is no certificate in \S+nonsense\.pem: it has to be a PEM file"),
        ("good.key", "good.key", r"There is no certificate in \S+good\.key"),
        ("good.crt", "other.key", r"The key in \S+other\.key does not fit the certificate in \S+good\.crt\."),
        ("good.crt", "locked.key", r"The key in \S+locked\.key has a password\."),
        ("expired.pem", None, r"The certificate in \S+expired\.pem has expired, by this machine's clock\."),
        ("early.pem", None, r"The certificate in \S+early\.pem is not valid yet, by this machine's clock\."),
    ],
)
def test_what_cannot_be_used_is_told_in_one_sentence(given: Path, cert: str, key: str | None, sentence: str) -> None:
    with pytest.raises(HttpsError, match=sentence):
        load_given(str(given / cert), str(given / key) if key else None)
