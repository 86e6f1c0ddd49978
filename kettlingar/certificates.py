"""Self-signed certificates: made by `cryptography` (extra `tls`), kept in one private file."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SKEW = timedelta(hours=1)  # by which a client's clock may be slow
RENEW = timedelta(days=30)  # this long before its end a certificate is made anew


def alternative_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Return names and addresses as a certificate has them (RFC 5280, 4.2.1.6), each once."""
    found: dict[str, x509.GeneralName] = {}
    for name in names:
        plain = name.strip().strip("[]").lower()
        try:
            found[plain] = x509.IPAddress(ipaddress.ip_address(plain))
        except ValueError:
            if plain and plain.isascii() and not plain.isspace():
                found[plain] = x509.DNSName(plain)
    return list(found.values())


def self_signed(name: str, names: Sequence[str], days: int, now: datetime) -> bytes:
    """Return a new key and its certificate, for `names`, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(alternative_names(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def still_good(pem: bytes, names: Sequence[str], now: datetime) -> bool:
    """Whether a certificate covers `names` and will for a while."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, x509.ExtensionNotFound):
        return False
    covered = set(extension.value)
    return certificate.not_valid_after_utc - RENEW > now and covered.issuperset(
        alternative_names(names)
    )


def keep_self_signed(
    path: Path, name: str, names: Sequence[str], days: int, *, anew: bool = False
) -> None:
    """See that `path` holds a key and a good certificate: the one that is there, or a new one.

    It is 0600 from its first moment. Where several processes of a service start
    at once, the first one's stays for all. OSError if it cannot be written.
    """
    now = datetime.now(UTC)
    replaces = False
    with suppress(FileNotFoundError):
        replaces = True if anew else not still_good(path.read_bytes(), names, now)
        if not replaces:
            return
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(temporary, flags, 0o600), "wb") as file:
        try:
            file.write(self_signed(name, names, days, now))
            file.flush()
            if replaces:
                os.replace(temporary, path)
            else:
                with suppress(FileExistsError):  # another one was first
                    os.link(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
