"""Who signs our certificates: mkcert's authority where there is one, else one of our own.

Theory of operation
-------------------
A browser that trusts an authority believes whatever it signs, so the key of one that lies about is a danger. Ours can
do little: the root signs one *intermediate* authority, and its key is never written anywhere. The intermediate, whose
key is kept, is constrained (RFC 5280, 4.2.1.10) to names and addresses that lead to this machine or its network, and
to TLS servers. Constraints of a root itself are not enforced everywhere, those of an intermediate are.

All is made in a directory beside, which is renamed when it is complete: of two servers that start at once one is first,
and the other uses what it finds.

Nothing here needs the package ``cryptography`` but what signs, so that a start with a valid certificate does not
import it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devrunserver.https import data_directory
from devrunserver.https.error import HttpsError
from devrunserver.server.reachable import addresses

if TYPE_CHECKING:
    from cryptography import x509

LIFETIME = timedelta(days=3650)  # of the authority, whose root has to be trusted again afterwards
BACKDATED = timedelta(days=1)  # for clients whose clock is late
COMMON_NAME = "devrunserver development authority"
HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
NETWORKS = (
    "127.0.0.0/8", "::1/128",
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10",
)  # fmt: skip
INSTALL = "python -m pip install 'devrunserver[https]'"


@dataclass(frozen=True)
class Authority:
    """Who signs.

    Attributes:
        name: for the user.
        certificate: file of the one that signs.
        key: file of its key.
        root: file of what a browser has to trust.
        is_own: whether it is ours, and so constrained.
    """

    name: str
    certificate: Path
    key: Path
    root: Path
    is_own: bool

    def fingerprint(self) -> str:
        """Tells it from any other.

        Raises:
            HttpsError: it cannot be read.
        """
        try:
            return hashlib.sha256(self.certificate.read_bytes()).hexdigest()
        except OSError as error:
            raise HttpsError(f"{self.certificate} cannot be read: {error.strerror}.") from error

    def permits(self, name: str) -> bool:
        """Whether it may sign for a name or an address."""
        if not self.is_own:
            return True
        bounds = Bounds.read(self.bounds) or Bounds.of_this_machine()
        return bounds.permit(name)

    @property
    def bounds(self) -> Path:
        """File of what ours is constrained to."""
        return self.certificate.with_name("bounds.json")


@dataclass(frozen=True)
class Bounds:
    """What our authority is constrained to.

    Attributes:
        names: with all names below them.
        networks: of addresses.
    """

    names: tuple[str, ...]
    networks: tuple[str, ...]

    @classmethod
    def of_this_machine(cls) -> Bounds:
        networks = [ipaddress.ip_network(one) for one in NETWORKS]
        own_addresses = map(ipaddress.ip_address, addresses())
        others = [str(one) for one in own_addresses if not any(one in network for network in networks)]
        return cls(("localhost", *host_names()), (*NETWORKS, *others))

    @classmethod
    def read(cls, file: Path) -> Bounds | None:
        try:
            found = json.loads(file.read_text())
            return cls(tuple(found["names"]), tuple(found["networks"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def permit(self, name: str) -> bool:
        """Whether a name or an address is within them."""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return any(name == one or name.endswith(f".{one}") for one in self.names)
        return any(address in ipaddress.ip_network(network) for network in self.networks)


def find(directory: Path, environ: Mapping[str, str] = os.environ) -> Authority:
    """The authority to use. Ours may not be there yet."""
    return mkcert(environ) or own(directory)


def own(directory: Path) -> Authority:
    place = directory / "authority"
    return Authority(
        "an authority of its own", place / "authority.pem", place / "authority.key", place / "root.pem", True
    )


def mkcert(environ: Mapping[str, str] = os.environ) -> Authority | None:
    """mkcert's authority, where its key can be read."""
    place = Path(environ.get("CAROOT") or data_directory.locate(environ, application="mkcert"))
    certificate, key = place / "rootCA.pem", place / "rootCA-key.pem"
    if not (os.access(certificate, os.R_OK) and os.access(key, os.R_OK)):
        return None
    return Authority("mkcert's authority", certificate, key, certificate, False)


def host_names(host: str = "") -> list[str]:
    """The names by which this machine may be found, as far as a constraint can be for them alone.

    A constraint for a name permits all names below it. So a name without a dot is left out where it could be a
    top-level domain, such as ``dev``; those have neither digits nor, but for the prefix ``xn--``, hyphens.
    """
    host = (host or socket.gethostname()).lower().rstrip(".")
    if not HOST_NAME.fullmatch(host):
        return []
    first = host.partition(".")[0]
    is_telling = "." in host or (re.search(r"[0-9-]", host) and not host.startswith("xn--"))
    names = [host] if is_telling else []
    return [name for name in dict.fromkeys([*names, f"{first}.local"]) if name not in ("localhost", "localhost.local")]


def ensure(authority: Authority, directory: Path, now: datetime) -> None:
    """Makes our own authority, where it is the one and is not there yet.

    Raises:
        HttpsError: it cannot be made.
    """
    if not authority.is_own or authority.certificate.parent.exists():
        return
    data_directory.make(directory)
    files = _make(now)
    place = authority.certificate.parent
    try:
        draft = Path(tempfile.mkdtemp(prefix=".authority-", dir=directory))  # for us alone
        try:
            for name, content in files.items():
                data_directory.write(draft / name, content)
            try:
                draft.rename(place)
            except OSError:
                if not place.exists():  # or else another server was first
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise data_directory.cannot_write(place, error) from error


def modules() -> tuple[Any, Any, Any, Any]:
    """What signs: ``x509``, ``hashes``, ``serialization`` and ``ec`` of the package ``cryptography``.

    Raises:
        HttpsError: it is not installed.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise HttpsError(
            f"--https needs the package cryptography to make a certificate: {INSTALL}. "
            "Or give one by --cert-file and --key-file."
        ) from error
    return x509, hashes, serialization, ec


def _make(now: datetime) -> dict[str, bytes]:
    """The files of a new authority. The key of its root ends with this function."""
    _, hashes, serialization, ec = modules()
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    whose = f"{COMMON_NAME} ({socket.gethostname()[:20]}, {now:%Y-%m-%d})"
    bounds = Bounds.of_this_machine()
    root = _certificate(whose, root_key, None, root_key, now, 1, bounds).sign(root_key, hashes.SHA256())
    signer = _certificate(f"{whose}, signer", key, root, root_key, now, 0, bounds)
    signer = signer.sign(root_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {
        "root.pem": root.public_bytes(pem),
        "authority.pem": signer.public_bytes(pem),
        "authority.key": private,
        "bounds.json": json.dumps(asdict(bounds)).encode(),
    }


def _certificate(
    name: str,
    key: Any,
    issuer: x509.Certificate | None,
    issuer_key: Any,
    now: datetime,
    path_length: int,
    bounds: Bounds,
) -> Any:
    """A builder of an authority's certificate, constrained."""
    x509, *_ = modules()
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name[:64])])
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False
    )  # fmt: skip
    permitted = [x509.DNSName(one) for one in bounds.names]
    permitted += [x509.IPAddress(ipaddress.ip_network(one)) for one in bounds.networks]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
