"""Keys on disk: a key and its certificate in one PEM file of mode 0600, written whole or not at all. Blocks."""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from director.ports.failure import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read(path: Path) -> Pair | None:
    """What the file holds, None when there is none. Raises Failure when it is damaged."""
    try:
        pem = path.read_bytes()
        key = load_pem_private_key(pem, password=None)
        certificate = x509.load_pem_x509_certificate(pem)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Failure(
            f"{path} cannot be read as a key and its certificate: restore it from a backup ({error})"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Failure(f"{path} holds another kind of key than the director makes: restore it from a backup")
    return Pair(key=key, certificate=certificate)


def create(path: Path, pair: Pair) -> None:
    """Durably, and only when there is none: raises FileExistsError."""
    temporary = _write_aside(path, pair)
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink()
    _sync_directory(path.parent)


def replace(path: Path, pair: Pair) -> None:
    """Durably, whatever was there."""
    _write_aside(path, pair).replace(path)
    _sync_directory(path.parent)


def _write_aside(path: Path, pair: Pair) -> Path:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pair.key_pem + pair.certificate_pem)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
