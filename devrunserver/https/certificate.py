"""The certificate that clients are shown: made by an authority, and made anew before it expires; or the user's own.

Theory of operation
-------------------
A certificate of ours is one file, written at once: its key, itself and those above it. Before them stands a line of
JSON, which says what is in it (OpenSSL skips what is outside of the blocks), so that a start only reads it.

It is looked at whenever a client comes: it is made anew if its time is nearly over, if the client has come to an
address of this machine that it does not name (the network has changed), or asks for a name below ``localhost`` that it
does not name (browsers do not accept ``*.localhost``). So no timer runs, and no restart is needed.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from devrunserver.https import authority, data_directory
from devrunserver.https.authority import Authority
from devrunserver.https.error import HttpsError

LIFETIME = timedelta(days=90)  # browsers accept 397 at most
RENEWED_BEFORE = timedelta(days=30)  # its end
MOST_NAMES = 64  # that clients have asked for
LOCAL_NAMES = ("localhost", "*.localhost", "127.0.0.1", "::1")
FILE = "server.pem"
TRUSTED = "trusted"  # the file that says which root was put into a trust store
TRUST = "python -m devrunserver trust"

Clock = Callable[[], datetime]


def clock() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Contents:
    """What a certificate file of ours says of itself.

    Attributes:
        issuer: fingerprint of who has signed it.
        names: names and addresses that it is for.
        not_before: since when it is valid, in seconds since the epoch.
        not_after: until when.
    """

    issuer: str
    names: tuple[str, ...]
    not_before: float
    not_after: float

    def is_valid(self, now: datetime) -> bool:
        """Whether it can be used, and for a while."""
        return self.not_before <= now.timestamp() < self.not_after - RENEWED_BEFORE.total_seconds()


def read(file: Path) -> Contents | None:
    """What is in a certificate file of ours; None where there is none."""
    try:
        with file.open(encoding="ascii") as lines:
            found = json.loads(lines.readline())
        return Contents(found["issuer"], tuple(found["names"]), float(found["not_before"]), float(found["not_after"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


class OwnCertificates:
    """A certificate that is made here, and renewed.

    Args:
        directory: where it is kept.
        names: that it has to be for, besides those of this machine alone.
        say: prints one line.
        now: tells the time.
        environ: says where mkcert has its authority.

    Raises:
        HttpsError: it cannot be made.
    """

    def __init__(
        self,
        directory: Path,
        names: Iterable[str],
        say: Callable[[str], None],
        now: Clock = clock,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._directory = directory
        self._say = say
        self._now = now
        self._authority = authority.find(directory, environ)
        self.advice = advice(self._authority)
        self._failed = False
        authority.ensure(self._authority, directory, now())
        wanted = [*LOCAL_NAMES, *authority.host_names(), *names]
        permitted = [name for name in dict.fromkeys(wanted) if self._authority.permits(name)]
        for name in sorted(set(wanted) - set(permitted)):
            say(
                f"HTTPS: our authority signs for names of this machine only, not for {name}: --cert-file may be for it."
            )
        found = read(directory / FILE)
        if found is None or not self._is_current(found) or not set(permitted) <= set(found.names):
            extra = found.names if found is not None and self._is_signed_here(found) else ()
            found = self._issue([*permitted, *extra])
        self._contents = found
        self._context = self._load()

    def context_for(self, address: str) -> ssl.SSLContext:
        """The TLS context for a client that has come to this address of the machine."""
        self._cover(address.partition("%")[0].removeprefix("::ffff:"))
        return self._context

    def _on_name(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
        """A client asks for a name."""
        if name and self._cover(name.lower()):
            connection.context = self._context

    def _cover(self, name: str) -> bool:
        """Renews the certificate where that is due, or where it is not for this name and may be; whether it did."""
        contents, is_new = self._contents, name not in self._contents.names
        wanted = is_new and len(contents.names) < MOST_NAMES and self._authority.permits(name)
        if self._failed or (not wanted and contents.is_valid(self._now())):
            return False
        try:
            self._contents = self._issue([*contents.names, name] if wanted else contents.names)
            self._context = self._load()
        except HttpsError as error:
            self._failed = True  # the old one is better than none
            self._say(f"HTTPS: the certificate is not renewed: {error}")
            return False
        return True

    def _is_signed_here(self, contents: Contents) -> bool:
        return contents.issuer == self._authority.fingerprint()

    def _is_current(self, contents: Contents) -> bool:
        return contents.is_valid(self._now()) and self._is_signed_here(contents)

    def _issue(self, names: Iterable[str]) -> Contents:
        """Makes a certificate and writes it."""
        contents, blocks = sign(self._authority, list(dict.fromkeys(names))[:MOST_NAMES], self._now())
        file = self._directory / FILE
        try:
            data_directory.make(self._directory)
            data_directory.write(file, json.dumps(asdict(contents)).encode() + b"\n" + blocks)
        except OSError as error:
            raise data_directory.cannot_write(file, error) from error
        return contents

    def _load(self) -> ssl.SSLContext:
        file = self._directory / FILE
        context = make_context()
        try:
            context.load_cert_chain(file)
        except (OSError, ValueError) as error:
            raise HttpsError(f"{file} cannot be used: {error}. Remove it, and it is made anew.") from error
        context.sni_callback = self._on_name
        return context


def sign(signer: Authority, names: list[str], now: datetime) -> tuple[Contents, bytes]:
    """A new certificate for a server, and what its file holds.

    Raises:
        HttpsError: the authority cannot be read, or its time is over.
    """
    x509, hashes, serialization, ec = authority.modules()
    try:
        issuer_pem = signer.certificate.read_bytes()
        issuer = x509.load_pem_x509_certificate(issuer_pem)
        issuer_key = serialization.load_pem_private_key(signer.key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise HttpsError(
            f"The authority in {signer.certificate.parent} cannot be read: {error}. {_remedy(signer)}"
        ) from error
    first, last = issuer.not_valid_before_utc, issuer.not_valid_after_utc
    if not first <= now < last - timedelta(days=1):
        raise HttpsError(
            f"The authority in {signer.certificate.parent} is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}, and the "
            f"clock says {now:%Y-%m-%d}. Set the clock if it is wrong. If it is right: {_remedy(signer)}"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    not_before, not_after = max(now - authority.BACKDATED, first), min(now + LIFETIME, last)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
         "encipher_only", "decipher_only"), False
    )  # fmt: skip
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "devrunserver")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectAlternativeName([_general_name(x509, name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    contents = Contents(signer.fingerprint(), tuple(names), not_before.timestamp(), not_after.timestamp())
    return contents, private + leaf.public_bytes(pem) + issuer_pem


def _remedy(signer: Authority) -> str:
    if not signer.is_own:
        return "mkcert -install makes mkcert's anew."
    return f"Remove that directory; the next start makes a new one, to be trusted by: {TRUST}"


def _general_name(x509: Any, name: str) -> Any:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def is_trusted(signer: Authority) -> bool:
    """Whether the user has put its root into a trust store, as far as we know."""
    if not signer.is_own:
        return True  # mkcert's own business
    with contextlib.suppress(OSError):
        return (signer.root.parent / TRUSTED).read_text() == signer.fingerprint()
    return False


def advice(signer: Authority) -> str:
    """What makes browsers trust the certificates that it signs."""
    return f"To have browsers trust it: {TRUST if signer.is_own else 'mkcert -install'}"


def make_context() -> ssl.SSLContext:
    """TLS as we speak it: 1.2 and later, HTTP/1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    # who just ends its side is answered all the same: where a request ends HTTP says itself
    context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    context.set_alpn_protocols(["http/1.1"])
    return context


