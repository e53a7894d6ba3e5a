"""Who speaks: agents named in certificates, keys known by their hash. Reads what was sent, trusts nothing by itself."""

import hashlib
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from director.model.names import AgentId

_AGENT_URI: Final = "urn:director:agent:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom a certificate speaks for, and the hash of its key: another key of the same name is another speaker."""

    agent: AgentId
    key_hash: str


def uri_of(agent: AgentId) -> x509.UniformResourceIdentifier:
    """The name an agent's certificate carries."""
    return x509.UniformResourceIdentifier(_AGENT_URI + quote(agent, safe=""))


def key_of(csr_pem: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a request whose sender holds the private one. Raises ValueError for anything but P-256."""
    request = x509.load_pem_x509_csr(csr_pem)
    try:
        key, is_signed = request.public_key(), request.is_signature_valid
    except UnsupportedAlgorithm as error:
        raise ValueError("the key is of an unknown kind") from error
    if not is_signed:
        raise ValueError("the request is not signed by its key")
    match key:
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            return key
        case _:
            raise ValueError("the key is not a P-256 key")


def key_hash_of(key: ec.EllipticCurvePublicKey) -> str:
    """The sha256 hex of the key's SubjectPublicKeyInfo."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def identity_of(certificate_pem: bytes) -> Identity | None:
    """Whom a certificate that TLS has already verified speaks for; None when it is not an agent's."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    key = certificate.public_key()
    if len(uris) != 1 or not uris[0].startswith(_AGENT_URI) or not isinstance(key, ec.EllipticCurvePublicKey):
        return None
    return Identity(agent=AgentId(unquote(uris[0].removeprefix(_AGENT_URI))), key_hash=key_hash_of(key))
