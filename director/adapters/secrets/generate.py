"""Makes values: passwords, key pairs, certificates, in the shapes of BOSH's command (bosh-director.md 3.8).

Blocks: an RSA key takes some 0.2 s of a core, so it runs in a thread (the library lets other threads go on).
"""

import hashlib
import secrets
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from string import ascii_lowercase, digits
from typing import Final, assert_never

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from director.adapters.secrets.options import Certificate, KeyPair, Password, Wish, is_address
from director.model.tree import Node

ALPHABET: Final = ascii_lowercase + digits

SKEW: Final = timedelta(minutes=5)
"""A certificate is valid from a little before now, for VMs whose clocks are late."""

USAGES: Final = {"client_auth": ExtendedKeyUsageOID.CLIENT_AUTH, "server_auth": ExtendedKeyUsageOID.SERVER_AUTH}


def generate(wish: Wish, ca: Mapping[str, Node] | None, now: float) -> Node:
    """A new value. ``ca`` is the value of the signing certificate, None when it signs itself."""
    match wish:
        case Password():
            return "".join(secrets.choice(ALPHABET) for _ in range(wish.length))
        case KeyPair():
            return _key_pair(wish)
        case Certificate():
            return _certificate(wish, ca, datetime.fromtimestamp(now, UTC))
        case _:
            assert_never(wish)


def can_sign(value: Node) -> bool:
    """Whether this is the value of a CA."""
    if not isinstance(value, Mapping) or "certificate" not in value:
        return False
    certificate = x509.load_pem_x509_certificate(str(value["certificate"]).encode())
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def _key_pair(wish: KeyPair) -> dict[str, Node]:
    key = _make_key(wish.key_length)
    if not wish.is_ssh:
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {"private_key": _private(key), "public_key": public.decode()}
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return {
        "private_key": _private(key),
        "public_key": line + "\n",
        "public_key_fingerprint": _fingerprint(line.split()[1]),
    }


def _fingerprint(encoded: str) -> str:
    """As OpenSSH wrote them of old, and infrastructures still show them: md5, pairs of hex digits."""
    return hashlib.md5(b64decode(encoded), usedforsecurity=False).digest().hex(":")


def _certificate(wish: Certificate, ca: Mapping[str, Node] | None, now: datetime) -> dict[str, Node]:
    key = _make_key(wish.key_length)
    words = ((NameOID.ORGANIZATION_NAME, wish.organization), (NameOID.COMMON_NAME, wish.common_name))
    subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in words if text])
    signer = _Signer(ca) if ca is not None else None
    signing_key = signer.key if signer is not None else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.certificate.subject if signer is not None else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=wish.duration_days))
    )
    signed = _extended(builder, wish, key.public_key(), signing_key.public_key()).sign(signing_key, SHA256())
    text = signed.public_bytes(Encoding.PEM).decode()
    return {
        "ca": signer.text if signer is not None else text,
        "certificate": text,
        "private_key": _private(key),
    }


class _Signer:
    def __init__(self, value: Mapping[str, Node]) -> None:
        self.text = str(value["certificate"])
        self.certificate = x509.load_pem_x509_certificate(self.text.encode())
        key = load_pem_private_key(str(value["private_key"]).encode(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey), "only RSA keys are made here"
        self.key = key


def _extended(
    builder: x509.CertificateBuilder, wish: Certificate, key: rsa.RSAPublicKey, signing_key: rsa.RSAPublicKey
) -> x509.CertificateBuilder:
    usages = wish.extended_key_usage or (() if wish.is_ca else ("server_auth",))
    names = [_general_name(name) for name in wish.alternative_names]
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=wish.is_ca, path_length=None), True),
        (_key_usage(is_ca=wish.is_ca), True),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key), False),
    ]
    if usages:
        extensions.append((x509.ExtendedKeyUsage([USAGES[name] for name in usages]), False))
    if names:
        extensions.append((x509.SubjectAlternativeName(names), False))
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    return builder


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        key_encipherment=not is_ca,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(text: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(text)) if is_address(text) else x509.DNSName(text)


def _make_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def _private(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