class GivenCertificates:
    """The user's own certificate.

    Args:
        certificate: a PEM file, with those above it.
        key: a PEM file; None where it is in the same one.

    Raises:
        HttpsError: it cannot be used.
    """

    def __init__(self, certificate: str, key: str | None) -> None:
        self.advice = f"It is the one of --cert-file {certificate}."
        self._context = load_given(certificate, key)

    def context_for(self, address: str) -> ssl.SSLContext:
        return self._context


class _Password(Exception):
    """A key is locked."""


def _locked() -> str:
    raise _Password


def load_given(certificate: str, key: str | None) -> ssl.SSLContext:
    """The TLS context of the user's own certificate.

    Raises:
        HttpsError: it cannot be used.
    """
    context, key_name = make_context(), key or certificate
    for file in (certificate, key_name):
        try:
            with open(file, "rb"):
                pass
        except OSError as error:
            raise HttpsError(f"{file} cannot be read: {error.strerror}.") from error
    try:
        context.load_cert_chain(certificate, key, password=_locked)
    except _Password:
        raise HttpsError(
            f"The key in {key_name} has a password. Give one without: openssl pkey -in KEY -out NEW"
        ) from None
    except (ssl.SSLError, ValueError) as error:
        raise HttpsError(_sentence(error, certificate, key_name, key is None)) from error
    _verify_time(context, certificate)
    return context


def _sentence(error: Exception, certificate: str, key: str, is_one_file: bool) -> str:
    if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
        return f"The key in {key} does not fit the certificate in {certificate}."
    content = Path(certificate).read_bytes()
    if b"-----BEGIN CERTIFICATE-----" not in content and b"-----BEGIN TRUSTED CERTIFICATE-----" not in content:
        return f"There is no certificate in {certificate}: it has to be a PEM file, with a BEGIN CERTIFICATE line."
    if b"PRIVATE KEY-----" not in Path(key).read_bytes():
        return f"There is no key in {key}." + (" Name its file by --key-file." if is_one_file else "")
    return f"The certificate in {certificate} and the key in {key} cannot be used: {error}."


# Of X509_verify_cert: openssl-verification-options(1)
NOT_YET_VALID, EXPIRED = 9, 10


def _verify_time(context: ssl.SSLContext, certificate: str) -> None:
    """Has OpenSSL verify a certificate as a client would that trusts it, as far as time is concerned."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        client.load_verify_locations(certificate)
    except (OSError, ssl.SSLError):
        return
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = context.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server)
    for side in (theirs, ours, theirs):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            if error.verify_code in (NOT_YET_VALID, EXPIRED):
                when = "has expired" if error.verify_code == EXPIRED else "is not valid yet"
                raise HttpsError(f"The certificate in {certificate} {when}, by this machine's clock.") from error
            return  # who signed it is the user's business
        except ssl.SSLError:
            return


def describe(file: str | None, directory: Path) -> str:
    """Who has signed, and what makes browsers trust it: for the banner."""
    if file:
        return f"HTTPS with the certificate in {os.path.relpath(file)}."
    signer = authority.find(directory)
    text = f"HTTPS with a certificate by {signer.name}."
    return text if is_trusted(signer) else f"{text} {advice(signer)}"
