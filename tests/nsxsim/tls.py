"""Certificates: a self-signed one for the server, and a context that takes registered client certificates."""

import datetime as dt
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAYS: Final = 30


def self_signed(names: Iterable[str]) -> tuple[bytes, bytes]:
    """(certificate, key) in PEM, for these host names and addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nsxsim")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([_named(name) for name in sorted(set(names))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), secret


def _named(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """A server's context. It always asks for a client certificate and never insists on one.

    Only certificates from `client_ca`, and ones registered while it runs (`trust`), get through the handshake.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    made.verify_mode = ssl.CERT_OPTIONAL
    made.verify_flags |= ssl.VerifyFlags(0x80000)  # OpenSSL's PARTIAL_CHAIN: a registered leaf is its own anchor
    if client_ca is not None:
        made.load_verify_locations(client_ca)
    return made


def trust(made: ssl.SSLContext, pem: str) -> None:
    """From now on new connections may bring this certificate."""
    made.load_verify_locations(cadata=pem)


def written(certificate: bytes, key: bytes) -> tuple[Path, Path]:
    """Both in files of a new directory that only this user reads; the caller removes it."""
    folder = Path(tempfile.mkdtemp(prefix="nsxsim-"))
    paths = folder / "cert.pem", folder / "key.pem"
    for path, text in zip(paths, (certificate, key), strict=True):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(text)
    return paths
